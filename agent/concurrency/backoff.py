"""How long to wait before trying again. Pure but for the die.

Full jitter: a uniform share of a limit that doubles with each failure in a row, so that many
devices that lost the same thing at the same moment do not all come back at the same moment
(Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
"""

from __future__ import annotations

import math
import random

MAX_DOUBLINGS = 60
"""A camera that is away for a year must not overflow a float."""


def doubled_s(first_s: float, most_s: float, times: int) -> float:
    """A wait that was doubled so many times, up to a most."""
    return min(most_s, first_s * 2.0 ** min(times, MAX_DOUBLINGS))


class Backoff:
    """Waits after failures in a row; a good run begins anew.

    Args:
        first_s: The limit after the first failure.
        most_s: No limit is above this.
        good_after_s: What worked for this long before it failed has worked: the count begins anew.
            Without it, only :meth:`worked` begins it anew.
        min_share: The least share of the limit that is waited.
    """

    def __init__(
        self,
        first_s: float,
        most_s: float,
        good_after_s: float = math.inf,
        *,
        min_share: float = 0.0,
        die: random.Random | None = None,
    ) -> None:
        self._first_s, self._most_s, self._good_after_s = first_s, most_s, good_after_s
        self._min_share = min_share
        self._die = die or random.Random()  # noqa: S311 - a spread, not a secret
        self._failures = 0

    @property
    def limit_s(self) -> float:
        """The longest wait that the next failure may bring, if it comes at once."""
        return doubled_s(self._first_s, self._most_s, self._failures)

    def failed(self, ran_s: float = 0.0) -> float:
        """Take note of a failure and say how long to wait.

        Args:
            ran_s: For how long it had worked before.

        Returns:
            Seconds, between ``min_share`` of the limit and the limit.
        """
        if ran_s >= self._good_after_s:
            self._failures = 0
        limit_s = self.limit_s
        self._failures += 1
        return limit_s * self._die.uniform(self._min_share, 1.0)

    def worked(self) -> None:
        """Take note of a success: the count begins anew."""
        self._failures = 0
