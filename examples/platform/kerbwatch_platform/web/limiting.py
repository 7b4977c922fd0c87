"""How often somebody may ask. In memory: a restart begins to count again, and there is one process."""

from __future__ import annotations

import math
import time

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

SIGN_IN_HERE = parse("5 per 15 minutes")
"""One name, from one address, at a browser where nobody has signed in by it."""
SIGN_IN_NAME = parse("50 per 15 minutes")
"""One name, from all such browsers together."""
SIGN_IN_ADDRESS = parse("100 per 15 minutes")
"""All names, from one address, at such browsers."""
SIGN_IN_KNOWN = parse("10 per 15 minutes")
"""One name, at one browser where somebody has signed in by it before: what strangers do does not count."""
LINK = parse("60 per 15 minutes")
"""One-time links, from one address; a link is 256 bits."""
TOLD = parse("1 per minute")
"""How often the access log says so."""
DID = parse("120 per minute")
"""What an account changes."""
SAW = parse("1200 per minute")
"""What an account looks at, pictures too."""
VISITED = parse("600 per minute")
"""What one address asks without being signed in."""


class TooOftenError(Exception):
    """It was asked for too often.

    Attributes:
        wait_s: Until it may be asked again, in whole seconds.
    """

    def __init__(self, wait_s: int) -> None:
        super().__init__(wait_s)
        self.wait_s = wait_s


class Limits:
    """Counts."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def count(self, limit: RateLimitItem, *who: str) -> None:
        """Count one, before it is done.

        Raises:
            TooOftenError: There were too many; it was not counted.
        """
        if not self._limiter.hit(limit, *who):
            left_s = self._limiter.get_window_stats(limit, *who).reset_time - time.time()
            raise TooOftenError(max(1, math.ceil(left_s)))

    def first(self, limit: RateLimitItem, *who: str) -> bool:
        """Whether it is not too often; it counts."""
        return self._limiter.hit(limit, *who)

    def forget(self, limit: RateLimitItem, *who: str) -> None:
        """It went well: begin to count again."""
        self._limiter.clear(limit, *who)
