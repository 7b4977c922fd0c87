"""Shows a detector a picture at several scales, mirrored and brightened: for what must not be missed. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from agent.domain.scene import Box, Detection, PixelBox

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.domain.picture import Picture

TILE_SHARE = 0.325
"""Of the longer side of a picture: how long a tile is, so that a head of ten pixels is large enough."""
TILE_OVERLAP = 0.3
QUARTER_OVERLAP = 0.15
"""Of a side: what two quarters share."""
DARK_BELOW = 90.0
"""Mean brightness, 0 to 255, below which a picture is also looked at brightened."""
_GAMMA = np.round(255 * np.sqrt(np.arange(256) / 255)).astype(np.uint8)


def looks(width_px: int, height_px: int, input_px: int) -> list[PixelBox]:
    """The crops of a picture that a detector is shown: all of it, and overlapping tiles.

    Args:
        width_px: Of the picture.
        height_px: The same.
        input_px: The longer side of what the detector takes: no tile is shorter.
    """
    whole = PixelBox(0, 0, width_px, height_px)
    side = max(input_px, round(TILE_SHARE * max(width_px, height_px)))
    if max(width_px, height_px) <= side:
        return [whole]
    rows = _begins(height_px, side)
    columns = _begins(width_px, side)
    tiles = [
        PixelBox(left, top, min(width_px, left + side), min(height_px, top + side))
        for top in rows
        for left in columns
    ]
    return [whole, *tiles]


def _begins(length_px: int, side_px: int) -> list[int]:
    """Where tiles begin that cover a side and overlap."""
    over_px = length_px - side_px
    if over_px <= 0:
        return [0]
    steps = int(np.ceil(over_px / (side_px * (1 - TILE_OVERLAP))))
    return [round(step * over_px / steps) for step in range(steps + 1)]


def brightened(bgr: Picture) -> Picture | None:
    """A dark picture so that more is seen in it (gamma 0.5); None if it is not dark."""
    if float(bgr.mean()) >= DARK_BELOW:
        return None
    return np.asarray(cv2.LUT(bgr, _GAMMA), np.uint8)


def seen_in(
    bgr: Picture, detect: Callable[[Picture], list[Detection]], input_px: int
) -> list[Detection]:
    """Everything that a detector sees in a picture at several scales and in the mirror, as often as it sees it.

    What is seen twice stays twice: of two boxes of one person one may hold the head and the other not.

    Args:
        bgr: uint8 (H, W, 3).
        detect: Finds whatever may be there in a crop; called twice a look.
        input_px: The longer side of what it takes.
    """
    height, width = bgr.shape[:2]
    lighter = brightened(bgr)
    found: list[Detection] = []
    for shown in (bgr, lighter):
        if shown is None:
            continue
        for look in looks(width, height, input_px):
            part = np.ascontiguousarray(look.cut(shown))
            mirrored = detect(np.ascontiguousarray(part[:, ::-1]))
            seen = [*detect(part), *map(_mirrored, mirrored)]
            found += [_in_picture(each, look, width, height) for each in seen]
    return found


def seen_quickly(bgr: Picture, detect: Callable[[Picture], list[Detection]]) -> list[Detection]:
    """What a detector sees in five looks: all of a picture, and its quarters, which overlap; a dark one brightened.

    For a picture that is shown so small that nobody can be recognised in it; for one that leaves it is too few.

    Args:
        bgr: uint8 (H, W, 3).
        detect: Finds whatever may be there in a crop.
    """
    height, width = bgr.shape[:2]
    lighter = brightened(bgr)
    shown = bgr if lighter is None else lighter
    across, down = (round((0.5 + QUARTER_OVERLAP / 2) * side) for side in (width, height))
    quarters = [
        PixelBox(left, top, left + across, top + down)
        for top in (0, height - down)
        for left in (0, width - across)
    ]
    return [
        _in_picture(each, look, width, height)
        for look in (PixelBox(0, 0, width, height), *quarters)
        for each in detect(np.ascontiguousarray(look.cut(shown)))
    ]


def _mirrored(found: Detection) -> Detection:
    box = Box(1 - found.box.right, found.box.top, 1 - found.box.left, found.box.bottom)
    return Detection(found.label, found.confidence, box)


def _in_picture(found: Detection, look: PixelBox, width: int, height: int) -> Detection:
    across, down = look.right - look.left, look.bottom - look.top
    box = Box(
        (look.left + found.box.left * across) / width,
        (look.top + found.box.top * down) / height,
        (look.left + found.box.right * across) / width,
        (look.top + found.box.bottom * down) / height,
    )
    return Detection(found.label, found.confidence, box)
