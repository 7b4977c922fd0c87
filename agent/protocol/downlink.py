"""Messages from the platform to the device, and the answers: receipts, commands."""

from __future__ import annotations

import functools
import operator
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, get_args

from pydantic import Field, field_validator

from agent.protocol.base import (
    CONTRACT_VERSION,
    Range,
    Wire,
)
from agent.protocol.field_examples import EPOCH, Example, id_of
from agent.protocol.fields import (
    MAX_NUMBER,
    Count,
    Flag,
    Id,
    Number,
    Sentence,
)

if TYPE_CHECKING:
    from collections.abc import Iterable


class Receipt(Wire):
    """What the platform has stored for good, on the ``receipts`` channel.

    Computed in its store after the commit: everything through ``contiguous_through``, and further
    ranges (first, last) above it; further receipts may name further ones. An event named in a loss report
    counts as stored.

    ``conflicts``: ranges of numbers under which another event came than is stored, and which it does
    not yet have under a number of its own. Left out where there is none.
    """

    contract: Literal[2] = CONTRACT_VERSION
    epoch: Id
    contiguous_through: int = Field(strict=True, ge=0, le=MAX_NUMBER)
    ranges: tuple[Range, ...] = Field(default=(), max_length=1000, fail_fast=True)
    conflicts: tuple[Range, ...] = Field(default=(), max_length=1000, fail_fast=True)

    @field_validator("ranges", "conflicts")
    @classmethod
    def _in_order(cls, ranges: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
        if any(first > last for first, last in ranges):
            raise ValueError("a range is (first, last), first not above last")
        return ranges

    @property
    def spans(self) -> tuple[tuple[int, int], ...]:
        """Everything that is confirmed, as ranges."""
        head = ((1, self.contiguous_through),) if self.contiguous_through else ()
        return (*head, *self.ranges)

    @property
    def highest(self) -> int:
        """The highest number that is confirmed; 0 if none is."""
        return max((last for _, last in self.spans), default=0)


CommandId = Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9._:-]{1,64}$")]


class Command(Wire):
    """What the platform asks of a device, on the ``commands`` channel.

    Each command is a model below this, with its name as the one value of ``command``, and stands in
    :data:`COMMANDS`. Schemas and examples follow from there; what obeys it is its handler in the device's
    table (:mod:`agent.delivery.commands`).
    """

    contract: Literal[2] = CONTRACT_VERSION
    command: str
    command_id: Annotated[CommandId, Example("c-1")]


class Resend(Command):
    """Send again what has arrived before, on the ``commands`` channel: a backup was restored."""

    command: Literal["resend"]
    epoch: Annotated[Id, Example(EPOCH)]
    first: Annotated[Number, Example(2)]
    last: Annotated[Number, Example(3)]


MIN_PACE_PER_S: Final = 0.1
"""The slowest that a platform may ask for: a backlog of a day, of 100,000 events, then takes twelve days."""


class Pace(Command):
    """How fast the backlog may come, until this connection ends; null: as fast as it goes."""

    command: Literal["pace"]
    backlog_events_per_s: Annotated[float | None, Example(20.0)] = Field(
        strict=True, ge=MIN_PACE_PER_S, le=100_000, allow_inf_nan=False
    )


class HoldCase(Command):
    """Keep a case's pictures whatever their age (``held``), or let them go again; a legal hold.

    ``reason`` is written down with the hold: why, and by whose order.
    """

    command: Literal["hold"]
    case_id: Annotated[Id, Example(id_of("case"))]
    held: Annotated[Flag, Example(True)]
    reason: Annotated[Sentence, Field(min_length=1), Example("示例：复议期间保全")]


COMMANDS: Final[tuple[type[Command], ...]] = (Resend, Pace, HoldCase)
"""All there are."""


def name_of(model: type[Command]) -> str:
    """What stands in ``command``."""
    return str(get_args(model.model_fields["command"].annotation)[0])


def any_of(models: Iterable[type[Command]] = COMMANDS) -> Any:
    """The type, for pydantic, of what is any of these commands: told apart by ``command``."""
    together: Any = functools.reduce(operator.or_, models)
    return Annotated[together, Field(discriminator="command")]


class Answer(Wire):
    """What became of a command, on the ``answers`` channel. ``count``: of events, for a resend."""

    contract: Literal[2] = CONTRACT_VERSION
    command_id: CommandId
    accepted: Flag
    reason: Sentence | None = None
    count: Count | None = None
