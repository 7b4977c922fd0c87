"""The intervals: against published figures, and by how often they hold what they promise."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kerbwatch_platform.figures import intervals


@pytest.mark.parametrize(
    ("count", "low", "high"),
    # Garwood 1936, as tabled in Johnson, Kemp, Kotz: Univariate Discrete Distributions, and in textbooks since.
    [
        (0, 0.0, 3.689),
        (1, 0.0253, 5.572),
        (5, 1.623, 11.668),
        (10, 4.795, 18.390),
        (100, 81.364, 121.627),
    ],
)
def test_a_count_per_hour_has_garwoods_interval(count: int, low: float, high: float) -> None:
    found = intervals.poisson(count, 2.0)
    assert found == pytest.approx((low / 2, high / 2), abs=6e-4)


@given(st.integers(0, 100_000))
def test_the_ends_make_the_count_as_unlikely_as_they_should(count: int) -> None:
    found = intervals.poisson(count, 1.0)
    assert found is not None
    low, high = found
    assert low <= count < high
    # Near the normal limit of the square root, which is within a quarter or so for every count.
    for end, side in ((low, -1), (high, 1)):
        assert (
            2 * abs(math.sqrt(end) - math.sqrt(count)) == pytest.approx(intervals.Z, abs=0.35)
            or count < 8
        ), side


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    # Newcombe 1998, Statistics in Medicine 17, table I: method 3 (Wilson).
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_a_share_has_wilsons_interval(hits: int, of: int, low: float, high: float) -> None:
    assert intervals.wilson(hits, of) == pytest.approx((low, high), abs=6e-5)


def test_nothing_seen_has_no_interval() -> None:
    assert intervals.poisson(3, 0) is None
    assert intervals.wilson(0, 0) is None
    assert intervals.ratio([1] * 9, [1] * 9) is None
    assert intervals.ratio([1] * 20, [0] * 20) is None


def _zone_days(dice: random.Random, n: int) -> tuple[list[int], list[int]]:
    """Bikes that come in groups: on most days none, on some a dozen that stand for hours; the truth is 2.4 an hour."""
    minutes, hours = [], []
    for _ in range(n):
        seen = dice.choice((24, 24, 24, 12, 6))
        groups = sum(dice.random() < 0.02 for _ in range(seen))
        minutes.append(sum(dice.randrange(1, 11) * dice.randrange(4, 41) for _ in range(groups)))
        hours.append(seen)
    return minutes, hours


TRUTH = 0.02 * 5.5 * 22


def test_the_bootstrap_over_days_of_zones_holds_the_truth_about_as_often_as_it_says() -> None:
    dice = random.Random(3)
    held = independent = 0
    for _ in range(300):
        minutes, hours = _zone_days(dice, 180)
        found = intervals.ratio(minutes, hours)
        assert found is not None
        held += found[0] <= TRUTH <= found[1]
        as_events = intervals.poisson(sum(minutes), sum(hours))
        assert as_events is not None
        independent += as_events[0] <= TRUTH <= as_events[1]
    assert held >= 0.9 * 300
    assert independent < 0.3 * 300, "as if each minute came by itself"


def test_over_many_days_the_bootstrap_comes_to_the_linearised_interval() -> None:
    minutes, hours = _zone_days(random.Random(4), intervals.DRAWN_UP_TO)
    drawn = intervals.ratio(minutes, hours)
    normal = intervals.linearised(np.array(minutes, np.float64), np.array(hours, np.float64))
    assert drawn is not None
    assert drawn[1] - drawn[0] == pytest.approx(normal[1] - normal[0], rel=0.1)
    assert drawn == pytest.approx(normal, rel=0.03)


def test_the_same_days_give_the_same_interval() -> None:
    minutes, hours = _zone_days(random.Random(5), 60)
    assert intervals.ratio(minutes, hours) == intervals.ratio(minutes, hours)
