"""The SQLite database with its single writer thread; a write is done only once it is fsynced.

All writes go through one thread (group commit): while it waits for the disk, further writes queue up,
and the next transaction takes all of them. On a card that needs 10 ms for an fsync this is the
difference between 76 and some thousands of rows a second.
"""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeVar

from agent.storage.database_file import BUSY_TIMEOUT_S, SCHEMA, NewerError, lenient, open_file
from agent.storage.errors import (
    NewerDatabaseError,
    StorageError,
    is_damage,
    is_failing,
    is_full,
    is_storage_fault,
)
from agent.storage.reserve_file import ReserveFile
from drivers.disk import refusal
from wording.known_errors import reason_of
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

T = TypeVar("T")
_Job = tuple["Callable[[sqlite3.Connection], Any]", "Future[Any]"]

_GROUP_LIMIT = 500
"""More pieces of work than this do not wait for one and the same commit."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StoodIn:
    """A fallback database in memory, in place of one on a failing disk.

    Attributes:
        reason: What the operating system reported.
        previous_epoch: The epoch that ended with it, if that could be read.
        events: How many waiting events were carried over.
        cases: How many open cases were carried over.
        left: How many waiting events were left on the disk, because there was no room or they could not
            be read.
    """

    reason: str
    previous_epoch: str | None = None
    events: int = 0
    cases: int = 0
    left: int = 0


StandIn = Callable[["sqlite3.Connection", str], tuple["Path", StoodIn]]
"""Makes a database elsewhere, from what can be read of a failing one and with the reason why; gives its file."""


class Database:
    """The device's one database. Use from any thread; close it when done.

    Args:
        path: The file.
        stand_in: Called when the disk fails; makes the fallback database, in which all writes continue,
            including the one that failed. None: the write fails.
        stood_in: Given if ``path`` already is a fallback database.

    Raises:
        StorageError: The file cannot be opened or is not a database.
    """

    def __init__(
        self, path: Path, *, stand_in: StandIn | None = None, stood_in: StoodIn | None = None
    ) -> None:
        self.path = path
        self.stood_in = stood_in
        """Why this is not the database on the disk; None: it is."""
        self._stand_in = stand_in
        self._on_stand_in: list[Callable[[sqlite3.Connection], None]] = []
        self._listeners: list[Callable[[], None]] = []
        self._on_full: list[Callable[[sqlite3.Connection], None]] = []
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._over: str | None = None
        try:
            self._connection = open_file(path)
        except NewerError as error:
            raise NewerDatabaseError(path, error.args[0], SCHEMA) from None
        except (OSError, sqlite3.Error) as error:
            reason = refusal(error, path.parent)
            raise StorageError(path, reason, damaged=is_damage(error)) from error
        self._file = _identity(path)
        self._ballast = ReserveFile(path.with_name(path.name + ".ballast"))
        # A daemon: an error in the main thread must end the process, not leave it hanging here.
        self._writer = threading.Thread(target=self._run, name="database", daemon=True)
        self._writer.start()

    def write(self, work: Callable[[sqlite3.Connection], T]) -> Future[T]:
        """Run a write in the next transaction.

        It runs in the writer's thread, in a savepoint of its own: if it raises, only its changes are
        rolled back and the future gets the exception. It must not commit, and must not wait for
        another write.

        Returns:
            A future that resolves only once the write is on the disk. Its callbacks run in the
            writer's thread and must be short.

        Raises:
            StorageError: From the future: it could not be written. At once: the database is
                closed or its writer has ended.
        """
        future: Future[T] = Future()
        with self._lock:
            if self._over is not None:
                raise StorageError(self.path, self._over)
            self._jobs.put((work, future))
        return future

    def read(self) -> sqlite3.Connection:
        """Open a read-only connection. Close it; use it in one thread."""
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode=ro",
            uri=True,
            isolation_level=None,
            timeout=BUSY_TIMEOUT_S,
        )
        connection.execute("PRAGMA query_only = ON")
        connection.text_factory = lenient  # a broken text costs its row, not the reading
        return connection

    def on_commit(self, listener: Callable[[], None]) -> None:
        """Have ``listener`` called in the writer's thread after each commit; it must be short."""
        self._listeners.append(listener)

    def on_full(self, relief: Callable[[sqlite3.Connection], None]) -> None:
        """Have ``relief`` called in a transaction when the disk is full, to delete what may go."""
        self._on_full.append(relief)

    def on_stand_in(self, listener: Callable[[sqlite3.Connection], None]) -> None:
        """Have ``listener`` called in a transaction of the fallback database when it takes over."""
        self._on_stand_in.append(listener)

    @property
    def tight(self) -> bool:
        """Whether the disk was full: the space freed since then is for deletions, not for new rows."""
        return self._ballast.thrown

    def close(self) -> None:
        """Write everything accepted before this call, then close the file."""
        with self._lock:
            if self._over is None:
                self._over = "closed"
                self._jobs.put(None)
        self._writer.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        group: list[_Job] = []
        try:
            while group := self._next_group():
                self._commit(group)
        except Exception as error:
            self._give_up(error, group)
            raise
        finally:
            self._connection.close()

    def _next_group(self) -> list[_Job]:
        """Wait for writes, then take all that queue; empty: the database was closed."""
        group: list[_Job] = []
        while len(group) < _GROUP_LIMIT:
            try:
                job = self._jobs.get(block=not group)
            except queue.Empty:
                break
            if job is None:
                if group:  # the end comes after them
                    self._jobs.put(None)
                break
            group.append(job)
        return group

    def _commit(self, group: Sequence[_Job]) -> None:
        running = [job for job in group if job[1].set_running_or_notify_cancel()]
        self._ballast.take_on()
        error = self._try(running)
        if error is not None and self._goes_over(error):
            error = self._try(running)
        if error is not None:
            if is_full(error):
                self._relieve()
            for _, future in running:
                future.set_exception(self._storage_error(error))
            return
        for listener in self._listeners:
            listener()

    def _try(self, running: Sequence[_Job]) -> BaseException | None:
        """Run the writes in one transaction; return the error if it failed as a whole."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            if _identity(self.path) != self._file:  # what goes into it now, nobody would find again
                self._connection.execute("ROLLBACK")
                return _gone()
            results = [_in_savepoint(self._connection, work) for work, _ in running]
            failing = [failure for _, failure in results if is_failing(failure)]
            if failing and self._stand_in is not None:
                self._connection.execute("ROLLBACK")
                return failing[0]
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            return error
        self._see_to_the_disk(full=any(is_full(failure) for _, failure in results))
        for (_, future), (value, failure) in zip(running, results, strict=True):
            if failure is None:
                future.set_result(value)
            elif is_storage_fault(failure):
                future.set_exception(self._storage_error(failure))
            else:
                future.set_exception(failure)
        return None

    def _goes_over(self, error: BaseException) -> bool:
        """Switch to the fallback, if the disk fails and there is one."""
        if self._stand_in is None or not is_failing(error):
            return False
        make, self._stand_in = self._stand_in, None
        reason = refusal(error, self.path.parent)
        _log.error("%s: the disk fails: %s", self.path, reason)
        try:
            path, stood_in = make(self._connection, reason)
            connection = open_file(path)
        except (OSError, sqlite3.Error) as fault:
            _log.error("there is no fallback for it: %s", fault)
            return False
        with suppress(sqlite3.Error):
            self._connection.close()
        self._connection, self.path, self.stood_in = connection, path, stood_in
        self._file = _identity(path)
        self._ballast = ReserveFile(path.with_name(path.name + ".ballast"))
        connection.execute("BEGIN IMMEDIATE")
        for listener in self._on_stand_in:
            listener(connection)
        connection.execute("COMMIT")
        _log.error("going on in %s: %d events, %d cases", path, stood_in.events, stood_in.cases)
        return True

    def _see_to_the_disk(self, *, full: bool) -> None:
        if full:
            self._relieve()
        elif self.tight:
            with suppress(sqlite3.Error):  # the journal must not eat up what is free
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _relieve(self) -> None:
        """Make room on a full disk: release the reserve file and delete what may go."""
        if not self._ballast.throw_off():
            return
        with suppress(sqlite3.Error):
            self._connection.execute("BEGIN IMMEDIATE")
            for relief in self._on_full:
                relief(self._connection)
            self._connection.execute("COMMIT")
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        with suppress(sqlite3.Error):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _storage_error(self, error: BaseException) -> StorageError:
        reason = refusal(error, self.path.parent)
        return StorageError(self.path, reason, full=is_full(error), damaged=is_damage(error))

    def _give_up(self, error: Exception, group: list[_Job]) -> None:
        """End the writer's thread: fail every write that waits."""
        with self._lock:
            self._over = said("the writer ended: {reason}", reason=reason_of(error))
            self._jobs.put(None)
        while job := self._jobs.get():
            group.append(job)
        for _, future in group:
            if not future.done():
                future.set_exception(StorageError(self.path, self._over))


def _in_savepoint(
    connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], Any]
) -> tuple[Any, Exception | None]:
    """Run one write in a savepoint; roll back only that if it raises.

    Raises:
        sqlite3.Error: The whole transaction is lost.
    """
    connection.execute("SAVEPOINT work")
    try:
        value = work(connection)
    except Exception as error:  # not swallowed: it goes to whom the work belongs
        # After some faults (a full disk, an I/O error) SQLite has undone everything already.
        if not connection.in_transaction and isinstance(error, sqlite3.Error):
            raise
        connection.execute("ROLLBACK TO work")
        connection.execute("RELEASE work")
        return None, error
    connection.execute("RELEASE work")
    return value, None


def _identity(path: Path) -> tuple[int, int] | None:
    """The identity of the file (device and inode) under a name; None: there is no such file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _gone() -> sqlite3.Error:
    """The error that SQLite gives for a file deleted while open, except in WAL mode."""
    error = sqlite3.OperationalError("the database file was deleted or replaced")
    error.sqlite_errorcode = sqlite3.SQLITE_READONLY_DBMOVED
    return error
