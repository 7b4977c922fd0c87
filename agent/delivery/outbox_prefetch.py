"""Prefetches the outbox for the uplink: reads many events at once, and again after a change.

A query for each message costs more than sending it. What was prefetched is valid until an event is
added, lost or queued again; the outbox reports that by :attr:`~agent.storage.outbox.Outbox.changes`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from agent.storage import kept_table
from agent.storage.outbox_queries import Lane, live_from, waiting

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable

    from agent.storage.outbox import Outbox
    from agent.storage.outbox_queries import Row
    from drivers.clock import Clock

Ahead = Literal["old", "again"]
"""The backlog; kept events that are sent again."""
Read = Callable[["sqlite3.Connection", Lane, int, "Collection[int]"], "deque[Row]"]
"""Gives a lane's next events of a kind, above one that was passed."""
READ_AHEAD, READ_AHEAD_BYTES = 500, 524_288
LOOK_EVERY_S = 1.0
"""So often it is asked which events are no longer live, if nothing else changes."""


class OutboxPrefetch:
    """Prefetches the outbox. For one thread.

    Args:
        outbox: The queue.
        clock: To tell live events from old ones.
        live_within_s: An event older than this is no longer live.
    """

    def __init__(self, outbox: Outbox, clock: Clock, live_within_s: float) -> None:
        self._outbox, self._clock, self._live_within_s = outbox, clock, live_within_s
        self._begins: dict[Lane, int] = {}
        """By lane: where the backlog ends and the live events begin."""
        self._quiet: set[Lane] = set()
        """Lanes in which nothing live has been found since the last look."""
        self._read: dict[tuple[Lane, Ahead], deque[Row]] = {}
        """By lane: the backlog's next events, and those to be sent again; an empty one: there are none."""
        self._looked_at, self._looked_s = -1, 0.0

    def look(self, reader: sqlite3.Connection) -> None:
        """Refresh what is live, if the outbox has changed or some time has passed."""
        now_s, changes = self._clock.monotonic_s(), self._outbox.changes
        if changes == self._looked_at and now_s - self._looked_s < LOOK_EVERY_S:
            return
        self._looked_at, self._looked_s = changes, now_s
        since_s, boot_id = now_s - self._live_within_s, self._clock.boot_id
        self._begins = {lane: live_from(reader, lane, boot_id, since_s) for lane in Lane}
        self._quiet.clear()
        self._read.clear()

    def forget(self) -> None:
        """Discard the prefetched rows: the next :meth:`look` reads again."""
        self._looked_at = -1

    @property
    def lanes(self) -> Iterable[Lane]:
        """The lanes, by priority."""
        return self._begins.keys()

    def live(
        self, reader: sqlite3.Connection, lane: Lane, passed: int, taken: Collection[int]
    ) -> list[Row]:
        """The lane's oldest live event above ``passed`` that is not taken; empty if there is none."""
        if lane in self._quiet:
            return []
        first = max(self._begins[lane], passed + 1)
        found = waiting(reader, lane, first=first, taken=taken, limit=1)
        if not found:
            self._quiet.add(lane)
        return found

    def old(
        self, reader: sqlite3.Connection, lane: Lane, passed: int, taken: Collection[int]
    ) -> deque[Row]:
        """The next events of the lane's backlog above ``passed``; empty if there are none."""
        if (lane, "old") not in self._read:
            self._read[lane, "old"] = deque(
                waiting(
                    reader,
                    lane,
                    first=passed + 1,
                    before=self._begins[lane],
                    taken=taken,
                    limit=READ_AHEAD,
                    limit_bytes=READ_AHEAD_BYTES,
                )
            )
        return self._read[lane, "old"]

    def again(
        self, reader: sqlite3.Connection, lane: Lane, passed: int, taken: Collection[int]
    ) -> deque[Row]:
        """The lane's next kept events that are to be sent again, above the row ``passed``."""
        if (lane, "again") not in self._read:
            self._read[lane, "again"] = deque(
                kept_table.waiting(
                    reader,
                    lane,
                    passed=passed,
                    taken=taken,
                    limit=READ_AHEAD,
                    limit_bytes=READ_AHEAD_BYTES,
                )
            )
        return self._read[lane, "again"]

    def pass_by(self, lane: Lane, kind: Ahead, count: int) -> None:
        """Skip a number of the next events of a kind, which have been sent."""
        ahead = self._read[lane, kind]
        for _ in range(count):
            ahead.popleft()
        if not ahead:  # what follows is read when it is asked for
            del self._read[lane, kind]
