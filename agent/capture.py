"""Frames from the cameras to the analysis: one thread a camera, newest value wins.

A live camera's frame replaces the one that still waits: what is analysed is always fresh, and
what was not analysed is counted, never queued. A recording waits for its reader instead.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

from drivers.cameras import CameraError
from drivers.pacing import Thinning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from drivers.cameras import Camera, Frame

REOPEN_FIRST_S = 1.0
REOPEN_MOST_S = 30.0


class Mailbox:
    """One place per camera, in which the newest frame waits for the analysis."""

    def __init__(self, camera_ids: Iterable[str]) -> None:
        self._changed = threading.Condition()
        self._frames: dict[str, Frame] = {}
        self._running = set(camera_ids)
        self._order: list[str] = []
        self.dropped: Counter[str] = Counter()

    def put(self, frame: Frame, *, live: bool, stop: threading.Event) -> None:
        """Leave a frame; a live one replaces its predecessor, another waits for its place."""
        camera_id = frame.camera_id
        with self._changed:
            while not live and camera_id in self._frames and not stop.is_set():
                self._changed.wait(0.2)
            if camera_id in self._frames:
                self.dropped[camera_id] += 1
            else:
                self._order.append(camera_id)
            self._frames[camera_id] = frame
            self._changed.notify_all()

    def take(self, timeout_s: float) -> Frame | None:
        """The frame that has waited longest; None if none comes in time."""
        with self._changed:
            if not self._order:
                self._changed.wait(timeout_s)
            if not self._order:
                return None
            frame = self._frames.pop(self._order.pop(0))
            self._changed.notify_all()
            return frame

    def finish(self, camera_id: str) -> None:
        """The camera gives no more frames."""
        with self._changed:
            self._running.discard(camera_id)
            self._changed.notify_all()

    @property
    def done(self) -> bool:
        """Whether every camera came to its end and every frame was taken."""
        with self._changed:
            return not self._running and not self._order


class Capture:
    """Reads one camera for ever; opens it anew when it is lost.

    Args:
        camera_id: The camera's name.
        open_camera: Opens it.
        mailbox: Where its frames go.
        frames_per_s: How many frames a second are wanted at most.
        mark: Called with each frame: the thread makes progress.
    """

    def __init__(
        self,
        camera_id: str,
        open_camera: Callable[[], Camera],
        mailbox: Mailbox,
        frames_per_s: float,
        mark: Callable[[], None],
    ) -> None:
        self.camera_id = camera_id
        self.state = "opening"
        self._open_camera = open_camera
        self._mailbox = mailbox
        self._frames_per_s = frames_per_s
        self._mark = mark

    def run(self, stop: threading.Event, camera: Camera | None = None) -> None:
        """Read until the source ends or ``stop`` is set. ``camera`` may be open already."""
        wait_s = REOPEN_FIRST_S
        while not stop.is_set():
            try:
                camera = camera or self._open_camera()
                self.state = "running"
                self._read(camera, stop)
                break
            except CameraError as error:
                self.state = error.reason
            finally:
                if camera is not None:
                    camera.close()
                    camera = None
            self._mark()
            stop.wait(wait_s)
            wait_s = min(REOPEN_MOST_S, 2 * wait_s)
        self.state = "ended"
        self._mailbox.finish(self.camera_id)

    def _read(self, camera: Camera, stop: threading.Event) -> None:
        """Pass frames on until the source ends or the agent stops."""
        thinning = Thinning(self._frames_per_s)
        while not stop.is_set():
            frame = camera.read()
            self._mark()
            if frame is None:
                return
            if not thinning.keeps(frame.monotonic_s):
                continue
            self._mailbox.put(frame, live=camera.live, stop=stop)
