"""Statistics of the outbox: how many events wait, how large, how old."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from agent.storage.kept_table import set_aside_count

if TYPE_CHECKING:
    import sqlite3

    from drivers.clock import Clock


@dataclass(frozen=True, slots=True)
class Oldest:
    """The waiting event recorded first: when it occurred, by both clocks."""

    sequence: int
    at: datetime
    boot_id: str
    monotonic_s: float

    def age_s(self, clock: Clock) -> float:
        """How long ago it occurred: within one boot by the monotonic clock, else by the wall clock."""
        if self.boot_id == clock.boot_id:
            return max(0.0, clock.monotonic_s() - self.monotonic_s)
        return max(0.0, (clock.now() - self.at).total_seconds())


@dataclass(frozen=True, slots=True)
class OutboxStats:
    """Number, size and age of waiting events; ``dead_letters`` are kept that the broker refused."""

    rows: int
    size_bytes: int
    oldest: Oldest | None
    dead_letters: int = 0

    def oldest_s(self, clock: Clock) -> float:
        """The age of the oldest waiting event; 0 if none waits, or if the clock was set back since."""
        return 0.0 if self.oldest is None else self.oldest.age_s(clock)


def by_lane(connection: sqlite3.Connection) -> dict[int, OutboxStats]:
    """Count what waits in each lane that is not empty; dead letters are left out."""
    rows = connection.execute(
        "SELECT counted.*, occurred_at, boot_id, monotonic_s FROM"
        " (SELECT lane, count(*), sum(size_bytes), min(sequence) AS first FROM outbox"
        " WHERE arrived = 0 GROUP BY lane) AS counted JOIN outbox ON sequence = first"
    )
    return {
        lane: OutboxStats(
            count, size_bytes, Oldest(first, datetime.fromtimestamp(at, UTC), *steady)
        )
        for lane, count, size_bytes, first, at, *steady in rows
    }


def of_all(connection: sqlite3.Connection) -> OutboxStats:
    """Count what waits, what is to be sent again included, and what is set aside."""
    lanes = by_lane(connection).values()
    again, again_bytes = connection.execute(
        "SELECT count(*), coalesce(sum(size_bytes), 0) FROM kept WHERE waiting = 1"
    ).fetchone()
    oldest = [each.oldest for each in lanes if each.oldest is not None]
    return OutboxStats(
        sum(each.rows for each in lanes) + again,
        sum(each.size_bytes for each in lanes) + again_bytes,
        min(oldest, key=_sequence, default=None),
        set_aside_count(connection),
    )


def _sequence(oldest: Oldest) -> int:
    return oldest.sequence
