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
from agent.storage.epoch import COLUMNS, is_of_outbox, noted_epoch
from agent.storage.errors import UNREADABLE
from agent.storage.kept_table import COLUMNS as KEPT
from agent.storage.outbox_queries import events_adapter, last_sequence
from agent.storage.plain_tables import from_both_ends

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.domain.scene import Case
    from agent.storage.outbox_queries import Lane

MAX_FAILED = 64
"""Number of unreadable places in a row after which the rest is given up."""
_OF_0_1_0 = "storage.proved"
"""Version 0.1.0 wrote it to see whether it could; since then no agent may."""


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
    kept = from_both_ends(reader, "kept", "id", KEPT)
    arrived = from_both_ends(
        reader,
        "outbox",
        "sequence",
        "sequence, event_id, lane, type, occurred_at, size_bytes, event, crc, 'arrived', refused,"
        " '', NULL, 0, 0",
        "WHERE arrived = 1",
    )
    found = [kept[key] for key in sorted(kept)]
    found += [(epoch or "", *arrived[key]) for key in sorted(arrived)]
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


def cases(reader: sqlite3.Connection, where: str = "") -> list[Case]:
    """Cases, as far as they can be read and are undamaged, in the order of their recording.

    Args:
        reader: Of the database.
        where: Which; empty: all, also those that are over.
    """
    columns = f"document, {_crc(reader, 'cases')}"
    rows = from_both_ends(reader, "cases", "rowid", columns, where)
    found: list[Case] = []
    for key in sorted(rows):
        if is_whole(*rows[key]):
            with suppress(ValidationError):
                found.append(cases_adapter.validate_json(rows[key][0]))
    return found


def open_cases(reader: sqlite3.Connection) -> list[Case]:
    """Those of them that are open."""
    return cases(reader, "WHERE state = 'open'")


def states(reader: sqlite3.Connection, *, damaged: bool) -> list[tuple[str, str]]:
    """Snapshots and counters by name, except those of the outbox; of a damaged database only what is proved whole.

    Without its snapshot, everything in an open case would be detected again.
    """
    rows = from_both_ends(reader, "state", "rowid", f"name, value, {_crc(reader, 'state')}")
    return [
        (name, value)
        for name, value, crc in (rows[key] for key in sorted(rows))
        if (is_whole(value, crc) or (crc is None and not damaged))
        and not is_of_outbox(name)
        and name != _OF_0_1_0
    ]


def keep_case(connection: sqlite3.Connection, case: Case) -> bool:
    """Store a case, unless another one is open for its place and kind."""
    try:
        save_case(connection, case)
    except sqlite3.IntegrityError:  # two for one place: the page was mixed up
        return False
    return True
