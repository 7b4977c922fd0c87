"""What the plan asks for, counted: SQL, CSV, plots, Parquet and DuckDB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg.rows import dict_row

from kerbwatch_platform.figures.period import Period, PeriodError, period
from kerbwatch_platform.figures.questions import QUESTIONS

if TYPE_CHECKING:
    import psycopg

__all__ = ["QUESTIONS", "Period", "PeriodError", "ask", "period"]

_PLANNED = "SET LOCAL enable_nestloop = off; SET LOCAL jit = off"
"""The planner takes what comes out of JSON for one row, and would run through a view once for each row of another."""


def ask(connection: psycopg.Connection[Any], name: str, of: Period) -> list[dict[str, Any]]:
    """One figure of a period, out of PostgreSQL.

    Raises:
        KeyError: There is no such figure.
    """
    question = QUESTIONS[name]
    with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(_PLANNED)
        # As bytes: nothing in it was given by anybody but this package, names and numbers of the calendar.
        cursor.execute(question.asked_of(of).encode())
        return question.made(cursor.fetchall())
