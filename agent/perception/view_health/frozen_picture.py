"""Detects a frozen picture, ignoring the time that the camera writes into it. Pure.

A working sensor's noise changes every part of its pictures a little; a frozen picture is the same to the
last bit. Most cameras write date and time into the picture, and continue to when the sensor hangs: then
everything is the same except a line of text near an edge. Such a place is found because it changes while
nothing else does. Text elsewhere can be covered by a mask.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from agent.perception.texture import CELL_PX

if TYPE_CHECKING:
    from agent.perception.view_health.features import Floats, Luma, Mask

SAME_MEAN, SAME_MAX = 0.02, 2.0
"""Mean and largest difference of brightness up to which a picture is the same one again."""
BEHIND_MEAN = 0.1
"""The mean for what lies behind a text: coding anew what hangs costs a third of it. A street at a sensor's
least noise (a standard deviation of 1), coded as coarsely, differs by four times as much."""
CHANGED = 1.5
"""Mean difference of a cell in which something else is written now; coding and noise stay below it."""
BAND = 0.2
"""Text stands so near the upper or the lower edge, as a share of the height."""
MAX_TEXT = 0.15
"""And takes up no more of the picture: two lines, or one that runs along an edge."""
BUSY = 0.5
"""A clock with seconds, a dot, a ticker: what they write changes in so many measurements at least."""
FEW_DIGITS = 0.02
"""What changes less often, such as a clock without seconds, takes up no more than this."""
MAX_MASKED = 0.9
"""Where more of the picture is masked, too little is left to go by: then masks are looked at, too."""


@dataclass(slots=True)
class _Behind:
    """The picture behind a text: what it was, since when, and where else anything has changed since."""

    luma: Luma
    since_s: float
    changed: Mask
    last: Luma
    measured: int = 0
    busy: int = 0


class Still:
    """Remembers since when one camera's pictures have been the same. For pictures of one size.

    Args:
        masked: Cells that nobody looks at, of any number of rows and columns; None: there are none.
    """

    def __init__(self, masked: Mask | None = None) -> None:
        self._masked = masked if masked is not None and masked.mean() <= MAX_MASKED else None
        self._same: Luma | None = None
        self._same_since_s = 0.0
        self._behind: _Behind | None = None

    def take(self, luma: Luma, now_s: float) -> float:
        """Take the next picture.

        Args:
            luma: Brightness, uint8 (h, w).
            now_s: Its time.

        Returns:
            Since when all pictures have been this one, but for text in it; ``now_s`` if it is new.
        """
        behind_s = self._behind_since_s(luma, now_s)
        return min(self._wholly_since_s(luma, now_s), behind_s)

    def _wholly_since_s(self, luma: Luma, now_s: float) -> float:
        if self._same is not None and self._same.shape == luma.shape:
            difference = self._difference(self._same, luma)
            if difference.max() <= SAME_MAX and difference.mean() <= SAME_MEAN:
                return self._same_since_s
        self._same, self._same_since_s = luma.copy(), now_s
        return now_s

    def _behind_since_s(self, luma: Luma, now_s: float) -> float:
        behind = self._behind
        if behind is None or behind.luma.shape != luma.shape:
            return self._begin(luma, now_s)
        difference = self._difference(behind.luma, luma)
        behind.changed |= _cells(difference) > CHANGED
        if not _is_text(behind.changed) or _rest(difference, behind.changed) > BEHIND_MEAN:
            return self._begin(luma, now_s)
        behind.measured += 1
        behind.busy += bool((_cells(self._difference(behind.last, luma)) > CHANGED).any())
        behind.last = luma.copy()
        often = behind.busy >= BUSY * behind.measured
        return behind.since_s if often or behind.changed.mean() <= FEW_DIGITS else now_s

    def _begin(self, luma: Luma, now_s: float) -> float:
        nothing = np.zeros_like(_cells(luma), np.bool_)
        self._behind = _Behind(luma.copy(), now_s, nothing, luma.copy())
        return now_s

    def _difference(self, before: Luma, luma: Luma) -> Luma:
        difference = cv2.absdiff(before, luma)
        if self._masked is not None:
            size = (luma.shape[1], luma.shape[0])
            masked = cv2.resize(
                self._masked.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST
            )
            difference[masked > 0] = 0
        return difference.astype(np.uint8)


def _cells(difference: Luma) -> Floats:
    """The mean of each cell; those at the lower and the right edge may be narrower."""
    height, width = difference.shape
    padded = np.pad(difference, ((0, -height % CELL_PX), (0, -width % CELL_PX)))
    rows, columns = padded.shape[0] // CELL_PX, padded.shape[1] // CELL_PX
    means = padded.reshape(rows, CELL_PX, columns, CELL_PX).mean(axis=(1, 3))
    return np.asarray(means, np.float32)


def _is_text(changed: Mask) -> bool:
    """Whether what has changed can be what a camera writes: little, and near the edges."""
    rows = changed.shape[0]
    band = int(np.ceil(rows * BAND))
    return not changed[band : rows - band].any() and bool(changed.mean() <= MAX_TEXT)


def _rest(difference: Luma, changed: Mask) -> float:
    """Mean difference beside what has changed and beside its neighbours, which coding smears."""
    around = cv2.dilate(changed.astype(np.uint8), np.ones((3, 3), np.uint8))
    pixels = np.repeat(np.repeat(around, CELL_PX, axis=0), CELL_PX, axis=1)
    beside = pixels[: difference.shape[0], : difference.shape[1]] == 0
    return float(difference[beside].mean()) if beside.any() else 0.0
