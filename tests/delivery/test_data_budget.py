"""A metered link: what a day may cost, by class, is not exceeded, and nothing is lost for it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.delivery.data_budget import DAY_LENGTH_S, MAX_BEGINNINGS, DataBudget
from agent.storage.outbox_queries import Lane
from drivers.testing import FakeClock
from tests.support.broker import Broker
from tests.support.delivering_device import Device
from tests.support.waiting import wait_until

WUHU = ZoneInfo("Asia/Shanghai")
NOON = datetime(2026, 6, 1, 4, tzinfo=UTC)


def budget(clock: FakeClock, limit: int, saved: str | None = None) -> DataBudget:
    return DataBudget({"health": limit}, WUHU, clock.now, saved)


def spend(daily: DataBudget, size: int) -> int:
    """Send messages of a size as long as it is allowed; how many bytes went."""
    sent = 0
    while daily.allows("health"):
        daily.count("health", size)
        sent += size
    return sent


@given(
    limit=st.integers(0, 5000),
    sizes=st.lists(st.integers(1, 900), min_size=1, max_size=60),
    steps_h=st.lists(st.floats(-11, 11), max_size=30),
)
def test_no_day_costs_more_than_its_budget_and_one_message(
    limit: int, sizes: list[int], steps_h: list[float]
) -> None:
    """However the clock steps within a day: none is given a second budget."""
    clock = FakeClock(NOON)
    daily = budget(clock, limit)
    days: set[date] = set()
    sent = 0
    for index, step_h in enumerate([0.0, *steps_h]):
        clock.step(NOON + timedelta(hours=step_h))
        days.add(clock.now().astimezone(WUHU).date())
        size = sizes[index % len(sizes)]
        if daily.allows("health"):
            daily.count("health", size)
            sent += size
        assert daily.spent.get("health", 0) < max(limit, 1) + max(sizes)
    assert sent <= len(days) * (limit + max(sizes))


def test_a_new_day_is_the_sites_own_and_brings_a_new_budget() -> None:
    clock = FakeClock(datetime(2026, 6, 1, 15, 59, tzinfo=UTC))  # one minute to midnight in Wuhu
    daily = budget(clock, 1000)
    assert spend(daily, 300) == 1200
    clock.advance(59)
    assert not daily.allows("health")
    clock.advance(1)
    assert daily.allows("health")
    assert daily.spent == {}


def test_a_clock_that_steps_back_gives_nothing_back() -> None:
    clock = FakeClock(NOON)
    daily = budget(clock, 1000)
    spend(daily, 500)
    for step_h in (-12, 0, -24, 0):
        clock.step(NOON + timedelta(hours=step_h))
        assert not daily.allows("health")
    clock.step(NOON + timedelta(days=1))
    assert daily.allows("health")


def test_a_clock_that_was_years_ahead_does_not_close_the_link_for_years() -> None:
    clock = FakeClock(NOON.replace(year=2036))
    daily = budget(clock, 1000)
    spend(daily, 500)
    clock.step(NOON)
    assert not daily.allows("health")
    clock.step(NOON + timedelta(days=1))
    assert daily.allows("health")


@given(st.lists(st.integers(-70 * 365, 70 * 365), max_size=40), st.integers(0, 3 * 24))
def test_a_clock_that_is_set_again_and_again_opens_no_link_for_good(
    jumps_d: list[int], apart_h: int
) -> None:
    clock = FakeClock(NOON)
    daily = DataBudget({"health": 1000}, WUHU, clock.now, None, clock.monotonic_s)
    sent = spend(daily, 500)
    for jump_d in jumps_d:
        clock.advance(apart_h * 3600)
        clock.step(NOON + timedelta(days=jump_d, hours=apart_h % 24))
        sent += spend(daily, 500)
    lived_days = len(jumps_d) * apart_h / 24
    assert sent <= 1000 * (1 + MAX_BEGINNINGS * (1 + lived_days * 24 * 3600 / DAY_LENGTH_S))
    clock.step(NOON)
    spend(daily, 500)
    sent = 0
    for _ in range(3 * 24):  # put right, it goes on: each midnight brings its own
        clock.advance(3600)
        sent += spend(daily, 500)
    assert sent >= 2 * 1000


def test_what_was_spent_outlives_a_restart() -> None:
    clock = FakeClock(NOON)
    daily = budget(clock, 1000)
    spend(daily, 600)
    again = budget(clock, 1000, daily.document())
    assert again.spent == {"health": 1200}
    assert not again.allows("health")
    assert again.allows("cases")  # no limit was given


@pytest.mark.slow
def test_a_class_that_has_spent_its_day_waits_and_live_cases_go_on(
    broker: Broker, tmp_path: Path
) -> None:
    clock = FakeClock(NOON)
    settings = broker.settings(daily_bytes={"rest": 1, "health": 2000})
    with broker.platform() as platform, Device(tmp_path, settings, clock=clock) as device:
        first = device.open_cases(1, lane=Lane.HEALTH, padding=2500)
        device.connect()
        wait_until(lambda: len(platform.sequences("case.opened")) == 1)
        wait_until(lambda: device.uplink.figures.spent_today.get("health", 0) > 2500)
        held = device.open_cases(2, lane=Lane.HEALTH)
        live = device.open_cases(2)
        wait_until(lambda: set(live) <= set(platform.sequences("case.opened")))
        assert set(held).isdisjoint(platform.sequences("case.opened"))
        wait_until(lambda: device.waiting() == held)
        clock.step(NOON + timedelta(days=1))
        wait_until(lambda: set(held) <= set(platform.sequences("case.opened")))
        assert {*first, *held, *live} == set(platform.sequences("case.opened"))
