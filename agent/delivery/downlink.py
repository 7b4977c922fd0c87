"""Handles receipts and commands from the platform, untrusted until validated."""

from __future__ import annotations

import logging
import sqlite3
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from agent.delivery.commands.reader import UnreadError, readable_id
from agent.delivery.commands.table import Commands
from agent.delivery.sequence_ranges import merged
from agent.protocol.commands import Answer, Refusal
from agent.protocol.downlink import Receipt
from agent.storage.errors import StorageError
from wording.harmless import harmless
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from agent.delivery.commands.log import CommandLog
    from agent.delivery.commands.table import AnyHandler
    from agent.delivery.epoch_limit import EpochLimit
    from agent.delivery.in_flight import InFlight, ReceiptVerdict
    from agent.delivery.picture_sender import PictureSender
    from agent.delivery.received_messages import Delivery
    from agent.identity.authorities import Authorities
    from agent.protocol.commands import Command
    from agent.protocol.events import Because
    from agent.protocol.topics import Topics
    from agent.storage.outbox import Outbox
    from drivers.clock import Clock

_log = logging.getLogger(__name__)


class NewEpochError(ConnectionError):
    """The platform has other events of this epoch: the database was rolled back or copied.

    Attributes:
        because: Why, as the birth says it.
        again: Ranges of numbers whose events are to be sent again, even if confirmed.
    """

    def __init__(self, reason: str, because: Because, again: Sequence[tuple[int, int]]) -> None:
        super().__init__(reason)
        self.because: Because = because
        self.again = again


class Downlink:
    """Processes receipts and commands. For the uplink's thread.

    Args:
        topics: Where is listened and answered.
        outbox: Whose events are confirmed and brought back.
        in_flight: What is under way.
        clock: Of orders that expire.
        epochs: How often the platform's word may begin an epoch.
        handlers: The commands that are obeyed.
        orders: Knows what came before.
        authorities: Whose signatures count.
        record: Writes into the audit log of what the platform ordered.
        pictures: Told what the platform has of them; None: none are sent.
    """

    def __init__(
        self,
        topics: Topics,
        outbox: Outbox,
        in_flight: InFlight,
        clock: Clock,
        epochs: EpochLimit,
        *,
        handlers: Iterable[AnyHandler],
        orders: CommandLog,
        authorities: Authorities,
        record: Callable[[str, Mapping[str, Any]], object],
        pictures: PictureSender | None = None,
    ) -> None:
        self.receipts_topic, self.commands_topic = topics.of("receipts"), topics.of("commands")
        self.answers_topic = topics.of("answers")
        self._outbox, self._in_flight, self._pictures = outbox, in_flight, pictures
        self.epochs = epochs
        self.last_refused = ""
        self._commands = Commands(
            handlers,
            orders,
            record,
            self._decline,
            authorities=authorities,
            clock=clock,
            tenant=topics.tenant,
            device_id=topics.device_id,
        )
        self.refused = 0
        """What was said and not believed."""
        self.declined = 0
        """Commands that were answered with why they are not done."""

    @property
    def obeyed(self) -> frozenset[type[Command]]:
        """Which commands are obeyed here."""
        return self._commands.models

    def heed(self, delivery: Delivery, reader: sqlite3.Connection) -> Answer | None:
        """Process one message.

        Args:
            delivery: What came.
            reader: To read the outbox with.

        Returns:
            The answer, if it is a command: each has one.

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
            reason = f"{type(error).__name__}: {error}"
            self._refuse(reason)
            if delivery.topic != self.commands_topic:
                return None
            return Refusal("failed", harmless(reason)).answer(readable_id(delivery.payload))

    def _heed(self, delivery: Delivery, reader: sqlite3.Connection) -> Answer | None:
        try:
            if delivery.topic == self.receipts_topic:
                self._heed_receipt(Receipt.model_validate_json(delivery.payload), reader)
                return None
            if delivery.topic == self.commands_topic:
                return self._commands.answer(delivery.payload)
        except UnreadError as error:
            self._refuse(f"{error.answer.code}: {error}")
            return error.answer
        except ValidationError as error:
            self._refuse(f"{error.error_count()} faults, the first: {_first(error)}")
            return None
        self._refuse("a topic that was not subscribed to")
        return None

    def _heed_receipt(self, receipt: Receipt, reader: sqlite3.Connection) -> None:
        if self._pictures is not None and self._pictures.receive(receipt.pictures, reader):
            self._refuse(
                "a receipt for pictures that were not sent, or for more of them than there is"
            )
        verdict = self._in_flight.receive(receipt, reader)
        if verdict in {"ahead", "conflict"}:
            self._begin_epoch(receipt, verdict)
        if verdict == "unsent":
            self._refuse("a receipt for events that were not sent")
        elif verdict == "foreign" and not self._outbox.knows(receipt.epoch):
            self._refuse("a receipt of an epoch that is not ours")
        elif verdict == "foreign" and (receipt.conflicts or receipt.refused):
            self._refuse(
                "conflicts or refusals of a former epoch, of which nothing is under way: send a resend first"
            )

    def _begin_epoch(self, receipt: Receipt, verdict: ReceiptVerdict) -> None:
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
        because: Because = "rolled_back" if verdict == "ahead" else "copied"
        raise NewEpochError(text, because, self._in_flight.doubtful(receipt))

    def _decline(self, why: str) -> None:
        self._say_why(why)
        self.declined += 1

    def _refuse(self, reason: str) -> None:
        self._say_why(reason)  # first: who reads the count in another thread finds its reason
        self.refused += 1

    def _say_why(self, reason: str) -> None:
        reason = harmless(reason)
        if reason != self.last_refused:
            _log.warning("not heeded: %s", reason)
        self.last_refused = reason


def _first(error: ValidationError) -> str:
    fault = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
