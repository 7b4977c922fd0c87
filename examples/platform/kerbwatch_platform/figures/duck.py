"""The same figures out of Parquet, by DuckDB: on any machine that the archive's folder was copied to."""

from __future__ import annotations

from contextlib import closing
from importlib import resources
from typing import TYPE_CHECKING, Any

import duckdb

from kerbwatch_platform.figures.questions import QUESTIONS

if TYPE_CHECKING:
    from pathlib import Path

    from kerbwatch_platform.figures.period import Period

EVENTS, VERDICTS = "events", "verdicts.parquet"
"""In the archive: the folder of the months, and the desk's verdicts."""
_BOTH_FROM = "-- Both engines:"


class ArchiveError(Exception):
    """There is no archive in a folder."""


def ask(folder: Path, name: str, of: Period) -> list[dict[str, Any]]:
    """One figure of a period, out of an archive.

    Raises:
        KeyError: There is no such figure.
        ArchiveError: There is no archive.
    """
    with closing(over(folder)) as connection:
        return answer(connection, name, of)


def answer(connection: duckdb.DuckDBPyConnection, name: str, of: Period) -> list[dict[str, Any]]:
    """One figure, by a connection that was opened before."""
    question = QUESTIONS[name]
    told = connection.execute(question.asked_of(of))
    names = [each[0] for each in told.description or ()]
    return question.made([dict(zip(names, row, strict=True)) for row in told.fetchall()])


def over(folder: Path) -> duckdb.DuckDBPyConnection:
    """A connection with the model's views over the archive; it fetches nothing from anywhere else.

    Raises:
        ArchiveError: There is none.
    """
    months = sorted((folder / EVENTS).glob("month=*/events.parquet"))
    if not months or not (folder / VERDICTS).exists():
        raise ArchiveError(str(folder))
    connection = duckdb.connect()
    connection.execute(
        "SET autoinstall_known_extensions = false; SET TimeZone = 'UTC';"
        " SET default_null_order = 'NULLS_LAST_ON_ASC_FIRST_ON_DESC';"  # as PostgreSQL has it
    )
    connection.from_parquet([str(each) for each in months]).create_view("kept_event")
    connection.execute(
        "CREATE VIEW event AS SELECT tenant, device, event_id, type, test, CAST(raw AS JSON) AS raw FROM kept_event"
    )
    connection.from_parquet(str(folder / VERDICTS)).create_view("verdict")
    connection.execute(_read("kerbwatch_platform.figures", "sql/model.duckdb.sql"))
    connection.execute(_views())
    return connection


def _views() -> str:
    """The part of the store's views that both engines take."""
    views = _read("kerbwatch_platform.store", "views/06_figures.sql")
    return views[views.index(_BOTH_FROM) :]


def _read(package: str, name: str) -> str:
    return resources.files(package).joinpath(name).read_text(encoding="utf-8")
