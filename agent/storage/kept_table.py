"""The table of kept events: they left the outbox, and can be sent again under the epoch and number they had.

They are of three standings. ``arrived``: confirmed, in an epoch that is over (those of the present epoch stay in
the outbox, with a mark). ``set_aside``: the broker refused them, perhaps only for now: a limit that was too small
for a minute is no loss. ``damaged``: not what was written; never sent. What is set aside counts as lost only once
it is deleted.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal, NamedTuple

from agent.storage.checksum import is_whole
from agent.storage.loss_table import note_loss
from agent.storage.outbox_queries import Lane, Row

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Sequence

Standing = Literal["arrived", "set_aside", "damaged"]
COLUMNS = (
    "epoch, sequence, event_id, lane, type, occurred_at, size_bytes, event, crc,"
    " standing, refused, reason, limit_bytes, lost, waiting"
)
_SENDABLE = "waiting = 0 AND standing != 'damaged'"


class SetAside(NamedTuple):
    """Numbers of one epoch that the broker refused, and that are still kept."""

    epoch: str
    first: int
    last: int


class Asked(NamedTuple):
    """What is to be sent again: ranges of an epoch's numbers, or the events of a time.

    Attributes:
        epoch: Whose numbers; None: by time.
        spans: Ranges of numbers, in order and without overlaps.
        from_s: The first second since 1970 …
        until_s: … and the one after the last.
    """

    epoch: str | None
    spans: Sequence[tuple[int, int]] = ()
    from_s: float = 0.0
    until_s: float = 0.0

    def in_kept(self) -> Iterable[tuple[str, tuple[object, ...]]]:
        """Conditions on the kept events, with their values."""
        if self.epoch is None:
            yield "occurred_at >= ? AND occurred_at < ?", (self.from_s, self.until_s)
        for span in self.spans if self.epoch is not None else ():
            yield "epoch = ? AND sequence BETWEEN ? AND ?", (self.epoch, *span)

    def in_outbox(self, present: str) -> Iterable[tuple[str, tuple[object, ...]]]:
        """Conditions on the outbox of the present epoch, with their values."""
        if self.epoch is None:
            yield "occurred_at >= ? AND occurred_at < ?", (self.from_s, self.until_s)
        for span in self.spans if self.epoch == present else ():
            yield "sequence BETWEEN ? AND ?", span


def keep_arrived(connection: sqlite3.Connection, epoch: str) -> None:
    """Keep the outbox's confirmed events under the epoch that ends; within a transaction."""
    connection.execute(
        "INSERT OR IGNORE INTO kept (epoch, sequence, event_id, lane, type, occurred_at,"
        " size_bytes, event, crc, standing, refused) SELECT ?, sequence, event_id, lane, type,"
        " occurred_at, size_bytes, event, crc, 'arrived', refused FROM outbox WHERE arrived = 1"
        " ORDER BY sequence",
        (epoch,),
    )


def set_aside(
    connection: sqlite3.Connection,
    epoch: str,
    sequence: int,
    reason: str,
    *,
    damaged: bool = False,
    limit_bytes: int | None = None,
) -> None:
    """Take an event out of the outbox that cannot be delivered now; within a transaction.

    Args:
        connection: The writer's.
        epoch: The outbox's.
        sequence: The event's number.
        reason: Why, in free text.
        damaged: Whether it is not what was written; its loss is noted by the caller.
        limit_bytes: The broker's limit that it was too large for; None: another reason.
    """
    connection.execute(
        "INSERT INTO kept (epoch, sequence, event_id, lane, type, occurred_at, size_bytes, event,"
        " crc, standing, reason, limit_bytes, lost) SELECT ?, sequence, event_id, lane, type,"
        " occurred_at, size_bytes, event, crc, ?, ?, ?, ? FROM outbox WHERE sequence = ?",
        (
            epoch,
            "damaged" if damaged else "set_aside",
            reason,
            limit_bytes,
            int(damaged),
            sequence,
        ),
    )
    connection.execute("DELETE FROM outbox WHERE sequence = ?", (sequence,))


def set_aside_again(
    connection: sqlite3.Connection, row_id: int, reason: str, limit_bytes: int | None
) -> None:
    """Stop sending a kept event that the broker refuses; within a transaction."""
    connection.execute(
        "UPDATE kept SET waiting = 0, limit_bytes = ?,"
        " reason = CASE standing WHEN 'set_aside' THEN ? ELSE reason END WHERE id = ?",
        (limit_bytes, reason, row_id),
    )


