"""The table of losses: sequence numbers that will never be delivered."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from agent.protocol.fields import MOST_REASON, readable

if TYPE_CHECKING:
    pass


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
            (epoch, first, last, lane, readable(reason, MOST_REASON), at_s)
            for first, last in joined([(each, each) for each in sequences])
        ],
    )


def joined(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Merge adjacent ranges, in order."""
    found: list[tuple[int, int]] = []
    for first, last in ranges:
        if found and first == found[-1][1] + 1:
            found[-1] = (found[-1][0], last)
        else:
            found.append((first, last))
    return found
