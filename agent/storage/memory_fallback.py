"""A fallback database in memory, for when the disk fails, so that detection goes on.

A worn-out card turns read-only or returns errors, at a start or during a run. What can still be read of the
database (open cases, the state of the analysis, waiting events) is copied into a database on a file system
in memory, under a new epoch, and writing goes on there; a power cut loses it. At a later start with a disk
that can be written, what was added since is merged back, if it is still in memory.
"""

from __future__ import annotations

import logging
import sqlite3
import tempfile
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from agent.storage import kept_table, plain_tables, salvage
from agent.storage.case_table import cases_adapter, save_case
from agent.storage.database import Database, StoodIn
from agent.storage.database_file import lenient, open_file
from agent.storage.epoch import carried, note_carried, take_back, take_over
from agent.storage.errors import UNREADABLE, StorageError
from agent.storage.outbox_queries import Lane
from agent.storage.paths import DATABASE
from agent.storage.state_table import load_state, save_state
from wording.known_errors import reason_of

if TYPE_CHECKING:
    from agent.domain.scene import Case
    from agent.protocol.events import Predecessor
    from agent.storage.database import StandIn

CARRIED_BYTES = 16_000_000
"""So much of what waits is carried over at most, cases first and within a lane the oldest."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What was merged from the fallback database back into the one on the disk.

    Attributes:
        previous_epoch: The epoch of the fallback database, which ended.
        events: How many events the disk did not have.
        cases: How many cases, opened or cleared since.
    """

    previous_epoch: str | None
    events: int
    cases: int


def in_folder(folder: Path) -> StandIn:
    """Return a function that makes the fallback database in a folder, or else in a temporary one.

    One left by an earlier run in the same boot is continued: it is newer.
    """

    def make(reader: sqlite3.Connection, reason: str) -> tuple[Path, StoodIn]:
        try:
            if _is_usable(folder / DATABASE):
                return folder / DATABASE, StoodIn(reason)
            return _fill(folder, reader, reason)
        except (OSError, sqlite3.Error) as error:
            _log.error("%s: %s", folder, reason_of(error))
            return _fill(Path(tempfile.mkdtemp(prefix="kerbwatch-")), reader, reason)

    return make


def open_instead(path: Path, folder: Path, reason: str) -> Database:
    """Open a database in memory, because the one on the disk cannot be used at the start.

    Args:
        path: The file on the disk; what can be read of it is copied.
        folder: A folder on a file system in memory.
        reason: What the operating system reported.

    Raises:
        StorageError: Memory cannot be written either.
    """
    _log.error("%s cannot be used: %s", path, reason)
    try:
        with closing(_reader(path)) as reader:
            file, stood_in = in_folder(folder)(reader, reason)
    except (OSError, sqlite3.Error) as error:
        raise StorageError(path, reason_of(error)) from error
    return Database(file, stood_in=stood_in)


def _is_usable(path: Path) -> bool:
    if not path.exists():
        return False
    try:
        open_file(path).close()
    except (OSError, sqlite3.Error) as error:
        _log.error("%s: %s", path, reason_of(error))
        return False
    return True


def take_back_into(database: Database, folder: Path) -> TakenBack | None:
    """Merge the fallback database back into the one on the disk; None if there is no fallback.

    What cannot be read of it is lost; it is deleted only after the rest is on the disk.

    Raises:
        StorageError: It could not be written.
    """
    if database.stood_in is not None or not (folder / DATABASE).exists():
        return None
    with closing(_reader(folder / DATABASE)) as reader:
        newer = _Newer.of(reader)
    taken = None if newer is None else database.write(newer.put).result()
    if database.stood_in is not None:  # the disk failed again, over this
        return None
    _forget(folder)
    return taken


