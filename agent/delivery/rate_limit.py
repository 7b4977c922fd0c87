"""A rate limit for backlog events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from drivers.clock import Clock


_NO_LIMIT = 1_000_000


class SendRateLimit:
    """A rate limit in events per second, with a burst of one second's worth.

    Args:
        per_s: Events per second; None: no limit.
        clock: Its monotonic time is used.
    """

    def __init__(self, per_s: float | None, clock: Clock) -> None:
        self._clock = clock
        self.set(per_s)

    def set(self, per_s: float | None, by: Literal["site", "platform"] = "site") -> None:
        """Set the limit, and who set it."""
        self.per_s, self.by = per_s, by
        self._saved = 1.0
        self._last_s = self._clock.monotonic_s()

    def allowed(self) -> int:
        """Number of events that may be sent now."""
        if self.per_s is None:
            return _NO_LIMIT
        now_s = self._clock.monotonic_s()
        self._saved += (now_s - self._last_s) * self.per_s
        self._saved, self._last_s = min(self._saved, max(1.0, self.per_s)), now_s
        return int(self._saved)

    def spend(self, count: int) -> None:
        """Count events that were sent."""
        self._saved -= count