def note_damaged(connection: sqlite3.Connection, row_id: int, reason: str) -> None:
    """Stop sending a kept event that is not what was written; one that never arrived is lost."""
    lost = connection.execute(
        "SELECT epoch, lane, sequence FROM kept"
        " WHERE id = ? AND standing = 'set_aside' AND lost = 0",
        (row_id,),
    ).fetchone()
    if lost is not None:
        epoch, lane, sequence = lost
        note_loss(connection, epoch, lane, [sequence], f"damaged: {reason}", time.time())
    connection.execute(
        "UPDATE kept SET standing = 'damaged', reason = ?, lost = 1, waiting = 0 WHERE id = ?",
        (reason, row_id),
    )


def confirm(connection: sqlite3.Connection, row_ids: Iterable[int], refused: str | None) -> None:
    """Mark kept events that were sent again as arrived; within a transaction."""
    connection.executemany(
        "UPDATE kept SET waiting = 0, standing = 'arrived', refused = ? WHERE id = ?",
        [(refused, row_id) for row_id in row_ids],
    )


def waiting(
    connection: sqlite3.Connection,
    lane: Lane,
    *,
    passed: int,
    taken: Collection[int],
    limit: int,
    limit_bytes: int,
) -> list[Row]:
    """Kept events of a lane that are to be sent again, in the order in which they were kept.

    Args:
        connection: To read with.
        lane: The lane asked for.
        passed: Only rows of the table after this one.
        taken: Keys to leave out.
        limit: Maximum number.
        limit_bytes: Maximum total size in bytes, but at least one event.

    Returns:
        Each under a key below zero, as the outbox's own are above: minus its row.
    """
    rows: list[Row] = []
    found = connection.execute(
        "SELECT id, epoch, sequence, event, size_bytes, crc FROM kept"
        " WHERE waiting = 1 AND lane = ? AND id > ? ORDER BY id",
        (int(lane), passed),
    )
    for row_id, epoch, sequence, event, size_bytes, crc in found:
        if -row_id in taken:
            continue
        limit_bytes -= size_bytes
        if rows and limit_bytes < 0:
            break
        rows.append(Row(-row_id, event, size_bytes, is_whole(event, crc), (epoch, sequence)))
        if len(rows) == limit:
            break
    return rows


def counted(connection: sqlite3.Connection, asked: Asked, present: str) -> tuple[int, int]:
    """How many of the events asked for can be sent again, and how many wait already."""
    again = waits = 0
    for where, values in asked.in_kept():
        again += _count(connection, f"kept WHERE {_SENDABLE} AND {where}", values)
        waits += _count(connection, f"kept WHERE waiting = 1 AND {where}", values)
    for where, values in asked.in_outbox(present):
        again += _count(
            connection, f"outbox INDEXED BY outbox_arrived WHERE arrived = 1 AND {where}", values
        )
        waits += _count(
            connection,
            "outbox INDEXED BY outbox_lanes WHERE arrived = 0"
            f" AND lane IN ({', '.join(str(int(lane)) for lane in Lane)}) AND {where}",
            values,
        )
    return again, waits


def _count(connection: sqlite3.Connection, of: str, values: tuple[object, ...]) -> int:
    [count] = connection.execute(f"SELECT count(*) FROM {of}", values).fetchone()  # noqa: S608
    return int(count)


def send_again(connection: sqlite3.Connection, asked: Asked, present: str) -> tuple[int, list[int]]:
    """Have events sent again; within a transaction.

    Returns:
        How many, and which numbers of the present epoch are among them.
    """
    count, numbers = 0, list[int]()
    for where, values in asked.in_kept():
        count += connection.execute(
            f"UPDATE kept SET waiting = 1 WHERE {_SENDABLE} AND {where}",  # noqa: S608
            values,
        ).rowcount
    for where, values in asked.in_outbox(present):
        rows = connection.execute(
            "UPDATE outbox SET arrived = 0, refused = NULL"  # noqa: S608 - of our own words
            f" WHERE arrived = 1 AND {where} RETURNING sequence",
            values,
        ).fetchall()
        numbers += [sequence for (sequence,) in rows]
    return count + len(numbers), sorted(numbers)


