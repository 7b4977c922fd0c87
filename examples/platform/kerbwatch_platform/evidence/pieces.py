"""Puts pictures together from their pieces (docs/platform/pictures.md).

Pieces wait in the table ``picture_piece`` until there is no gap; then the bytes are held against the SHA-256 before
anything else is done with them. What one device may have waiting is bounded, so that its rubbish costs itself alone.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from hashlib import sha256 as _sha256
from typing import TYPE_CHECKING, NamedTuple, Protocol

from kerbwatch_platform.evidence.keeping import MOST_BYTES, Own, keep, lock, may_come, size_of

if TYPE_CHECKING:
    import psycopg

    from kerbwatch_platform.settings import Settings

MOST_PIECE_BYTES = 65_536
"""The contract's pieces have 8,192; brokers and bridges may carry others'."""
MOST_WAITING_BYTES, MOST_WAITING_PIECES = 2 * MOST_BYTES, 4_096
"""Of one device, of pictures that are not whole: two of the largest."""
_PIECE = re.compile(
    r"/(?P<tenant>[A-Za-z0-9_-]{1,64})/(?P<device>[A-Za-z0-9_-]{1,64})/pictures/"
    r"(?P<sha256>[0-9a-f]{64})/(?P<size>[0-9]{1,7})/(?P<first>[0-9]{1,7})"
)

Has = Mapping[tuple[str, str], list[tuple[str, int]]]
"""By tenant and device: of each picture of which a piece came, its SHA-256 and how many bytes are there without a gap.

The list is a receipt's ``pictures`` as it is."""


class Piece(Protocol):
    """A message on a device's ``pictures``."""

    @property
    def topic(self) -> str: ...
    @property
    def payload(self) -> bytes: ...


class _Part(NamedTuple):
    first: int
    content: bytes


def take(connection: psycopg.Connection, settings: Settings, messages: Sequence[Piece]) -> Has:
    """Keep what came of pictures; nothing for what is none.

    In one transaction, or as a part of the caller's. What it returns may be told once that is committed: of a picture
    that is whole, the file was durable before its row.

    Raises:
        OSError: The disk does not take it. Nothing of ``messages`` is kept then.
    """
    coming: dict[tuple[Own, int], list[_Part]] = defaultdict(list)
    for message in messages:
        _sort_in(coming, settings.prefix, message)
    has: dict[tuple[str, str], list[tuple[str, int]]] = defaultdict(list)
    if not coming:
        return has
    with connection.transaction():
        for tenant, device in sorted({own[:2] for own, _ in coming}):
            lock(connection, tenant, device)
        for (own, size), parts in coming.items():
            there = _has_after(connection, settings, own, size, parts)
            has[own.tenant, own.device].append((own.sha256, there))
    return has


def _sort_in(coming: dict[tuple[Own, int], list[_Part]], prefix: str, message: Piece) -> None:
    if not message.topic.startswith(f"{prefix}/"):
        return
    found = _PIECE.fullmatch(message.topic, len(prefix))
    if found is None:
        return
    size, first = int(found["size"]), int(found["first"])
    if size <= MOST_BYTES and 0 < len(message.payload) <= min(MOST_PIECE_BYTES, size - first):
        own = Own(found["tenant"], found["device"], found["sha256"])
        coming[own, size].append(_Part(first, message.payload))


def _has_after(
    connection: psycopg.Connection, settings: Settings, own: Own, size: int, parts: list[_Part]
) -> int:
    """How many bytes of a picture are there without a gap, with these parts."""
    whole = size_of(connection, own)
    if whole is not None:
        return whole if whole == size else 0
    if not may_come(connection, own):
        return 0
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO picture_piece (tenant, device, sha256, size_bytes, first, content)"
            " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [(*own, size, *part) for part in parts],
        )
    _bound(connection, own)
    there = _without_gap(connection, own, size)
    if there < size:
        return there
    content = _joined(connection, own, size)
    _forget(connection, own)
    if _sha256(content).hexdigest() != own.sha256:
        return 0  # it comes again from its beginning
    keep(connection, settings, own, content, over="pieces")
    return size


def _bound(connection: psycopg.Connection, own: Own) -> None:
    """Forget what has waited longest of a device that has too much waiting; the picture at hand last."""
    rows = connection.execute(
        "SELECT sha256, count(*), sum(length(content)) FROM picture_piece"
        " WHERE (tenant, device) = (%s, %s) GROUP BY sha256 ORDER BY sha256 = %s, max(arrived_at)",
        own,
    ).fetchall()
    pieces, size = sum(int(row[1]) for row in rows), sum(int(row[2]) for row in rows)
    for sha256, its_pieces, its_size in rows:
        if pieces <= MOST_WAITING_PIECES and size <= MOST_WAITING_BYTES:
            return
        _forget(connection, own._replace(sha256=sha256))
        pieces, size = pieces - int(its_pieces), size - int(its_size)


def _without_gap(connection: psycopg.Connection, own: Own, size: int) -> int:
    there = 0
    for first, length in connection.execute(
        "SELECT first, length(content) FROM picture_piece"
        " WHERE (tenant, device, sha256, size_bytes) = (%s, %s, %s, %s) ORDER BY first",
        (*own, size),
    ):
        if first > there:
            break
        there = max(there, first + length)
    return there


def _joined(connection: psycopg.Connection, own: Own, size: int) -> bytes:
    content = bytearray()
    for first, part in connection.execute(
        "SELECT first, content FROM picture_piece"
        " WHERE (tenant, device, sha256, size_bytes) = (%s, %s, %s, %s) ORDER BY first",
        (*own, size),
    ):
        content += bytes(part)[len(content) - first :]
    return bytes(content)


def _forget(connection: psycopg.Connection, own: Own) -> None:
    connection.execute(
        "DELETE FROM picture_piece WHERE (tenant, device, sha256) = (%s, %s, %s)", own
    )
