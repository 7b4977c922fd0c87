"""What no receipt names is sent again, and ever more rarely to a platform that falls behind."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.delivery.retransmission import MAX_TIMES, Awaited, RetransmissionTimer

MIN_S = 60.0


@given(st.lists(st.one_of(st.none(), st.floats(0, 1e6))))
def test_the_wait_stays_within_its_bounds_whatever_is_seen(seen: list[float | None]) -> None:
    timer = RetransmissionTimer(MIN_S)
    for took_s in seen:
        if took_s is None:
            timer.expired()
        else:
            timer.measured(took_s)
        assert MIN_S <= timer.wait_s <= MAX_TIMES * MIN_S


def test_receipts_that_come_soon_leave_the_wait_as_it_was_set() -> None:
    timer = RetransmissionTimer(MIN_S)
    for _ in range(50):
        timer.measured(2.0)
    assert timer.wait_s == MIN_S


def test_receipts_that_come_late_are_waited_for() -> None:
    timer = RetransmissionTimer(MIN_S)
    for _ in range(50):
        timer.measured(300.0)
    assert timer.wait_s > 300.0


@given(st.integers(1, 200), st.floats(70, 3000))
def test_a_platform_that_is_late_is_sent_a_thing_a_few_times_and_not_every_minute(
    count: int, late_s: float
) -> None:
    awaited = Awaited(MIN_S)
    awaited.add(range(count), 0.0)
    times = 0
    now_s = 0.0
    while now_s < late_s:
        if late := awaited.overdue(now_s):
            times += 1
            awaited.comes_again(late)
            awaited.add(late, now_s)
        now_s += 1.0
    assert times <= 6  # 60 s, then 120, 240, 480, 960, 1920


def test_what_is_named_in_time_does_not_come_again() -> None:
    awaited = Awaited(MIN_S)
    awaited.add([1, 2, 3], 0.0)
    awaited.came([1, 3], 5.0)
    assert awaited.overdue(59.0) == []
    assert awaited.overdue(61.0) == [2]
    assert len(awaited) == 0


def test_only_a_receipt_for_what_was_sent_once_tells_how_late_receipts_are() -> None:
    awaited = Awaited(MIN_S)
    awaited.add([1], 0.0)
    assert awaited.overdue(60.0) == [1]
    awaited.comes_again([1])
    awaited.add([1], 60.0)
    awaited.came([1], 61.0)  # for the first copy, or for the second?
    awaited.add([2], 61.0)
    assert awaited.overdue(61.0 + MIN_S) == []  # it is still waited for twice as long
    awaited.add([3], 122.0)
    awaited.came([3], 123.0)
    assert awaited.overdue(123.0) == [2]


@pytest.mark.parametrize("forgotten", [True, False])
def test_a_number_that_has_left_the_disk_may_be_timed_anew(forgotten: bool) -> None:
    awaited = Awaited(MIN_S)
    awaited.comes_again([1])
    if forgotten:
        awaited.forget([1])
    awaited.add([1], 0.0)
    awaited.came([1], 200.0)
    awaited.add([2], 200.0)
    assert (awaited.overdue(261.0) == []) == forgotten
