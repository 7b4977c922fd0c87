"""Appearance: whether a place in the picture still looks as before. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np

from agent.domain.scene import Box
from agent.perception.texture import CELL_PX, structured, texture, unlikeness

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Luma: TypeAlias = NDArray[np.uint8]


LOOK_CELLS = 4
"""A standing thing's appearance is kept as texture of this many cells in each direction."""
ALIKE_BELOW = 0.5
"""Cells whose unlikeness is below this are alike."""
ALIKE_SHARE = 0.7
"""Share of a look's cells that must be alike for it to be the same thing still."""
TELLING_SHARE = 0.55
"""Where fewer cells than this show anything, now or then, looks tell nothing: one edge through a smooth
thing fills half of them at most, and the ground behind it may have an edge there, too."""


def same_look(then: NDArray[np.float32], now: NDArray[np.float32]) -> bool:
    """Whether two looks are those of the same thing.

    Only cells that show something count: a smooth thing and the smooth wall behind it are alike.
    """
    telling = structured(then) | structured(now)
    if np.mean(telling) < TELLING_SHARE:
        return False
    return bool(np.mean(unlikeness(then, now)[telling] < ALIKE_BELOW) >= ALIKE_SHARE)


def look_of(luma: Luma | None, box: Box) -> NDArray[np.float32] | None:
    """The texture of the box's part of the picture, (LOOK_CELLS, LOOK_CELLS, 8) float32."""
    if luma is None:
        return None
    height, width = luma.shape
    left, right = int(box.left * width), int(np.ceil(box.right * width))
    top, bottom = int(box.top * height), int(np.ceil(box.bottom * height))
    crop = luma[max(0, top) : bottom, max(0, left) : right]
    if min(crop.shape) < 4:
        return None
    side = LOOK_CELLS * CELL_PX
    return texture(cv2.resize(crop, (side, side), interpolation=cv2.INTER_LINEAR).astype(np.uint8))
