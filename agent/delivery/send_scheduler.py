"""The send scheduler: chooses the next message (live first, by lane, within the day's budget).

It also tracks what is in flight, until the broker's PUBACK or the platform's receipt.
"""

from __future__ import annotations

import gzip
import itertools
import logging
import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from agent.delivery.outbox_prefetch import OutboxPrefetch
from agent.delivery.rate_limit import SendRateLimit
from agent.delivery.retransmission import Awaited
from agent.delivery.sequence_ranges import clipped, common, merged, within, without
from agent.protocol.base import CONTRACT_VERSION
from agent.storage.epoch import DAMAGED
from agent.storage.outbox_queries import Lane, last_sequence, waits_besides

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Future

    from agent.delivery.data_budget import Class, DataBudget
    from agent.delivery.sequence_ranges import Span
    from agent.protocol.downlink import Receipt
    from agent.storage.outbox import Outbox
    from agent.storage.outbox_queries import Row
    from drivers.clock import Clock

_FRAMING_BYTES = 128
"""More than a message needs around its events, commas included."""

PACKING = 6
"""zlib's level: 9 takes 1.7 times as long to save 2 % more."""

MAX_ASKED_FOR = 1000
"""Number of resend requests remembered, the newest."""
MAX_AWAITING = 4000
"""Maximum number of events waiting for a receipt; beyond that nothing more is sent."""

