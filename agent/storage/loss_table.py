"""The table of losses: sequence numbers that will never be delivered."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, NamedTuple

from agent.protocol.fields import MAX_REASON, readable

if TYPE_CHECKING:
    from collections.abc import Iterable


def note_loss(
    connection: sqlite3.Connection,
    epoch: str,
    lane: int,
    sequences: list[int],
    reason: str,
    at_s: float,
) -> None:
    """Record sequence numbers of a lane as lost; within the transaction that loses them.

    Args:
        connection: The writer's.
        epoch: The epoch of the numbers.
        lane: The lane in which they waited.
        sequences: In order.
        reason: Why, in English; texts from the system or a broker are shortened.
        at_s: When, in seconds since 1970.
    """
    connection.executemany(
        "INSERT INTO losses (epoch, first, last, lane, reason, at) VALUES (?, ?, ?, ?, ?, ?)",
        [
            (epoch, first, last, lane, readable(reason, MAX_REASON), at_s)
            for first, last in joined([(each, each) for each in sequences])
        ],
    )


class LossRow(NamedTuple):
    """Numbers of one lane that are lost; ``at_s`` is when, in seconds since 1970."""

    epoch: str
    lane: int
    reason: str
    first: int
    last: int
    at_s: float
    row_id: int


def unreported(connection: sqlite3.Connection, most: int) -> list[LossRow]:
    """Losses that no report names yet; those of one epoch, lane and reason follow each other."""
    rows = connection.execute(
        "SELECT epoch, lane, reason, first, last, at, id FROM losses WHERE reported IS NULL"
        " ORDER BY epoch, lane, reason, first LIMIT ?",
        (most,),
    ).fetchall()
    return [LossRow(*row) for row in rows]


def unreported_count(connection: sqlite3.Connection) -> int:
    """How many losses no report names yet."""
    [count] = connection.execute("SELECT count(*) FROM losses WHERE reported IS NULL").fetchone()
    return int(count)


def mark_reported(connection: sqlite3.Connection, rows: Iterable[LossRow], sequence: int) -> None:
    """These are named by the report of this number; in the piece of work that queues it."""
    connection.executemany(
        "UPDATE losses SET reported = ? WHERE id = ?", [(sequence, row.row_id) for row in rows]
    )


def lost_between(connection: sqlite3.Connection, from_s: float, until_s: float) -> int:
    """How many numbers were lost from one time to before another, in seconds since 1970."""
    [lost] = connection.execute(
        "SELECT coalesce(sum(last - first + 1), 0) FROM losses WHERE at >= ? AND at < ?",
        (from_s, until_s),
    ).fetchone()
    return int(lost)


def joined(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Merge adjacent ranges, in order."""
    found: list[tuple[int, int]] = []
    for first, last in ranges:
        if found and first == found[-1][1] + 1:
            found[-1] = (found[-1][0], last)
        else:
            found.append((first, last))
    return found
