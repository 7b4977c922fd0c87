"""Messages from the platform to the device, and the answers: receipts, commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import Field, field_validator

from agent.protocol.base import (
    CONTRACT_VERSION,
    Range,
    Wire,
)
from agent.protocol.fields import (
    MOST_NUMBER,
    Count,
    Flag,
    Id,
    Number,
    Sentence,
)

if TYPE_CHECKING:
    pass


class Receipt(Wire):
    """What the platform has stored for good, on the ``receipts`` channel.

    Computed in its store after the commit: everything through ``contiguous_through``, and further
    ranges (first, last) above it; further receipts may name further ones. An event named in a loss report
    counts as stored.

    ``conflicts``: ranges of numbers under which another event came than is stored, and which it does
    not yet have under a number of its own. Left out where there is none.
    """

    contract: Literal[1] = CONTRACT_VERSION
    epoch: Id
    contiguous_through: int = Field(strict=True, ge=0, le=MOST_NUMBER)
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


class Resend(Wire):
    """Send again what has arrived before, on the ``commands`` channel: a backup was restored."""

    contract: Literal[1] = CONTRACT_VERSION
    command: Literal["resend"]
    command_id: CommandId
    epoch: Id
    first: Number
    last: Number


LEAST_PACE_PER_S: Final = 0.1
"""The slowest that a platform may ask for: a backlog of a day, of 100,000 events, then takes twelve days."""


class Pace(Wire):
    """How fast the backlog may come, until this connection ends; null: as fast as it goes."""

    contract: Literal[1] = CONTRACT_VERSION
    command: Literal["pace"]
    command_id: CommandId
    backlog_events_per_s: float | None = Field(
        strict=True, ge=LEAST_PACE_PER_S, le=100_000, allow_inf_nan=False
    )


class HoldCase(Wire):
    """Keep a case's pictures whatever their age (``held``), or let them go again; a legal hold.

    ``reason`` is written down with the hold: why, and by whose order.
    """

    contract: Literal[1] = CONTRACT_VERSION
    command: Literal["hold"]
    command_id: CommandId
    case_id: Id
    held: Flag
    reason: Annotated[Sentence, Field(min_length=1)]


Command = Annotated[Resend | Pace | HoldCase, Field(discriminator="command")]


class Answer(Wire):
    """What became of a command, on the ``answers`` channel. ``count``: of events, for a resend."""

    contract: Literal[1] = CONTRACT_VERSION
    command_id: CommandId
    accepted: Flag
    reason: Sentence | None = None
    count: Count | None = None
