"""The database's file: opened with its tables as they are in this version, or refused as a newer agent's."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from agent.storage.errors import UNREADABLE, NewerDatabaseError
from drivers.disk import make_folder, sync_folder

if TYPE_CHECKING:
    from pathlib import Path

BUSY_TIMEOUT_S = 5.0
SCHEMA = 20
"""How many migrations :mod:`agent.storage.migrations` holds: the version of the tables."""
READABLE_FROM = 20
"""The oldest ``SCHEMA`` whose agent may work on tables as they are here; the file says it as its ``user_version``.

Raised to the number of a migration that changes what older agents rely on; not by one that only adds tables, or
columns with a default. An update goes back by itself to the version before: a version that raises it beyond the
``SCHEMA`` of the one before takes that way from it.
"""


class NewerError(sqlite3.DatabaseError):
    """The tables are of a version of which this agent knows nothing."""


def read_only(path: Path) -> sqlite3.Connection:
    """A connection to read a database with, whoever writes it.

    Raises:
        sqlite3.OperationalError: There is none.
    """
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)


def open_file(path: Path) -> sqlite3.Connection:
    """Open a database as the writer does, with its tables as they are in this version.

    Raises:
        OSError: Its folder cannot be made.
        sqlite3.Error: It cannot be used.
    """
    make_folder(path.parent)
    _refuse_newer_unopened(path)
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, timeout=BUSY_TIMEOUT_S
    )
    try:
        _refuse_newer(connection)
        # Only a file without tables takes this; it lets a drained outbox give its space back.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.text_factory = lenient
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA journal_size_limit = 4194304")
        _bring_up_to_date(connection)
        sync_folder(path.parent)  # SQLite sees to its journals' names only
    except BaseException:
        connection.close()
        raise
    return connection


def lenient(text: bytes) -> str:
    """Decode a text of the file; invalid bytes become replacement characters."""
    return text.decode(errors="replace")


def refuse_newer(path: Path) -> None:
    """Refuse a database that only newer agents may work on; nothing of it is changed, its journal included.

    Raises:
        NewerDatabaseError: It is one.
    """
    try:
        _refuse_newer_unopened(path)
    except NewerError as error:
        raise NewerDatabaseError(path, error.args[0], SCHEMA) from None


def _refuse_newer_unopened(path: Path) -> None:
    """Look at it without the right to write: whoever may, merges the journal when he closes the file."""
    if not path.exists():
        return
    found = 0
    with suppress(*UNREADABLE), closing(read_only(path)) as connection:
        found = _readable_from(connection)  # what else is wrong is said by whoever opens it
    if found > SCHEMA:
        raise NewerError(found)


def _refuse_newer(connection: sqlite3.Connection) -> None:
    if (found := _readable_from(connection)) > SCHEMA:
        raise NewerError(found)


def _readable_from(connection: sqlite3.Connection) -> int:
    [found] = connection.execute("PRAGMA user_version").fetchone()
    return int(found)


def _bring_up_to_date(connection: sqlite3.Connection) -> None:
    """Create or migrate the tables, if they are older than those of this version.

    Who may read them is written first: a power cut between two migrations leaves no file that an older agent takes
    for its own.
    """
    if _readable_from(connection) >= READABLE_FROM and _applied(connection) >= SCHEMA:
        return
    # Only then: what it imports would otherwise stay in memory for as long as the agent runs.
    from agent.storage import migrations  # noqa: PLC0415

    if _readable_from(connection) < READABLE_FROM:
        connection.execute(f"PRAGMA user_version = {READABLE_FROM}")
    migrations.apply(connection)


def _applied(connection: sqlite3.Connection) -> int:
    """How many migrations made these tables."""
    try:
        query = "SELECT count(*) FROM _sqlite_migrations WHERE migration_set = 'kerbwatch'"
        [count] = connection.execute(query).fetchone()
    except sqlite3.OperationalError:
        return 0  # a file that has only just begun
    return int(count)
