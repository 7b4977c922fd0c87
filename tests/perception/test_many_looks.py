"""Promises about looking at a picture again and again."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from agent.domain.scene import Box, Detection
from agent.perception.many_looks import brightened, looks, seen_in

sides = st.integers(1, 4000)


@given(sides, sides, st.sampled_from([320, 416, 640]))
def test_every_pixel_is_looked_at_and_things_at_the_seams_are_seen_whole(
    width: int, height: int, input_px: int
) -> None:
    every = looks(width, height, input_px)
    assert every[0] == (0, 0, width, height), "all of it first"
    for length, spans in (
        (width, [each[::2] for each in every[1:]]),
        (height, [each[1::2] for each in every[1:]]),
    ):
        ordered = sorted(set(spans))
        assert all(0 <= begin < end <= length for begin, end in ordered)
        if ordered:
            assert (ordered[0][0], ordered[-1][1]) == (0, length)
        for (begin, end), (following, _) in itertools.pairwise(ordered):
            assert end - following >= 0.25 * (end - begin), "tiles overlap"


def test_the_number_of_looks_has_an_end_however_large_the_picture_is() -> None:
    assert len(looks(1280, 720, 416)) == 13
    assert len(looks(3840, 2160, 416)) == 13
    assert len(looks(400, 300, 416)) == 1


def picture(level: int) -> NDArray[np.uint8]:
    return np.full((300, 600, 3), level, np.uint8)


def test_a_dark_picture_is_looked_at_brightened_as_well() -> None:
    assert brightened(picture(120)) is None
    lighter = brightened(picture(30))
    assert lighter is not None
    assert lighter.mean() > 80
    shown: list[float] = []

    def detect(part: NDArray[np.uint8]) -> list[Detection]:
        shown.append(float(part.mean()))
        return []

    seen_in(picture(30), detect, 416)
    assert len(shown) == 4 * len(looks(600, 300, 416)), "each look twice: as it is and mirrored"
    assert {round(each) for each in shown} == {30, round(float(lighter.mean()))}


def test_what_a_tile_shows_is_told_in_fractions_of_the_picture() -> None:
    marked = picture(120)
    marked[100:120, 500:540] = 255

    def detect(part: NDArray[np.uint8]) -> list[Detection]:
        rows, columns = np.nonzero(part[..., 0] == 255)
        if not rows.size:
            return []
        height, width = part.shape[:2]
        box = Box(
            columns.min() / width,
            rows.min() / height,
            (columns.max() + 1) / width,
            (rows.max() + 1) / height,
        )
        return [Detection("person", 0.5, box)]

    found = [each.box for each in seen_in(marked, detect, 416)]
    assert len(found) >= 4
    for box in found:
        assert np.allclose(
            (box.left, box.top, box.right, box.bottom), (500 / 600, 100 / 300, 540 / 600, 120 / 300)
        )
