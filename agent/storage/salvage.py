"""Salvages what can be read of a damaged database, or of one on a failing disk."""

from __future__ import annotations

import json
import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from agent.protocol.events import Predecessor
from agent.storage.case_table import cases_adapter, save_case
from agent.storage.checksum import is_whole
from agent.storage.epoch import COLUMNS, noted_epoch
from agent.storage.errors import UNREADABLE
from agent.storage.kept_table import COLUMNS as KEPT
from agent.storage.outbox_queries import events_adapter, last_sequence
from agent.storage.state_table import ANALYSIS_SNAPSHOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.domain.scene import Case
    from agent.storage.outbox_queries import Lane

MAX_FAILED = 64
"""Number of unreadable places in a row after which the rest is given up."""

_TOLD = {
    "orders": ("number", "command_id, digest, answer"),
    "case_notes": ("case_id", "case_id, ticket, verdict"),
    "verdicts": ("number", "case_id, verdict, place"),
}
"""Tables of what the platform told: by what they are in order, and what of them means the same in any database."""
Told = dict[str, list[tuple[Any, ...]]]
"""Rows of these tables, the oldest first."""


def columns(reader: sqlite3.Connection, table: str) -> set[str]:
    """The names of a table's columns; none if there is no such table."""
    return {name for _, name, *_ in reader.execute(f"PRAGMA table_info({table})")}


def _crc(reader: sqlite3.Connection, table: str) -> str:
    """The column of checksums; older versions wrote none."""
    return "crc" if "crc" in columns(reader, table) else "NULL"


def case_rows(reader: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
    """The documents of open cases, with their checksums."""
    crc = _crc(reader, "cases")
    yield from reader.execute(f"SELECT document, {crc} FROM cases WHERE state = 'open'")  # noqa: S608


def state_rows(reader: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
    """Names, values and checksums of the states that have a checksum."""
    if "crc" in columns(reader, "state"):
        yield from reader.execute("SELECT name, value, crc FROM state WHERE crc IS NOT NULL")


def epoch_of(reader: sqlite3.Connection) -> Predecessor | None:
    """The epoch and the last number given in it, as far as they can be read."""
    try:
        epoch = noted_epoch(reader)
    except UNREADABLE:
        return None
    last: int | None = None
    with suppress(*UNREADABLE):
        last = last_sequence(reader)
    return None if epoch is None else Predecessor(epoch=epoch, last_sequence=last)


def kept_rows(reader: sqlite3.Connection, epoch: str | None) -> list[tuple[Any, ...]]:
    """What can be sent again, as :data:`agent.storage.kept_table.COLUMNS`, as far as it can be read.

    Args:
        reader: Of the database.
        epoch: Its own, under which what has arrived in it is kept.
    """
    found: list[tuple[Any, ...]] = []
    with suppress(*UNREADABLE, TypeError):  # those before it are whole
        found.extend(reader.execute(f"SELECT {KEPT} FROM kept ORDER BY id"))  # noqa: S608
    with suppress(*UNREADABLE, TypeError):
        found.extend(
            reader.execute(
                "SELECT ?, sequence, event_id, lane, type, occurred_at, size_bytes, event, crc,"
                " 'arrived', refused, '', NULL, 0, 0 FROM outbox WHERE arrived = 1"
                " ORDER BY sequence",
                (epoch or "",),
            )
        )
    return [row for row in found if is_whole(row[7], row[8])]


def waiting_rows(reader: sqlite3.Connection, lane: Lane | None = None) -> Iterator[tuple[Any, ...]]:
    """Waiting events in order, skipping what cannot be read; each is valid by the contract.

    Args:
        reader: Of the database.
        lane: Only this lane; None: all.

    Yields:
        :data:`agent.storage.epoch.COLUMNS`.
    """
    of_lane = "" if lane is None else f" AND lane = {int(lane)}"
    columns = COLUMNS.replace("crc", _crc(reader, "outbox"))
    query = (
        f"SELECT {columns} FROM outbox WHERE sequence > ? AND arrived = 0{of_lane}"  # noqa: S608
        " ORDER BY sequence"
    )
    last, failed, seen = 0, 0, set[str]()
    while failed < MAX_FAILED:
        try:
            for row in reader.execute(query, (last,)):
                last, failed = row[0], 0
                if row[1] not in seen and _valid(row):
                    seen.add(row[1])
                    yield row
        except (*UNREADABLE, OverflowError):
            failed += 1
            last += min(2**failed, 4096)  # over the page that cannot be read
        else:
            return


def _valid(row: tuple[Any, ...]) -> bool:
    """Whether a row holds the event that its columns name.

    One with a correct checksum is accepted as written: an older version may have had other bounds.
    """
    text, crc = row[8:]
    if not is_whole(text, crc):
        return False
    try:
        if crc is None:
            events_adapter.validate_json(text)
        return bool(json.loads(text)["event_id"] == row[1])
    except (ValueError, TypeError, KeyError, RecursionError):  # a ValidationError is the first
        return False


def open_cases(reader: sqlite3.Connection) -> list[Case]:
    """Open cases, as far as they can be read and are undamaged."""
    found: list[Case] = []
    with suppress(*UNREADABLE):  # those before it are whole
        for document, crc in case_rows(reader):
            if is_whole(document, crc):
                with suppress(ValidationError):
                    found.append(cases_adapter.validate_json(document))
    return found


def snapshots(reader: sqlite3.Connection) -> list[tuple[str, str]]:
    """The snapshot of each camera's analysis; without it, everything in an open case would be detected again."""
    found: list[tuple[str, str]] = []
    with suppress(*UNREADABLE):  # those before it are whole
        for name, text, crc in state_rows(reader):
            if str(name).startswith(ANALYSIS_SNAPSHOT) and is_whole(text, crc):
                found.append((name, text))
    return found


def told_rows(reader: sqlite3.Connection) -> Told:
    """Answered commands and what was told of cases: without them a command that is repeated is obeyed again."""
    found: Told = {}
    for table, (order, names) in _TOLD.items():
        rows: dict[Any, tuple[Any, ...]] = {}
        for way in ("ASC", "DESC"):  # from both ends up to what cannot be read, if there is that
            with suppress(*UNREADABLE, OverflowError):
                query = f"SELECT {order}, {names} FROM {table} ORDER BY {order} {way}"  # noqa: S608
                for key, *row in reader.execute(query):
                    rows[key] = tuple(row)
        valid = (key for key, row in rows.items() if _says(row, whole=table != "case_notes"))
        found[table] = [rows[key] for key in sorted(valid)]
    return found


def _says(row: tuple[Any, ...], *, whole: bool) -> bool:
    """Whether a row has a name, a text and a document; where it need not be whole, either may be null."""
    name, text, document = row
    if not isinstance(name, str) or not isinstance(text, str | None):
        return False
    if whole and None in row:
        return False
    return document is None or is_whole(document, None)


def put_told(connection: sqlite3.Connection, told: Told) -> None:
    """Write what the platform told; within a transaction. It counts as newer than what is there."""
    for table, rows in told.items():
        _, names = _TOLD[table]
        connection.executemany(
            f"INSERT OR REPLACE INTO {table} ({names}) VALUES (?, ?, ?)",  # noqa: S608
            rows,
        )


def keep_case(connection: sqlite3.Connection, case: Case) -> bool:
    """Store a case, unless another one is open for its place and kind."""
    try:
        save_case(connection, case)
    except sqlite3.IntegrityError:  # two for one place: the page was mixed up
        return False
    return True
