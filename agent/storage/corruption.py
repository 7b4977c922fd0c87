"""Moves a corrupt database aside, and salvages what can still be read of it.

Nobody at the pole repairs a file. The agent continues with a new database and a new epoch in the same
start; what can be read of every table is copied, waiting events and cases with their ids. The rest is lost, and its amount cannot be known: the platform sees a new epoch, and the previous one if that could
be read.
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.storage import (
    kept_table,
    lived_time_counter,
    memory_fallback,
    plain_tables,
    salvage,
)
from agent.storage.checksum import is_whole
from agent.storage.database import Database
from agent.storage.database_file import lenient, refuse_newer
from agent.storage.epoch import take_over
from agent.storage.errors import UNREADABLE, NewerDatabaseError, StorageError, is_failing
from agent.storage.paths import QUARANTINE
from agent.storage.state_table import save_state
from drivers.disk import sync_folder
from wording.known_errors import reason_of

if TYPE_CHECKING:
    from pathlib import Path

_PROVED = "storage.writable"
"""Not as 0.1.0 called it: what writes that name is too old for the tables as they are."""
KEPT = 3
"""Number of damaged databases kept, the newest."""
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


def open_database(
    path: Path, *, check: bool, in_memory: Path | None = None
) -> tuple[Database, Quarantined | None]:
    """Open the database; move it aside first if it is damaged.

    Args:
        path: The file.
        check: Whether to check the whole file first, after a run that did not end cleanly.
        in_memory: The folder of the fallback database in memory, used while the disk fails. None: no
            fallback.

    Raises:
        StorageError: The database cannot be used, for another reason than damage.
    """
    try:
        return _open(path, check=check, in_memory=in_memory)
    except OSError as error:
        newer = isinstance(error, NewerDatabaseError)  # memory would only hide it
        if in_memory is None or newer or _is_mistaken(path):
            raise
        return memory_fallback.open_instead(path, in_memory, _reason(error)), None


def _is_mistaken(path: Path) -> bool:
    """Whether there is a file in place of a folder or the reverse: a mistake, not a failing disk."""
    return path.is_dir() or any(each.is_file() for each in path.parents)


def _reason(error: OSError) -> str:
    return error.reason if isinstance(error, StorageError) else reason_of(error)


def _open(
    path: Path, *, check: bool, in_memory: Path | None
) -> tuple[Database, Quarantined | None]:
    stand_in = None if in_memory is None else memory_fallback.in_folder(in_memory)
    try:
        if check and path.exists():
            refuse_newer(path)
            _look_through(path)
        database = Database(path, stand_in=stand_in)
        if in_memory is not None:
            _prove(database)
    except StorageError as error:
        if not error.damaged:
            raise
        reason = error.reason
    else:
        return database, None
    aside = _put_aside(path)
    _log.error("%s is damaged (%s); it was moved to %s", path.name, reason, aside)
    database = Database(path, stand_in=stand_in)
    saved = _save(aside / path.name, database)
    return database, Quarantined(reason, f"{QUARANTINE}/{aside.name}", *saved)


def _prove(database: Database) -> None:
    """Write something: a database may open on a disk that cannot be written.

    Raises:
        StorageError: It cannot be written; the database is closed.
    """
    try:
        try:
            database.write(lambda connection: save_state(connection, _PROVED, "")).result()
        except StorageError as error:
            if not error.full:
                raise
            # There may be room now: what was kept for the way out has been thrown off.
            database.write(lambda connection: save_state(connection, _PROVED, "")).result()
    except StorageError:
        database.close()
        raise


def _look_through(path: Path) -> None:
    """Read every page (SQLite's ``quick_check``), the open cases with their index, and the state.

    SQLite's check finds damage of the file's structure, not of its texts: those have checksums. An
    event that is damaged is reported as lost when it is due to be sent; the others are sent.

    Raises:
        StorageError: It is damaged.
    """
    try:
        with closing(sqlite3.connect(path)) as connection:
            connection.text_factory = lenient
            [found] = connection.execute("PRAGMA quick_check(1)").fetchone()
            found = _broken_row(connection) if found == "ok" else str(found)
    except UNREADABLE as error:
        raise StorageError(path, reason_of(error), damaged=not is_failing(error)) from error
    if found is not None:
        raise StorageError(path, found, damaged=True)


def _broken_row(connection: sqlite3.Connection) -> str | None:
    """What is wrong with the first row whose content is not as written; None if all are whole."""
    if not salvage.columns(connection, "cases"):  # a file that has only just begun
        return None
    [found] = connection.execute("PRAGMA integrity_check(cases)").fetchone()
    if found != "ok":
        return str(found)
    for table, rows in (
        ("cases", salvage.case_rows(connection)),
        ("state", salvage.state_rows(connection)),
    ):
        if not all(is_whole(*row[-2:]) for row in rows):
            return f"a row of {table} is not what was written"
    return None


def _put_aside(path: Path) -> Path:
    """Move the file and its journals into a folder of their own, and delete the oldest such folders."""
    folder = path.parent / QUARANTINE
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
    """Copy what can be read; return the epoch and the numbers of events and cases."""
    try:
        with closing(sqlite3.connect(damaged)) as reader:
            reader.text_factory = lenient  # a broken text costs its row, not the reading
            before = salvage.epoch_of(reader)
            previous = None if before is None else before.epoch
            rows, kept = list(salvage.waiting_rows(reader)), salvage.kept_rows(reader, previous)
            cases, states = salvage.cases(reader), salvage.states(reader, damaged=True)
            plain = plain_tables.rows_of(reader)
    except UNREADABLE:
        return None, 0, 0

    def write(connection: sqlite3.Connection) -> int:
        plain_tables.put(connection, plain)  # the epochs before the one that begins
        take_over(connection, rows, before, "quarantined")
        kept_table.put(connection, kept)
        for name, text in states:
            save_state(connection, name, text)
        lived_time_counter.forget_what_is_later(connection)
        kept_cases = [case for case in cases if salvage.keep_case(connection, case)]
        return sum(case.state == "open" for case in kept_cases)

    return previous, len(rows), database.write(write).result()
