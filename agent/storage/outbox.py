"""The outbox: the only queue of events that the platform has not yet confirmed.

An event is added in the transaction that changes its case; it waits until it is confirmed. Confirmed
events are kept for a while, because platforms restore backups and ask for them again. Sequence numbers
are assigned in the transaction, by one writer, so that no number is skipped: a gap is always a loss.

An epoch is one database's life. A card that lied about its writes can roll a database back: numbers
would then be assigned twice. So an unclean boot, and a platform that has more than was ever sent, begin
a new epoch: waiting events are renumbered from 2, after the epoch's birth. What has arrived stays as it was,
and can be sent again (:mod:`agent.storage.kept_table`).

Events are confirmed and set aside by their keys: an event's number, or below zero the row of a kept one.
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
from agent.storage import kept_table, outbox_stats
from agent.storage.checksum import crc_of
from agent.storage.epoch import (
    BIRTH,
    Begun,
    awaits_birth,
    begin_epoch,
    is_former,
    note_birth,
    note_clean_end,
    number_anew,
    settle_epoch,
)
from agent.storage.errors import StorageError
from agent.storage.loss_table import joined, note_loss
from agent.storage.outbox_queries import Lane, events_adapter, last_sequence
from wording.known_errors import reason_of
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Future
    from zoneinfo import ZoneInfo

    from agent.protocol.events import Because, Predecessor
    from agent.storage.database import Database
    from agent.storage.kept_table import Asked
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
        fresh: Why an epoch begins where the database has none yet.

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
        fresh: Because = "first_start",
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
        self.begun: Begun = database.write(
            lambda connection: settle_epoch(connection, epoch, boot_id, fresh)
        ).result()

    @property
    def epoch(self) -> str:
        """The present epoch."""
        return self.begun.epoch

    @property
    def predecessor(self) -> Predecessor | None:
        """The epoch that the present one continues, if there was one."""
        return self.begun.predecessor

    def _begin_in_stand_in(self, connection: sqlite3.Connection) -> None:
        """Begin again in the fallback database, in which waiting events have other numbers."""
        epoch, boot_id = self._given
        self.begun = settle_epoch(connection, epoch, boot_id, "volatile")
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
        return self._put(connection, draft, lane, last_sequence(connection) + 1)

    def add_birth(self, connection: sqlite3.Connection, draft: Draft) -> int:
        """Queue a birth: as the first event of its epoch, if that has none yet.

        Args:
            connection: Of a function given to ``Database.write``.
            draft: The birth.

        Returns:
            Its sequence number.

        Raises:
            pydantic.ValidationError, StorageError: As :meth:`add`.
        """
        if not awaits_birth(connection):
            return self.add(connection, draft)
        note_birth(connection)
        return self._put(connection, draft, Lane.CASE, BIRTH)

    def _put(
        self, connection: sqlite3.Connection, draft: Draft, lane: Lane | None, sequence: int
    ) -> int:
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

    def confirm(
        self, keys: Iterable[int], epoch: str | None = None, *, refused: str | None = None
    ) -> Future[None]:
        """Mark events as arrived, and delete the oldest of those kept.

        Args:
            keys: Their numbers, or those of kept ones …
            epoch: … in this one; nothing happens if it is over. None: the one that is.
            refused: The platform's code, if it will not store them.
        """
        numbers, kept = _told_apart(keys)
        ranges = joined([(sequence, sequence) for sequence in sorted(numbers)])

        def settle(connection: sqlite3.Connection) -> None:
            if self._is_over(epoch):
                return
            kept_table.confirm(connection, kept, refused)
            if not self._keep_arrived or self._database.tight:
                connection.executemany("DELETE FROM outbox WHERE sequence BETWEEN ? AND ?", ranges)
            else:
                connection.executemany(
                    "UPDATE outbox SET arrived = 1, refused = ? WHERE sequence BETWEEN ? AND ?",
                    [(refused, *span) for span in ranges],
                )
            kept_table.trim(connection, self._keep_arrived)

        return self._database.write(settle)

    def _is_over(self, epoch: str | None) -> bool:
        """Whether an epoch is over, so that its numbers have no meaning; within a transaction."""
        return epoch is not None and epoch != self.epoch

    def make_room(self, connection: sqlite3.Connection, budget_bytes: int) -> int:
        """Delete until the file fits its budget.

        First goes what has arrived, in former epochs and then in this one; then what was set aside; then the
        lowest lane. In each the oldest goes first. What never arrived is recorded as lost. Call it within a
        transaction.

        Returns:
            How many events were lost.
        """
        lost = 0
        while (over_bytes := _used_bytes(connection) - budget_bytes) > 0:
            most = max(1, min(_EVICT_AT_ONCE, over_bytes // 512))
            if kept_table.forget_arrived(connection, most) or _forget_arrived(connection, most):
                continue
            if (gone := kept_table.give_up(connection, _EVICTED, most)) or (
                gone := self._evict(connection, most)
            ):
                lost += gone
            else:
                return lost
        return lost

    def _evict(self, connection: sqlite3.Connection, most: int) -> int:
        """Delete the oldest waiting events of the lowest lane; returns how many."""
        rows = connection.execute(
            "SELECT sequence, lane FROM outbox ORDER BY lane DESC, sequence LIMIT ?", (most,)
        ).fetchall()
        gone = [sequence for sequence, lane in rows if lane == rows[0][1]]
        if gone:
            self._note_loss(connection, gone, _EVICTED)
            self._changing += 1
        connection.executemany(
            "DELETE FROM outbox WHERE sequence = ?", [(sequence,) for sequence in gone]
        )
        return len(gone)

    def _note_loss(self, connection: sqlite3.Connection, sequences: list[int], reason: str) -> None:
        """Record events of one lane as lost; numbers in order."""
        row = connection.execute(
            "SELECT lane FROM outbox WHERE sequence = ?", (sequences[0],)
        ).fetchone()
        if row is not None:
            note_loss(connection, self.epoch, row[0], sequences, reason, time.time())

    def resend(self, asked: Asked) -> Future[tuple[int, list[int]]]:
        """Queue events again that have arrived or were set aside, of this epoch and of former ones.

        Returns:
            How many are queued again, and which numbers of this epoch are among them.
        """

        def again(connection: sqlite3.Connection) -> tuple[int, list[int]]:
            self._changing += 1
            return kept_table.send_again(connection, asked, self.epoch)

        return self._database.write(again)

    def resend_what_fits(self, limit_bytes: int) -> Future[int]:
        """Queue events again that were too large for a broker which now takes larger ones.

        Returns:
            How many.
        """

        def again(connection: sqlite3.Connection) -> int:
            self._changing += 1
            return kept_table.send_what_fits(connection, limit_bytes)

        return self._database.write(again)

    def number_anew(self, keys: Iterable[int], epoch: str) -> Future[None]:
        """Queue kept events as new ones of this epoch: the platform has others under their numbers.

        Args:
            keys: Of kept events …
            epoch: … while this one lasts.
        """
        _, kept = _told_apart(keys)

        def move(connection: sqlite3.Connection) -> None:
            for row_id in () if self._is_over(epoch) else kept:
                self._changing += 1
                number_anew(connection, row_id, self.epoch)

        return self._database.write(move)

    def begin_epoch(self, because: Because, again: Iterable[tuple[int, int]] = ()) -> Future[None]:
        """Begin a new epoch: waiting events are renumbered, confirmed ones are kept as they are.

        Args:
            because: Why.
            again: Ranges of numbers; confirmed events in them are queued again first, as new ones.
        """

        def begin(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "UPDATE outbox SET arrived = 0 WHERE arrived = 1 AND sequence BETWEEN ? AND ?",
                list(again),
            )
            self.begun = begin_epoch(connection, because)
            self._changing += 1

        return self._database.write(begin)

    def knows(self, epoch: str) -> bool:
        """Whether an epoch is or was one of this device's.

        Raises:
            StorageError: The file cannot be read.
        """
        return epoch == self.epoch or self._read(lambda connection: is_former(connection, epoch))

    def end(self) -> Future[None]:
        """Note that this run ended cleanly; the last write before the database is closed."""
        return self._database.write(note_clean_end)

    def set_aside(
        self,
        keys: Iterable[int],
        reason: str,
        *,
        damaged: bool = False,
        limit_bytes: int | None = None,
        epoch: str | None = None,
    ) -> Future[None]:
        """Take events out that cannot be delivered now, so that they block no others; they are kept.

        Args:
            keys: Their numbers, or those of kept ones …
            reason: Why, in free text; also a broker's message.
            damaged: Whether they are not what was written: then they are lost.
            limit_bytes: The broker's limit that they were too large for; None: another reason.
            epoch: … in this one; nothing happens if it is over. None: the one that is.
        """
        reason = readable(reason, MAX_REASON)
        numbers, kept = _told_apart(keys)

        def move(connection: sqlite3.Connection) -> None:
            if self._is_over(epoch):
                return
            for sequence in numbers:
                if damaged:
                    self._note_loss(connection, [sequence], f"damaged: {reason}")
                kept_table.set_aside(
                    connection,
                    self.epoch,
                    sequence,
                    reason,
                    damaged=damaged,
                    limit_bytes=limit_bytes,
                )
            for row_id in kept:
                if damaged:
                    kept_table.note_damaged(connection, row_id, reason)
                else:
                    kept_table.set_aside_again(connection, row_id, reason, limit_bytes)

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
            default=self.time_in_words,
            ensure_ascii=False,
            allow_nan=False,
            separators=(",", ":"),
        )

    def time_in_words(self, value: Any) -> str:
        """A time as every event of the device has it: with the site's offset, to the millisecond.

        Raises:
            TypeError: It is no time.
        """
        if not isinstance(value, datetime):
            raise TypeError(f"{type(value).__name__} has no place on the wire")
        return value.astimezone(self.timezone).isoformat(timespec="milliseconds")


def _let_go_of_what_arrived(connection: sqlite3.Connection) -> None:
    kept_table.forget_arrived(connection)
    connection.execute("DELETE FROM outbox WHERE arrived = 1")


def _forget_arrived(connection: sqlite3.Connection, most: int) -> int:
    """Delete the oldest events of this epoch that have arrived; returns how many."""
    return connection.execute(
        "DELETE FROM outbox WHERE sequence IN"
        " (SELECT sequence FROM outbox WHERE arrived = 1 ORDER BY sequence LIMIT ?)",
        (most,),
    ).rowcount


def _told_apart(keys: Iterable[int]) -> tuple[list[int], list[int]]:
    """Numbers of the outbox, and rows of kept events."""
    every = list(keys)
    return [key for key in every if key > 0], [-key for key in every if key < 0]


_EVICTED = "evicted: database size limit reached"


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