ReceiptVerdict = Literal["taken", "foreign", "ahead", "conflict", "unsent"]
"""Of a receipt: believed; of another epoch; naming what was never given; saying that a number means
another event; naming what was not sent."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Batch:
    """The content of one publish. Without ``sequences`` it is the device's state."""

    sequences: tuple[int, ...]
    payload: bytes
    class_: Class = "health"
    packed: bool = False
    lane: Lane = Lane.REST
    historical: bool = False


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
    """Chooses what is sent next, and tracks what is in flight. Lives longer than the connections.

    Args:
        outbox: What is to be delivered.
        clock: To tell live events from old ones.
        terms: The delivery settings.
        settled: Called in another thread when a confirmation is on the disk.
        budget: The daily data budget.
    """

    def __init__(
        self,
        outbox: Outbox,
        clock: Clock,
        terms: Terms,
        *,
        settled: Callable[[], None],
        budget: DataBudget,
    ) -> None:
        self._outbox, self._clock, self._terms = outbox, clock, terms
        self._ahead = OutboxPrefetch(outbox, clock, terms.live_within_s)
        self._settled, self.budget = settled, budget
        self._taken: set[int] = set()
        """On the way to the platform, or answered for and not yet settled on the disk."""
        self._passed: dict[tuple[Lane, bool], int] = {}
        """By lane and kind: no number up to this one needs to be looked at again."""
        self._acknowledged: list[int] = []
        self._awaited = Awaited(terms.receipt_timeout_s or math.inf)
        """What the broker has, and no receipt has named."""
        self._alone: set[int] = set()
        """Refused as part of a batch; which one was meant shows when each goes alone."""
        self._finished: deque[tuple[tuple[int, ...], Future[None]]] = deque()
        self.epoch = outbox.epoch
        """In which all these numbers mean something."""
        self._given_before = outbox.last_sequence()
        """Numbers up to this one an earlier run may have sent."""
        self._settling: set[int] = set()
        self._sent: set[int] = set()
        """What this run has sent and not yet settled."""
        self._first_sent: int | None = None
        """The lowest number that this run has sent in this epoch."""
        self._asked_for: list[tuple[int, int]] = []
        """Ranges that the platform has asked for again: they were sent once."""
        self.pace = SendRateLimit(terms.backlog_per_s, clock)
        self.sent = self.confirmed = self.retried = self.dead_letters = self.unreceipted = 0

    def next(self, reader: sqlite3.Connection, limit_bytes: int) -> Batch | None:
        """Choose what should be sent now, live first and by lane; nothing is marked as sent yet.

        Args:
            reader: To read with.
            limit_bytes: Maximum size, unless a single event is larger.
        """
        if len(self._awaited) >= MAX_AWAITING:
            return None
        self._ahead.look(reader)
        for lane in self._ahead.lanes:
            class_ = _class(lane, historical=False)
            if not self.budget.allows(class_):
                continue
            passed = self._passed.get((lane, False), 0)
            live = self._ahead.live(reader, lane, passed, self._taken)
            if live and not self._bury_damaged(live):
                return _batch(live, class_, lane, historical=False)
        return self._next_old(reader, limit_bytes)

    def _next_old(self, reader: sqlite3.Connection, limit_bytes: int) -> Batch | None:
        terms = self._terms
        room_bytes = min(terms.batch_bytes, limit_bytes) - _FRAMING_BYTES
        count = min(terms.batch, self.pace.allowed())
        for lane in self._ahead.lanes if count else ():
            class_ = _class(lane, historical=True)
            if not self.budget.allows(class_):
                continue
            old = self._ahead.old(reader, lane, self._passed.get((lane, True), 0), self._taken)
            if self._bury_damaged(old):
                continue
            rows = self._without_suspects(_head(old, count, room_bytes))
            if rows:
                # One event alone is hardly smaller packed, but it may only so be taken at all.
                packed = terms.packed and (len(rows) > 1 or rows[0].size_bytes > room_bytes)
                return _batch(rows, class_, lane, historical=True, packed=packed)
        return None

    def take(self, batch: Batch, packet_bytes: int) -> None:
        """Mark a batch as sent, in a packet of this size."""
        self.budget.count(batch.class_, packet_bytes)
        self._taken.update(batch.sequences)
        self._sent.update(batch.sequences)
        if batch.sequences:
            first = batch.sequences[0]
            self._first_sent = min(first, self._first_sent or first)
        self._passed[batch.lane, batch.historical] = batch.sequences[-1]
        if batch.historical:
            self.pace.spend(len(batch.sequences))
            self._ahead.pass_by(batch.lane, len(batch.sequences))
        self.sent += len(batch.sequences)

    def put_back(self, batch: Batch) -> None:
        """Queue a batch again that was not accepted, or whose fate is unknown."""
        self._return(batch.sequences)

    def _return(self, sequences: Sequence[int]) -> None:
        self._taken.difference_update(sequences)
        self._awaited.comes_again(sequences)
        self.look_again()
        self.retried += len(sequences)

    def acknowledge(self, batch: Batch) -> None:
        """Handle a PUBACK: the batch's events are confirmed, or wait for the platform's receipt."""
        if self._terms.receipt_timeout_s is None:
            self._acknowledged += batch.sequences
        else:
            # A receipt for an earlier copy may have come meanwhile: nothing more is to be waited for.
            open_ = [
                each
                for each in batch.sequences
                if each in self._sent and each not in self._settling
            ]
            self._awaited.add(open_, self._clock.monotonic_s())

    def let_go(self) -> None:
        """Confirm acknowledged events in the outbox, many in one transaction."""
        acknowledged, self._acknowledged = self._acknowledged, []
        self._confirm(tuple(acknowledged))

    def receive(self, receipt: Receipt, reader: sqlite3.Connection) -> ReceiptVerdict:
        """Handle a receipt: the platform has stored these events.

        It confirms only what this run has sent: after a rollback of the database a number may have been
        assigned twice, and the platform may have another event under it.
        """
        if receipt.epoch != self.epoch:
            return "foreign"
        if receipt.highest > last_sequence(reader):
            return "ahead"
        if receipt.conflicts:
            return "conflict" if self._may_conflict(receipt) else "unsent"
        spans = merged(receipt.spans)
        ours = without(clipped(spans, self._given_before + 1, receipt.highest), self._asked_for)
        if waits_besides(reader, ours, self._sent):
            return "unsent"
        stored = within(spans, self._sent)
        self._awaited.came(stored, self._clock.monotonic_s())
        self._confirm(tuple(sorted(stored - self._settling)))
        return "taken"

    def doubtful(self, receipt: Receipt) -> list[tuple[int, int]]:
        """Numbers under which the platform may have other events: those named, and those this run sent.

        For a receipt that was ahead or in conflict; confirmed events among them are sent again. Includes
        numbers of an earlier run that this one sent: a receipt already on its way may mean other events.
        """
        ours = self._given_or_sent()
        return clipped(merged([*receipt.conflicts, ours]), 1, ours[1])

    def _may_conflict(self, receipt: Receipt) -> bool:
        """Whether any conflict that the platform names can be real.

        Events of an earlier run must be requested again first, and are then sent by this run.
        """
        met = merged([self._given_or_sent(), *self._asked_for])
        return bool(common(merged(receipt.conflicts), met))

    def _given_or_sent(self) -> Span:
        """Ranges of this epoch's numbers, from the lowest that this run assigned or sent."""
        begin = min(self._given_before + 1, self._first_sent or self._given_before + 1)
        return begin, self._outbox.last_sequence()

    def overdue(self) -> int:
        """Queue again the events whose receipt is overdue; returns their number."""
        late = self._awaited.overdue(self._clock.monotonic_s())
        if late:
            self._return(late)
            self.unreceipted += len(late)
        return len(late)

    def bring_back(self, first: int, last: int) -> None:
        """Note that confirmed events are queued again, at the platform's request."""
        self._asked_for = [*self._asked_for[-MAX_ASKED_FOR:], (first, last)]
        self.look_again()

    def look_again(self) -> None:
        """Search the outbox from the start again, as earlier numbers wait again."""
        self._passed.clear()
        self._ahead.forget()

    def begin_anew(self) -> None:
        """Forget all numbers, in a new epoch."""
        numbers = (
            self._taken,
            self._alone,
            self._sent,
            self._settling,
            self._finished,
            self._asked_for,
        )
        for kept in (*numbers, self._awaited, self._passed):
            kept.clear()
        self._acknowledged.clear()
        self._first_sent = None
        self.epoch = self._outbox.epoch
        self._given_before = 0
        self._ahead.forget()

    def refuse(self, batch: Batch, reason: str) -> None:
        """Handle a batch that the broker will never accept as it is."""
        if len(batch.sequences) > 1:
            self._alone.update(batch.sequences)
            self.put_back(batch)
            return
        _log.error("event %s cannot be delivered: %s", batch.sequences, reason)
        self.dead_letters += len(batch.sequences)
        self._taken.update(batch.sequences)
        self._ahead.forget()
        self._finish(batch.sequences, self._outbox.bury(batch.sequences, reason, epoch=self.epoch))

    def _bury_damaged(self, rows: Iterable[Row]) -> bool:
        """Move events with a wrong checksum to the dead letters; the rest is read again."""
        damaged = tuple(row.sequence for row in rows if not row.whole)
        if damaged:
            _log.error("events %s are lost: %s", damaged, DAMAGED)
            self.dead_letters += len(damaged)
            self._taken.update(damaged)
            self._ahead.forget()
            self._finish(
                damaged, self._outbox.bury(damaged, DAMAGED, why="damaged", epoch=self.epoch)
            )
        return bool(damaged)

    def settle(self) -> None:
        """Forget events whose confirmation has been written.

        Raises:
            StorageError: It could not be written; the events will be sent again.
        """
        while self._finished:
            sequences, future = self._finished.popleft()
            for kept in (self._taken, self._alone, self._sent, self._settling):
                kept.difference_update(sequences)
            self._awaited.forget(sequences)
            if future.exception() is not None:
                self.look_again()
            future.result()

    def _confirm(self, sequences: tuple[int, ...]) -> None:
        if not sequences:
            return
        self._taken.update(sequences)
        self._settling.update(sequences)
        self.confirmed += len(sequences)
        self._finish(sequences, self._outbox.confirm(sequences, self.epoch))

    def _finish(self, sequences: tuple[int, ...], future: Future[None]) -> None:
        def done(future: Future[None]) -> None:
            self._finished.append((sequences, future))
            self._settled()

        future.add_done_callback(done)

    def _without_suspects(self, rows: list[Row]) -> list[Row]:
        """The rows before the first event that must be sent alone, or only that one."""
        if rows and rows[0].sequence in self._alone:
            return rows[:1]
        return list(itertools.takewhile(lambda row: row.sequence not in self._alone, rows))


def _head(rows: Sequence[Row], count: int, room_bytes: int) -> list[Row]:
    """As many of the first rows as fit, at least one if there is any."""
    taken: list[Row] = []
    for row in itertools.islice(rows, count):
        room_bytes -= row.size_bytes
        if taken and room_bytes < 0:
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
    rows: Sequence[Row], class_: Class, lane: Lane, *, historical: bool, packed: bool = False
) -> Batch:
    """Put waiting events into a :class:`agent.protocol.events.Message`, without parsing them again."""
    text = (
        f'{{"contract":{CONTRACT_VERSION},"historical":{"true" if historical else "false"},'
        f'"events":[{",".join(row.event for row in rows)}]}}'
    )
    payload = gzip.compress(text.encode(), PACKING, mtime=0) if packed else text.encode()
    sequences = tuple(row.sequence for row in rows)
    return Batch(sequences, payload, class_, packed, lane, historical)
