"""What is asked, in one SQL text for both engines, and what is made of the sums that come back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from kerbwatch_platform.figures.period import Period

Row = dict[str, Any]
Unit = Literal[
    "text",
    "kind",
    "ended",
    "verdict",
    "operator",
    "weekday",
    "count",
    "hours",
    "minutes",
    "share",
    "rate",
    "moment",
]
"""How a column is written: figures with the decimals that make sense, codes in words."""
Hours = Literal["days", "signs", "nights"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a figure: its name in CSV and SQL, its heading in English, and how it is written."""

    name: str
    words: str
    unit: Unit


@dataclass(frozen=True, slots=True)
class Question:
    """One figure.

    Attributes:
        name: In addresses, on the command line, of the SQL file.
        words: Its title, in English; the catalogue has the Chinese.
        about: What it counts, and what it does not.
        columns: In order.
        made: From what SQL gives, the rows that people see.
        hours: What tells the hours able to see: the summaries of days that are over, signs of life, or those of
            nights that are over; None: the figure has none.
    """

    name: str
    words: str
    about: str
    columns: tuple[Column, ...]
    made: Callable[[list[Row]], list[Row]]
    hours: Hours | None = "days"

    @property
    def sql(self) -> str:
        """The text that both engines take, but for what :func:`asked_of` puts before it."""
        return _text(self.name)

    def asked_of(self, period: Period) -> str:
        """The whole statement for a period; numbers and days of ours alone go into it."""
        return f"WITH {_given(period)},\n{_text('prelude')}\n{self.sql}"


@cache
def _text(name: str) -> str:
    found = resources.files("kerbwatch_platform.figures") / "sql" / f"{name}.sql"
    return found.read_text(encoding="utf-8")


def _given(period: Period) -> str:
    """The period as relations: `asked`, `day`, `hour`, `hour_slot`, `night`, `night_slot`."""
    days, hours, nights = period.days(), period.hours(), period.nights()
    signs_until_ms = max([period.until_ms, *(each.until_ms for each in nights)])
    within_ms = period.again_within_days * 86_400_000
    asked = (period.from_ms, period.until_ms, period.now_ms, within_ms, signs_until_ms)
    day = [(each.day, each.from_ms, each.until_ms) for each in days]
    hour = [(each.day, each.weekday, each.hour, each.from_ms, each.until_ms) for each in hours]
    night = [(each.day, each.from_ms, each.until_ms) for each in nights]
    none = [("", 0, 0)]
    return ",\n".join(
        (
            _values("asked", "from_ms, until_ms, now_ms, within_ms, signs_until_ms", [asked]),
            _values("day", "day, from_ms, until_ms", day),
            _values("hour", "day, weekday, hour, from_ms, until_ms", hour),
            _values("night", "night, from_ms, until_ms", night or none),
            _slots("hour"),
            _slots("night"),
        )
    )


def _values(name: str, columns: str, rows: Iterable[tuple[str | int, ...]]) -> str:
    def written(value: str | int) -> str:
        return f"'{value}'" if isinstance(value, str) else f"CAST({value} AS BIGINT)"

    lines = ",".join(f"({','.join(written(value) for value in row)})" for row in rows)
    return f"{name}({columns}) AS (VALUES {lines})"


def _slots(name: str) -> str:
    """The quarters of an hour of each piece; written down once, or all that was seen would be gone through for each."""
    return (
        f"{name}_slot AS MATERIALIZED (SELECT p.*, s.slot_ms FROM {name} p"
        " CROSS JOIN LATERAL generate_series(p.from_ms, p.until_ms - 1, 900000) AS s(slot_ms))"
    )
