"""The same figures out of Parquet, by DuckDB: on any machine that the archive's folder was copied to."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import duckdb

from kerbwatch_platform.figures import typed
from kerbwatch_platform.figures.questions import QUESTIONS

if TYPE_CHECKING:
    from pathlib import Path

    from kerbwatch_platform.figures.period import Period

EVENTS, VERDICTS = "events", "verdicts.parquet"
"""In the archive: the folder of the months, and the desk's verdicts."""
MARK = "columns"
"""In a file of events: for which questions its columns were written."""


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
    connection.execute(typed.macros())
    parts = []
    for name, files in _by_columns(months).items():
        connection.from_parquet([str(each) for each in files]).create_view(name)
        parts.append(name if name == "as_asked" else f"({typed_events(name)})")
    connection.execute(
        "CREATE VIEW event AS "
        + " UNION ALL ".join(
            f"SELECT tenant, device, event_id, type, test, asked AS raw FROM {part}"
            for part in parts
        )
    )
    connection.from_parquet(str(folder / VERDICTS)).create_view("verdict")
    connection.execute(typed.views())
    return connection


def typed_events(rows: str) -> str:
    """Events of a relation, each with all that is asked of it, read out of its JSON now."""
    names = "tenant, device, event_id, type, test"
    return (
        f"SELECT {names}, text AS raw, {typed.asked()} AS asked"
        f" FROM (SELECT {names}, raw AS text, CAST(raw AS JSON) AS raw FROM {rows} AS whole) AS read"
    )


def is_typed(file: Path) -> bool:
    """Whether a month's file has the columns that this version asks for."""
    query = "SELECT decode(value) FROM parquet_kv_metadata(?) WHERE decode(key) = ?"
    with closing(duckdb.connect()) as connection:
        return connection.execute(query, (str(file), MARK)).fetchall() == [(typed.mark(),)]


def _by_columns(months: list[Path]) -> dict[str, list[Path]]:
    """Files that have the columns, and those that an earlier version wrote: the next night writes them again."""
    found: dict[str, list[Path]] = {}
    for each in months:
        found.setdefault("as_asked" if is_typed(each) else "of_before", []).append(each)
    return found
