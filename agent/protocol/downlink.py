"""Receipts, from the platform to the device. Commands: :mod:`agent.protocol.commands`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from agent.protocol.base import (
    CONTRACT_VERSION,
    Range,
    Wire,
)
from agent.protocol.fields import MAX_NUMBER, Id


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
