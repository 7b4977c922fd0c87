"""So many at once, and as many again over a period: what somebody else may have us do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drivers.clock import Clock


class TokenBucket:
    """What is left of it grows evenly, until all of it is there again.

    Args:
        most: So much at once, and in each period.
        period_s: In seconds.
        clock: Its steady time counts.
    """

    def __init__(self, most: int, period_s: float, clock: Clock) -> None:
        self.most, self._per_s, self._clock = most, most / period_s, clock
        self._was = float(most), clock.monotonic_s()
        """What was left, and when."""

    @property
    def left(self) -> int:
        """So much is left now; from any thread."""
        return max(0, int(self._exactly()[0]))

    def spend(self, count: int) -> None:
        """So much was done."""
        left, now_s = self._exactly()
        self._was = left - count, now_s

    def _exactly(self) -> tuple[float, float]:
        (left, then_s), now_s = self._was, self._clock.monotonic_s()
        return min(float(self.most), left + (now_s - then_s) * self._per_s), now_s
