"""Up to when a figure tells: of a period that runs, no more than has been."""

from __future__ import annotations

import csv
import io
from datetime import datetime

import pytest
from kerbwatch_platform import figures
from kerbwatch_platform.figures.plot import plot
from kerbwatch_platform.figures.reach import reach_of
from kerbwatch_platform.figures.writing import as_csv

NOON = "2026-11-30T12:30:00+08:00"
MIDNIGHT, MORNING, NEW_YEAR = "2026-11-30 00:00", "2026-11-30 05:00", "2027-01-01 00:00"


def of(name: str, now: str = NOON) -> figures.Period:
    return figures.period(name, "Asia/Shanghai", now=datetime.fromisoformat(now))


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("operators", ["2026-11-30 12:30", MIDNIGHT, MIDNIGHT]),
        ("vending", ["2026-11-30 12:30", "2026-11-30 12:30", MIDNIGHT]),
        ("night", [MORNING, MORNING, MORNING]),
        ("overflows", ["2026-11-30 12:30", None, None]),
    ],
)
def test_a_quarter_that_runs_tells_up_to_now_and_its_hours_up_to_what_is_over(
    name: str, cells: list[str | None]
) -> None:
    question = figures.QUESTIONS[name]
    reach = reach_of(question, of("2026Q4"))
    assert reach.running
    assert reach.cells() == cells
    assert f"up to {cells[0]}." in reach.note("en")
    assert f"统计截至 {cells[0]}。" in reach.note("zh_CN")
    assert "。 " not in reach.note("zh_CN")


@pytest.mark.parametrize("name", figures.QUESTIONS)
def test_a_quarter_that_is_over_is_whole_and_nothing_is_said(name: str) -> None:
    question = figures.QUESTIONS[name]
    reach = reach_of(question, of("2026Q4", "2027-01-01T05:00:00+08:00"))
    ends = [NEW_YEAR] * 3
    if name == "night":
        ends = ["2027-01-01 05:00"] * 3
    elif name == "overflows":
        ends = [NEW_YEAR, *[None] * 2]  # type: ignore[list-item]
    assert reach.cells() == ends
    assert not reach.running
    assert reach.note("en") == reach.title("en") == ""


def test_the_last_night_of_a_quarter_is_waited_for() -> None:
    reach = reach_of(figures.QUESTIONS["night"], of("2026Q4", "2027-01-01T04:59:00+08:00"))
    assert reach.running
    assert reach.cells() == ["2026-12-31 05:00"] * 3


@pytest.mark.parametrize(
    ("name", "period", "words"),
    [
        ("daily", "2026-11-30", "no rates"),
        ("night", "2026-11-30", "No night of this period"),
        ("daily", "2026-12", "has not begun"),
    ],
)
def test_what_has_no_hours_yet_says_so(name: str, period: str, words: str) -> None:
    assert words in reach_of(figures.QUESTIONS[name], of(period)).note("en")


def test_file_and_plot_say_it_too() -> None:
    question = figures.QUESTIONS["operators"]
    row = {column.name: None for column in question.columns} | {"operator": "all", "minutes": 5}
    [told, line] = csv.reader(io.StringIO(as_csv("zh_CN", question, [row], of("2026Q4"))))
    assert dict(zip(told, line, strict=True))["统计截至"] == "2026-11-30 12:30"
    assert "截至 2026-11-30 12:30" in plot("zh_CN", question, [row], of("2026Q4")).decode()
    assert "up to 2026-11-30 12:30" in plot("en", question, [row], of("2026Q4")).decode()
    over = of("2026Q4", "2027-01-01T05:00:00+08:00")
    assert "up to" not in plot("en", question, [row], over).decode()
