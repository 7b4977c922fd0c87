"""Things that stand on the ground: which boxes show one of them, and who is with it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.domain.scene import Box, Track

SMALLEST_PART = 0.35
"""A box smaller than this share of another is not the same thing seen in part."""
STEP_WIDTHS, STEP_HEIGHTS = 1.6, 0.6
"""A step of three quarters of a metre beside a thing, in widths of who stands there (0.45 m or more
from shoulder to shoulder); before it or behind it in heights, for there the view is foreshortened."""


def is_same_place(a: Box, b: Box) -> bool:
    """Whether two boxes show one thing: a part of it, perhaps, but not just a bag beside it."""
    if a.iou(b) > 0.3:
        return True
    part = min(a.area, b.area) > SMALLEST_PART * max(a.area, b.area)
    return part and max(a.covered_by(b), b.covered_by(a)) > 0.6


def is_near(person: Track, box: Box) -> bool:
    """Whether somebody is at the thing: their feet within a step of it."""
    x, y = person.box.foot
    step_x, step_y = STEP_WIDTHS * person.box.width, STEP_HEIGHTS * person.box.height
    return bool(
        box.left - step_x <= x <= box.right + step_x
        and box.bottom - box.height - step_y <= y <= box.bottom + step_y
    )
