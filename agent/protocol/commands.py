"""Commands of the platform, and their answers."""

from __future__ import annotations

import functools
import operator
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self, get_args

from pydantic import Field, model_validator

from agent.protocol.base import CONTRACT_VERSION, Range, Wire
from agent.protocol.field_examples import EPOCH, Example, id_of
from agent.protocol.fields import Count, Flag, Id, Moment, Sentence

if TYPE_CHECKING:
    from collections.abc import Iterable

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
    """Send again what is kept: a backup was restored, or a broker's limit is gone.

    Either ``epoch``, present or former, with ``ranges`` of its numbers; or what occurred from ``from_at`` until
    before ``to_at``, in whatever epoch. An event comes under the epoch and number that it had.
    """

    command: Literal["resend"]
    epoch: Annotated[Id | None, Example(EPOCH)] = None
    ranges: Annotated[
        tuple[Range, ...] | None, Field(min_length=1, max_length=1000), Example(((2, 3),))
    ] = None
    from_at: Moment | None = None
    to_at: Moment | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        numbers, time = (self.epoch, self.ranges), (self.from_at, self.to_at)
        if (None in numbers) == (None in time) or any(numbers) == any(time):
            raise ValueError("either epoch and ranges, or from_at and to_at")
        if any(first > last for first, last in self.ranges or ()):
            raise ValueError("a range is (first, last), first not above last")
        if self.from_at is not None and self.to_at is not None and self.to_at <= self.from_at:
            raise ValueError("to_at is not after from_at")
        return self


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
