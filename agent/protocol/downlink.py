"""Receipts, from the platform to the device. Commands: :mod:`agent.protocol.commands`."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field, field_validator

from agent.protocol.base import (
    CONTRACT_VERSION,
    Range,
    Wire,
)
from agent.protocol.fields import MAX_NUMBER, MORE_LATER, Id, Number, Word
from agent.protocol.picture_transfer import Has, has_of

_WORD = re.compile(r"[a-z][a-z0-9_]{0,63}")
OTHER: Final = "other"
"""The code of what is refused with a code that cannot be read."""
RefusedRange = Annotated[tuple[Number, Number, Word], Field(json_schema_extra={MORE_LATER: True})]
"""The first and the last of numbers that are not kept, and the code of why."""


class Receipt(Wire):
    """What the platform has stored for good, on the ``receipts`` channel.

    Computed in its store after the commit: everything through ``contiguous_through``, and further
    ranges (first, last) above it; further receipts may name further ones. An event named in a loss report
    counts as stored.

    ``conflicts``: ranges of numbers under which another event came than is stored, and which it does
    not yet have under a number of its own. Left out where there is none.

    ``refused``: ranges of numbers that came and will not be stored, and the code of why (first, last, code). The
    device does not send them again by itself, keeps them like what has arrived, and counts them in its heartbeat.
    They may be named by ``contiguous_through`` and ``ranges`` as well. Left out where there is none.

    ``pictures``: of redacted pictures that came in pieces, how many bytes are stored, from the first on and without
    a gap. All of them: it is stored whole, and its SHA-256 was verified. Fewer: the device goes on from there. Left
    out where there is none.

    Read as tolerantly as the platform is to read: a later version may say more than this one knows, and a
    device must not fall silent over it. What one of ``refused`` says behind its code is left aside, a code of another
    form counts as ``other``, and one without a range or a code is left out, as is one of ``pictures`` that cannot be
    read: the rest of the receipt holds.
    """

    model_config = ConfigDict(extra="ignore")

    contract: Annotated[int, Field(strict=True, ge=2, le=MAX_NUMBER)] = CONTRACT_VERSION
    epoch: Id
    contiguous_through: int = Field(strict=True, ge=0, le=MAX_NUMBER)
    ranges: tuple[Range, ...] = Field(default=(), max_length=1000, fail_fast=True)
    conflicts: tuple[Range, ...] = Field(default=(), max_length=1000, fail_fast=True)
    refused: tuple[RefusedRange, ...] = Field(default=(), max_length=1000, fail_fast=True)
    pictures: tuple[Has, ...] = Field(default=(), max_length=1000, fail_fast=True)

    @field_validator("refused", mode="before")
    @classmethod
    def _readable(cls, items: Any) -> Any:
        if not isinstance(items, list | tuple):
            return items
        return tuple(read for item in items if (read := _refused_range(item)) is not None)

    @field_validator("pictures", mode="before")
    @classmethod
    def _known_pictures(cls, items: Any) -> Any:
        if not isinstance(items, list | tuple):
            return items
        return tuple(read for item in items if (read := has_of(item)) is not None)

    @field_validator("ranges", "conflicts")
    @classmethod
    def _in_order(cls, ranges: tuple[tuple[Any, ...], ...]) -> tuple[tuple[Any, ...], ...]:
        if any(first > last for first, last, *_ in ranges):
            raise ValueError("a range is (first, last), first not above last")
        return ranges

    @property
    def spans(self) -> tuple[tuple[int, int], ...]:
        """Everything that is settled, as ranges."""
        head = ((1, self.contiguous_through),) if self.contiguous_through else ()
        return (*head, *self.ranges, *((first, last) for first, last, _ in self.refused))

    @property
    def highest(self) -> int:
        """The highest number that is settled; 0 if none is."""
        return max((last for _, last in self.spans), default=0)


def _refused_range(item: Any) -> RefusedRange | None:
    """What one of ``refused`` says, as far as it can be read; None: it is none."""
    match item:
        case [first, last, code, *_] if type(first) is type(last) is int:
            if 1 <= first <= last <= MAX_NUMBER:
                return first, last, code if _is_word(code) else OTHER
    return None


def _is_word(code: object) -> bool:
    return isinstance(code, str) and _WORD.fullmatch(code) is not None
