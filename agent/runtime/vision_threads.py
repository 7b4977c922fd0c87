"""The capture threads, one per camera, and the analysis thread for all of them."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import TYPE_CHECKING, Any, TypeVar
from zoneinfo import ZoneInfo

from agent.capture.camera_profiles import ProfileSwitcher, Switch
from agent.capture.camera_reader import CameraReader
from agent.capture.frame_faults import FrameError
from agent.capture.mailbox import Mailbox
from drivers import cameras

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from agent.concurrency.threads import Threads
    from agent.config.schema import CameraSection, Configuration
    from agent.runtime.composition import Parts
    from agent.runtime.thermal_throttle import AnalysisRate
    from drivers.cameras import Camera, Frame
    from drivers.clock import Clock

ANALYSIS_LIMIT_S = 60.0
ROUND_S = 0.5
TELL_AGAIN_S = 60.0
"""So far apart are lines of the log about frames of one camera that cannot be judged."""

T = TypeVar("T")
_log = logging.getLogger(__name__)


class VisionThreads:
    """Capture threads, mailbox and analysis thread of one run.

    Args:
        configuration: The site.
        base: The folder that relative paths in it start from.
        parts: From frame to outbox.
        workers: The run's threads.
        pace: The thermal throttle's factor on the rate.
        clock: For the time of abstentions of cameras without frames.
    """

    def __init__(
        self,
        configuration: Configuration,
        base: Path,
        parts: Parts,
        workers: Threads,
        pace: AnalysisRate,
        clock: Clock,
    ) -> None:
        self._configuration, self._base, self._parts = configuration, base, parts
        self._workers, self._pace, self._clock = workers, pace, clock
        self.mailbox = Mailbox(camera.camera_id for camera in configuration.cameras)
        self.captures: list[CameraReader] = []
        self._told_s: dict[str, float] = {}
        self.analysed = threading.Event()
        """Set once there will be no more frames."""
        self.failed_in_a_row: Counter[str] = Counter()
        """Of each camera: frames that could not be judged since the last one that could; from any thread."""
        self._between: deque[tuple[Future[Any], Callable[[], Any]]] = deque()

    def go_on_with(self, configuration: Configuration) -> None:
        """Take frames at the rate of another configuration; its cameras are the same."""
        self._configuration = configuration

    def between_frames(self, work: Callable[[], T], timeout_s: float) -> T:
        """Do something in the analysis thread between two frames, and give what comes of it; from any other thread.

        Raises:
            TimeoutError: It was not begun in time, and never will be.
            Exception: What ``work`` raises.
        """
        promised: Future[T] = Future()
        self._between.append((promised, work))
        try:
            return promised.result(timeout_s)
        except FutureTimeout:
            if promised.cancel():
                raise TimeoutError("the analysis did not come to it") from None
            return promised.result(timeout_s)  # it has begun

    def start_cameras(self) -> None:
        """Start the capture threads."""
        for section in self._configuration.cameras:
            name = f"camera {section.camera_id}"
            self._workers.progress.mark(name)  # from now on it is expected to show that it lives
            capture = CameraReader(
                section.camera_id,
                self._opener(section),
                self.mailbox,
                lambda: self._configuration.analysis.frames_per_s * self._pace.factor,
                mark=lambda name=name: self._workers.progress.mark(name),  # type: ignore[misc]
            )
            if section.profiles:
                capture.look_at = self._switch(section, capture).look_at
            self.captures.append(capture)
            self._workers.start(name, lambda capture=capture: capture.run(self._workers.stop))  # type: ignore[misc]

    def start_analysis(
        self,
        lost_cameras: Callable[[float], Iterable[tuple[str, float]]],
        on_progress: Callable[[str, float], None] | None,
    ) -> None:
        """Start the analysis thread.

        Args:
            lost_cameras: Cameras without a frame for a given number of seconds, and since when.
            on_progress: Called with each analysed frame's camera and time.
        """
        self._workers.start(
            "analysis", lambda: self._analyse(lost_cameras, on_progress), ANALYSIS_LIMIT_S
        )

    def _opener(self, section: CameraSection) -> Callable[[], Camera]:
        settings = section.driver_settings(self._base)
        return lambda: cameras.load_driver(section.driver).open_camera(section.camera_id, settings)

    def _switch(self, section: CameraSection, capture: CameraReader) -> Switch:
        names = (None, *(profile.name for profile in section.profiles))
        return Switch(
            ProfileSwitcher([profile.profile for profile in section.profiles]),
            {name: section.driver_settings(self._base, name) for name in names},
            ZoneInfo(self._configuration.site.timezone),
            lambda: capture.activity,
        )

    def _analyse(
        self,
        lost_cameras: Callable[[float], Iterable[tuple[str, float]]],
        on_progress: Callable[[str, float], None] | None,
    ) -> None:
        """Analyse frame by frame, until there are no more frames."""
        while not self._workers.stop.is_set() and not self.mailbox.done:
            self._workers.progress.mark("analysis")
            self._do_between()
            self._abstain_for(lost_cameras(self._configuration.view_guard.lost_after_s))
            frame = self.mailbox.take(ROUND_S)
            if frame is None:
                continue
            self._judge(frame)
            if on_progress is not None:
                on_progress(frame.camera_id, frame.monotonic_s)
        self.analysed.set()

    def _do_between(self) -> None:
        while self._between:
            promised, work = self._between.popleft()
            if not promised.set_running_or_notify_cancel():
                continue
            try:
                promised.set_result(work())
            except Exception as error:  # noqa: BLE001 - whoever asked for it gets it
                promised.set_exception(error)

    def _judge(self, frame: Frame) -> None:
        """Analyse one frame; one that fails is dropped, counted and logged."""
        capture = self._capture(frame.camera_id)
        try:
            changes = self._parts.analysis.take(frame)
        except FrameError as error:
            self.mailbox.count_as_dropped(frame.camera_id)
            self.failed_in_a_row[frame.camera_id] += 1
            self._tell(error)
            if capture.activity.unusable_since_s is None:
                capture.activity.unusable_since_s = time.monotonic()
            if error.blames_camera:
                capture.blame(error.reason)
            return
        capture.activity.unusable_since_s = None
        self.failed_in_a_row[frame.camera_id] = 0
        for change in changes:
            _log.info("%s %s in %s", change.type, change.case.kind, change.case.zone_id)

    def _capture(self, camera_id: str) -> CameraReader:
        return next(each for each in self.captures if each.camera_id == camera_id)

    def _tell(self, error: FrameError) -> None:
        """Log dropped frames, rate limited: a camera may give a bad one five times a second."""
        now_s = time.monotonic()
        if now_s - self._told_s.get(error.camera_id, -TELL_AGAIN_S) >= TELL_AGAIN_S:
            self._told_s[error.camera_id] = now_s
            _log.warning("%s; the frame is dropped", error)

    def _abstain_for(self, lost: Iterable[tuple[str, float]]) -> None:
        """Let the zones of cameras without frames abstain."""
        for camera_id, silent_s in lost:
            for change in self._parts.analysis.abstain(
                camera_id, "camera_lost", silent_s=silent_s, at=self._clock.now()
            ):
                _log.info("%s %s in %s", change.type, change.case.kind, change.case.zone_id)
