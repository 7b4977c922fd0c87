"""Handles receipts and commands from the platform, untrusted until validated."""

from __future__ import annotations

import logging
import sqlite3
from typing import TYPE_CHECKING

from pydantic import BaseModel, TypeAdapter, ValidationError

from agent.concurrency.token_bucket import Allowance
from agent.delivery.epoch_limit import NewEpochs
from agent.delivery.sequence_ranges import merged
from agent.protocol.downlink import Answer, Command, CommandId, HoldCase, Receipt, Resend
from agent.storage.errors import StorageError
from agent.storage.outbox_queries import counted
from wording.harmless import harmless
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agent.delivery.command_log import Orders
    from agent.delivery.mqtt_connection import Delivery
    from agent.delivery.send_scheduler import Parcels, Verdict
    from agent.storage.outbox import Outbox
    from drivers.clock import Clock

MOST_AT_ONCE = 100_000
"""One command names so many events at most."""
LEAST_RESENDS, RESENDS_PERIOD_S = 1000, 3600.0
"""In an hour as many events may be asked for again as are kept, but never fewer than these."""

_commands: TypeAdapter[Command] = TypeAdapter(Command)
_log = logging.getLogger(__name__)


class NewEpochError(ConnectionError):
    """The platform has other events of this epoch: the database was rolled back or copied.

    Attributes:
        again: Ranges of numbers whose events are to be sent again, even if confirmed.
    """

    def __init__(self, reason: str, again: Sequence[tuple[int, int]]) -> None:
        super().__init__(reason)
        self.again = again


