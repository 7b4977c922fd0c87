"""How often the platform's word may begin a new epoch.

To begin one renumbers all that waits, and sends again what has arrived. A database is set back once, if at
all; who says it again and again is wrong, or is not the platform.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drivers.clock import Clock

FIRST_WAIT_S, LONGEST_WAIT_S = 60.0, 86_400.0


class NewEpochs:
    """The first at once, the next after a minute, each further one after twice the wait, up to a day.

    Args:
        clock: Its steady time counts.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._not_before_s = clock.monotonic_s()
        self.begun = 0
        """How many there have been since the start."""

    @property
    def wait_s(self) -> float:
        """How long it is until there may be another one; 0: none too soon."""
        return max(0.0, self._not_before_s - self._clock.monotonic_s())

    def begin(self) -> None:
        """Another one begins now."""
        wait_s = min(FIRST_WAIT_S * 2.0 ** min(self.begun, 60), LONGEST_WAIT_S)
        self._not_before_s = self._clock.monotonic_s() + wait_s
        self.begun += 1
