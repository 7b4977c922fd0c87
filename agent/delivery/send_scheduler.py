"""The send scheduler: chooses the next message (live first, by lane, within the day's budget)."""

from __future__ import annotations

import gzip
import itertools
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from agent.delivery.in_flight import InFlight
from agent.delivery.outbox_prefetch import Ahead, OutboxPrefetch, Read
from agent.delivery.rate_limit import SendRateLimit
from agent.storage.epoch import BIRTH, DAMAGED
from agent.storage.outbox_queries import Lane, waiting_birth

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Sequence

    from agent.delivery.data_budget import Class, DataBudget
    from agent.delivery.followed_events import FollowedEvents
    from agent.storage.outbox import Outbox
    from agent.storage.outbox_queries import Birth, Row
    from drivers.clock import Clock

_FRAMING_BYTES = 128
"""More than a message needs around its events, commas included."""

PACKING = 6
"""zlib's level: 9 takes 1.7 times as long to save 2 % more."""

_log = logging.getLogger(__name__)


Kind = Literal["birth", "live", "old", "again"]
"""Of what is sent: an epoch's birth, which goes before anything else; live; the backlog; kept events that are
sent again under the epoch and number they had."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The content of one publish. Without ``keys`` it is the device's state.

    Attributes:
        keys: Of its events: their numbers, or those of kept events, below zero.
        payload: What is published.
        class_: In the day's budget.
        packed: Whether it is compressed.
        lane: Its events'.
        kind: What they are.
        numbered: Epoch and number of each kept event.
    """

    keys: tuple[int, ...]
    payload: bytes
    class_: Class = "health"
    packed: bool = False
    lane: Lane = Lane.REST
    kind: Kind = "live"
    numbered: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Terms:
    """The delivery settings that the scheduler needs.

    Attributes:
        live_within_s: An event older than this is no longer live.
        batch: Maximum number of backlog events in one batch.
        batch_bytes: Maximum size of a batch of several events in bytes, before compression.
        packed: Whether batches are compressed with gzip.
        receipt_timeout_s: Minimum time from the PUBACK until an event without a receipt is sent again;
            longer where receipts come late. None: the PUBACK is enough.
        backlog_per_s: Backlog events per second; None: no limit.
    """

    live_within_s: float
    batch: int
    batch_bytes: int
    packed: bool = False
    receipt_timeout_s: float | None = None
    backlog_per_s: float | None = None


