"""Promises about what is remembered for redaction."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain.scene import Box
from agent.perception.surroundings import (
    KEPT_S,
    MOST_SIGHTS,
    Difference,
    RecentSights,
    Surroundings,
    outside,
)
from tests.support.scenes import seen

share = st.floats(0, 1, width=16)
boxes = st.tuples(share, share, share, share).map(
    lambda e: Box(min(e[0], e[2]), min(e[1], e[3]), max(e[0], e[2]), max(e[1], e[3]))
)


@given(boxes, st.lists(boxes, max_size=4))
def test_what_is_outside_of_things_is_all_of_the_rest_and_nothing_of_them(
    box: Box, things: list[Box]
) -> None:
    parts = outside(box, things)
    for step in range(100):
        x = box.left + box.width * (step % 10 + 0.493) / 10
        y = box.top + box.height * (step // 10 + 0.507) / 10
        inside_thing = any(t.left <= x <= t.right and t.top <= y <= t.bottom for t in things)
        on_edge = any(x in {t.left, t.right} or y in {t.top, t.bottom} for t in things)
        if box.area > 1e-4 and not on_edge:
            assert any(part.contains((x, y)) for part in parts) is not inside_thing
    assert sum(part.area for part in parts) <= box.area + 1e-9


def test_who_was_seen_faintly_two_seconds_ago_is_remembered_and_forgotten_after_three() -> None:
    recent = RecentSights()
    recent.take(10.0, [seen("person", 0.4, 0.6, 0.06)])
    recent.take(12.0, [])
    assert [each.label for each in recent.seen()] == ["person"]
    recent.take(10.0 + KEPT_S + 0.1, [])
    assert recent.seen() == ()


def test_a_bike_counts_and_a_bin_does_not() -> None:
    recent = RecentSights()
    recent.take(1.0, [seen("motorcycle", 0.4, 0.6), seen("bin", 0.4, 0.6), seen("car", 0.1, 0.6)])
    assert {each.label for each in recent.seen()} == {"motorcycle", "car"}


def test_who_stands_where_nothing_has_changed_is_remembered_for_as_long_as_that_lasts() -> None:
    standing = seen("person", 0.4, 0.6)
    recent = RecentSights()
    recent.take(1.0, [standing])
    assert recent.seen([standing]) == (standing,), "once"
    recent.take(100.0, [])
    assert recent.seen([standing]) == (standing,)


def test_a_crowd_costs_no_more_memory_than_is_allowed() -> None:
    recent = RecentSights()
    for look in range(20):
        recent.take(
            look / 10, [seen("person", (n % 100) / 100, look / 20, 0.1) for n in range(500)]
        )
    found = recent.seen()
    assert len(found) <= MOST_SIGHTS
    assert max(each.box.bottom for each in found) == pytest.approx(19 / 20), "the newest are kept"


def test_a_clock_that_went_back_leaves_nothing_of_before() -> None:
    recent = RecentSights()
    recent.take(1000.0, [seen("person", 0.4, 0.6)])
    recent.take(1.0, [seen("car", 0.4, 0.6)])
    assert [each.label for each in recent.seen()] == ["car"]


def test_what_moves_before_a_thing_of_the_case_counts_and_the_thing_itself_does_not() -> None:
    thing, person = Box(0.4, 0.4, 0.6, 0.6), Box(0.45, 0.4, 0.5, 0.6)
    around = Surroundings(difference=Difference(standing=(thing,), moving=(person,)))
    assert around.moved([thing], 100) == (person,)
    assert set(around.moved([], 100)) == {person, thing}


def test_where_cutting_things_out_would_give_too_many_boxes_they_are_not_cut_out() -> None:
    ground = Box(0.0, 0.0, 1.0, 1.0)
    things = [Box(0.1 * n, 0.5, 0.1 * n + 0.05, 0.55) for n in range(9)]
    around = Surroundings(difference=Difference(standing=(ground,), moving=()))
    assert len(around.moved(things, 1000)) > 8
    assert around.moved(things, 8) == (ground,)
