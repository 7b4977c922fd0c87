"""The table of the platform's commands: each has one handler, and what follows is the same for all of them.

What comes is held against the models of the table; a command that was obeyed before is answered as it was
then, one too many is refused (:mod:`agent.delivery.command_log`). Its handler says whether it may be done, and
does it; what it changed is recorded in the audit log, and the platform is answered.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import TypeAdapter

from agent.protocol.commands import Answer, Command, any_of
from agent.storage.errors import StorageError
from wording.harmless import harmless
from wording.known_errors import reason_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from agent.delivery.command_log import CommandLog

C = TypeVar("C", bound=Command)


class RefusedError(Exception):
    """A command is not done; the text is why, and goes to the platform."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a command changed, for the audit log, which names the order as well."""

    what: str
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a command that was obeyed."""

    reason: str | None = None
    """What of it could not be done."""
    count: int | None = None
    """Of events."""
    change: Change | None = None
    """None: nothing that is recorded."""


def _anybody(_: Command) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Handler(Generic[C]):
    """How one command is dealt with, in the uplink's thread.

    Attributes:
        model: Its schema; what comes is valid by it.
        obey: Does it. Raises RefusedError where it cannot be done, or OSError.
        refusal: Why it may not be done now; None if it may. Unless given, whoever may publish on the
            ``commands`` channel may order it.
    """

    model: type[C]
    obey: Callable[[C], Done]
    refusal: Callable[[C], str | None] = _anybody


class Commands:
    """The commands that one device obeys. For the uplink's thread.

    Args:
        handlers: The table.
        orders: Knows what was obeyed before.
        record: Writes into the audit log of what the platform ordered; raises OSError.
        on_declined: Told why a command is not done.
    """

    def __init__(
        self,
        handlers: Iterable[Handler[Any]],
        orders: CommandLog,
        record: Callable[[str, Mapping[str, str]], object],
        on_declined: Callable[[str], None],
    ) -> None:
        table = list(handlers)
        self._handlers = {each.model: each for each in table}
        if len(self._handlers) < len(table):
            raise ValueError("two handlers obey one command")
        self._heard: TypeAdapter[Command] = TypeAdapter(any_of(self._handlers))
        self._orders, self._record, self._on_declined = orders, record, on_declined

    @property
    def models(self) -> frozenset[type[Command]]:
        """What can be ordered."""
        return frozenset(self._handlers)

    def answer(self, payload: bytes) -> Answer:
        """Do what is ordered, unless it was done before or may not be.

        Raises:
            ValidationError: It is none of the commands.
            StorageError: The database cannot be read.
        """
        return self._orders.answer(self._heard.validate_json(payload), self.obey)

    def obey(self, command: Command) -> Answer:
        """Do a command, whether or not it was done before."""
        handler = self._handlers[type(command)]
        try:
            if (why := handler.refusal(command)) is not None:
                return self._decline(command, why)
            done = handler.obey(command)
            if done.change is not None:
                self._record(done.change.what, {**done.change.facts, "order": command.command_id})
        except (RefusedError, StorageError) as error:
            return self._decline(command, str(error))
        except OSError as error:
            return self._decline(command, f"the disk refused: {reason_of(error)}")
        return Answer(
            command_id=command.command_id, accepted=True, reason=done.reason, count=done.count
        )

    def _decline(self, command: Command, why: str) -> Answer:
        self._on_declined(f"{command.command}: {why}")
        return Answer(command_id=command.command_id, accepted=False, reason=harmless(why))
