"""Promises about the part of a picture that a box shows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain.scene import WHOLE_FRAME, Box, crop

PICTURE = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)


def test_a_crop_is_a_view_of_every_pixel_that_the_box_touches() -> None:
    part = crop(PICTURE, Box(0.2, 0.5, 0.5, 0.9))
    assert np.array_equal(part, PICTURE[3:6, 1:4])
    assert np.shares_memory(part, PICTURE)
    assert np.array_equal(crop(PICTURE, WHOLE_FRAME), PICTURE)


@pytest.mark.parametrize("box", [Box(-2, 0, -1, 1), Box(1.5, 0.2, 2, 0.4), Box(0, 2, 1, 3)])
def test_a_box_beside_the_picture_shows_nothing_of_it(box: Box) -> None:
    assert crop(PICTURE, box).size == 0
    assert box.cut_pixels(8, 6).cut(PICTURE).size > 0, "a cut shows a pixel at least"


anywhere = st.floats(-2, 3, allow_nan=False)


@given(anywhere, anywhere, anywhere, anywhere)
def test_no_box_reaches_out_of_the_picture(a: float, b: float, c: float, d: float) -> None:
    box = Box(min(a, b), min(c, d), max(a, b), max(c, d))
    edges = box.pixels(8, 6)
    assert min(edges) >= 0
    assert max(edges.left, edges.right) <= 8
    assert max(edges.top, edges.bottom) <= 6
    height, width = crop(PICTURE, box).shape[:2]
    assert (width, height) == (
        max(0, edges.right - edges.left),
        max(0, edges.bottom - edges.top),
    )
