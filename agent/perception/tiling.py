"""Tiling: the crops of a picture that cover its zones. Pure."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from agent.domain.scene import Box, Zone
from agent.domain.zones import to_edge

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float32]


LARGEST_CROP = 1.25
"""A crop is at most this many times the network's input, so that far things stay visible."""
TILE_OVERLAP = 0.25
HEADROOM = 0.12
"""What stands with its foot in a zone rises above it by this fraction of the frame."""


def regions_for(
    zones: Iterable[Zone], size_px: tuple[int, int], input_px: tuple[int, int]
) -> list[Box]:
    """Crops that cover every zone and what rises above it, none much larger than the input.

    Args:
        zones: The camera's zones; what is not judged is left out.
        size_px: Width and height of the picture.
        input_px: Width and height of the network's input.
    """
    boxes = [_with_headroom(zone) for zone in zones if zone.kind.judged]
    merged = _merge_boxes(boxes)
    result: list[Box] = []
    for box in merged:
        xs = _tiles(box.left, box.right, size_px[0], input_px[0])
        ys = _tiles(box.top, box.bottom, size_px[1], input_px[1])
        result += [Box(x0, y0, x1, y1) for y0, y1 in ys for x0, x1 in xs]
    # The pixels of a crop that all but reaches the picture's edge reach it: nothing cuts there.
    return [Box(*(to_edge(side) for side in dataclasses.astuple(box))) for box in result]


def _with_headroom(zone: Zone) -> Box:
    box = zone.box
    rise = 0.0 if zone.kind.around_a_thing else HEADROOM
    side = 0.02
    return Box(
        max(0.0, box.left - side),
        max(0.0, box.top - rise),
        min(1.0, box.right + side),
        min(1.0, box.bottom + side),
    )


def _merge_boxes(boxes: Sequence[Box]) -> list[Box]:
    """Join boxes as long as the union is not much larger than the two."""
    left = list(boxes)
    joined = True
    while joined:
        joined = False
        for i, a in enumerate(left):
            for b in left[i + 1 :]:
                union = a.union(b)
                if union.area <= 1.3 * (a.area + b.area - a.overlap(b)):
                    left.remove(a)
                    left.remove(b)
                    left.append(union)
                    joined = True
                    break
            if joined:
                break
    return sorted(left, key=lambda box: (box.top, box.left))


def _tiles(begin: float, end: float, length_px: int, input_px: int) -> list[tuple[float, float]]:
    """Cut one side into overlapping spans; a side shorter than the input grows to it."""
    span_px = (end - begin) * length_px
    largest_px = LARGEST_CROP * input_px
    if span_px <= largest_px:
        grow = max(0.0, min(1.0, input_px * 0.75 / length_px) - (end - begin)) / 2
        low = min(max(0.0, begin - grow), 1.0)
        high = min(1.0, end + grow)
        return [(low, high)]
    count = int(np.ceil((span_px / largest_px - TILE_OVERLAP) / (1 - TILE_OVERLAP)))
    size = (end - begin) / (count - (count - 1) * TILE_OVERLAP)
    step = size * (1 - TILE_OVERLAP)
    return [(begin + k * step, min(end, begin + k * step + size)) for k in range(count)]
