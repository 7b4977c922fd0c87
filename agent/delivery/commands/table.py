"""The table of the platform's commands: each has one handler, and what follows is the same for all of them.

What comes is read (:mod:`agent.delivery.commands.reader`); a command that came before is answered as it was
then, one too many is refused (:mod:`agent.delivery.commands.log`). Its handler says whether it may be done, and
does it; what it changed is recorded in the audit log, with the key that ordered it, and the platform is answered.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from agent.delivery.commands.reader import CommandReader, Order
from agent.protocol.commands import MAX_AHEAD_S, Answer, Command, Refusal
from agent.storage.errors import StorageError
from wording.harmless import harmless
from wording.known_errors import reason_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from agent.delivery.commands.log import CommandLog
    from agent.identity.authorities import Authorities, Signature
    from drivers.clock import Clock

C = TypeVar("C", bound=Command)


@dataclass(frozen=True, slots=True)
class Change:
    """What a command changed, for the audit log, which names the order as well."""

    what: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a command that was obeyed."""

    reason: str | None = None
    """What of it could not be done."""
    count: int | None = None
    """Of events."""
    change: Change | None = None
    """None: nothing that is recorded."""
    refusal: Refusal | None = None
    """It was not done after all; that it was ordered is recorded."""


def _anybody(_: Command) -> Refusal | None:
    return None


@dataclass(frozen=True, slots=True)
class Handler(Generic[C]):
    """How one command is dealt with, in the uplink's thread.

    Attributes:
        model: Its schema; what comes is valid by it, and from one who may order it.
        obey: Does it. Raises Refusal where it cannot be done, or OSError.
        refusal: Why it may not be done now; None if it may.
    """

    model: type[C]
    obey: Callable[[C], Done]
    refusal: Callable[[C], Refusal | None] = _anybody


@dataclass(frozen=True, slots=True)
class SignedHandler(Generic[C]):
    """How one command is dealt with that goes by who signed it.

    Attributes:
        model: Its schema; what comes is valid by it, and signed by one who may order it.
        obey: Does it, as :attr:`Handler.obey`.
    """

    model: type[C]
    obey: Callable[[C, Signature], Done]


AnyHandler = Handler[Any] | SignedHandler[Any]


class Commands:
    """The commands that one device obeys. For the uplink's thread.

    Args:
        handlers: The table.
        orders: Knows what came before.
        record: Writes into the audit log of what the platform ordered; raises OSError.
        on_declined: Told why a command is not done.
        authorities: Whose signatures count.
        clock: For what expires.
        tenant: Whose device it is.
        device_id: The device.
    """

    def __init__(
        self,
        handlers: Iterable[AnyHandler],
        orders: CommandLog,
        record: Callable[[str, Mapping[str, Any]], object],
        on_declined: Callable[[str], None],
        *,
        authorities: Authorities,
        clock: Clock,
        tenant: str,
        device_id: str,
    ) -> None:
        table = list(handlers)
        self._handlers = {each.model: each for each in table}
        if len(self._handlers) < len(table):
            raise ValueError("two handlers obey one command")
        self._reader = CommandReader(
            self._handlers, authorities, tenant=tenant, device_id=device_id
        )
        self._orders, self._record, self._on_declined = orders, record, on_declined
        self._clock = clock

    @property
    def models(self) -> frozenset[type[Command]]:
        """What can be ordered."""
        return frozenset(self._handlers)

    def answer(self, payload: bytes) -> Answer:
        """Do what is ordered, unless it was done before or may not be.

        Raises:
            UnreadError: It is no order; it has the answer.
            StorageError: The database cannot be read.
        """
        answer = self._orders.answer(self._reader.read(payload), self.obey)
        if answer.status != "done":
            self._on_declined(f"{answer.code}: {answer.reason}")
        return answer

    def obey(self, order: Order) -> Answer:
        """Do a command, whether or not it was done before.

        Raises:
            Refusal: It is not done.
        """
        command = order.command
        self._refuse_by_time(order)
        try:
            done = self._obeyed(order)
            if done.change is not None:
                self._record(done.change.what, {**done.change.facts, **_by_whom(order)})
        except StorageError as error:
            raise Refusal("not_stored", harmless(str(error))) from error
        except OSError as error:
            raise Refusal("not_stored", f"the disk refused: {reason_of(error)}") from error
        if done.refusal is not None:
            raise done.refusal
        return Answer(
            command_id=command.command_id, status="done", reason=done.reason, count=done.count
        )

    def _obeyed(self, order: Order) -> Done:
        command = order.command
        handler = next(each for model, each in self._handlers.items() if isinstance(command, model))
        if isinstance(handler, SignedHandler):
            if order.signature is None:  # the reader let through what it may not
                raise Refusal("not_signed", f"{command.command} is only taken signed")
            return handler.obey(command, order.signature)
        if (refusal := handler.refusal(command)) is not None:
            raise refusal
        return handler.obey(command)

    def _refuse_by_time(self, order: Order) -> None:
        """Refuse what has expired, and what may have: a clock that nobody vouches for says neither."""
        expires_at = order.command.expires_at
        if expires_at is None:
            return
        if not self._clock.synchronised:
            raise Refusal("clock_unsure", "expires_at: nothing vouches for the device's clock now")
        left_s = (expires_at - self._clock.now()).total_seconds()
        if left_s <= 0:
            raise Refusal("expired", "expires_at is over", field="expires_at")
        if order.signature is not None and left_s > MAX_AHEAD_S:
            raise Refusal(
                "expires_too_late",
                f"expires_at: at most {MAX_AHEAD_S // 86_400} days ahead",
                field="expires_at",
                most=MAX_AHEAD_S,
            )


def _by_whom(order: Order) -> dict[str, Any]:
    told: dict[str, Any] = {"order": order.command.command_id}
    if order.signature is not None:
        told |= {"key": order.signature.kid, "roles": sorted(order.signature.roles)}
    return told
