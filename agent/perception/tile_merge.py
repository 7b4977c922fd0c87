"""Merges detections of overlapping crops: one box per thing. Pure."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from agent.domain.scene import Box, Detection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float32]


CUT_SHARE, WHOLLY = 0.01, 0.99
"""A box so near a crop's edge is cut by it; so much of one that a crop shows is all of it."""


def merge(parts: Sequence[tuple[Box, Sequence[Detection]]]) -> tuple[Detection, ...]:
    """Merge the detections of overlapping crops: one detection per thing.

    A thing cut by a crop's edge is seen in part by one crop and, mostly, whole by another: of two
    boxes of one label of which the smaller lies mostly in the larger, the larger is kept, with
    the higher confidence. What one crop cuts and another shows beyond the cut is believed only if
    that one sees it, too.
    """
    regions = [region for region, _ in parts]
    everything = sorted(
        (
            (found, part, _shown_beyond_its_cut(found.box, region, regions))
            for part, (region, detections) in enumerate(parts)
            for found in detections
        ),
        key=lambda each: (each[2], -each[0].box.area),
    )
    kept: list[tuple[Detection, int]] = []
    for found, part, shown_elsewhere in everything:
        for index, (other, other_part) in enumerate(kept):
            twice = part != other_part and found.label == other.label
            if twice and _same_thing(found.box, other.box):
                confidence = max(other.confidence, found.confidence)
                kept[index] = dataclasses.replace(other, confidence=confidence), other_part
                break
        else:
            if not shown_elsewhere:
                kept.append((found, part))
    return tuple(found for found, _ in kept)


def _shown_beyond_its_cut(box: Box, region: Box, regions: Sequence[Box]) -> bool:
    """Whether an edge of its crop cuts a box, and another crop shows the place uncut."""
    return _is_cut(box, region) and any(
        box.covered_by(other) > WHOLLY and not _is_cut(box, other) for other in regions
    )


def _is_cut(box: Box, region: Box) -> bool:
    """Whether a box reaches an edge of its crop behind which the picture goes on."""
    x, y = CUT_SHARE * region.width, CUT_SHARE * region.height
    return (
        (region.left > 0 and box.left - region.left < x)
        or (region.top > 0 and box.top - region.top < y)
        or (region.right < 1 and region.right - box.right < x)
        or (region.bottom < 1 and region.bottom - box.bottom < y)
    )


def _same_thing(smaller: Box, larger: Box) -> bool:
    return smaller.covered_by(larger) > 0.7 or smaller.iou(larger) > 0.5
