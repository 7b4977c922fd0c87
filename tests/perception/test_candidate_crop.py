"""Promises about what the verifier is shown of a candidate."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain.scene import WHOLE_FRAME, Box
from agent.perception.candidate_crop import CONTEXT, candidate_crop, crop_box

aspects = st.floats(0.2, 5.0)
edges = st.floats(0.0, 1.0)
HARDLY = 1e-9


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    x, y = sorted((draw(edges), draw(edges))), sorted((draw(edges), draw(edges)))
    return Box(x[0], y[0], x[1], y[1])


@given(boxes(), aspects)
def test_a_crop_lies_in_the_frame_and_holds_the_candidate(box: Box, aspect: float) -> None:
    shown = crop_box(box, aspect)
    assert 0 <= shown.left <= box.left <= box.right <= shown.right <= 1
    assert 0 <= shown.top <= box.top <= box.bottom <= shown.bottom <= 1


@given(boxes(), aspects)
def test_a_crop_that_the_frame_does_not_cut_is_a_square_in_pixels_around_the_candidate(
    box: Box, aspect: float
) -> None:
    shown = crop_box(box, aspect)
    side = CONTEXT * max(box.width * aspect, box.height)
    cut_x = shown.left == 0 or shown.right == 1
    cut_y = shown.top == 0 or shown.bottom == 1
    for length, cut in ((shown.width * aspect, cut_x), (shown.height, cut_y)):
        assert length <= side + HARDLY
        assert cut or length == pytest.approx(side, abs=HARDLY)
    assert cut_x or shown.centre[0] == pytest.approx(box.centre[0], abs=HARDLY)
    assert cut_y or shown.centre[1] == pytest.approx(box.centre[1], abs=HARDLY)


def test_a_candidate_in_the_middle_of_a_wide_frame_is_shown_with_half_its_side_beside_it() -> None:
    assert CONTEXT == 1.5
    shown = crop_box(Box(0.45, 0.4, 0.55, 0.6), aspect=16 / 9)
    assert (shown.top, shown.bottom) == pytest.approx((0.35, 0.65))
    assert (shown.left, shown.right) == pytest.approx((0.5 - 0.15 * 9 / 16, 0.5 + 0.15 * 9 / 16))


def test_a_candidate_as_large_as_the_frame_is_shown_as_the_frame() -> None:
    assert crop_box(WHOLE_FRAME, 16 / 9) == WHOLE_FRAME


@given(st.integers(1, 40), st.integers(1, 40), boxes())
def test_what_is_cut_out_is_never_empty_and_holds_every_pixel_of_the_candidate(
    width: int, height: int, box: Box
) -> None:
    picture = np.zeros((height, width, 3), np.uint8)
    box.pixels(width, height).cut(picture)[:] = 255
    shown = candidate_crop(picture, box)
    assert shown.size > 0
    assert np.shares_memory(shown, picture)
    assert (shown == 255).sum() == (picture == 255).sum()


@pytest.mark.parametrize("box", [Box(-2, 0, -1, 1), Box(1.5, 0.2, 2, 0.4), Box(0, 2, 1, 3)])
def test_of_a_candidate_beside_the_frame_a_pixel_at_least_is_shown(box: Box) -> None:
    assert candidate_crop(np.zeros((20, 30, 3), np.uint8), box).size > 0
