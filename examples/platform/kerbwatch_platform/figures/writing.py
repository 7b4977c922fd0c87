"""A figure as people read it: headings and codes in words, figures with the decimals that make sense, CSV."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from kerbwatch_platform.figures.making import ALL
from kerbwatch_platform.figures.reach import HEADINGS, reach_of
from kerbwatch_platform.words import Language, say, text
from kerbwatch_platform.words.spreadsheet import csv_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

    from kerbwatch_platform.figures.period import Period
    from kerbwatch_platform.figures.question import Column, Question, Row

WORDS = {
    "kind": {
        "misparked_bike": text("misparked bikes"),
        "street_vending": text("street vending"),
        "shop_overflow": text("shop goods outside"),
        "overflowing_bin": text("overflowing bin"),
        "exposed_rubbish": text("exposed rubbish"),
    },
    "operator": {
        "unknown": text("unknown"),
        "not_told": text("not told"),
        ALL: text("all together"),
    },
    "ended": {
        "cleared": text("cleared"),
        "taken_back": text("taken back"),
        "withdrawn": text("withdrawn"),
        "open": text("open"),
    },
    "verdict": {
        "valid": text("valid"),
        "false": text("false alarm"),
        "duplicate": text("duplicate"),
    },
    "text": {ALL: text("all together")},
}
WEEKDAYS = (
    text("Monday"),
    text("Tuesday"),
    text("Wednesday"),
    text("Thursday"),
    text("Friday"),
    text("Saturday"),
    text("Sunday"),
)
DECIMALS = {"hours": 1, "minutes": 1, "share": 3, "rate": 3}


def headings(language: Language, question: Question) -> list[str]:
    """The columns' names in words."""
    return [say(language, column.words) for column in question.columns]


def cells(language: Language, question: Question, row: Row, zone: ZoneInfo) -> list[Any]:
    """A row's values in the columns' order: numbers stay numbers."""
    return [cell(language, column, row[column.name], zone) for column in question.columns]


def cell(language: Language, column: Column, value: Any, zone: ZoneInfo) -> Any:
    """One value; nothing for what is not known."""
    if value is None:
        return None
    if column.unit == "moment":
        return datetime.fromtimestamp(value / 1000, zone).isoformat(" ", "seconds")[:19]
    if column.unit == "weekday":
        return say(language, WEEKDAYS[value - 1])
    if column.unit in DECIMALS:
        return round(value, DECIMALS[column.unit])
    words = WORDS.get(column.unit, {}).get(value) if isinstance(value, str) else None
    return value if words is None else say(language, words)


def table_of(
    language: Language, question: Question, rows: list[Row], of: Period
) -> tuple[list[str], Iterator[list[Any]]]:
    """The headings and the lines of a figure's file; each line says up to when it tells."""
    reach = reach_of(question, of).cells()
    named = [*headings(language, question), *(say(language, each) for each in HEADINGS)]
    return named, ([*cells(language, question, row, of.zone), *reach] for row in rows)


def as_csv(language: Language, question: Question, rows: list[Row], of: Period) -> str:
    """CSV that a spreadsheet opens as it stands."""
    return csv_of(*table_of(language, question, rows, of))