def send_what_fits(connection: sqlite3.Connection, limit_bytes: int) -> int:
    """Have events sent again that were too large for a smaller limit; returns how many."""
    return connection.execute(
        "UPDATE kept SET waiting = 1 WHERE standing = 'set_aside' AND waiting = 0"
        " AND limit_bytes < ?",
        (limit_bytes,),
    ).rowcount


def trim(connection: sqlite3.Connection, most: int) -> None:
    """Delete the oldest events that have arrived, so that this many stay; within a transaction."""
    kept = _count(connection, "kept WHERE standing = 'arrived' AND waiting = 0", ())
    here = _count(connection, "outbox INDEXED BY outbox_arrived WHERE arrived = 1", ())
    if (over := kept + here - most) <= 0:
        return
    connection.execute(
        "DELETE FROM kept WHERE id IN (SELECT id FROM kept"
        " WHERE standing = 'arrived' AND waiting = 0 ORDER BY id LIMIT ?)",
        (over,),
    )
    if over > kept:
        connection.execute(
            "DELETE FROM outbox WHERE arrived = 1 AND sequence IN (SELECT sequence FROM outbox"
            " WHERE arrived = 1 ORDER BY sequence LIMIT ?)",
            (over - kept,),
        )


def forget_arrived(connection: sqlite3.Connection, most: int | None = None) -> int:
    """Delete kept events that have arrived, the oldest first; returns how many."""
    return connection.execute(
        "DELETE FROM kept WHERE id IN"
        " (SELECT id FROM kept WHERE standing = 'arrived' ORDER BY waiting, id LIMIT ?)",
        (-1 if most is None else most,),
    ).rowcount


def give_up(connection: sqlite3.Connection, why: str, most: int = 1) -> int:
    """Delete the oldest events that were set aside, and note them as lost; returns how many."""
    rows = connection.execute(
        "SELECT id FROM kept WHERE standing != 'arrived' ORDER BY lane DESC, id LIMIT ?", (most,)
    ).fetchall()
    for (row_id,) in rows:
        delete(connection, row_id, why)
    return len(rows)


def delete(connection: sqlite3.Connection, row_id: int, why: str) -> None:
    """Delete a kept event; one that never arrived is noted as lost, unless it was before.

    Args:
        connection: The writer's.
        row_id: Of the table.
        why: Why it is deleted, as one of the fixed words.
    """
    row = connection.execute(
        "DELETE FROM kept WHERE id = ? RETURNING epoch, sequence, lane, standing, reason, lost",
        (row_id,),
    ).fetchone()
    if row is None:
        return
    epoch, sequence, lane, standing, reason, lost = row
    if standing != "arrived" and not lost:
        note_loss(connection, epoch, lane, [sequence], f"{why}: {reason}", time.time())


def put(connection: sqlite3.Connection, rows: Iterable[tuple[object, ...]]) -> None:
    """Take events over from another database; within a transaction.

    Args:
        connection: The writer's.
        rows: :data:`COLUMNS` of each; one that is there already stays as it is.
    """
    marks = ", ".join("?" * len(COLUMNS.split(",")))
    connection.executemany(
        f"INSERT OR IGNORE INTO kept ({COLUMNS}) VALUES ({marks})",  # noqa: S608
        rows,
    )


def set_aside_count(connection: sqlite3.Connection) -> int:
    """How many events are kept that were never delivered."""
    return _count(connection, "kept WHERE standing != 'arrived'", ())


def set_aside_spans(connection: sqlite3.Connection, most: int) -> list[SetAside]:
    """Which numbers were set aside and can still come, the newest epoch's first."""
    rows = connection.execute(
        "SELECT epoch, sequence FROM kept WHERE standing = 'set_aside' AND lost = 0"
        " ORDER BY (SELECT max(number) FROM epochs WHERE epochs.epoch = kept.epoch) DESC,"
        " epoch, sequence LIMIT ?",
        (most,),
    ).fetchall()
    found: list[SetAside] = []
    for epoch, sequence in rows:
        if found and (found[-1].epoch, found[-1].last + 1) == (epoch, sequence):
            found[-1] = found[-1]._replace(last=sequence)
        else:
            found.append(SetAside(epoch, sequence, sequence))
    return found
