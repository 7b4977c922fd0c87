"""Whether a place in the picture looks as it did when a thing stood there that was a false alarm. Pure.

Two things must agree. The texture of the place and a margin around it, by which the tracker holds what stands
(:mod:`agent.perception.tracking.appearance`): 4 × 4 cells, which light and even shadows do not change; of the cells
that show something, 70 % must be alike. And the thing's colour against that of its surroundings, in a* and b* of
CIE L*a*b*, so that a lamp's cast counts for nothing. It is held against the same place of the picture and not against
the thing's new box: boxes tremble, cameras that are judged by do not move. Where too little can be seen to tell, it is
not alike, and nothing is held back. 128 numbers of 8 bits and a colour: nobody can be recognised by them.
"""

from __future__ import annotations

import base64
import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from agent.domain.scene import Look
from agent.perception.tracking.appearance import LOOK_CELLS, look_of, same_look

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from agent.domain.picture import Frame, Picture
    from agent.domain.scene import Box

SAME_PLACE_IOU = 0.4
"""Boxes that share so much are of one place: two sights of one thing that stands share more, neighbours less."""
MARGIN = 0.2
"""So much around the thing belongs to its look: a smooth thing shows nothing but its outline."""
SAME_COLOUR = 12.0
"""So far apart, in L*a*b* of 8 bits, are colours that people call the same in another light."""
_STEPS = 127.0
"""Gradients of log brightness lie between -1 and 1, and below 0.045 is noise: 8 bits are enough."""
_SHAPE = (LOOK_CELLS, LOOK_CELLS, 8)


def look_at(frame: Frame, box: Box) -> Look | None:
    """How a place looks now; None where it is too small to tell.

    Args:
        frame: Now.
        box: The thing's.
    """
    seen, colour = look_of(frame.luma, box.grown(MARGIN)), _colour(frame.bgr(), box)
    if seen is None or colour is None:
        return None
    whole = np.clip(np.round(seen * _STEPS), -_STEPS, _STEPS).astype(np.int8)
    return Look(box, base64.b64encode(whole.tobytes()).decode("ascii"), colour)


def is_alike(look: Look, frame: Frame) -> bool:
    """Whether the place of a look looks the same now; never where nothing can be told.

    Args:
        look: Of then.
        frame: Now.
    """
    now = look_at(frame, look.box)
    then, seen = (None, None) if now is None else (_texture(look), _texture(now))
    if now is None or then is None or seen is None:
        return False
    return math.dist(look.colour, now.colour) <= SAME_COLOUR and same_look(then, seen)


def _texture(look: Look) -> NDArray[np.float32] | None:
    try:
        whole = np.frombuffer(base64.b64decode(look.texture), np.int8)
    except ValueError:  # it comes from a disk
        return None
    if whole.size != np.prod(_SHAPE):  # of another version of the agent
        return None
    return (whole.astype(np.float32) / np.float32(_STEPS)).reshape(_SHAPE)


def _colour(bgr: Picture, box: Box) -> tuple[float, float] | None:
    """The thing's mean colour less that of what is around it; None where there is nothing of either."""
    height, width = bgr.shape[:2]
    outer, inner = box.grown(MARGIN).pixels(width, height), box.pixels(width, height)
    cut = outer.cut(bgr)
    around = np.ones(cut.shape[:2], np.bool_)
    around[
        max(0, inner.top - outer.top) : max(0, inner.bottom - outer.top),
        max(0, inner.left - outer.left) : max(0, inner.right - outer.left),
    ] = False
    if not around.any() or around.all():
        return None
    lab = cv2.cvtColor(cut, cv2.COLOR_BGR2LAB)[..., 1:].astype(np.float32)
    a, b = lab[~around].mean(axis=0) - lab[around].mean(axis=0)
    return round(float(a), 2), round(float(b), 2)
