"""Periods are those of the city's own calendar and clock."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kerbwatch_platform.figures.period import PeriodError, period, quarter_of

CITY = "Asia/Shanghai"
ZONES = (CITY, "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe", "America/Sao_Paulo")
NOW = datetime.fromisoformat("2027-06-01T00:00:00+08:00")


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("2026Q4", "2026-10-01", "2026-12-31"),
        ("2026", "2026-01-01", "2026-12-31"),
        ("2028-02", "2028-02-01", "2028-02-29"),
        ("2026-12-31", "2026-12-31", "2026-12-31"),
        ("2026-12-30..2027-01-02", "2026-12-30", "2027-01-02"),
        ("2026Q1..2026-04", "2026-01-01", "2026-04-30"),
    ],
)
def test_a_period_has_a_name(name: str, first: str, last: str) -> None:
    found = period(name, CITY, now=NOW)
    assert (found.first.isoformat(), found.last.isoformat()) == (first, last)


@pytest.mark.parametrize(
    "name",
    [
        *("", "Q4", "2026Q5", "2026-13", "2026-02-30", "2026-10..2026-09", "1999Q1", "2026..2027"),
        *("2026Q4; DROP TABLE event", "2026Q4'", "２０２６Q4"),
    ],
)
def test_what_is_no_period_is_refused(name: str) -> None:
    with pytest.raises(PeriodError):
        period(name, CITY, now=NOW)


def test_a_quarter_ends_at_the_citys_midnight() -> None:
    found = period("2026Q4", CITY, now=NOW)
    assert found.from_ms == datetime.fromisoformat("2026-09-30T16:00:00Z").timestamp() * 1000
    assert found.until_ms == datetime.fromisoformat("2026-12-31T16:00:00Z").timestamp() * 1000
    assert (found.before(), found.after()) == ("2026Q3", "2027Q1")


@given(st.sampled_from(ZONES), st.dates(date(2024, 1, 1), date(2028, 1, 1)))
def test_days_and_hours_cover_all_time_once(zone: str, day: date) -> None:
    found = period(f"{day}..{day.replace(day=28)}" if day.day < 28 else str(day), zone, now=NOW)
    for pieces in (found.days(), found.hours()):
        assert [piece.from_ms for piece in pieces[1:]] == [piece.until_ms for piece in pieces[:-1]]
        assert (pieces[0].from_ms, pieces[-1].until_ms) == (found.from_ms, found.until_ms)
    for hour in found.hours():
        for at_ms in (hour.from_ms, hour.until_ms - 1):
            local = datetime.fromtimestamp(at_ms / 1000, found.zone)
            assert (local.date().isoformat(), local.hour) == (hour.day, hour.hour)
            assert local.isoweekday() == hour.weekday


def test_a_day_on_which_clocks_change_is_as_long_as_it_is() -> None:
    found = period("2026-10-25", "Europe/Berlin", now=NOW)
    assert len(found.hours()) == 25
    assert [hour.hour for hour in found.hours()][:5] == [0, 1, 2, 2, 3]
    assert found.days()[0].until_ms - found.days()[0].from_ms == 25 * 3_600_000


def test_a_night_is_told_once_it_is_over() -> None:
    morning = datetime.fromisoformat("2026-12-31T05:00:00+08:00")
    told = [night.day for night in period("2026-12", CITY, now=morning).nights()]
    assert told[-1] == "2026-12-30"
    assert period("2026-12", CITY, now=morning).nights()[0].day == "2026-12-01"


def test_a_day_lies_in_its_quarter() -> None:
    assert [quarter_of(date(2026, month, 1)) for month in (1, 3, 4, 12)] == [
        *("2026Q1", "2026Q1", "2026Q2", "2026Q4")
    ]
