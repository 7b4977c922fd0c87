"""Every event once more, as Parquet by month: what the figures need on a machine without PostgreSQL.

A month is that in which the device made an event's id (UUIDv7, by UTC), for that never changes; ids without a time
are the month ``none``. Whatever comes late, from a device that was offline for weeks or whose clock was wrong,
makes its month be written again: beside the old file, then put in its place.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from kerbwatch_platform.figures import typed
from kerbwatch_platform.figures.duck import EVENTS, MARK, VERDICTS, is_typed, typed_events

if TYPE_CHECKING:
    import psycopg

NO_MONTH = "none"
MOST_BYTES = 16_000_000
"""Of one line: an event is smaller by much."""
_MONTH = re.compile(r"[0-9]{4,5}-[0-9]{2}|none")
# What a UUIDv7 begins with is its time: 48 bits of milliseconds.
MONTH_OF = r"""CASE WHEN event_id ~ '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-' THEN to_char(to_timestamp(
  ('x' || lpad(replace(left(event_id, 13), '-', ''), 16, '0'))::bit(64)::bigint / 1000) AT TIME ZONE 'UTC', 'FMYYYY-MM')
  ELSE 'none' END"""
_COLUMNS = {
    "tenant": "VARCHAR",
    "device": "VARCHAR",
    "event_id": "VARCHAR",
    "type": "VARCHAR",
    "test": "BOOLEAN",
    "raw": "VARCHAR",
}
_VERDICT_COLUMNS = {
    "tenant": "VARCHAR",
    "device": "VARCHAR",
    "case_id": "VARCHAR",
    "verdict": "VARCHAR",
    "number": "BIGINT",
    "undone_at": "TIMESTAMPTZ",
}


def write_all(connection: psycopg.Connection[Any], folder: Path) -> list[str]:
    """Write every month of which there is news, and the verdicts; names of the months written."""
    due = [month for month, _ in due_months(connection, folder)]
    for month in due:
        write_month(connection, folder, month)
    write_verdicts(connection, folder)
    return due


def due_months(connection: psycopg.Connection[Any], folder: Path) -> list[tuple[str, int]]:
    """Months that have other events than when their file was written, no file, or one of an earlier version's columns.

    With how many events there are.
    """
    counted = connection.execute(
        f"SELECT month, n, a.events FROM (SELECT {MONTH_OF} AS month, count(*) AS n FROM event GROUP BY 1) AS m"
        " LEFT JOIN archived a USING (month) ORDER BY month"
    ).fetchall()
    return [
        (month, n)
        for month, n, kept in counted
        if n != kept or not (file := _file(folder, month)).exists() or _is_of_before(file)
    ]


def write_month(connection: psycopg.Connection[Any], folder: Path, month: str) -> int:
    """Write one month; what its file has and the database has no more stays in it. Returns the events in the file.

    Raises:
        ValueError: It is no month.
        OSError: The folder cannot be written to; the file is as it was.
    """
    if not _MONTH.fullmatch(month):
        raise ValueError(month)
    target = _file(folder, month)
    query = f"SELECT tenant, device, event_id, type, test, raw::text FROM event WHERE {MONTH_OF} = '{month}'"
    kept = [str(target)] if target.exists() else []
    with connection.transaction():
        came, events = _written(connection, query, _COLUMNS, target, kept)
        connection.execute(
            "INSERT INTO archived (month, events) VALUES (%s, %s) ON CONFLICT (month)"
            " DO UPDATE SET events = excluded.events, written_at = now()",
            (month, came),
        )
    return events


def write_verdicts(connection: psycopg.Connection[Any], folder: Path) -> int:
    """Write what the desk's reviewers found, all of it: it is little, and no event."""
    query = "SELECT tenant, device, case_id, verdict, number, undone_at FROM verdict"
    return _written(connection, query, _VERDICT_COLUMNS, folder / VERDICTS, [])[0]


def _is_of_before(file: Path) -> bool:
    try:
        return not is_typed(file)
    except duckdb.Error:  # damaged: said when somebody asks for it, or it has news
        return False


def _file(folder: Path, month: str) -> Path:
    return folder / EVENTS / f"month={month}" / "events.parquet"


def _written(
    connection: psycopg.Connection[Any],
    query: str,
    columns: dict[str, str],
    target: Path,
    kept: list[str],
) -> tuple[int, int]:
    """PostgreSQL's rows as one Parquet file, through a file of lines; it takes the old one's place when it is whole.

    Returns how many rows PostgreSQL gave, and how many the file has.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".writing-") as beside:
        lines, whole = Path(beside, "lines.csv"), Path(beside, "whole.parquet")
        told = f"COPY ({query}) TO STDOUT (FORMAT csv)".encode()
        with lines.open("wb") as out, connection.cursor() as cursor, cursor.copy(told) as copy:
            for piece in copy:
                out.write(piece)
        counts = _parquet(lines, columns, kept, whole)
        with whole.open("rb") as written:
            os.fsync(written.fileno())
        whole.replace(target)
    _sync(target.parent)
    return counts


def _parquet(lines: Path, columns: dict[str, str], kept: list[str], whole: Path) -> tuple[int, int]:
    with duckdb.connect() as duck:
        duck.execute(
            "SET autoinstall_known_extensions = false; SET TimeZone = 'UTC'; SET threads = 1"
        )
        duck.read_csv(
            str(lines),
            header=False,
            columns=columns,
            quotechar='"',
            escapechar='"',
            delimiter=",",
            max_line_size=MOST_BYTES,
            na_values="",
            auto_detect=False,
        ).create_view("new")
        names = ", ".join(columns)  # by name: the folder's is a column as well
        rows = f"SELECT {names} FROM new"
        if kept:
            duck.from_parquet(kept).create_view("kept")
            rows += (
                f" UNION ALL SELECT {names} FROM kept k ANTI JOIN new n"
                " ON (n.tenant, n.device, n.event_id) = (k.tenant, k.device, k.event_id)"
            )
        if "raw" in columns:
            duck.execute(typed.macros())
            rows = typed_events(f"({rows})")
        # Sorted, so that one who asks for cases need not read the signs of life.
        order = [
            name for name in ("type", "tenant", "device", "event_id", "case_id") if name in columns
        ]
        found = duck.execute(
            f"COPY ({rows} ORDER BY {', '.join(order)}) TO '{str(whole).replace(chr(39), chr(39) * 2)}'"
            " (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 20000,"
            f" KV_METADATA {{{MARK}: '{typed.mark()}'}})"
        ).fetchone()
        came = duck.execute("SELECT count(*) FROM new").fetchone()
        return int(came[0]) if came else 0, int(found[0]) if found else 0


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
