"""Promises about zones: what lies inside, and when a rule holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.zones import Window, in_force, inside
from tests.street import zone

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


@given(fraction, fraction, fraction, fraction, fraction, fraction)
def test_a_point_is_in_a_rectangle_exactly_if_it_is_between_its_sides(
    x1: float, x2: float, y1: float, y2: float, x: float, y: float
) -> None:
    left, right = sorted((x1, x2))
    top, bottom = sorted((y1, y2))
    polygon = ((left, top), (right, top), (right, bottom), (left, bottom))
    on_the_edge = x in (left, right) or y in (top, bottom)
    between = left < x < right and top < y < bottom
    assert on_the_edge or inside((x, y), zone("bay", polygon)) is between


def test_a_notch_in_a_polygon_is_outside() -> None:
    notched = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 0.4), (0.0, 1.0))
    assert not inside((0.5, 0.8), zone("bay", notched))
    assert inside((0.5, 0.2), zone("bay", notched))
