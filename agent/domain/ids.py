"""Identifiers: UUIDv7 by RFC 9562, random on the device, derived in replay.

A replay of the same footage at the same site must give byte-identical events, so there the
"random" bits come from a hash over what is replayed and a counter.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

if TYPE_CHECKING:
    from datetime import datetime

_RANDOM_BITS = 74


def uuid7(at: datetime, random_bits: int) -> str:
    """Build a UUIDv7 (RFC 9562, section 5.7) from a time and 74 bits.

    Args:
        at: An aware datetime; its Unix milliseconds become the first 48 bits.
        random_bits: ``rand_a`` (12 bits) and ``rand_b`` (62 bits); what exceeds is cut off.
    """
    milliseconds = int(at.timestamp() * 1000) & ((1 << 48) - 1)
    rand_a = (random_bits >> 62) & 0xFFF
    rand_b = random_bits & ((1 << 62) - 1)
    return str(UUID(int=milliseconds << 80 | 0x7 << 76 | rand_a << 64 | 0b10 << 62 | rand_b))


def is_uuid(text: str) -> bool:
    """Whether a text is a UUID as all ids of the device are written."""
    return re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text) is not None


class Ids(Protocol):
    """Where new identifiers come from."""

    def new(self, at: datetime) -> str:
        """A fresh UUIDv7 for something that happened at ``at``."""


class RandomIds:
    """For the device: no two are ever alike."""

    def new(self, at: datetime) -> str:
        return uuid7(at, secrets.randbits(_RANDOM_BITS))


class DerivedIds:
    """For replay: the same seed and the same calls give the same identifiers."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._count = 0

    def new(self, at: datetime) -> str:
        self._count += 1
        text = f"{self._seed}\n{at.isoformat()}\n{self._count}"
        return uuid7(at, int.from_bytes(hashlib.sha256(text.encode()).digest()))
