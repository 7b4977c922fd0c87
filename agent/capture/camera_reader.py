"""One camera's thread: opens it, reads its frames into the mailbox, and opens it again when it is lost."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.capture.frame_faults import fault_of
from agent.capture.mailbox import Mailbox
from agent.concurrency.backoff import Backoff
from drivers.cameras import CameraError, LoginRefusedError
from drivers.pacing import Thinning
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Callable

    from drivers.cameras import Camera, Frame

REOPEN_FIRST_S = 1.0
REOPEN_MAX_S = 30.0
LOGIN_FIRST_S, LOGIN_MAX_S = 60.0, 3600.0
"""A camera locks its user after a few refused logins: those are as far apart at least."""
GOOD_AFTER_S = 60.0
"""A camera that ran this long before it was lost is reopened without delay."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class CameraActivity:
    """What there is to say of a camera's thread. Written by it alone, read by others.

    Attributes:
        state: ``opening``, ``running``, ``ended``, or why the camera was lost.
        since_s: Since when that is so, on ``time.monotonic``.
        frames: How many frames the camera gave since the start.
        reopened: How often it was reopened after a loss.
        last_frame_s: When it gave its last frame, on ``time.monotonic``.
        unusable_since_s: Since when none of its frames can be judged, likewise; None if they can.
            Written by the analysis.
        luma: Mean brightness of its last frame, 0 to 255.
        profile: The name of the profile that holds; None for the plain settings.
    """

    state: str = "opening"
    since_s: float = 0.0
    frames: int = 0
    reopened: int = 0
    last_frame_s: float | None = None
    unusable_since_s: float | None = None
    luma: float | None = None
    profile: str | None = None

    def silent_s(self, began_s: float) -> float:
        """For how long it has given no frame that can be judged.

        Args:
            began_s: When it was begun with, for a camera that has given none yet.
        """
        last_s = began_s if self.last_frame_s is None else self.last_frame_s
        if self.unusable_since_s is not None:
            last_s = min(last_s, self.unusable_since_s)
        return time.monotonic() - last_s

    def runs_for_s(self) -> float:
        """For how long it has been running; 0 if it does not."""
        return time.monotonic() - self.since_s if self.state == "running" else 0.0

    def turn(self, state: str) -> None:
        """Be in another state from now on."""
        self.state, self.since_s = state, time.monotonic()


class CameraReader:
    """Reads one camera for ever; opens it anew when it is lost.

    Args:
        camera_id: The camera's name.
        open_camera: Opens it.
        mailbox: Where its frames go.
        frames_per_s: How many frames a second are wanted at most; asked at every frame.
        mark: Called with each frame: the thread makes progress.
    """

    def __init__(
        self,
        camera_id: str,
        open_camera: Callable[[], Camera],
        mailbox: Mailbox,
        frames_per_s: Callable[[], float],
        mark: Callable[[], None],
    ) -> None:
        self.camera_id = camera_id
        self.activity = CameraActivity(since_s=time.monotonic())
        self._open_camera = open_camera
        self._mailbox = mailbox
        self._frames_per_s = frames_per_s
        self._mark = mark
        self._blamed_for: str | None = None
        self.look_at: Callable[[Frame, Camera], None] | None = None
        """Called with each frame that is passed on and the open camera: for day and night."""

    @property
    def state(self) -> str:
        """``opening``, ``running``, ``ended``, or why the camera was lost."""
        return self.activity.state

    @property
    def worker(self) -> str:
        """What its thread is called."""
        return f"camera {self.camera_id}"

    @property
    def ended(self) -> bool:
        """Whether its source has come to its end."""
        return self.activity.state == "ended"

    def blame(self, reason: str) -> None:
        """Its frames cannot be judged: let the camera be closed and opened anew. From any thread."""
        self._blamed_for = reason

    def run(self, stop: threading.Event) -> None:
        """Read until the source ends or ``stop`` is set.

        Stopped from outside it stays what it was: its last seconds are counted for what they were.
        """
        backoff = Backoff(REOPEN_FIRST_S, REOPEN_MAX_S, GOOD_AFTER_S, min_share=0.1)
        login_backoff = Backoff(LOGIN_FIRST_S, LOGIN_MAX_S, GOOD_AFTER_S, min_share=0.8)
        while not stop.is_set():
            began_s = time.monotonic()
            try:
                self._open_and_read(stop)
                break
            except Exception as error:  # noqa: BLE001 - a driver's fault costs its camera alone
                reason, ran_s = fault_of(error), time.monotonic() - began_s
                if isinstance(error, LoginRefusedError):
                    wait_s = login_backoff.failed(ran_s)
                    reason = _with_wait(reason, wait_s)
                else:
                    wait_s = backoff.failed(ran_s)
                if self.activity.state != reason:
                    _log.warning(
                        "camera %r: %s; opening it again in %.1f s", self.camera_id, reason, wait_s
                    )
                    self.activity.turn(reason)
            self._rest(stop, wait_s)
            self.activity.reopened += 1
        if not stop.is_set():
            self.activity.turn("ended")
        self._mailbox.finish(self.camera_id)

    def _rest(self, stop: threading.Event, wait_s: float) -> None:
        """Wait, and show that this is waiting and not hanging."""
        until_s = time.monotonic() + wait_s
        while not stop.is_set() and (left_s := until_s - time.monotonic()) > 0:
            self._mark()
            stop.wait(min(left_s, 1.0))
        self._mark()

    def _open_and_read(self, stop: threading.Event) -> None:
        camera = self._open_camera()
        self._blamed_for = None
        try:
            self.activity.turn("running")
            self._read(camera, stop)
            if remark := getattr(camera, "remark", None):
                _log.info("camera %r: %s", self.camera_id, remark)
        finally:
            camera.close()

    def _read(self, camera: Camera, stop: threading.Event) -> None:
        """Pass frames on until the source ends or the agent stops."""
        rate = self._frames_per_s()
        thinning = Thinning(rate)
        while not stop.is_set():
            frame = camera.read()
            self._mark()
            if frame is None:
                return
            if self._blamed_for is not None:
                raise CameraError(self.camera_id, self._blamed_for)
            self.activity.frames += 1
            self.activity.last_frame_s = time.monotonic()
            if rate != (wanted := self._frames_per_s()):
                rate, thinning = wanted, Thinning(wanted)
            if not thinning.keeps(frame.monotonic_s):
                continue
            self.activity.luma = float(frame.luma.mean())
            if self.look_at is not None:
                self.look_at(frame, camera)
            self._mailbox.put(frame, live=camera.live, stop=stop)


def _with_wait(reason: str, wait_s: float) -> str:
    return said(
        "{reason}; so as not to lock the user out, the next try is in {minutes:.0f} min",
        reason=reason,
        minutes=max(1.0, wait_s / 60),
    )
