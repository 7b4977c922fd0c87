"""What goes to the platform next: live before old, by lane, within the day's budget."""

from __future__ import annotations

import itertools
import logging
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.events import CONTRACT_VERSION
from agent.outbox import Lane, live_from, waiting

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from agent.budget import Class, DailyBytes
    from agent.outbox import Outbox, Row
    from drivers.clock import Clock

_FRAMING_BYTES = 128
"""More than a message needs around its events, commas included."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Parcel:
    """What one publish carries. Without ``sequences`` it is the device's state."""

    sequences: tuple[int, ...]
    payload: bytes
    class_: Class = "health"


class Parcels:
    """Decides what goes next, and knows what is under way. Outlives the connections.

    Args:
        outbox: What is to be delivered.
        clock: Tells live events from old ones.
        live_within_s: An event older than this is no longer live.
        batch: At most so many backlog events in one parcel.
        batch_bytes: At most so large a parcel of several events.
        settled: Called in another thread when a confirmation is on the disk.
        budget: What the link may carry today.
    """

    def __init__(
        self,
        outbox: Outbox,
        clock: Clock,
        *,
        live_within_s: float,
        batch: int,
        batch_bytes: int,
        settled: Callable[[], None],
        budget: DailyBytes,
    ) -> None:
        self._outbox, self._clock = outbox, clock
        self._live_within_s = live_within_s
        self._batch, self._batch_bytes = batch, batch_bytes
        self._settled, self.budget = settled, budget
        self._taken: set[int] = set()
        """On the way to the broker, or answered for and not yet deleted."""
        self._alone: set[int] = set()
        """Refused as part of a batch; which one was meant shows when each goes alone."""
        self._finished: deque[tuple[tuple[int, ...], Future[None]]] = deque()
        self.sent = self.confirmed = self.retried = self.dead_letters = 0

    def next(self, reader: sqlite3.Connection, limit_bytes: int) -> Parcel | None:
        """Look what should be sent now: live before old, and by lane; nothing is taken yet.

        Args:
            reader: To read with.
            limit_bytes: No larger, unless a single event is.
        """
        since_s = self._clock.monotonic_s() - self._live_within_s
        begins = {lane: live_from(reader, lane, self._clock.boot_id, since_s) for lane in Lane}
        for lane, first in begins.items():
            class_ = _class(lane, historical=False)
            if not self.budget.allows(class_):
                continue
            live = waiting(reader, lane, first=first, taken=self._taken, limit=1)
            if live:
                return _parcel(live, class_, historical=False)
        room_bytes = min(self._batch_bytes, limit_bytes) - _FRAMING_BYTES
        for lane, first in begins.items():
            class_ = _class(lane, historical=True)
            if not self.budget.allows(class_):
                continue
            old = waiting(
                reader,
                lane,
                before=first,
                taken=self._taken,
                limit=self._batch,
                limit_bytes=room_bytes,
            )
            if old:
                return _parcel(self._without_suspects(old), class_, historical=True)
        return None

    def take(self, parcel: Parcel, packet_bytes: int) -> None:
        """The parcel has been sent, as a packet of this size."""
        self.budget.count(parcel.class_, packet_bytes)
        self._taken.update(parcel.sequences)
        self.sent += len(parcel.sequences)

    def put_back(self, parcel: Parcel) -> None:
        """The parcel was not accepted, or we do not know: its events will be sent again."""
        self._taken.difference_update(parcel.sequences)
        self.retried += len(parcel.sequences)

    def confirm(self, parcel: Parcel) -> None:
        """The parcel has arrived: its events may go from the disk."""
        self.confirmed += len(parcel.sequences)
        self._finish(parcel, self._outbox.confirm(parcel.sequences))

    def refuse(self, parcel: Parcel, reason: str) -> None:
        """The parcel will never be accepted as it is."""
        if len(parcel.sequences) > 1:
            self._alone.update(parcel.sequences)
            self.put_back(parcel)
            return
        _log.error("event %s cannot be delivered: %s", parcel.sequences, reason)
        self.dead_letters += len(parcel.sequences)
        self._taken.update(parcel.sequences)
        self._finish(parcel, self._outbox.bury(parcel.sequences, reason))

    def settle(self) -> None:
        """Forget what has left the disk.

        Raises:
            StorageError: The disk did not let it go; it will be sent again.
        """
        while self._finished:
            sequences, future = self._finished.popleft()
            self._taken.difference_update(sequences)
            self._alone.difference_update(sequences)
            future.result()

    def _finish(self, parcel: Parcel, future: Future[None]) -> None:
        def done(future: Future[None]) -> None:
            self._finished.append((parcel.sequences, future))
            self._settled()

        future.add_done_callback(done)

    def _without_suspects(self, rows: list[Row]) -> list[Row]:
        """Up to the first event that has to go alone, or that one."""
        if rows[0].sequence in self._alone:
            return rows[:1]
        return list(itertools.takewhile(lambda row: row.sequence not in self._alone, rows))


_CLASSES: dict[Lane, Class] = {
    Lane.EVIDENCE: "evidence",
    Lane.HEALTH: "health",
    Lane.REST: "rest",
}


def _class(lane: Lane, *, historical: bool) -> Class:
    """What the budget of a day calls it."""
    return _CLASSES.get(lane, "backlog" if historical else "cases")


def _parcel(rows: Sequence[Row], class_: Class, *, historical: bool) -> Parcel:
    """Put waiting events into a :class:`agent.events.Message`, without parsing them again."""
    text = (
        f'{{"contract":{CONTRACT_VERSION},"historical":{"true" if historical else "false"},'
        f'"events":[{",".join(row.event for row in rows)}]}}'
    )
    return Parcel(tuple(row.sequence for row in rows), text.encode(), class_)
