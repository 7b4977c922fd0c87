"""Promises about zones: what lies inside, and when a rule holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent.domain.scene import Box
from agent.domain.schedule import Window
from agent.domain.zones import in_force, inside
from tests.support.scenes import zone

EVERY_DAY = (1, 2, 3, 4, 5, 6, 7)
NIGHT = Window(EVERY_DAY, time(22), time(6))
MONDAY = datetime(2026, 5, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("hour", "holds"), [(21, False), (22, True), (23, True), (0, True), (5, True), (6, False)]
)
def test_a_window_may_go_over_midnight(hour: int, holds: bool) -> None:
    assert NIGHT.holds(MONDAY.replace(hour=hour)) is holds


def test_a_night_belongs_to_the_day_it_began_on() -> None:
    sunday_night = Window((7,), time(22), time(6))
    assert sunday_night.holds(MONDAY.replace(hour=3))
    assert not sunday_night.holds(MONDAY.replace(hour=23))


def test_a_zone_without_a_schedule_always_holds() -> None:
    assert in_force(zone("no_parking"), MONDAY)


def test_market_hours_suspend_the_rule() -> None:
    market = replace(zone("no_vending"), permitted=(Window(EVERY_DAY, time(6), time(9)),))
    assert not in_force(market, MONDAY.replace(hour=7))
    assert in_force(market, MONDAY.replace(hour=10))


def test_a_rule_holds_only_in_its_hours() -> None:
    daytime = replace(zone("no_parking"), in_force=(Window((1,), time(8), time(18)),))
    assert in_force(daytime, MONDAY.replace(hour=8))
    assert not in_force(daytime, MONDAY.replace(hour=18))
    assert not in_force(daytime, MONDAY.replace(day=5, hour=8))


fraction = st.floats(0.01, 0.99)
anywhere = st.one_of(st.floats(0.0, 1.0), st.sampled_from([0.0, 1.0]))


@st.composite
def boxes_at_the_edge(draw: st.DrawFn) -> Box:
    """A box that touches one side of the picture at least, as a clipped detection does."""
    left, right = sorted((draw(anywhere), draw(anywhere)))
    top, bottom = sorted((draw(anywhere), draw(anywhere)))
    sides = {"left": left, "top": top, "right": right, "bottom": bottom}
    touched = draw(st.sampled_from(sorted(sides)))
    return Box(**{**sides, touched: 0.0 if touched in {"left", "top"} else 1.0})


@given(fraction, fraction, fraction, fraction, fraction, fraction)
def test_a_point_is_in_a_rectangle_exactly_if_it_is_between_its_sides(
    x1: float, x2: float, y1: float, y2: float, x: float, y: float
) -> None:
    left, right = sorted((x1, x2))
    top, bottom = sorted((y1, y2))
    polygon = ((left, top), (right, top), (right, bottom), (left, bottom))
    between = left <= x < right and top <= y < bottom
    assert inside((x, y), zone("bay", polygon)) is between


def test_a_notch_in_a_polygon_is_outside() -> None:
    notched = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 0.4), (0.0, 1.0))
    assert not inside((0.5, 0.8), zone("bay", notched))
    assert inside((0.5, 0.2), zone("bay", notched))


@given(anywhere, anywhere, st.sampled_from(["no_parking", "bay", "no_vending", "bin", "mask"]))
@example(0.5, 1.0, "bay")
@example(1.0, 1.0, "no_parking")
def test_every_point_of_the_picture_is_in_a_zone_drawn_around_all_of_it(
    x: float, y: float, kind: str
) -> None:
    assert inside((x, y), zone(kind))


@given(box=boxes_at_the_edge(), inner=st.floats(0.01, 0.9))
def test_the_foot_of_what_the_pictures_edge_cuts_off_is_in_the_zone_drawn_to_that_edge(
    box: Box, inner: float
) -> None:
    x, y = box.foot
    strips = [
        ((0.0, inner * y), (1.0, inner * y), (1.0, 1.0), (0.0, 1.0)),
        ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (inner * x, 1.0), (inner * x, 0.5), (0.0, 0.5)),
    ]
    whole = zone("no_parking")
    assert inside((x, y), whole)
    assert inside((x, y), replace(whole, polygon=strips[0]))
    if y >= 0.5:
        assert inside((x, y), replace(whole, polygon=strips[1]))


@given(anywhere, anywhere, st.lists(fraction, max_size=3), st.lists(fraction, max_size=3))
def test_of_zones_that_share_their_edges_exactly_one_has_each_point(
    x: float, y: float, columns: list[float], rows: list[float]
) -> None:
    xs, ys = sorted({0.0, *columns, 1.0}), sorted({0.0, *rows, 1.0})
    zones = [
        zone("no_parking", ((x1, y1), (x2, y1), (x2, y2), (x1, y2)))
        for x1, x2 in pairwise(xs)
        for y1, y2 in pairwise(ys)
    ]
    for point in ((x, y), *((a, b) for a in xs for b in ys)):
        assert sum(inside(point, each) for each in zones) == 1


@given(fraction, fraction, st.floats(0.0, 1.0), st.integers(0, 3))
@example(0.1, 0.04, 0.43, 3)
def test_a_slanted_edge_that_two_zones_share_leaves_no_point_to_both_or_to_none(
    middle_x: float, middle_y: float, along: float, spoke: int
) -> None:
    """Four triangles around one corner; the point lies on one of the edges between them."""
    corners = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    middle = (middle_x, middle_y)
    fan = [zone("no_parking", (corners[i], corners[(i + 1) % 4], middle)) for i in range(4)]
    to_x, to_y = corners[spoke]
    point = (middle_x + along * (to_x - middle_x), middle_y + along * (to_y - middle_y))
    assert sum(inside(point, each) for each in fan) == 1


@given(anywhere, anywhere)
def test_rounding_takes_no_point_out_of_the_picture(x: float, y: float) -> None:
    beyond = (x + 1e-12 if x == 1.0 else x, y + 1e-12 if y == 1.0 else y)
    assert inside(beyond, zone("bay"))
