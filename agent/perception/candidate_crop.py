"""What the verifier is shown of a candidate: one function for the device and for training. Pure.

The crop is a square in pixels around the thing, with some of what stands beside it: whether goods lie
before a shop, or a cart belongs to a row of bikes, is seen by its surroundings. Where the frame ends,
the crop does. The network's preparation then stretches it to the size of its input.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.domain.scene import Box

if TYPE_CHECKING:
    from agent.domain.picture import Picture

CONTEXT = 1.5
"""The crop's side, in longer sides of the candidate."""


def crop_box(box: Box, aspect: float) -> Box:
    """The square around a candidate, cut at the frame's edge.

    Args:
        box: The candidate, in fractions of the frame.
        aspect: The frame's width by its height, in pixels.

    Returns:
        In fractions of the frame. It holds all of the candidate that lies in the frame.
    """
    half_y = CONTEXT * max(box.width * aspect, box.height) / 2
    half_x = half_y / aspect
    x, y = box.centre
    # Rounding must not push an edge into the thing.
    return Box(
        _within(min(x - half_x, box.left)),
        _within(min(y - half_y, box.top)),
        _within(max(x + half_x, box.right)),
        _within(max(y + half_y, box.bottom)),
    )


def candidate_crop(picture: Picture, box: Box) -> Picture:
    """The part of a picture that the verifier is shown of a candidate.

    Args:
        picture: uint8 (height, width, 3): the whole frame.
        box: The candidate, in fractions of the frame.

    Returns:
        uint8 (rows, columns, 3): a view of one pixel at least.
    """
    height, width = picture.shape[:2]
    return crop_box(box, width / height).cut_pixels(width, height).cut(picture)


def _within(edge: float) -> float:
    return min(1.0, max(0.0, edge))
