"""Every figure of drawn weeks against what was drawn, out of both engines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from kerbwatch_platform import figures
from kerbwatch_platform.figures import duck

from tests.platform.figures.conftest import PERIODS
from tests.support import quarter_truth

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.platform.figures.conftest import Weeks

pytestmark = pytest.mark.slow
Row = dict[str, Any]
MS = {"minutes": 60_000, "hours": 3_600_000}
KEYS: dict[str, tuple[tuple[str, ...], tuple[str, ...], Callable[..., quarter_truth.Counts]]] = {
    "operators": (
        ("operator",),
        ("bikes", "minutes", "seen_hours", "asked_hours"),
        quarter_truth.operators,
    ),
    "sanitation": (
        ("unit", "kind"),
        (
            *("opened", "cleared", "standing", "otherwise", "minutes", "median_minutes"),
            *("p90_minutes", "longest_minutes", "within_sla", "with_sla"),
            *("seen_hours", "asked_hours"),
        ),
        quarter_truth.sanitation,
    ),
    "overflows": (
        ("case_id",),
        ("began", "opened", "stood_until", "ended"),
        quarter_truth.overflows,
    ),
    "vending": (
        ("place_id", "weekday", "hour"),
        ("opened", "minutes", "seen_hours", "asked_hours"),
        quarter_truth.vending,
    ),
    "hot_spots": (
        ("place_id", "kind"),
        ("cases", "again", "soonest_hours", "minutes", "seen_hours", "asked_hours"),
        quarter_truth.hot_spots,
    ),
    "night": (
        ("night", "kind", "place_id"),
        ("cases", "opened", "cleared", "left_standing", "minutes", "seen_hours", "asked_hours"),
        quarter_truth.night,
    ),
    "daily": (
        ("day", "kind"),
        (
            *("opened", "cleared", "otherwise", "standing", "valid", "false_alarms", "duplicates"),
            *("seen_hours", "asked_hours"),
        ),
        quarter_truth.daily,
    ),
    "precision": (
        ("kind", "device", "zone_id", "place_id"),
        ("reported", "valid", "false_alarms", "duplicates", "seen_hours", "asked_hours"),
        quarter_truth.precision,
    ),
}


def whole(row: Row, name: str) -> int:
    """A column as the truth has it: milliseconds, and -1 for a soonest that there is none of."""
    value = row[name]
    if value is None:
        return -1 if name == "soonest_hours" else 0
    unit = name.rsplit("_", 1)[-1]
    return round(value * MS[unit]) if unit in MS else int(value)


@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize("name", figures.QUESTIONS)
def test_a_figure_is_what_was_drawn(weeks: Weeks, name: str, period: str) -> None:
    keys, columns, truth = KEYS[name]
    found = {
        tuple(row[key] for key in keys): [whole(row, column) for column in columns]
        for row in figures.ask(weeks.database, name, weeks.period(period))
    }
    drawn = {key: [int(n) for n in line] for key, line in truth(weeks.asked(period)).items()}
    assert found == drawn


@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize("name", figures.QUESTIONS)
def test_both_engines_come_to_the_very_same(weeks: Weeks, name: str, period: str) -> None:
    asked = weeks.period(period)
    assert duck.ask(weeks.folder, name, asked) == figures.ask(weeks.database, name, asked)


def test_a_figure_has_the_columns_that_it_names(weeks: Weeks) -> None:
    for name, question in figures.QUESTIONS.items():
        rows = figures.ask(weeks.database, name, weeks.period("2026Q4"))
        assert rows
        assert {tuple(row) for row in rows} == {tuple(each.name for each in question.columns)}
