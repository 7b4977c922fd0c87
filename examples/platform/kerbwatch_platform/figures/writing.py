"""A figure as people read it: headings and codes in words, figures with the decimals that make sense, CSV."""

from __future__ import annotations

import csv
import io
from datetime import datetime
from typing import TYPE_CHECKING, Any

from kerbwatch_platform.figures.making import ALL
from kerbwatch_platform.words import Language, say, text

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

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
# What a spreadsheet takes for the beginning of a formula, also in its wide forms.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


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


def as_csv(language: Language, question: Question, rows: list[Row], zone: ZoneInfo) -> str:
    """CSV that a spreadsheet opens as it stands: with a byte order mark, and no cell is a formula."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(headings(language, question))
    for row in rows:
        writer.writerow(_harmless(value) for value in cells(language, question, row, zone))
    return "\ufeff" + out.getvalue()


def _harmless(value: Any) -> Any:
    if isinstance(value, str) and value.lstrip().startswith(_FORMULA):
        return "'" + value
    return value
