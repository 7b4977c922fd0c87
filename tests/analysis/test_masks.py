"""Promises about masks: what nobody may see is in no picture, at any size, up to its last pixel."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from agent.analysis.camera_pipeline import blacked_out
from agent.domain.scene import Point, Zone
from agent.domain.zones import inside
from tests.support.scenes import frame_of, zone

fraction = st.floats(0.0, 1.0)


def black(mask: Zone, width: int, height: int) -> np.ndarray:
    """Where a white picture is black under a mask, bool (h, w); the same in grey and in colour."""
    white = np.full((height, width), 255, np.uint8)
    frame = blacked_out(frame_of(white, 0), [mask])
    assert np.array_equal(frame.luma == 0, (frame.bgr() == 0).all(axis=2))
    return np.asarray(frame.luma == 0)


@given(st.integers(8, 60), st.integers(8, 60), st.sampled_from(["right", "bottom"]))
def test_a_mask_drawn_to_the_pictures_edge_blackens_the_last_pixels(
    width: int, height: int, side: str
) -> None:
    corners: tuple[Point, ...] = ((0, 0.6), (1, 0.6), (1, 1), (0, 1))
    if side == "right":
        corners = tuple((y, x) for x, y in corners)
    dark = black(zone("mask", corners), width, height)
    assert dark[-1].all() if side == "bottom" else dark[:, -1].all()
    assert not dark[0, 0]


@given(st.lists(st.tuples(fraction, fraction), min_size=3, max_size=3), st.integers(8, 40))
def test_every_pixel_that_a_mask_touches_is_black(corners: list[Point], width: int) -> None:
    height = width // 2
    mask = zone("mask", tuple(corners))
    dark = black(mask, width, height)
    for row in range(height):
        for column in range(width):
            points = [
                ((column + dx) / width, (row + dy) / height)
                for dx in (0.02, 0.5, 0.98)
                for dy in (0.02, 0.5, 0.98)
            ]
            if any(inside(point, mask) for point in points):
                assert dark[row, column], (row, column)