class SendScheduler:
    """Chooses what is sent next. Lives longer than the connections.

    Args:
        outbox: What is to be delivered.
        clock: To tell live events from old ones.
        terms: The delivery settings.
        settled: Called in another thread when a confirmation is on the disk.
        budget: The daily data budget.
        followed: Takes note of how far single events came.
    """

    def __init__(
        self,
        outbox: Outbox,
        clock: Clock,
        terms: Terms,
        *,
        settled: Callable[[], None],
        budget: DataBudget,
        followed: FollowedEvents | None = None,
    ) -> None:
        self._clock, self._terms = clock, terms
        self._ahead = OutboxPrefetch(outbox, clock, terms.live_within_s)
        self.budget = budget
        self.in_flight = InFlight(
            outbox, clock, terms.receipt_timeout_s, settled=settled, followed=followed
        )
        self._born = False
        """Whether the broker has the birth with which the epoch begins."""
        self._passed: dict[tuple[Lane, Kind], int] = {}
        """By lane and kind: no number up to this one needs to be looked at again."""
        self._alone: set[int] = set()
        """Refused as part of a batch; which one was meant shows when each goes alone."""
        self.pace = SendRateLimit(terms.backlog_per_s, clock)
        self.dead_letters = 0

    def next(self, reader: sqlite3.Connection, limit_bytes: int) -> Batch | None:
        """Choose what should be sent now, live first and by lane; nothing is marked as sent yet.

        Args:
            reader: To read with.
            limit_bytes: Maximum size, unless a single event is larger.
        """
        if self.in_flight.full:
            return None
        self._ahead.look(reader)
        if not self._born:
            birth = waiting_birth(reader, BIRTH)
            self._born = birth is None
            if birth is not None:
                return self._first(birth)
        for lane in self._ahead.lanes:
            class_ = _class(lane, historical=False)
            if not self.budget.allows(class_):
                continue
            passed = self._passed.get((lane, "live"), 0)
            live = self._ahead.live(reader, lane, passed, self.in_flight.taken)
            if live and not self._set_damaged_aside(live):
                # Packed it may be small enough to be taken at all.
                packed = self._terms.packed and live[0].size_bytes > limit_bytes - _FRAMING_BYTES
                return _batch(live, class_, lane, "live", packed=packed)
        return self._next_old(reader, limit_bytes)

    def _first(self, birth: Birth) -> Batch | None:
        """The birth with which an epoch begins; None: it is under way, or damaged."""
        if birth.row.key in self.in_flight.taken or self._set_damaged_aside([birth.row]):
            return None
        old_s = self._clock.monotonic_s() - birth.monotonic_s
        live = birth.boot_id == self._clock.boot_id and old_s <= self._terms.live_within_s
        return _batch([birth.row], "cases", Lane.CASE, "birth", historical=not live)

    def _next_old(self, reader: sqlite3.Connection, limit_bytes: int) -> Batch | None:
        terms = self._terms
        room_bytes = min(terms.batch_bytes, limit_bytes) - _FRAMING_BYTES
        count = min(terms.batch, self.pace.allowed())
        for lane in self._ahead.lanes if count else ():
            class_ = _class(lane, historical=True)
            if not self.budget.allows(class_):
                continue
            waits: tuple[tuple[Ahead, Read], ...] = (
                ("again", self._ahead.again),
                ("old", self._ahead.old),
            )
            for kind, read in waits:
                ahead = read(reader, lane, self._passed.get((lane, kind), 0), self.in_flight.taken)
                if self._set_damaged_aside(ahead):
                    continue
                rows = self._without_suspects(_head(ahead, count, room_bytes))
                if rows:
                    # One event alone is hardly smaller packed, but it may only so be taken at all.
                    packed = terms.packed and (len(rows) > 1 or rows[0].size_bytes > room_bytes)
                    return _batch(rows, class_, lane, kind, packed=packed)
        return None

    def take(self, batch: Batch, packet_bytes: int) -> None:
        """Mark a batch as sent, in a packet of this size."""
        self.budget.count(batch.class_, packet_bytes)
        self.in_flight.take(batch.keys, batch.numbered)
        if batch.kind == "birth":
            self._ahead.forget()
            return
        self._passed[batch.lane, batch.kind] = abs(batch.keys[-1])
        if batch.kind != "live":
            self.pace.spend(len(batch.keys))
            self._ahead.pass_by(batch.lane, batch.kind, len(batch.keys))

    def put_back(self, batch: Batch) -> None:
        """Queue a batch again that was not accepted, or whose fate is unknown."""
        self.in_flight.put_back(batch.keys)
        self.look_again()

    def acknowledge(self, batch: Batch) -> None:
        """Handle a PUBACK: the batch's events are confirmed, or wait for the platform's receipt."""
        self._born = self._born or batch.kind == "birth"
        self.in_flight.acknowledge(batch.keys)

    def overdue(self) -> int:
        """Queue again the events whose receipt is overdue; returns their number."""
        late = self.in_flight.overdue()
        if late:
            self.look_again()
        return len(late)

    def bring_back(self, numbers: Sequence[int]) -> None:
        """Note that events are queued again at the platform's request, of this epoch these."""
        self.in_flight.bring_back(numbers)
        self.look_again()

    def look_again(self) -> None:
        """Search the outbox from the start again, as earlier numbers wait again."""
        self._passed.clear()
        self._ahead.forget()

    def begin_anew(self) -> None:
        """Forget all numbers, in a new epoch."""
        self.in_flight.begin_anew()
        self._alone.clear()
        self._born = False
        self.look_again()

    def refuse(self, batch: Batch, reason: str, limit_bytes: int | None = None) -> None:
        """Handle a batch that the broker does not accept as it is.

        Args:
            batch: It.
            reason: Why.
            limit_bytes: The limit that it is too large for; None: another reason.
        """
        if len(batch.keys) > 1:
            self._alone.update(batch.keys)
            self.put_back(batch)
            return
        _log.error("event %s is set aside: %s", batch.keys, reason)
        self.dead_letters += len(batch.keys)
        self.in_flight.set_aside(batch.keys, reason, limit_bytes=limit_bytes)
        self._ahead.forget()

    def _set_damaged_aside(self, rows: Iterable[Row]) -> bool:
        """Set events with a wrong checksum aside; the rest is read again."""
        damaged = tuple(row.key for row in rows if not row.whole)
        if damaged:
            _log.error("events %s are lost: %s", damaged, DAMAGED)
            self.dead_letters += len(damaged)
            self.in_flight.set_aside(damaged, DAMAGED, damaged=True)
            self._ahead.forget()
        return bool(damaged)

    def settle(self) -> None:
        """Forget events whose confirmation has been written.

        Raises:
            StorageError: It could not be written; the events will be sent again.
        """
        for keys, future in self.in_flight.settle():
            self._alone.difference_update(keys)
            if future.exception() is not None:
                self.look_again()
            future.result()

    def _without_suspects(self, rows: list[Row]) -> list[Row]:
        """The rows before the first event that must be sent alone, or only that one."""
        if rows and rows[0].key in self._alone:
            return rows[:1]
        return list(itertools.takewhile(lambda row: row.key not in self._alone, rows))


def _head(rows: Sequence[Row], count: int, room_bytes: int) -> list[Row]:
    """As many of the first rows as fit, at least one if there is any; of one version of the contract."""
    taken: list[Row] = []
    for row in itertools.islice(rows, count):
        room_bytes -= row.size_bytes
        if taken and (room_bytes < 0 or row.contract != taken[0].contract):
            break
        taken.append(row)
    return taken


_CLASSES: dict[Lane, Class] = {
    Lane.EVIDENCE: "evidence",
    Lane.HEALTH: "health",
    Lane.REST: "rest",
}


def _class(lane: Lane, *, historical: bool) -> Class:
    """The event's class in the data budget."""
    return _CLASSES.get(lane, "backlog" if historical else "cases")


def _batch(
    rows: Sequence[Row],
    class_: Class,
    lane: Lane,
    kind: Kind,
    *,
    historical: bool = False,
    packed: bool = False,
) -> Batch:
    """Put waiting events into a :class:`agent.protocol.events.Message`, without parsing them again.

    All are of one version of the contract, which is the message's: what an older agent wrote goes as it is.
    """
    waited = "true" if historical or kind in {"old", "again"} else "false"
    text = (
        f'{{"contract":{rows[0].contract},"historical":{waited},'
        f'"events":[{",".join(row.event for row in rows)}]}}'
    )
    payload = gzip.compress(text.encode(), PACKING, mtime=0) if packed else text.encode()
    return Batch(
        tuple(row.key for row in rows),
        payload,
        class_,
        packed,
        lane,
        kind,
        tuple(row.numbered for row in rows if row.numbered is not None),
    )
