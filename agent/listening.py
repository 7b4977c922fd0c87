"""What the platform says to the device: receipts and commands, hostile until they are validated."""

from __future__ import annotations

import logging
import sqlite3
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from agent.database import StorageError
from agent.epochs import NewEpochs
from agent.events import Answer, Command, HoldCase, Pace, Receipt, Resend
from agent.spans import merged
from drivers.harmless import harmless
from drivers.wording import said

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agent.mqtt import Delivery
    from agent.outbox import Outbox
    from agent.parcels import Parcels, Verdict
    from drivers.clock import Clock

MOST_AT_ONCE = 100_000
"""One command brings back so many events at most."""

_commands: TypeAdapter[Command] = TypeAdapter(Command)
_log = logging.getLogger(__name__)


class NewEpochError(ConnectionError):
    """The platform has other events of this epoch than we: the database was set back, or copied.

    Attributes:
        again: Ranges of numbers whose events are to go again, also if they have arrived.
    """

    def __init__(self, reason: str, again: Sequence[tuple[int, int]]) -> None:
        super().__init__(reason)
        self.again = again


class Listening:
    """Heeds receipts and commands. For the uplink's thread.

    Args:
        base_topic: What the channels stand below.
        outbox: Whose events are confirmed and brought back.
        parcels: What is under way.
        hold: Sets and lifts legal holds; gives the reason if it does not.
        clock: Its steady time counts.
    """

    def __init__(
        self,
        base_topic: str,
        outbox: Outbox,
        parcels: Parcels,
        hold: Callable[[HoldCase], str | None],
        clock: Clock,
    ) -> None:
        self.receipts_topic, self.commands_topic = (
            f"{base_topic}/receipts",
            f"{base_topic}/commands",
        )
        self.answers_topic = f"{base_topic}/answers"
        self._outbox, self._parcels, self._hold = outbox, parcels, hold
        self.epochs = NewEpochs(clock)
        self._last_refused = ""
        self.refused = 0
        """What was said and not believed."""

    def heed(self, delivery: Delivery, reader: sqlite3.Connection) -> Answer | None:
        """Do what was said, if it may be.

        Returns:
            The answer to a command.

        Raises:
            NewEpochError: A receipt names what was never given, or numbers of other events.
            sqlite3.Error, StorageError: The disk fails; it is not the message's fault.
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
                return self._obey(_commands.validate_json(delivery.payload))
        except ValidationError as error:
            self._refuse(f"{error.error_count()} faults, the first: {_first(error)}")
            return None
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
        """Begin a new epoch, unless there have been too many."""
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
                "the platform has other events under {count} of our numbers from {first} on: this"
                " database was set back or copied, a new epoch begins",
                count=sum(last - first + 1 for first, last in named),
                first=named[0][0],
            )
        raise NewEpochError(text, self._parcels.doubtful(receipt))

    def _obey(self, command: Command) -> Answer:
        if isinstance(command, HoldCase):
            refused = self._hold(command)
            return Answer(command_id=command.command_id, accepted=refused is None, reason=refused)
        if isinstance(command, Pace):
            self._parcels.pace.set(command.backlog_events_per_s)
            return Answer(command_id=command.command_id, accepted=True)
        return self._resend(command)

    def _resend(self, command: Resend) -> Answer:
        refused = None
        if command.epoch != self._outbox.epoch:
            refused = f"the epoch is {self._outbox.epoch}"
        elif command.last < command.first:
            refused = "last is below first"
        elif command.last - command.first >= MOST_AT_ONCE:
            refused = f"at most {MOST_AT_ONCE} at once"
        if refused is not None:
            return Answer(command_id=command.command_id, accepted=False, reason=refused)
        count = self._outbox.resend(command.first, command.last).result()
        self._parcels.bring_back(command.first, command.last)
        missing = command.last - command.first + 1 - count
        reason = f"{missing} of them are kept no more" if missing else None
        return Answer(command_id=command.command_id, accepted=True, reason=reason, count=count)

    def _refuse(self, reason: str) -> None:
        self.refused += 1
        if reason != self._last_refused:
            _log.warning("not heeded: %s", harmless(reason))
        self._last_refused = reason


def _first(error: ValidationError) -> str:
    fault = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
