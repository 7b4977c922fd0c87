"""Frames from the cameras' threads to the analysis: one place a camera, newest frame wins.

A live camera's frame replaces the one that still waits: what is analysed is always fresh, and
what was not analysed is counted, never queued. A recording waits for its reader instead.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from drivers.cameras import Frame


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

    def count_as_dropped(self, camera_id: str) -> None:
        """A frame that was taken could not be judged."""
        with self._changed:
            self.dropped[camera_id] += 1

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
