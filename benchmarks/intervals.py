"""What a count says: a share with its 95 % interval."""

from __future__ import annotations

import math

_Z = 1.959964


def wilson(hits: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson: Probable inference, 1927); the whole of 0 to 1 for nothing."""
    if not count:
        return 0.0, 1.0
    share, part = hits / count, _Z**2 / count
    middle = (share + part / 2) / (1 + part)
    half = _Z / (1 + part) * math.sqrt(share * (1 - share) / count + part / (4 * count))
    # At the ends the formula is exact and floating point is not.
    low = 0.0 if hits == 0 else middle - half
    return low, 1.0 if hits == count else middle + half


def share_words(hits: int, count: int) -> str:
    """``0.75 (0.53–0.89)``, or a dash where nothing was counted."""
    if not count:
        return "–"
    low, high = wilson(hits, count)
    return f"{hits / count:.2f} ({low:.2f}–{high:.2f})"
