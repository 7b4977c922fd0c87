"""Puts pictures together from their pieces (docs/platform/pictures.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import psycopg

    from kerbwatch_platform.settings import Settings

Has = Mapping[tuple[str, str], list[tuple[str, int]]]
"""By tenant and device: of each picture of which a piece came, its SHA-256 and how many bytes are there without a gap.

The list is a receipt's ``pictures`` as it is."""


class Piece(Protocol):
    """A message on a device's ``pictures``."""

    @property
    def topic(self) -> str: ...
    @property
    def payload(self) -> bytes: ...


def take(connection: psycopg.Connection, settings: Settings, messages: Sequence[Piece]) -> Has:
    """Keep what came of pictures; nothing for what is none.

    In one transaction, or as a part of the caller's. What it returns may be told once that is committed: of a picture
    that is whole, the file was durable before its row.

    Raises:
        OSError: The disk does not take it. Nothing of ``messages`` is kept then.
    """
    raise NotImplementedError
