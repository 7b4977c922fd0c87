"""How many events a second may leave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from drivers.clock import Clock


_NO_LIMIT = 1_000_000


class Pacing:
    """How many events of the backlog may go now: so many a second, and a second's worth at once.

    Args:
        per_s: None: as fast as it goes.
        clock: Its steady time counts.
    """

    def __init__(self, per_s: float | None, clock: Clock) -> None:
        self._clock = clock
        self.set(per_s)

    def set(self, per_s: float | None, by: Literal["site", "platform"] = "site") -> None:
        """From now on, by whose word."""
        self.per_s, self.by = per_s, by
        self._saved = 1.0
        self._last_s = self._clock.monotonic_s()

    def allowed(self) -> int:
        """So many, now."""
        if self.per_s is None:
            return _NO_LIMIT
        now_s = self._clock.monotonic_s()
        self._saved += (now_s - self._last_s) * self.per_s
        self._saved, self._last_s = min(self._saved, max(1.0, self.per_s)), now_s
        return int(self._saved)

    def spend(self, count: int) -> None:
        """So many have gone."""
        self._saved -= count
