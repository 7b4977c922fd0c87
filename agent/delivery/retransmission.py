"""The retransmission timer: how long to wait for a receipt before an event is sent again.

An overloaded platform answers late. Devices that send everything again after a fixed time would double its
load at the worst moment, all at once. TCP has the same problem; this is its solution, RFC 6298: the timeout
follows the measured delay, and doubles whenever it was too short.
"""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

_SMOOTHING, _SPREADING, _SPREADS = 1 / 8, 1 / 4, 4.0
"""RFC 6298, 2.3: alpha, beta and K."""
MAX_TIMES = 64
"""The maximum timeout, in multiples of the minimum: an hour for a minimum of a minute."""


class RetransmissionTimer:
    """The timeout, in seconds.

    Args:
        least_s: The minimum, however fast receipts come.
    """

    def __init__(self, least_s: float) -> None:
        self._least_s = least_s
        self._smoothed_s: float | None = None
        self._spread_s = 0.0
        self._doubled = 1.0

    @property
    def wait_s(self) -> float:
        """The present timeout in seconds."""
        seen_s = 0.0
        if self._smoothed_s is not None:
            seen_s = self._smoothed_s + _SPREADS * self._spread_s
        return min(max(self._least_s, seen_s) * self._doubled, MAX_TIMES * self._least_s)

    def measured(self, took_s: float) -> None:
        """Note a measured delay, of an event that was sent once.

        Events sent again are not measured: it is unknown to which copy the receipt belongs (Karn and
        Partridge, "Improving Round-Trip Time Estimates in Reliable Transport Protocols", 1987).
        """
        if self._smoothed_s is None:
            self._smoothed_s, self._spread_s = took_s, took_s / 2
        else:
            off_s = abs(self._smoothed_s - took_s)
            self._spread_s += _SPREADING * (off_s - self._spread_s)
            self._smoothed_s += _SMOOTHING * (took_s - self._smoothed_s)
        self._doubled = 1.0

    def expired(self) -> None:
        """Double the timeout after it has expired."""
        self._doubled = min(2 * self._doubled, float(MAX_TIMES))


class Awaited:
    """Events acknowledged by the broker but not yet by a receipt; times in monotonic seconds.

    Args:
        least_s: Minimum timeout until an event is sent again; longer where receipts come late.
    """

    def __init__(self, least_s: float) -> None:
        self._timer = RetransmissionTimer(least_s)
        self._since_s: dict[int, float] = {}
        """Oldest first."""
        self._again: set[int] = set()

    def __len__(self) -> int:
        return len(self._since_s)

    def add(self, sequences: Iterable[int], now_s: float) -> None:
        """Add events that the broker acknowledged."""
        for sequence in sequences:
            self._since_s.pop(sequence, None)  # so that the order stays that of the times
            self._since_s[sequence] = now_s

    def came(self, sequences: Collection[int], now_s: float) -> None:
        """Remove events named by a receipt; the delay is measured on the oldest one sent once."""
        once = [
            since_s
            for sequence in sequences
            if (since_s := self._since_s.pop(sequence, None)) is not None
            and sequence not in self._again
        ]
        if once:
            self._timer.measured(now_s - min(once))

    def overdue(self, now_s: float) -> list[int]:
        """Remove and return the events to be sent again."""
        before_s = now_s - self._timer.wait_s
        waiting = self._since_s.items()
        late = [sequence for sequence, _ in takewhile(lambda one: one[1] <= before_s, waiting)]
        for sequence in late:
            del self._since_s[sequence]
        if late:
            self._timer.expired()
        return late

    def comes_again(self, sequences: Iterable[int]) -> None:
        """Note events that the broker may already have."""
        self._again.update(sequences)

    def forget(self, sequences: Iterable[int]) -> None:
        """Forget events that were deleted, or that are queued again from the start."""
        self._again.difference_update(sequences)
        for sequence in sequences:
            self._since_s.pop(sequence, None)

    def clear(self) -> None:
        """Forget everything, in a new epoch."""
        self._since_s.clear()
        self._again.clear()
