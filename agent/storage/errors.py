"""Classifies errors of the disk and of SQLite: full, damaged, failing."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from wording.messages import said

if TYPE_CHECKING:
    from pathlib import Path


_STORAGE_FAULTS = frozenset(
    {
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_READONLY,
    }
)


_FAILING = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY})


UNREADABLE = (sqlite3.DatabaseError, UnicodeDecodeError)
"""What reading a damaged file raises. The second: SQLite's message repeats a damaged schema, and is no UTF-8."""


class StorageError(OSError):
    """The database could not be written or opened. Nothing of the write was kept.

    Attributes:
        path: The database file.
        reason: SQLite's message.
        full: The disk is full: a later write may succeed.
        damaged: The file is no database, or a corrupt one.
    """

    def __init__(
        self, path: Path, reason: str, *, full: bool = False, damaged: bool = False
    ) -> None:
        super().__init__(said("{file}: {reason}", file=path.name, reason=reason))
        self.path, self.reason, self.full, self.damaged = path, reason, full, damaged


class NewerDatabaseError(StorageError):
    """The database was written by a newer version of the agent; nothing was changed in it."""

    def __init__(self, path: Path, found: int, known: int) -> None:
        reason = said(
            "a newer version of the agent wrote it (tables of version {found}; this agent knows "
            "{known}): install that version again, or move the state folder away to begin without it",
            found=found,
            known=known,
        )
        super().__init__(path, reason)


def is_damage(error: BaseException) -> bool:
    """Whether SQLite reports that the file is corrupt."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def is_failing(error: BaseException | None) -> bool:
    """Whether the disk fails: it cannot be written or read."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _FAILING


def is_full(error: BaseException | None) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL


def is_storage_fault(error: BaseException) -> bool:
    return (
        isinstance(error, sqlite3.DatabaseError)
        and getattr(error, "sqlite_errorcode", 0) & 0xFF in _STORAGE_FAULTS
    )
