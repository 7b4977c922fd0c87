"""The send scheduler: chooses the next message (live first, by lane, within the day's budget).

It also tracks what is in flight, until the broker's PUBACK or the platform's receipt.
"""

from __future__ import annotations

import gzip
import itertools
import logging
import math
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from agent.delivery.outbox_prefetch import Ahead, OutboxPrefetch, Read
from agent.delivery.rate_limit import SendRateLimit
from agent.delivery.retransmission import Awaited
from agent.delivery.sequence_ranges import CodedRanges, clipped, common, merged, within, without
from agent.protocol.base import MAX_WORDS
from agent.protocol.downlink import OTHER
from agent.storage.epoch import BIRTH, DAMAGED
from agent.storage.outbox_queries import Lane, last_sequence, waiting_birth, waits_besides

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Future

    from agent.delivery.data_budget import Class, DataBudget
    from agent.delivery.sequence_ranges import Span
    from agent.protocol.downlink import Receipt
    from agent.storage.outbox import Outbox
    from agent.storage.outbox_queries import Birth, Row
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
        self._born = False
        """Whether the broker has the birth with which the epoch begins."""
        self._numbered: dict[int, tuple[str, int]] = {}
        """Epoch and number of the kept events that this run has sent and not yet settled."""
        self.refused: Counter[str] = Counter()
        """Events that the platform will not store, by its code."""
        self._passed: dict[tuple[Lane, Kind], int] = {}
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
            live = self._ahead.live(reader, lane, passed, self._taken)
            if live and not self._set_damaged_aside(live):
                # Packed it may be small enough to be taken at all.
                packed = self._terms.packed and live[0].size_bytes > limit_bytes - _FRAMING_BYTES
                return _batch(live, class_, lane, "live", packed=packed)
        return self._next_old(reader, limit_bytes)

    def _first(self, birth: Birth) -> Batch | None:
        """The birth with which an epoch begins; None: it is under way, or damaged."""
        if birth.row.key in self._taken or self._set_damaged_aside([birth.row]):
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
                ahead = read(reader, lane, self._passed.get((lane, kind), 0), self._taken)
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
        self._taken.update(batch.keys)
        self._sent.update(batch.keys)
        self.sent += len(batch.keys)
        if batch.kind == "again":
            self._numbered.update(zip(batch.keys, batch.numbered, strict=True))
        else:
            self._first_sent = min(batch.keys[0], self._first_sent or batch.keys[0])
        if batch.kind == "birth":
            self._ahead.forget()
            return
        self._passed[batch.lane, batch.kind] = abs(batch.keys[-1])
        if batch.kind != "live":
            self.pace.spend(len(batch.keys))
            self._ahead.pass_by(batch.lane, batch.kind, len(batch.keys))

    def put_back(self, batch: Batch) -> None:
        """Queue a batch again that was not accepted, or whose fate is unknown."""
        self._return(batch.keys)

    def _return(self, keys: Sequence[int]) -> None:
        self._taken.difference_update(keys)
        self._awaited.comes_again(keys)
        self.look_again()
        self.retried += len(keys)

    def acknowledge(self, batch: Batch) -> None:
        """Handle a PUBACK: the batch's events are confirmed, or wait for the platform's receipt."""
        self._born = self._born or batch.kind == "birth"
        if self._terms.receipt_timeout_s is None:
            self._acknowledged += batch.keys
        else:
            # A receipt for an earlier copy may have come meanwhile: nothing more is to be waited for.
            open_ = [
                each for each in batch.keys if each in self._sent and each not in self._settling
            ]
            self._awaited.add(open_, self._clock.monotonic_s())

    def let_go(self) -> None:
        """Confirm acknowledged events in the outbox, many in one transaction."""
        acknowledged, self._acknowledged = self._acknowledged, []
        self._confirm(tuple(acknowledged))

    def receive(self, receipt: Receipt, reader: sqlite3.Connection) -> ReceiptVerdict:
        """Handle a receipt: the platform has stored these events, or will not.

        It confirms only what this run has sent: after a rollback of the database a number may have been
        assigned twice, and the platform may have another event under it. One of a former epoch confirms the
        events that were sent again under it.
        """
        again = {
            number: key
            for key, (epoch, number) in self._numbered.items()
            if epoch == receipt.epoch and key not in self._settling
        }
        spans = merged(receipt.spans)
        if receipt.epoch == self.epoch:
            if receipt.highest > last_sequence(reader):
                return "ahead"
            if receipt.conflicts:
                return "conflict" if self._may_conflict(receipt) else "unsent"
            ours = without(clipped(spans, self._given_before + 1, receipt.highest), self._asked_for)
            if waits_besides(reader, ours, self._sent):
                return "unsent"
            again |= {number: number for number in within(spans, self._sent)}
        elif not again:
            return "foreign"
        elif met := within(merged(receipt.conflicts), again):
            self._number_anew(tuple(again.pop(number) for number in sorted(met)))
        self._settle_by(receipt, spans, again)
        return "taken"

    def _settle_by(self, receipt: Receipt, spans: Sequence[Span], keys: dict[int, int]) -> None:
        """Confirm what a receipt names.

        Args:
            receipt: A believed one.
            spans: The numbers that it names.
            keys: By number, what this run has sent of its epoch.
        """
        named = within(spans, keys)
        self._awaited.came([keys[each] for each in named], self._clock.monotonic_s())
        codes = CodedRanges(receipt.refused)
        by_code: dict[str | None, list[int]] = {}
        for number in sorted(named):
            if keys[number] not in self._settling:
                by_code.setdefault(codes.code_of(number), []).append(keys[number])
        for code, settled in by_code.items():
            if code is not None:
                self._note_refused(code, len(settled))
            self._confirm(tuple(settled), refused=code)

    def _note_refused(self, code: str, count: int) -> None:
        """Count events that the platform will not store; a sender may invent codes without end."""
        if code not in self.refused and len(self.refused) >= MAX_WORDS - 1:
            code = OTHER
        if code not in self.refused:
            _log.warning("the platform will not store events: %s", code)
        self.refused[code] += count

    def _number_anew(self, keys: tuple[int, ...]) -> None:
        """Have kept events sent as new ones: the platform has others under their numbers."""
        self._settling.update(keys)
        self._taken.update(keys)
        self._finish(keys, self._outbox.number_anew(keys, self.epoch))

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

    def bring_back(self, numbers: Sequence[int]) -> None:
        """Note that events are queued again at the platform's request, of this epoch these."""
        spans = merged([(each, each) for each in numbers])
        self._asked_for = [*self._asked_for, *spans][-MAX_ASKED_FOR:]
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
            self._numbered,
        )
        for kept in (*numbers, self._awaited, self._passed):
            kept.clear()
        self._acknowledged.clear()
        self._first_sent = None
        self._born = False
        self.epoch = self._outbox.epoch
        self._given_before = 0
        self._ahead.forget()

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
        self._set_aside(batch.keys, reason, limit_bytes=limit_bytes)

    def _set_damaged_aside(self, rows: Iterable[Row]) -> bool:
        """Set events with a wrong checksum aside; the rest is read again."""
        damaged = tuple(row.key for row in rows if not row.whole)
        if damaged:
            _log.error("events %s are lost: %s", damaged, DAMAGED)
            self.dead_letters += len(damaged)
            self._set_aside(damaged, DAMAGED, damaged=True)
        return bool(damaged)

    def _set_aside(
        self,
        keys: tuple[int, ...],
        reason: str,
        *,
        damaged: bool = False,
        limit_bytes: int | None = None,
    ) -> None:
        self._taken.update(keys)
        self._ahead.forget()
        future = self._outbox.set_aside(
            keys, reason, damaged=damaged, limit_bytes=limit_bytes, epoch=self.epoch
        )
        self._finish(keys, future)

    def settle(self) -> None:
        """Forget events whose confirmation has been written.

        Raises:
            StorageError: It could not be written; the events will be sent again.
        """
        while self._finished:
            keys, future = self._finished.popleft()
            for kept in (self._taken, self._alone, self._sent, self._settling):
                kept.difference_update(keys)
            for key in keys:
                self._numbered.pop(key, None)
            self._awaited.forget(keys)
            if future.exception() is not None:
                self.look_again()
            future.result()

    def _confirm(self, keys: tuple[int, ...], refused: str | None = None) -> None:
        if not keys:
            return
        self._taken.update(keys)
        self._settling.update(keys)
        self.confirmed += len(keys)
        self._finish(keys, self._outbox.confirm(keys, self.epoch, refused=refused))

    def _finish(self, keys: tuple[int, ...], future: Future[None]) -> None:
        def done(future: Future[None]) -> None:
            self._finished.append((keys, future))
            self._settled()

        future.add_done_callback(done)

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
