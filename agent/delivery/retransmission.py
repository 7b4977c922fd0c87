"""How long a receipt is waited for before its event is sent again.

A platform that falls behind answers late. Who then sends everything again at a fixed time doubles its
load when it can bear it least, and a city does so at once. TCP had that problem first; this is its answer,
RFC 6298: the wait follows the delay that is seen, and doubles whenever it was too short.
"""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

_SMOOTHING, _SPREADING, _SPREADS = 1 / 8, 1 / 4, 4.0
"""RFC 6298, 2.3: alpha, beta and K."""
MOST_TIMES = 64
"""So many times the least wait is the longest: an hour, where the least is a minute."""


class RetransmissionTimer:
    """The wait, in seconds.

    Args:
        least_s: Never less, however soon the receipts come.
    """

    def __init__(self, least_s: float) -> None:
        self._least_s = least_s
        self._smoothed_s: float | None = None
        self._spread_s = 0.0
        self._doubled = 1.0

    @property
    def wait_s(self) -> float:
        """So long a receipt is waited for now."""
        seen_s = 0.0
        if self._smoothed_s is not None:
            seen_s = self._smoothed_s + _SPREADS * self._spread_s
        return min(max(self._least_s, seen_s) * self._doubled, MOST_TIMES * self._least_s)

    def measured(self, took_s: float) -> None:
        """A receipt took so long, for something that was sent once.

        What was sent again says nothing: nobody knows for which of its copies the receipt is (Karn and
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
        """It was waited for in vain: twice as long the next time."""
        self._doubled = min(2 * self._doubled, float(MOST_TIMES))


class Awaited:
    """Events that the broker has and that no receipt has named yet; times in steady seconds.

    Args:
        least_s: What is not named is sent again after this time, or later where receipts come late.
    """

    def __init__(self, least_s: float) -> None:
        self._timer = RetransmissionTimer(least_s)
        self._since_s: dict[int, float] = {}
        """Oldest first."""
        self._again: set[int] = set()

    def __len__(self) -> int:
        return len(self._since_s)

    def add(self, sequences: Iterable[int], now_s: float) -> None:
        """The broker has taken these."""
        for sequence in sequences:
            self._since_s.pop(sequence, None)  # so that the order stays that of the times
            self._since_s[sequence] = now_s

    def came(self, sequences: Collection[int], now_s: float) -> None:
        """A receipt names these; how late it is shows in the oldest that was sent once."""
        once = [
            since_s
            for sequence in sequences
            if (since_s := self._since_s.pop(sequence, None)) is not None
            and sequence not in self._again
        ]
        if once:
            self._timer.measured(now_s - min(once))

    def overdue(self, now_s: float) -> list[int]:
        """Wait no longer for these: they go again."""
        before_s = now_s - self._timer.wait_s
        waiting = self._since_s.items()
        late = [sequence for sequence, _ in takewhile(lambda one: one[1] <= before_s, waiting)]
        for sequence in late:
            del self._since_s[sequence]
        if late:
            self._timer.expired()
        return late

    def comes_again(self, sequences: Iterable[int]) -> None:
        """The broker may have these already."""
        self._again.update(sequences)

    def forget(self, sequences: Iterable[int]) -> None:
        """These have left the disk, or wait from the beginning."""
        self._again.difference_update(sequences)
        for sequence in sequences:
            self._since_s.pop(sequence, None)

    def clear(self) -> None:
        """No number means what it meant."""
        self._since_s.clear()
        self._again.clear()
