"""What is the matter with a picture that is to prove something: simple measures with fixed thresholds. Pure.

No measure says that a picture is good. Each says of one fault that it is there, so that who looks at a case
knows before opening a picture what it cannot show.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from agent.domain.scene import Box

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from agent.domain.picture import Picture, PictureFault

EDGE_SHARE = 0.004
"""A thing whose box comes so near to the frame's edge goes on beyond it: five pixels of 1280."""
DARK_BELOW = 80
"""A picture is dark if nine tenths of its pixels are darker than this, of 255. So are 30 of 32 pictures of streets
with little light (LLVIP), and none of 279 by day and under street lamps."""
HIDDEN_ABOVE = 0.5
"""More of a thing than this lies behind people or vehicles."""
SMALL_BELOW_PX = 48
"""A thing whose longer side is shorter can hardly be told from another."""
WIDE_PX = 1280, 720
"""What a wide picture should measure at least, upright or not."""
APART_S = 10.0
"""So far apart the first and the second wide picture should be."""
_GRID = 24


def hidden_share(box: Box, before: Iterable[Box]) -> float:
    """How much of a thing lies behind others, 0 to 1; what two of them cover counts once.

    Args:
        box: The thing's.
        before: What stands before it.
    """
    covers = [other for other in before if box.overlap(other) > 0]
    if not covers:
        return 0.0
    steps = (np.arange(_GRID) + 0.5) / _GRID
    across, down = box.left + box.width * steps, box.top + box.height * steps
    covered = np.zeros((_GRID, _GRID), np.bool_)
    for other in covers:
        columns = (across >= other.left) & (across <= other.right)
        covered |= ((down >= other.top) & (down <= other.bottom))[:, None] & columns
    return float(covered.mean())


def reaches_edge(box: Box) -> bool:
    """Whether a thing goes on beyond the frame, by its box there."""
    nearest = min(box.left, box.top, 1.0 - box.right, 1.0 - box.bottom)
    return nearest < EDGE_SHARE


def is_dark(picture: Picture) -> bool:
    """Whether there is too little light to see much.

    Args:
        picture: uint8, grey (h, w) or BGR (h, w, 3).
    """
    grey = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    return bool(np.percentile(grey, 90) < DARK_BELOW)


def faults_of_wide(
    picture: Picture, things: Iterable[Box], hidden: Iterable[float]
) -> Iterator[PictureFault]:
    """What is the matter with a picture of the whole frame.

    Args:
        picture: BGR.
        things: Where the case's things are in it.
        hidden: How much of each is hidden.
    """
    yield from _of_things(things, hidden)
    if is_dark(picture):
        yield "dark"
    longer, shorter = sorted(picture.shape[:2], reverse=True)
    if longer < WIDE_PX[0] or shorter < WIDE_PX[1]:
        yield "below_720p"


def faults_of_close_up(
    picture: Picture, things: Iterable[Box], hidden: Iterable[float], longest_px: float
) -> Iterator[PictureFault]:
    """What is the matter with a picture of things alone.

    Args:
        picture: BGR.
        things: Where they are in the frame.
        hidden: How much of each is hidden.
        longest_px: The longer side of the largest of them as the camera gave it.
    """
    yield from _of_things(things, hidden)
    if is_dark(picture):
        yield "dark"
    if longest_px < SMALL_BELOW_PX:
        yield "small"


def longer_side_px(box: Box, picture: Picture) -> float:
    """The longer side of a box in pixels of the frame's picture."""
    height, width = picture.shape[:2]
    return float(max(box.width * width, box.height * height))


def _of_things(things: Iterable[Box], hidden: Iterable[float]) -> Iterator[PictureFault]:
    """One that is cut is a fault; that they are hidden only where none of them can be seen."""
    if any(map(reaches_edge, things)):
        yield "cut"
    shares = list(hidden)
    if shares and min(shares) > HIDDEN_ABOVE:
        yield "hidden"
