"""What the analysis does a second, from counters that only go up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.protocol.heartbeat import Looking

if TYPE_CHECKING:
    from drivers.clock import Clock


@dataclass(frozen=True, slots=True)
class Counted:
    """Counters of the analysis, since the start."""

    frames: int = 0
    runs: int = 0
    """Of a network."""
    gated: int = 0
    """Frames in which none ran."""


class AnalysisRates:
    """Holds each count against the one before. For one thread.

    Args:
        clock: Its steady time counts, from here on.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock, self._last, self._last_s = clock, Counted(), clock.monotonic_s()

    def since_last(self, now: Counted, rate_factor: float) -> Looking:
        """The rates since this was last asked."""
        now_s = self._clock.monotonic_s()
        since_s, last = max(1e-3, now_s - self._last_s), self._last
        self._last, self._last_s = now, now_s
        frames = now.frames - last.frames
        return Looking(
            frames_per_s=round(frames / since_s, 3),
            network_runs_per_s=round((now.runs - last.runs) / since_s, 3),
            gated_share=round((now.gated - last.gated) / frames, 3) if frames > 0 else None,
            rate_factor=round(rate_factor, 3),
        )
