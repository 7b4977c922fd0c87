"""The outbox: the only queue of events that the platform has not yet confirmed.

An event is added in the transaction that changes its case; it waits until it is confirmed. Confirmed
events are kept for a while, because platforms restore backups and ask for them again. Sequence numbers
are assigned in the transaction, by one writer, so that no number is skipped: a gap is always a loss.

An epoch is one database's life. A card that lied about its writes can roll a database back: numbers
would then be assigned twice. So an unclean boot, and a platform that has more than was ever sent, begin
a new epoch: waiting events are renumbered from 1.
"""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from agent.protocol.events import Draft
from agent.protocol.fields import MAX_REASON, readable
from agent.storage import outbox_stats
from agent.storage.checksum import crc_of
from agent.storage.epoch import begin_epoch, note_clean_end, settle_epoch
from agent.storage.errors import StorageError
from agent.storage.loss_table import joined, note_loss
from agent.storage.outbox_queries import Lane, events_adapter, last_sequence
from wording.known_errors import reason_of
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Future
    from zoneinfo import ZoneInfo

    from agent.storage.database import Database
    from agent.storage.outbox_stats import OutboxStats

T = TypeVar("T")
STAND_IN_BYTES = 32_000_000
"""How large a database in memory may become."""


class Outbox:
    """The queue of one device in one database.

    Args:
        database: Where it is kept.
        tenant: The customer, as on the wire.
        device_id: This device, as on the wire.
        purpose: The purpose of the device, as on the wire.
        timezone: The site's; times are written with its offset.
        epoch: Given in replay only; otherwise random, once per database file.
        keep_arrived: Number of confirmed events kept, the newest.
        boot_id: This boot. If the last run did not end and was of another boot, the power was cut:
            a new epoch begins. None: nothing of it is noted.
        budget_bytes: How large the database may become; see :meth:`make_room`. None: any size.

    Attributes:
        changes: Grows with each commit that added or lost an event or made one wait again: what was
            prefetched before is then outdated. Read from any thread.
    """

    def __init__(
        self,
        database: Database,
        *,
        tenant: str,
        device_id: str,
        purpose: str,
        timezone: ZoneInfo,
        epoch: str | None = None,
        keep_arrived: int = 0,
        boot_id: str | None = None,
        budget_bytes: int | None = None,
    ) -> None:
        self._database = database
        self._given = epoch, boot_id
        if database.stood_in is not None:
            budget_bytes = min(budget_bytes or STAND_IN_BYTES, STAND_IN_BYTES)
        self._budget_bytes = budget_bytes
        self._keep_arrived = keep_arrived
        self._tenant, self._device_id, self._purpose = tenant, device_id, purpose
        self.timezone = timezone
        self.changes = self._changing = 0
        database.on_full(_let_go_of_what_arrived)
        database.on_commit(self._committed)
        database.on_stand_in(self._begin_in_stand_in)
        self.epoch, self.previous_epoch = database.write(
            lambda connection: settle_epoch(connection, epoch, boot_id)
        ).result()

    def _begin_in_stand_in(self, connection: sqlite3.Connection) -> None:
        """Begin again in the fallback database, in which waiting events have other numbers."""
        epoch, boot_id = self._given
        self.epoch, self.previous_epoch = settle_epoch(connection, epoch, boot_id)
        self._budget_bytes = min(self._budget_bytes or STAND_IN_BYTES, STAND_IN_BYTES)
        self._changing += 1

    def _committed(self) -> None:
        self.changes = self._changing

    def add(self, connection: sqlite3.Connection, draft: Draft, lane: Lane | None = None) -> int:
        """Queue an event. Call it within a function given to ``Database.write``.

        Args:
            connection: Of that work.
            draft: The event.
            lane: The one that it goes in; None: the one of its kind.

        Returns:
            Its sequence number; it counts only if the transaction commits.

        Raises:
            pydantic.ValidationError: The body does not belong to the draft's type.
            sqlite3.IntegrityError: The event is in the outbox already.
            StorageError: The disk is full, and its free space is reserved for deletions.
        """
        # Nobody else writes: the number read here is still free when it is taken below.
        sequence = last_sequence(connection) + 1
        if self._database.tight and _free_pages(connection) < _FREE_PAGES_TO_ADD:
            raise StorageError(self._database.path, said("the disk is full"), full=True)
        text = self._wire_text(draft, sequence)
        self._changing += 1
        if self._budget_bytes is not None and sequence % _ROOM_EVERY == 0:
            self.make_room(connection, self._budget_bytes)
        connection.execute(
            "INSERT INTO outbox (sequence, event_id, lane, type, occurred_at, boot_id,"
            " monotonic_s, size_bytes, event, crc) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                sequence,
                draft.event_id,
                int(Lane.of(draft) if lane is None else lane),
                draft.type,
                draft.occurred_at.timestamp(),
                draft.clock.boot_id,
                draft.clock.monotonic_s,
                len(text.encode()),
                text,
                crc_of(text),
            ),
        )
        return sequence

    def confirm(self, sequences: Iterable[int], epoch: str | None = None) -> Future[None]:
        """Mark events as arrived, and delete the oldest of the confirmed ones kept.

        Args:
            sequences: Their numbers …
            epoch: … in this one; nothing happens if it is over. None: the one that is.
        """
        ranges = joined([(sequence, sequence) for sequence in sorted(sequences)])

        def settle(connection: sqlite3.Connection) -> None:
            if self._is_over(epoch):
                return
            if not self._keep_arrived or self._database.tight:
                connection.executemany("DELETE FROM outbox WHERE sequence BETWEEN ? AND ?", ranges)
                return
            connection.executemany(
                "UPDATE outbox SET arrived = 1 WHERE sequence BETWEEN ? AND ?", ranges
            )
            connection.execute(
                "DELETE FROM outbox WHERE arrived = 1 AND sequence <= (SELECT sequence FROM outbox"
                " WHERE arrived = 1 ORDER BY sequence DESC LIMIT 1 OFFSET ?)",
                (self._keep_arrived,),
            )

        return self._database.write(settle)

    def _is_over(self, epoch: str | None) -> bool:
        """Whether an epoch is over, so that its numbers have no meaning; within a transaction."""
        return epoch is not None and epoch != self.epoch

    def make_room(self, connection: sqlite3.Connection, budget_bytes: int) -> int:
        """Delete until the file fits its budget: first confirmed events, then the lowest lane.

        Within a lane the oldest goes first; unconfirmed events are recorded as lost. Call it within a
        transaction.

        Returns:
            How many events were lost.
        """
        lost = 0
        while (over_bytes := _used_bytes(connection) - budget_bytes) > 0:
            rows = connection.execute(
                "SELECT sequence, lane, arrived FROM outbox"
                " ORDER BY arrived DESC, lane DESC, sequence LIMIT ?",
                (max(1, min(_EVICT_AT_ONCE, over_bytes // 512)),),
            ).fetchall()
            if not rows:
                return lost
            first_kind = rows[0][1:]
            gone = [sequence for sequence, *kind in rows if tuple(kind) == first_kind]
            if not first_kind[1]:
                self._note_loss(connection, gone, "evicted: database size limit reached")
                self._changing += 1
                lost += len(gone)
            connection.executemany(
                "DELETE FROM outbox WHERE sequence = ?", [(sequence,) for sequence in gone]
            )
        return lost

    def _note_loss(self, connection: sqlite3.Connection, sequences: list[int], reason: str) -> None:
        """Record events of one lane as lost; numbers in order."""
        row = connection.execute(
            "SELECT lane FROM outbox WHERE sequence = ?", (sequences[0],)
        ).fetchone()
        if row is not None:
            note_loss(connection, self.epoch, row[0], sequences, reason, time.time())

    def resend(self, first: int, last: int) -> Future[int]:
        """Queue confirmed events again that are still kept.

        Returns:
            How many of the numbers from ``first`` to ``last`` are queued again.
        """
        epoch = self.epoch

        def again(connection: sqlite3.Connection) -> int:
            if self._is_over(epoch):
                return 0
            self._changing += 1
            return connection.execute(
                "UPDATE outbox SET arrived = 0 WHERE arrived = 1 AND sequence BETWEEN ? AND ?",
                (first, last),
            ).rowcount

        return self._database.write(again)

    def begin_epoch(self, again: Iterable[tuple[int, int]] = ()) -> Future[None]:
        """Begin a new epoch: waiting events are renumbered from 1, confirmed ones deleted.

        Args:
            again: Ranges of numbers; confirmed events in them are queued again first.
        """

        def begin(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "UPDATE outbox SET arrived = 0 WHERE arrived = 1 AND sequence BETWEEN ? AND ?",
                list(again),
            )
            self.epoch, self.previous_epoch = begin_epoch(connection)
            self._changing += 1

        return self._database.write(begin)

    def end(self) -> Future[None]:
        """Note that this run ended cleanly; the last write before the database is closed."""
        return self._database.write(note_clean_end)

    def bury(
        self,
        sequences: Iterable[int],
        reason: str,
        *,
        why: str = "refused",
        epoch: str | None = None,
    ) -> Future[None]:
        """Move events that can never be delivered to the dead letters, so that they block no others.

        Args:
            sequences: Their numbers …
            reason: Why, in free text; also a broker's message.
            why: Why, as one of the fixed words.
            epoch: … in this one; nothing happens if it is over. None: the one that is.
        """
        reason = readable(reason, MAX_REASON)
        keys = [(epoch or self.epoch, reason, sequence) for sequence in sequences]

        def move(connection: sqlite3.Connection) -> None:
            if self._is_over(epoch):
                return
            for _, _, sequence in keys:
                self._note_loss(connection, [sequence], f"{why}: {reason}")
            connection.executemany(
                "INSERT INTO dead_letters"
                " (epoch, sequence, event_id, lane, type, occurred_at, reason, event)"
                " SELECT ?, sequence, event_id, lane, type, occurred_at, ?, event"
                " FROM outbox WHERE sequence = ?",
                keys,
            )
            connection.executemany("DELETE FROM outbox WHERE sequence = ?", [k[2:] for k in keys])

        return self._database.write(move)

    def last_sequence(self) -> int:
        """The last number assigned in this epoch; 0 if none was.

        Raises:
            StorageError: The file cannot be read.
        """
        return self._read(last_sequence)

    def figures(self) -> OutboxStats:
        """Count what waits.

        Raises:
            StorageError: The file cannot be read.
        """
        return self._read(outbox_stats.of_all)

    def lanes(self) -> dict[Lane, OutboxStats]:
        """Count what waits in each lane that is not empty; dead letters are left out.

        Raises:
            StorageError: The file cannot be read.
        """
        return {Lane(lane): figures for lane, figures in self._read(outbox_stats.by_lane).items()}

    def _read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        try:
            with closing(self._database.read()) as connection:
                return query(connection)
        except sqlite3.Error as error:
            raise StorageError(self._database.path, reason_of(error)) from error

    def _wire_text(self, draft: Draft, sequence: int) -> str:
        event = events_adapter.validate_python(
            {
                "event_id": draft.event_id,
                "tenant": self._tenant,
                "device_id": self._device_id,
                "epoch": self.epoch,
                "sequence": sequence,
                "occurred_at": draft.occurred_at,
                "clock": draft.clock,
                "purpose": self._purpose,
                "test": draft.test,
                "type": draft.type,
                "body": draft.body,
            }
        )
        return json.dumps(
            event.model_dump(),
            default=self._local_time,
            ensure_ascii=False,
            allow_nan=False,
            separators=(",", ":"),
        )

    def _local_time(self, value: Any) -> str:
        if not isinstance(value, datetime):
            raise TypeError(f"{type(value).__name__} has no place on the wire")
        return value.astimezone(self.timezone).isoformat(timespec="milliseconds")


def _let_go_of_what_arrived(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM outbox WHERE arrived = 1")


_FREE_PAGES_TO_ADD = 64
"""On a full disk, an event is taken only into pages that the file has to spare."""


def _free_pages(connection: sqlite3.Connection) -> int:
    [count] = connection.execute("PRAGMA freelist_count").fetchone()
    return int(count)


_EVICT_AT_ONCE = 500
_ROOM_EVERY = 20
"""Events between two checks of the size limit, as a check costs time."""


def _used_bytes(connection: sqlite3.Connection) -> int:
    """Bytes of pages in use; deleted rows leave free pages, though the file stays as long."""
    [[pages]], [[free]], [[size]] = (
        connection.execute(f"PRAGMA {name}").fetchall()
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)
