"""Promises about what is told of a picture that cannot show much."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain.picture import Picture
from agent.domain.scene import Box
from agent.perception.picture_faults import (
    SMALL_BELOW_PX,
    faults_of_close_up,
    faults_of_wide,
    hidden_share,
    is_dark,
    longer_side_px,
    reaches_edge,
)
from tests.support.paths import SHARED
from tests.support.scenes import box_at

NIGHT, DAY = SHARED / "data" / "llvip_night", SHARED / "data" / "bikes_street_calgary"
LIT = np.full((720, 1280, 3), 130, np.uint8)


def pictures(folder: Path) -> list[Path]:
    found = sorted(folder.glob("**/*.jpg"))
    if not found:
        pytest.skip(f"{folder} is not here: its pictures are not the project's")
    return found


def shown(path: Path) -> Picture:
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_REDUCED_COLOR_2), np.uint8)


def test_of_real_pictures_of_a_night_with_little_light_nine_in_ten_are_dark() -> None:
    found = [is_dark(shown(path)) for path in pictures(NIGHT)]
    assert sum(found) >= 0.9 * len(found)


def test_real_pictures_of_the_day_are_not_dark() -> None:
    assert not any(is_dark(shown(path)) for path in pictures(DAY))


def test_a_night_street_on_which_a_tenth_is_lit_is_not_dark() -> None:
    street = np.full((100, 100), 20, np.uint8)
    assert is_dark(street)
    street[:12] = 200
    assert not is_dark(street)


@pytest.mark.parametrize(
    ("box", "cut"),
    [
        (Box(0.0, 0.3, 0.2, 0.6), True),
        (Box(0.8, 0.3, 1.0, 0.6), True),
        (Box(0.4, 0.9, 0.6, 1.1), True),
        (Box(0.1, 0.1, 0.9, 0.9), False),
    ],
)
def test_what_goes_on_beyond_the_frame_is_cut(box: Box, cut: bool) -> None:
    assert reaches_edge(box) is cut
    assert ("cut" in set(faults_of_wide(LIT, [box], [0.0]))) is cut


def test_a_thing_behind_two_people_who_overlap_is_not_hidden_twice() -> None:
    thing = Box(0.0, 0.0, 1.0, 1.0)
    left = Box(0.0, 0.0, 0.5, 1.0)
    assert hidden_share(thing, [left, left]) == pytest.approx(0.5, abs=0.03)
    assert hidden_share(thing, [left, Box(0.25, 0.0, 0.75, 1.0)]) == pytest.approx(0.75, abs=0.03)
    assert hidden_share(thing, []) == 0.0


share = st.floats(0, 1)


@given(st.lists(st.tuples(share, share, share, share), max_size=5))
def test_no_more_than_all_of_a_thing_is_hidden(edges: list[tuple[float, ...]]) -> None:
    boxes = [Box(min(a, c), min(b, d), max(a, c), max(b, d)) for a, b, c, d in edges]
    assert 0.0 <= hidden_share(box_at(0.5, 0.5), boxes) <= 1.0


def test_a_case_of_which_one_thing_can_be_seen_is_not_hidden() -> None:
    things = [box_at(0.3, 0.5), box_at(0.6, 0.5)]
    assert list(faults_of_wide(LIT, things, [0.9, 0.1])) == []
    assert list(faults_of_wide(LIT, things, [0.9, 0.6])) == ["hidden"]


def test_a_frame_below_720p_and_a_thing_of_a_few_pixels_are_told() -> None:
    assert list(faults_of_wide(LIT[:360, :640], [], [])) == ["below_720p"]
    assert list(faults_of_wide(np.rot90(LIT), [], [])) == [], "upright is as good"
    side_px = longer_side_px(Box(0.5, 0.5, 0.52, 0.56), LIT)
    assert side_px == pytest.approx(43.2)
    assert list(faults_of_close_up(LIT, [box_at(0.5, 0.5)], [0.0], side_px)) == ["small"]
    assert list(faults_of_close_up(LIT, [box_at(0.5, 0.5)], [0.0], SMALL_BELOW_PX)) == []
