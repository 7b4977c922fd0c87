"""Promises about polygons: where their edges cross, and how much ground they share."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain.polygons import crossings, share_within, shared_area
from agent.domain.scene import Point

SQUARE = ((0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9))
STAR = ((0.606, 0.3), (0.7823, 0.8427), (0.3207, 0.5073), (0.8913, 0.5073), (0.4297, 0.8427))
fraction = st.floats(0.0, 1.0)


def rectangle(left: float, top: float, right: float, bottom: float) -> tuple[Point, ...]:
    return ((left, top), (right, top), (right, bottom), (left, bottom))


@pytest.mark.parametrize(
    "corners",
    [
        SQUARE,
        SQUARE[::-1],
        (*SQUARE, SQUARE[0]),
        (SQUARE[0], SQUARE[0], *SQUARE[1:], SQUARE[3]),
        ((0, 0), (0.5, 0), (1, 0), (1, 1), (0, 1)),
        ((0, 0), (1, 0), (1, 1), (0.5, 0.4), (0, 1)),
        ((0.1, 0.1), (0.5, 0.8), (0.9, 0.1)),
    ],
    ids=["square", "other way", "closed", "twice", "corner on an edge", "notch", "triangle"],
)
def test_an_outline_that_goes_around_once_crosses_nowhere(corners: tuple[Point, ...]) -> None:
    assert crossings(corners) == []


@pytest.mark.parametrize(
    ("corners", "pairs"),
    [
        (STAR, 5),
        ((SQUARE[0], SQUARE[2], SQUARE[1], SQUARE[3]), 1),
        ((SQUARE[0], SQUARE[1], (0.3, 0.1), (0.3, 0.9)), 2),
        (((0, 0), (0.5, 0.5), (1, 0), (1, 1), (0.5, 0.5), (0, 1)), 4),
        (((0, 0), (1, 0), (1, 1), (0.5, 0), (0, 1)), 2),
        (((0.1, 0.1), (0.9, 0.9), (0.5, 0.5), (0.1, 0.9)), 2),
        (((0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.5, 0.1), (0.7, 0.1), (0.1, 0.9)), 4),
    ],
    ids=[
        "star", "bow-tie", "turns back", "touches itself in a corner", "corner on another edge",
        "spike", "lies on another edge",
    ],
)  # fmt: skip
def test_every_pair_of_edges_that_cross_or_touch_is_named(
    corners: tuple[Point, ...], pairs: int
) -> None:
    assert len(crossings(corners)) == pairs
    assert len(crossings(corners[::-1])) == pairs


def test_crossing_edges_are_named_by_their_corners_also_where_one_is_given_twice() -> None:
    twisted = (SQUARE[0], SQUARE[0], SQUARE[2], SQUARE[1], SQUARE[3], SQUARE[0])
    assert crossings(twisted) == [((0, 2), (3, 4))]


@given(st.lists(fraction, min_size=8, max_size=8))
def test_what_two_rectangles_share_is_a_rectangle(sides: list[float]) -> None:
    (l1, r1), (t1, b1), (l2, r2), (t2, b2) = (sorted(sides[i : i + 2]) for i in range(0, 8, 2))
    expected = max(0.0, min(r1, r2) - max(l1, l2)) * max(0.0, min(b1, b2) - max(t1, t2))
    shared = shared_area(rectangle(l1, t1, r1, b1), [rectangle(l2, t2, r2, b2)])
    assert shared == pytest.approx(expected, abs=1e-9)


def test_ground_that_two_others_cover_counts_once() -> None:
    others = [rectangle(0, 0, 0.6, 1), rectangle(0.4, 0, 1, 0.5)]
    assert shared_area(rectangle(0, 0, 1, 1), others) == pytest.approx(0.8)


def test_slanted_edges_share_what_they_share() -> None:
    falling, rising = ((0, 0), (1, 1), (0, 1)), ((0, 1), (1, 0), (1, 1))
    assert shared_area(falling, [rising]) == pytest.approx(0.25)
    assert share_within(falling, [rising]) == pytest.approx(0.5)


def test_zones_side_by_side_share_nothing() -> None:
    left = ((0.0, 0.0), (0.37, 0.0), (0.61, 1.0), (0.0, 1.0))
    right = ((0.37, 0.0), (1.0, 0.0), (1.0, 1.0), (0.61, 1.0))
    assert shared_area(left, [right]) == pytest.approx(0.0, abs=1e-12)


def test_the_hollow_middle_of_a_star_is_none_of_its_ground() -> None:
    middle = ((0.6, 0.55), (0.62, 0.55), (0.62, 0.57), (0.6, 0.57))
    assert share_within(middle, [STAR]) == pytest.approx(0.0)