class Listening:
    """Processes receipts and commands. For the uplink's thread.

    Args:
        base_topic: The prefix of the channels.
        outbox: Whose events are confirmed or queued again.
        parcels: The events in flight.
        hold: Sets and lifts legal holds; returns the reason if refused.
        clock: Its steady time counts.
        keep_arrived: Number of confirmed events kept; as many may be requested per hour.
        orders: The log of earlier commands.
    """

    def __init__(
        self,
        base_topic: str,
        outbox: Outbox,
        parcels: Parcels,
        hold: Callable[[HoldCase], str | None],
        clock: Clock,
        keep_arrived: int,
        orders: Orders,
    ) -> None:
        self.receipts_topic, self.commands_topic = (
            f"{base_topic}/receipts",
            f"{base_topic}/commands",
        )
        self.answers_topic = f"{base_topic}/answers"
        self._outbox, self._parcels, self._hold = outbox, parcels, hold
        self.epochs = NewEpochs(clock)
        self.resends = Allowance(max(keep_arrived, LEAST_RESENDS), RESENDS_PERIOD_S, clock)
        self.last_refused = ""
        self._orders = orders
        self.refused = 0
        """What was said and not believed."""
        self.declined = 0
        """Commands that were answered with why they are not done."""

    def heed(self, delivery: Delivery, reader: sqlite3.Connection) -> Answer | None:
        """Process one message.

        Returns:
            The answer to a command.

        Raises:
            NewEpochError: A receipt names numbers that were never assigned, or other events.
            sqlite3.Error, StorageError: The disk failed; the message is not to blame.
        """
        if delivery.retained:
            # It was said once, who knows when, and would be heeded at every connection.
            self._refuse("a retained message: what is said to a device must not be retained")
            return None
        try:
            return self._heed(delivery, reader)
        except (NewEpochError, sqlite3.Error, StorageError):
            raise
        except Exception as error:  # noqa: BLE001  no message may cost more than itself
            self._refuse(f"{type(error).__name__}: {error}")
            return None

    def _heed(self, delivery: Delivery, reader: sqlite3.Connection) -> Answer | None:
        try:
            if delivery.topic == self.receipts_topic:
                self._heed_receipt(Receipt.model_validate_json(delivery.payload), reader)
                return None
            if delivery.topic == self.commands_topic:
                command = _commands.validate_json(delivery.payload)
                return self._orders.answer(command, lambda one: self._obey(one, reader))
        except ValidationError as error:
            reason = f"{error.error_count()} faults, the first: {_first(error)}"
            self._refuse(reason)
            return None if delivery.topic == self.receipts_topic else _declined(delivery, reason)
        self._refuse("a topic that was not subscribed to")
        return None

    def _heed_receipt(self, receipt: Receipt, reader: sqlite3.Connection) -> None:
        verdict = self._parcels.receive(receipt, reader)
        if verdict in {"ahead", "conflict"}:
            self._begin_epoch(receipt, verdict)
        if verdict == "unsent":
            self._refuse("a receipt for events that were not sent")
        elif verdict == "foreign" and receipt.epoch != self._outbox.previous_epoch:
            self._refuse("a receipt of an epoch that is not ours")

    def _begin_epoch(self, receipt: Receipt, verdict: Verdict) -> None:
        """Begin a new epoch, unless it is too soon for one."""
        if self.epochs.wait_s:
            self._refuse(
                "other events under our numbers: a new epoch began before, the next one waits"
            )
            return
        self.epochs.begin()
        if verdict == "ahead":
            text = said(
                "the platform has event {theirs}, ours end at {ours}: a new epoch begins",
                theirs=receipt.highest,
                ours=self._outbox.last_sequence(),
            )
        else:
            named = merged(receipt.conflicts)
            text = said(
                "the platform has other events under {count} of our numbers from {first} on: "
                "this database was rolled back or copied, a new epoch begins",
                count=sum(last - first + 1 for first, last in named),
                first=named[0][0],
            )
        raise NewEpochError(text, self._parcels.doubtful(receipt))

    def _obey(self, command: Command, reader: sqlite3.Connection) -> Answer:
        refused = None
        try:
            if isinstance(command, Resend):
                return self._resend(command, reader)
            if isinstance(command, HoldCase):
                refused = self._hold(command)
            else:
                self._parcels.pace.set(command.backlog_events_per_s, "platform")
        except StorageError as error:
            refused = str(error)
        return self._answer(command, refused)

    def _resend(self, command: Resend, reader: sqlite3.Connection) -> Answer:
        """Queue confirmed events again, as far as the rate limit allows."""
        first, last = command.first, command.last
        if command.epoch != self._outbox.epoch:
            return self._answer(command, f"the epoch is {self._outbox.epoch}")
        if last < first:
            return self._answer(command, "last is below first")
        if last - first >= MOST_AT_ONCE:
            return self._answer(command, f"at most {MOST_AT_ONCE} at once")
        arrived, waits = counted(reader, first, last)
        if arrived > self.resends.left:
            left, most = self.resends.left, self.resends.most
            return self._answer(command, f"{left} more may be asked for now; {most} in an hour")
        if arrived:
            again = self._outbox.resend(first, last).result()
            self.resends.spend(again)
            self._parcels.bring_back(first, last)
            waits += again
        missing = max(0, last - first + 1 - waits)
        reason = f"{missing} of them are kept no more" if missing else None
        return Answer(command_id=command.command_id, accepted=True, reason=reason, count=waits)

    def _answer(self, command: Command, refused: str | None) -> Answer:
        if refused is not None:
            self.declined += 1
            self._say_why(f"{command.command}: {refused}")
        reason = harmless(refused)
        return Answer(command_id=command.command_id, accepted=refused is None, reason=reason)

    def _refuse(self, reason: str) -> None:
        self.refused += 1
        self._say_why(reason)

    def _say_why(self, reason: str) -> None:
        reason = harmless(reason)
        if reason != self.last_refused:
            _log.warning("not heeded: %s", reason)
        self.last_refused = reason


class _Named(BaseModel):
    """The part of an invalid command that is enough to answer it."""

    command_id: CommandId


def _declined(delivery: Delivery, reason: str) -> Answer | None:
    """The answer to an invalid command, if it has a command id."""
    try:
        command_id = _Named.model_validate_json(delivery.payload).command_id
    except ValidationError:
        return None
    return Answer(command_id=command_id, accepted=False, reason=harmless(reason))


def _first(error: ValidationError) -> str:
    fault = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
