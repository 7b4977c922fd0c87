"""Intervals of 95 %, and why each is the one it is.

*Cases per hour*: exact Poisson (Garwood 1936). Cases of one zone open one after the other and are few; nothing
else needs to be assumed than that one does not bring the next, and the interval holds for 0 as well.

*Shares of judged cases*: Wilson (1927), which keeps what it promises near 0 and 1 and for few cases, where the
usual one does not (Brown, Cai, DasGupta 2001).

*Bikes and minutes per hour, and shares of bikes*: bikes come in groups and stand together, so that they are no
independent events: what is drawn again is the zone's day, with all that stood there and all hours in which it
was seen (cluster bootstrap of a ratio, percentiles). Over many zone-days it is the normal one of the ratio's
linearised variance, to which the bootstrap comes then.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

Interval = tuple[float, float]
Z = 1.959963984540054
"""Of the normal distribution, for 95 %."""
FEWEST_DAYS = 10
"""Of fewer zone-days nothing is said: they do not show how much days differ."""
DRAWN_UP_TO = 2000
DRAWS = 1000
_SEED = 20_260_101


def poisson(count: int, hours: float) -> Interval | None:
    """Of so many events per hour."""
    if hours <= 0:
        return None
    low, high = _mean_of(count)
    return low / hours, high / hours


@lru_cache(maxsize=65_536)
def _mean_of(count: int) -> Interval:
    """Garwood's interval of a Poisson mean: what makes as few, and as many, as likely as 2.5 %."""
    low = 0.0
    if count:
        low = _solve(lambda mean: 1 - _at_most(count - 1, mean) - 0.025, 0.0, float(count))
    high = _solve(
        lambda mean: 0.025 - _at_most(count, mean), float(count), count + 10 * math.sqrt(count) + 10
    )
    return low, high


def _at_most(count: int, mean: float) -> float:
    """Probability of ``count`` or fewer, of a Poisson variable."""
    if mean <= 0:
        return 1.0
    # From the largest term down: what is far below it adds nothing.
    top = min(count, int(mean))
    first = math.exp(top * math.log(mean) - mean - math.lgamma(top + 1))
    total = term = first
    for n in range(top, 0, -1):
        term *= n / mean
        total += term
        if term < total * 1e-17:
            break
    term = first
    for n in range(top + 1, count + 1):
        term *= mean / n
        total += term
        if term < total * 1e-17:
            break
    return min(1.0, total)


def _solve(rising: Callable[[float], float], low: float, high: float) -> float:
    for _ in range(80):
        middle = (low + high) / 2
        if rising(middle) < 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def wilson(hits: int, of: int) -> Interval | None:
    """Of a share."""
    if of <= 0:
        return None
    share, z2 = hits / of, Z * Z
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = Z / (1 + z2 / of) * math.sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    low = 0.0 if hits == 0 else max(0.0, middle - half)
    return low, 1.0 if hits == of else min(1.0, middle + half)


def ratio(amounts: Sequence[int], sizes: Sequence[int]) -> Interval | None:
    """Of the sum of amounts over the sum of sizes, each pair that of one zone's day.

    The same figures give the same interval: what is drawn begins from a fixed seed.
    """
    amount, size = np.asarray(amounts, np.float64), np.asarray(sizes, np.float64)
    if len(amount) < FEWEST_DAYS or size.sum() <= 0:
        return None
    if len(amount) > DRAWN_UP_TO:
        return linearised(amount, size)
    dice = np.random.default_rng(_SEED)
    drawn = dice.integers(0, len(amount), (DRAWS, len(amount)))
    over, under = amount[drawn].sum(axis=1), size[drawn].sum(axis=1)
    low, high = np.percentile(over[under > 0] / under[under > 0], (2.5, 97.5))
    return float(low), float(high)


def linearised(amount: NDArray[np.float64], size: NDArray[np.float64]) -> Interval:
    """The normal interval of a ratio of sums, clusters being the pairs (Cochran 1977, 6.4)."""
    n, total = len(amount), size.sum()
    share = amount.sum() / total
    rest = amount - share * size
    half = Z * math.sqrt(n / (n - 1) * float((rest * rest).sum())) / total
    return max(0.0, float(share - half)), float(share + half)
