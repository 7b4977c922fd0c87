"""Another configuration for a run that goes on: what judges is changed between two frames, then what reports."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from agent.capture.frame_faults import MAX_IN_A_ROW
from agent.runtime.judging import beyond_rules
from agent.scenarios import VERIFIER
from wording.known_errors import words_of

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from datetime import datetime

    from agent.config.schema import Configuration
    from agent.runtime.composition import Parts
    from agent.runtime.vision_threads import VisionThreads
    from drivers.clock import Clock

TAKEN_OVER_WITHIN_S = 30.0
"""The analysis looks between two frames; a network run on a slow Pi takes its time."""
ANALYSES_WITHIN_S = 30.0
"""A camera of which no frame was analysed for so long is not analysed."""

_log = logging.getLogger(__name__)


class Reconfiguration:
    """Changes what one run goes by. From any thread but the analysis.

    Args:
        parts: From frame to outbox.
        vision: The cameras' and the analysis thread.
        clock: For the time of withdrawals.
        connected_since: Since when the broker has been connected; None: no broker is configured.
        stop: Set it to end the run.
    """

    def __init__(
        self,
        parts: Parts,
        vision: VisionThreads,
        clock: Clock,
        connected_since: Callable[[], datetime | None] | None,
        stop: threading.Event,
    ) -> None:
        self._parts, self._vision = parts, vision
        self.reports: list[Callable[[Configuration], object]] = [vision.go_on_with]
        """What else goes by the configuration: each is told of another one. Added to while the run is put together."""
        self._clock, self._connected_since, self._stop = clock, connected_since, stop
        self._analysed: dict[str, tuple[int, float]] = {}
        self._failed_before: frozenset[str] = frozenset()
        """Cameras that could not be judged by the one before either: no other configuration is to blame."""

    def go_on_with(self, configuration: Configuration) -> None:
        """Go by a configuration that needs no restart.

        Raises:
            TimeoutError: The analysis did not come to it; nothing has changed.
            Exception: It cannot be judged by; nothing has changed.
        """
        before, failed = self._parts.configuration, self._failing()
        self._judge_by(configuration)
        try:
            for report in self.reports:
                report(configuration)
        except Exception:
            self._judge_by(before)
            for report in self.reports:
                report(before)
            raise
        self._vision.failed_in_a_row.clear()
        self._failed_before = failed
        _log.warning("going on with configuration %s", configuration.sha256())

    def _judge_by(self, configuration: Configuration) -> None:
        self._vision.between_frames(
            lambda: self._parts.go_on_with(configuration), TAKEN_OVER_WITHIN_S
        )

    def beyond(self, then: Configuration) -> tuple[str, ...]:
        """The sections for which a configuration needs a restart."""
        networks = self._parts.networks
        opened = {*networks.classifiers, *([VERIFIER] if networks.verifier else [])}
        return beyond_rules(self._parts.configuration, then, opened)

    def withdraw(self) -> int:
        """End the open cases that are watched no more; gives how many."""
        try:
            return len(
                self._vision.between_frames(
                    lambda: self._parts.withdraw_unwatched(self._clock.now()), TAKEN_OVER_WITHIN_S
                )
            )
        except TimeoutError:
            _log.error("cases that are watched no more stay open until the next start")
            return 0

    def forget_street(self) -> int:
        """End every open case as moved, and forget who stands where; gives how many cases ended.

        Raises:
            StorageError: The database did not take it.
            TimeoutError: The analysis did not come to it.
        """
        analysis, clock = self._parts.analysis, self._clock
        ended = self._vision.between_frames(
            lambda: analysis.forget_street(clock.now()), TAKEN_OVER_WITHIN_S
        )
        if self._parts.tracks is not None:
            try:
                self._parts.tracks.forget()
            except OSError as error:
                _log.error("tracks of the old place stay: %s", words_of(error))
        return len(ended)

    def restart(self) -> None:
        """End in a planned way; systemd starts the agent again."""
        _log.warning("restarting for another configuration")
        self._stop.set()

    def failing(self) -> str | None:
        """A camera whose frames cannot be judged any more; None: there is none."""
        return next(iter(sorted(self._failing() - self._failed_before)), None)

    def _failing(self) -> frozenset[str]:
        rows = dict(self._vision.failed_in_a_row)
        return frozenset(name for name, row in rows.items() if row >= MAX_IN_A_ROW)

    def works(self) -> bool:
        """Whether it is online, where there is a broker, and analyses every camera."""
        if self._connected_since is not None and self._connected_since() is None:
            return False
        return all(self._is_analysed(each.camera_id) for each in self._vision.captures)

    def _is_analysed(self, camera_id: str) -> bool:
        pipeline, now_s = self._parts.analysis.pipelines.get(camera_id), time.monotonic()
        frames = 0 if pipeline is None else pipeline.frames
        if frames and frames != self._analysed.get(camera_id, (0, 0.0))[0]:
            self._analysed[camera_id] = frames, now_s
        _, seen_s = self._analysed.get(camera_id, (0, float("-inf")))
        return now_s - seen_s <= ANALYSES_WITHIN_S
