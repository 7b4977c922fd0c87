"""What of each judged frame is kept or shown for whoever is at the device: tracks, recent frames, pictures, who walks."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from agent.analysis.frame_ring import FrameRing
from agent.analysis.live_pictures import LivePictures
from agent.analysis.walk import WalkWatch
from agent.runtime.dry_runs import DryRuns
from agent.runtime.live_picture_worker import LivePictureWorker
from agent.storage.paths import TRACKS
from drivers.memory import available_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agent.analysis.camera_pipeline import Pipeline
    from agent.concurrency.threads import Threads
    from agent.config.schema import Configuration
    from agent.perception.view_health.visibility import VisibleZones
    from agent.runtime.composition import Parts
    from drivers.cameras import Frame
    from drivers.clock import Clock

RING_SHARE = 30
"""So many times what the frames of the last minutes take must be available at the start, or none are kept."""

_log = logging.getLogger(__name__)


class Showing:
    """All of that, of one run.

    Args:
        parts: From frame to outbox.
        state_dir: Where the tracks lie.
        clock: For how long somebody has not asked.
    """

    def __init__(self, parts: Parts, state_dir: Path, clock: Clock) -> None:
        self._parts = parts
        self.live = LivePictures(parts.views, clock.monotonic_s)
        self.walk = WalkWatch(clock.monotonic_s)
        self._ring = FrameRing(_ring_bytes(parts.configuration), len(parts.configuration.cameras))
        self.dry_runs = DryRuns(
            lambda: parts.configuration,
            state_dir / TRACKS,
            lambda: {} if parts.tracks is None else parts.tracks.tails(),
            self._ring.recent,
        )
        parts.analysis.on_judged = self._take

    def _take(self, frame: Frame, pipeline: Pipeline, seeing: VisibleZones) -> None:
        """Let everybody have a judged frame. For the analysis."""
        if self._parts.tracks is not None:
            self._parts.tracks.take(frame, pipeline, seeing)
        self._ring.take(frame, pipeline)
        self.walk.take(frame, pipeline)
        view = self._parts.analysis.sights[frame.camera_id].guard.direction
        self.live.take(frame, pipeline, view)

    def start(self, workers: Threads, pace: Callable[[], float]) -> None:
        """Start the threads that write and redact.

        Args:
            workers: The run's threads.
            pace: What is left of the rate of the analysis, 0 to 1.
        """
        stop = workers.stop
        if (tracks := self._parts.tracks) is not None:
            workers.keep("tracks", lambda: tracks.run(stop))
        shown = LivePictureWorker(self.live, pace, stop)
        workers.keep("pictures", shown.run)


def _ring_bytes(configuration: Configuration) -> int:
    """What the frames of the last minutes may take; nothing where memory is short."""
    most_bytes = int(configuration.storage.frames_mb * 1e6)
    free_bytes = available_bytes()
    if free_bytes is not None and free_bytes < RING_SHARE * most_bytes:
        _log.warning("memory is short: no frames are kept for dry runs")
        return 0
    return most_bytes
