"""A database that is damaged is put aside, kept and reported, and what can be read of it is saved.

Nobody at the pole repairs a file. The agent goes on with a new one and a new epoch in the same start;
open cases and waiting events are taken over as far as they can still be read, with their ids. What
could not be read is lost, and how much that is nobody can know: the platform sees a new epoch, and
which one was before it, if that could be read.
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from agent.casebook import SNAPSHOT
from agent.checksum import is_whole
from agent.database import (
    Database,
    StorageError,
    cases_adapter,
    lenient,
    load_state,
    save_case,
    save_state,
)
from agent.outbox import COLUMNS, EPOCH, events_adapter, take_over
from drivers.disk import sync_folder
from drivers.foreign import reason_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agent.scene import Case

FOLDER = "quarantine"
KEPT = 3
"""So many damaged databases are kept, the newest."""
MOST_FAILED = 64
"""After so many unreadable places in a row the rest is given up."""
_SUFFIXES = ("", "-wal", "-shm")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Quarantined:
    """What happened to a damaged database.

    Attributes:
        reason: What SQLite said.
        kept_as: Its folder below the state folder.
        previous_epoch: The epoch that ended with it, if that could be read.
        events: How many waiting events were saved.
        cases: How many open cases were saved.
    """

    reason: str
    kept_as: str
    previous_epoch: str | None
    events: int
    cases: int


def open_database(path: Path, *, check: bool) -> tuple[Database, Quarantined | None]:
    """Open the database; put it aside first if it is damaged.

    Args:
        path: The file.
        check: Whether to look through the file first: after a run that did not end well.

    Raises:
        StorageError: The disk does not let us, for another reason than damage.
    """
    try:
        if check and path.exists():
            _look_through(path)
        return Database(path), None
    except StorageError as error:
        if not error.damaged:
            raise
        reason = error.reason
    aside = _put_aside(path)
    _log.error("%s is damaged (%s); it is kept in %s", path.name, reason, aside)
    database = Database(path)
    saved = _save(aside / path.name, database)
    return database, Quarantined(reason, f"{FOLDER}/{aside.name}", *saved)


def _look_through(path: Path) -> None:
    """Read every page (SQLite's ``quick_check``), the open cases with their index, and the state.

    SQLite's check sees damage of the file's structure, not of a text in it: those have checksums. An
    event that is damaged is named as lost when its turn comes, and the others go on.

    Raises:
        StorageError: It is damaged.
    """
    try:
        with closing(sqlite3.connect(path)) as connection:
            connection.text_factory = lenient
            [found] = connection.execute("PRAGMA quick_check(1)").fetchone()
            found = _broken_row(connection) if found == "ok" else str(found)
    except sqlite3.DatabaseError as error:
        raise StorageError(path, reason_of(error), damaged=True) from error
    if found is not None:
        raise StorageError(path, found, damaged=True)


def _broken_row(connection: sqlite3.Connection) -> str | None:
    """What is wrong with the first of those rows that is not what was written."""
    if not _columns(connection, "cases"):  # a file that has only just begun
        return None
    [found] = connection.execute("PRAGMA integrity_check(cases)").fetchone()
    if found != "ok":
        return str(found)
    for table, rows in (("cases", _open_cases(connection)), ("state", _state(connection))):
        if not all(is_whole(*row[-2:]) for row in rows):
            return f"a row of {table} is not what was written"
    return None


def _columns(reader: sqlite3.Connection, table: str) -> set[str]:
    return {name for _, name, *_ in reader.execute(f"PRAGMA table_info({table})")}


def _crc(reader: sqlite3.Connection, table: str) -> str:
    """The column of checksums; an older agent wrote none."""
    return "crc" if "crc" in _columns(reader, table) else "NULL"


def _open_cases(reader: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
    crc = _crc(reader, "cases")
    yield from reader.execute(f"SELECT document, {crc} FROM cases WHERE state = 'open'")  # noqa: S608


def _state(reader: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
    """Names and values that have a checksum, and that."""
    if "crc" in _columns(reader, "state"):
        yield from reader.execute("SELECT name, value, crc FROM state WHERE crc IS NOT NULL")


def _put_aside(path: Path) -> Path:
    """Move the file and its journals into a folder of their own, and let the oldest go."""
    folder = path.parent / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    before = sorted((each for each in folder.iterdir() if each.name.isdigit()), key=_number)
    aside = folder / str(_number(before[-1]) + 1 if before else 1)
    aside.mkdir(mode=0o700)
    for suffix in _SUFFIXES:
        journal = path.with_name(path.name + suffix)
        if journal.exists():
            journal.replace(aside / journal.name)
    for old in before[: max(0, len(before) + 1 - KEPT)]:
        shutil.rmtree(old, ignore_errors=True)
    sync_folder(aside)
    sync_folder(path.parent)
    return aside


def _number(folder: Path) -> int:
    return int(folder.name)


def _save(damaged: Path, database: Database) -> tuple[str | None, int, int]:
    """Take over what can be read: the epoch, how many events, how many cases."""
    try:
        with closing(sqlite3.connect(damaged)) as reader:
            reader.text_factory = lenient  # a broken text costs its row, not the reading
            previous = _epoch(reader)
            rows = list(_readable(reader))
            cases, snapshots = _cases(reader), _snapshots(reader)
    except sqlite3.DatabaseError:
        return None, 0, 0

    def write(connection: sqlite3.Connection) -> int:
        take_over(connection, rows, previous)
        for name, text in snapshots:
            save_state(connection, name, text)
        return sum(_keep(connection, case) for case in cases)

    return previous, len(rows), database.write(write).result()


def _epoch(reader: sqlite3.Connection) -> str | None:
    try:
        return load_state(reader, EPOCH)
    except sqlite3.DatabaseError:
        return None


def _readable(reader: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
    """Waiting events in order, past what cannot be read; each is one by the contract."""
    columns = COLUMNS.replace("crc", _crc(reader, "outbox"))
    query = (
        f"SELECT {columns} FROM outbox WHERE sequence > ? AND arrived = 0"  # noqa: S608
        " ORDER BY sequence"
    )
    last, failed, seen = 0, 0, set[str]()
    while failed < MOST_FAILED:
        try:
            for row in reader.execute(query, (last,)):
                last, failed = row[0], 0
                if row[1] not in seen and _valid(row):
                    seen.add(row[1])
                    yield row
        except (sqlite3.DatabaseError, OverflowError):
            failed += 1
            last += min(2**failed, 4096)  # over the page that cannot be read
        else:
            return


def _valid(row: tuple[Any, ...]) -> bool:
    if not is_whole(*row[8:]):
        return False
    try:
        event = events_adapter.validate_json(row[8])
    except (ValidationError, TypeError):
        return False
    return bool(event.event_id == row[1])


def _cases(reader: sqlite3.Connection) -> list[Case]:
    found: list[Case] = []
    with suppress(sqlite3.DatabaseError):  # those before it are whole
        for document, crc in _open_cases(reader):
            if is_whole(document, crc):
                with suppress(ValidationError):
                    found.append(cases_adapter.validate_json(document))
    return found


def _snapshots(reader: sqlite3.Connection) -> list[tuple[str, str]]:
    """Where each camera's analysis stood: without that, what a case tells of would be looked for anew."""
    found: list[tuple[str, str]] = []
    with suppress(sqlite3.DatabaseError):  # those before it are whole
        for name, text, crc in _state(reader):
            if str(name).startswith(SNAPSHOT) and is_whole(text, crc):
                found.append((name, text))
    return found


def _keep(connection: sqlite3.Connection, case: Case) -> bool:
    try:
        save_case(connection, case)
    except sqlite3.IntegrityError:  # two for one place: the page was mixed up
        return False
    return True
