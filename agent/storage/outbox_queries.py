"""Queries for the waiting events of the outbox: rows, lanes and counts."""

from __future__ import annotations

import enum
import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from pydantic import TypeAdapter

from agent.protocol.base import CONTRACT_VERSION
from agent.protocol.events import Event
from agent.storage.checksum import is_whole

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from agent.protocol.events import Draft

events_adapter: TypeAdapter[Event] = TypeAdapter(Event)


class Lane(enum.IntEnum):
    """The lanes of the outbox, by priority. Order by sequence is kept within a lane."""

    CASE = 0
    EVIDENCE = 1
    HEALTH = 2
    REST = 3

    @classmethod
    def of(cls, draft: Draft) -> Lane:
        """The lane in which its kind goes."""
        return cls[draft.lane.upper()]


_WAITING_IN_SPAN = (
    "SELECT sequence FROM outbox INDEXED BY outbox_lanes"  # noqa: S608 - of our own numbers
    f" WHERE arrived = 0 AND lane IN ({', '.join(str(int(lane)) for lane in Lane)})"
    " AND sequence BETWEEN ? AND ?"
)


_VERSION = re.compile(r'\{"contract":(\d{1,9}),')


class Row(NamedTuple):
    """One waiting event, as it will be sent.

    Attributes:
        key: Its number; of a kept one (:mod:`agent.storage.kept_table`) a number below zero.
        event: Its text.
        size_bytes: Of the text.
        whole: Whether its checksum matches.
        numbered: The epoch and the number of a kept one; None: those of the outbox.
    """

    key: int
    event: str
    size_bytes: int
    whole: bool = True
    numbered: tuple[str, int] | None = None

    @property
    def contract(self) -> int:
        """The version of the contract that it follows: the text begins with it."""
        found = _VERSION.match(self.event)
        return CONTRACT_VERSION if found is None else int(found[1])


def waits(connection: sqlite3.Connection, lane: Lane, event_type: str) -> bool:
    """Whether an event of the type still waits in the lane."""
    row = connection.execute(
        "SELECT 1 FROM outbox WHERE arrived = 0 AND lane = ? AND type = ? LIMIT 1",
        (int(lane), event_type),
    ).fetchone()
    return row is not None


def waiting_types(connection: sqlite3.Connection) -> dict[int, str]:
    """The type of every event that waits, by its number."""
    query = "SELECT sequence, type FROM outbox WHERE arrived = 0"
    return dict(connection.execute(query).fetchall())


def waiting_count(connection: sqlite3.Connection) -> int:
    """How many events wait."""
    [count] = connection.execute("SELECT count(*) FROM outbox WHERE arrived = 0").fetchone()
    return int(count)


def live_from(connection: sqlite3.Connection, lane: Lane, boot_id: str, since_s: float) -> int:
    """Where in the lane the backlog ends and the live events begin.

    Args:
        connection: To read with.
        lane: The lane asked for.
        boot_id: Only events of this boot can be live.
        since_s: The oldest monotonic time that is live; the wall clock is not used, because that of a
            device without a battery may be years off when the link comes up.

    Returns:
        The sequence number from which on every event of the lane is live.
    """
    first = last_sequence(connection) + 1
    cursor = connection.execute(
        "SELECT sequence, boot_id, monotonic_s FROM outbox"
        " WHERE arrived = 0 AND lane = ? ORDER BY sequence DESC",
        (int(lane),),
    )
    with closing(cursor):
        for sequence, row_boot_id, monotonic_s in cursor:
            if row_boot_id != boot_id or monotonic_s < since_s:
                break
            first = sequence
    return int(first)


def waiting(
    connection: sqlite3.Connection,
    lane: Lane,
    *,
    first: int = 0,
    before: int | None = None,
    taken: Collection[int] = (),
    limit: int,
    limit_bytes: int = 0,
) -> list[Row]:
    """The oldest events of a lane, in order.

    Args:
        connection: To read with.
        lane: The lane asked for.
        first: The lowest sequence number asked for.
        before: Only sequence numbers below this one; None: all.
        taken: Sequence numbers to leave out, because they are in flight.
        limit: Maximum number.
        limit_bytes: Maximum total size in bytes, but at least one event.
    """
    rows: list[Row] = []
    room_bytes = limit_bytes
    cursor = connection.execute(
        "SELECT sequence, event, size_bytes, crc FROM outbox"
        " WHERE arrived = 0 AND lane = ? AND sequence >= ? AND (? IS NULL OR sequence < ?)"
        " ORDER BY sequence",
        (int(lane), first, before, before),
    )
    with closing(cursor):
        for sequence, event, size_bytes, crc in cursor:
            if sequence in taken:
                continue
            room_bytes -= size_bytes
            if rows and room_bytes < 0:
                break
            rows.append(Row(sequence, event, size_bytes, is_whole(event, crc)))
            if len(rows) == limit:
                break
    return rows


class Birth(NamedTuple):
    """The birth that begins an epoch, while it waits."""

    row: Row
    boot_id: str
    monotonic_s: float


def waiting_birth(connection: sqlite3.Connection, number: int) -> Birth | None:
    """The epoch's birth; None if it does not wait (any more)."""
    found = connection.execute(
        "SELECT event, size_bytes, crc, boot_id, monotonic_s FROM outbox"
        " WHERE sequence = ? AND arrived = 0 AND type = 'device.birth'",
        (number,),
    ).fetchone()
    if found is None:
        return None
    event, size_bytes, crc, boot_id, monotonic_s = found
    return Birth(Row(number, event, size_bytes, is_whole(event, crc)), boot_id, monotonic_s)


def last_sequence(connection: sqlite3.Connection) -> int:
    """The last number assigned in this epoch; 0 if none was."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'").fetchone()
    return 0 if row is None else int(row[0])


def waits_besides(
    connection: sqlite3.Connection, spans: Iterable[tuple[int, int]], known: Collection[int]
) -> bool:
    """Whether any number in the spans waits that is not among those known.

    It reads only the index of waiting events: the known numbers and at most one more.
    """
    for span in spans:
        with closing(connection.execute(_WAITING_IN_SPAN, span)) as cursor:
            if any(sequence not in known for (sequence,) in cursor):
                return True
    return False
