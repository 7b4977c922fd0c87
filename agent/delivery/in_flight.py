"""What is in flight: from the publish until the broker's PUBACK or the platform's receipt is on the disk."""

from __future__ import annotations

import logging
import math
from collections import Counter, deque
from typing import TYPE_CHECKING, Literal

from agent.delivery.followed_events import FollowedEvents
from agent.delivery.retransmission import Awaited
from agent.delivery.sequence_ranges import CodedRanges, clipped, common, merged, within, without
from agent.protocol.base import MAX_WORDS
from agent.protocol.downlink import OTHER
from agent.storage.outbox_queries import last_sequence, waits_besides

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future

    from agent.delivery.sequence_ranges import Span
    from agent.protocol.downlink import Receipt
    from agent.storage.outbox import Outbox
    from drivers.clock import Clock

MAX_ASKED_FOR = 1000
"""Number of resend requests remembered, the newest."""
MAX_AWAITING = 4000
"""Maximum number of events waiting for a receipt; beyond that nothing more is sent."""

ReceiptVerdict = Literal["taken", "foreign", "ahead", "conflict", "unsent"]
"""Of a receipt: believed; of another epoch; naming what was never given; saying that a number means
another event; naming what was not sent."""

_log = logging.getLogger(__name__)


class InFlight:
    """The events that this run has sent, and what was answered for them. Lives longer than the connections.

    Args:
        outbox: Where what was answered for is confirmed.
        clock: To tell how long a receipt has been awaited.
        receipt_timeout_s: Minimum time from the PUBACK until an event without a receipt is sent again.
            None: the PUBACK is enough.
        settled: Called in another thread when a confirmation is on the disk.
        followed: Takes note of how far single events came; None: nobody asks.
    """

    def __init__(
        self,
        outbox: Outbox,
        clock: Clock,
        receipt_timeout_s: float | None,
        *,
        settled: Callable[[], None],
        followed: FollowedEvents | None = None,
    ) -> None:
        self._outbox, self._clock, self._settled = outbox, clock, settled
        self._followed = followed or FollowedEvents(clock)
        self._with_receipts = receipt_timeout_s is not None
        self.taken: set[int] = set()
        """On the way to the platform, or answered for and not yet settled on the disk."""
        self._numbered: dict[int, tuple[str, int]] = {}
        """Epoch and number of the kept events that this run has sent and not yet settled."""
        self.refused: Counter[str] = Counter()
        """Events that the platform will not store, by its code."""
        self._acknowledged: list[int] = []
        self._awaited = Awaited(receipt_timeout_s or math.inf)
        """What the broker has, and no receipt has named."""
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
        self._asked_for: list[Span] = []
        """Ranges that the platform has asked for again: they were sent once."""
        self.sent = self.confirmed = self.retried = self.unreceipted = 0

    @property
    def full(self) -> bool:
        """Whether so many events wait for a receipt that nothing more is to be sent."""
        return len(self._awaited) >= MAX_AWAITING

    def take(self, keys: tuple[int, ...], numbered: Sequence[tuple[str, int]] = ()) -> None:
        """Mark events as sent.

        Args:
            keys: Theirs.
            numbered: Epoch and number of each, where they are kept events that are sent again.
        """
        self.taken.update(keys)
        self._sent.update(keys)
        self._followed.note("sent", keys)
        self.sent += len(keys)
        if numbered:
            self._numbered.update(zip(keys, numbered, strict=True))
        else:
            self._first_sent = min(keys[0], self._first_sent or keys[0])

    def put_back(self, keys: Sequence[int]) -> None:
        """Note events as not sent that were not accepted, or whose fate is unknown."""
        self.taken.difference_update(keys)
        self._awaited.comes_again(keys)
        self.retried += len(keys)

    def acknowledge(self, keys: Sequence[int]) -> None:
        """Handle a PUBACK: the events are confirmed, or wait for the platform's receipt."""
        self._followed.note("acknowledged", keys)
        if self._with_receipts:
            # A receipt for an earlier copy may have come meanwhile: nothing more is to be waited for.
            open_ = [each for each in keys if each in self._sent and each not in self._settling]
            self._awaited.add(open_, self._clock.monotonic_s())
        else:
            self._acknowledged += keys

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
            self._followed.note("receipted" if code is None else "refused", settled)
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
        self.taken.update(keys)
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

    def overdue(self) -> list[int]:
        """Note the events whose receipt is overdue as not sent; returns them."""
        late = self._awaited.overdue(self._clock.monotonic_s())
        self.put_back(late)
        self.unreceipted += len(late)
        return late

    def bring_back(self, numbers: Sequence[int]) -> None:
        """Note that the platform has asked for these numbers of this epoch again."""
        spans = merged([(each, each) for each in numbers])
        self._asked_for = [*self._asked_for, *spans][-MAX_ASKED_FOR:]

    def begin_anew(self) -> None:
        """Forget all numbers, in a new epoch."""
        numbers = (
            self.taken,
            self._sent,
            self._settling,
            self._finished,
            self._asked_for,
            self._numbered,
            self._awaited,
            self._acknowledged,
        )
        for kept in numbers:
            kept.clear()
        self._followed.forget()
        self._first_sent = None
        self.epoch = self._outbox.epoch
        self._given_before = 0

    def set_aside(
        self,
        keys: tuple[int, ...],
        reason: str,
        *,
        damaged: bool = False,
        limit_bytes: int | None = None,
    ) -> None:
        """Take events out of what is to be delivered: :meth:`agent.storage.outbox.Outbox.set_aside`."""
        self.taken.update(keys)
        future = self._outbox.set_aside(
            keys, reason, damaged=damaged, limit_bytes=limit_bytes, epoch=self.epoch
        )
        self._finish(keys, future)

    def settle(self) -> Iterator[tuple[tuple[int, ...], Future[None]]]:
        """Forget events whose fate has been written, or could not be: then they will be sent again."""
        while self._finished:
            keys, future = self._finished.popleft()
            for kept in (self.taken, self._sent, self._settling):
                kept.difference_update(keys)
            for key in keys:
                self._numbered.pop(key, None)
            self._awaited.forget(keys)
            yield keys, future

    def _confirm(self, keys: tuple[int, ...], refused: str | None = None) -> None:
        if not keys:
            return
        self.taken.update(keys)
        self._settling.update(keys)
        self.confirmed += len(keys)
        self._finish(keys, self._outbox.confirm(keys, self.epoch, refused=refused))

    def _finish(self, keys: tuple[int, ...], future: Future[None]) -> None:
        def done(future: Future[None]) -> None:
            self._finished.append((keys, future))
            self._settled()

        future.add_done_callback(done)