@dataclass(frozen=True, slots=True)
class _Newer:
    """The contents of a fallback database."""

    before: Predecessor | None
    kept: list[tuple[Any, ...]]
    rows: list[tuple[Any, ...]]
    carried: tuple[str | None, list[tuple[int, int]]]
    cases: list[Case]
    states: list[tuple[str, str]]
    plain: plain_tables.Rows

    @classmethod
    def of(cls, reader: sqlite3.Connection) -> Self | None:
        """Read it; None if it is damaged."""
        reader.text_factory = lenient
        try:
            cases = reader.execute("SELECT document FROM cases ORDER BY state").fetchall()
            before = salvage.epoch_of(reader)
            return cls(
                before,
                salvage.kept_rows(reader, None if before is None else before.epoch),
                list(salvage.waiting_rows(reader)),
                carried(reader),
                [cases_adapter.validate_json(text) for (text,) in cases],  # cleared ones first
                salvage.states(reader, damaged=False),
                plain_tables.rows_of(reader, plain_tables.PLAIN.keys() - _ON_THE_DISK_ALONE),
            )
        except (*UNREADABLE, ValueError) as error:  # ValidationError is one, too
            _log.error("what was kept in memory is lost: %s", reason_of(error))
            return None

    def put(self, connection: sqlite3.Connection) -> TakenBack:
        """Write it into the database on the disk; within a transaction."""
        plain_tables.put(connection, self.plain | {"losses": self._new_losses(connection)})
        events = take_back(connection, self.rows, self.carried, self.before)
        kept_table.put(connection, self.kept)
        for case in self.cases:
            _keep_newer(connection, case)
        for name, value in self.states:
            save_state(connection, name, value)
        previous = None if self.before is None else self.before.epoch
        return TakenBack(previous, events, len(self.cases))

    def _new_losses(self, connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
        """Unreported losses that did not come along from the disk; they get ids of the disk's database."""
        known = {loss[1:] for loss in _unreported(connection)}
        ours = (loss[1:] for loss in self.plain["losses"] if loss[-1] is None)
        return [(None, *loss) for loss in ours if loss not in known]


def _unreported(reader: sqlite3.Connection) -> list[tuple[Any, ...]]:
    return plain_tables.rows_of(reader, ["losses"], _CARRIED_OF)["losses"]


def _keep_newer(connection: sqlite3.Connection, case: Case) -> None:
    """Store a case as memory has it; a different open case on the disk was over before the disk failed.

    A disk that begins to fail may lose the last that it had said it wrote (of 120 ext4 that were aborted while
    SQLite wrote to them, 8 had answered an fsync with success, and lost what it was for). Memory was filled
    from what the disk said then.
    """
    if case.state == "open":
        rows = connection.execute(
            "SELECT document FROM cases"
            " WHERE state = 'open' AND place_id = ? AND kind = ? AND case_id != ?",
            (case.place_id, case.kind, case.case_id),
        ).fetchall()
        for (document,) in rows:
            over = cases_adapter.validate_json(document)
            _log.warning("the disk still had case %s open: it had lost its end", over.case_id)
            save_case(connection, replace(over, state="cleared", cleared_s=over.last_present_s))
    save_case(connection, case)


_NOT_CARRIED = frozenset({"traces", "evidence_job"})
"""They would fill memory, and nothing goes by them; a packet needs the disk on which its pictures are."""
_ON_THE_DISK_ALONE = frozenset({"ageing"})
"""Nothing is deleted for its age while memory stands in."""
CARRIED_RECORDS = 200
"""Of the chain of evidence: each has some 4 kB, and a busy corner thousands of them."""
_CARRIED_OF = {
    "losses": "WHERE reported IS NULL",
    # By the newest the chain goes on; a tombstone names the manifests of its case.
    "evidence_chain": "WHERE case_id IN (SELECT case_id FROM evidence_deletions"  # noqa: S608
    f" WHERE told IS NULL) OR number > (SELECT max(number) FROM evidence_chain) - {CARRIED_RECORDS}",
}
"""Of these tables not all is carried over."""


def _fill(folder: Path, reader: sqlite3.Connection, reason: str) -> tuple[Path, StoodIn]:
    """Make a database in a folder from what can be read of another.

    Raises:
        OSError: The folder cannot be written.
        sqlite3.Error: Likewise.
    """
    reader.text_factory = lenient
    path = folder / DATABASE
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _forget(folder)
    before = salvage.epoch_of(reader)
    previous = None if before is None else before.epoch
    rows, left = _that_fit(reader)
    cases, states = salvage.open_cases(reader), salvage.states(reader, damaged=False)
    going = plain_tables.PLAIN.keys() - _NOT_CARRIED - _ON_THE_DISK_ALONE
    plain = plain_tables.rows_of(reader, going, _CARRIED_OF)
    with closing(open_file(path)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        plain_tables.put(connection, plain)  # the epochs before the one that begins
        take_over(connection, rows, before, "volatile")
        note_carried(connection, previous, [row[0] for row in rows])
        kept = sum(salvage.keep_case(connection, case) for case in cases)
        for name, value in states:
            save_state(connection, name, value)
        connection.execute("COMMIT")
    return path, StoodIn(reason, previous, len(rows), kept, left)


def _that_fit(reader: sqlite3.Connection) -> tuple[list[tuple[Any, ...]], int]:
    """Waiting events, in order, that fit the bounds; and how many are left behind."""
    taken: list[tuple[Any, ...]] = []
    room_bytes = CARRIED_BYTES
    for lane in Lane:
        for row in salvage.waiting_rows(reader, lane):
            room_bytes -= len(row[8].encode())
            if room_bytes < 0:
                break
            taken.append(row)
    waiting = len(taken)
    with suppress(*UNREADABLE):
        [waiting] = reader.execute("SELECT count(*) FROM outbox WHERE arrived = 0").fetchone()
    return sorted(taken, key=lambda row: int(row[0])), max(0, waiting - len(taken))


def _reader(path: Path) -> sqlite3.Connection:
    """Open for reading as far as possible; a file that cannot be read at all counts as empty."""
    # A journal cannot be read on a read-only file system without its index: then without either.
    for how in ("mode=ro", "immutable=1"):
        connection: sqlite3.Connection | None = None
        try:
            connection = sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True)
            load_state(connection, "")
        except sqlite3.Error:
            if connection is not None:
                connection.close()
        else:
            return connection
    return sqlite3.connect(":memory:")


def _forget(folder: Path) -> None:
    for file in folder.glob(f"{DATABASE}*"):
        file.unlink()
