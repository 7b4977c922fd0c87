"""A rate limit for new epochs that receipts cause.

A new epoch renumbers all waiting events and sends confirmed ones again. A database is rolled back once, if
at all; a sender that claims it again and again is faulty, or is not the platform.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.concurrency.backoff import doubled_s
from agent.storage.lived_time import DAY_S

if TYPE_CHECKING:
    from drivers.clock import Clock

FIRST_WAIT_S, LONGEST_WAIT_S = 60.0, DAY_S


class EpochLimit:
    """Allows the first at once, the next after a minute, each further one after twice the wait, up to a day.

    Args:
        clock: Its monotonic time is used.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._not_before_s = clock.monotonic_s()
        self.begun = 0
        """How many there have been since the start."""

    @property
    def wait_s(self) -> float:
        """Seconds until another one is allowed; 0: now."""
        return max(0.0, self._not_before_s - self._clock.monotonic_s())

    def begin(self) -> None:
        """Note that a new epoch begins now."""
        wait_s = doubled_s(FIRST_WAIT_S, LONGEST_WAIT_S, self.begun)
        self._not_before_s = self._clock.monotonic_s() + wait_s
        self.begun += 1
