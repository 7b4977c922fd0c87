"""Puts pictures together from their pieces (docs/platform/pictures.md).

Pieces wait in the table ``picture_piece`` until there is no gap; then the bytes are held against the SHA-256 before
anything else is done with them. What one device may have waiting is bounded, so that its rubbish costs itself alone.
"""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from hashlib import sha256 as _sha256
from typing import TYPE_CHECKING, NamedTuple, Protocol

from kerbwatch_platform.evidence.folder import NotOursError
from kerbwatch_platform.evidence.keeping import MOST_BYTES, Own, keep, lock, may_come

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
_log = logging.getLogger(__name__)

Has = Mapping[tuple[str, str], list[tuple[str, int]]]
"""By tenant and device: of each picture of which a piece came, its SHA-256 and how many bytes are there without a gap.

The list is a receipt's ``pictures`` as it is."""


class Piece(Protocol):
    """A message on a device's ``pictures``."""

    @property
    def topic(self) -> str: ...
    @property
    def payload(self) -> bytes: ...


class _Picture(NamedTuple):
    """A picture as its topic tells it: with another size it is another."""

    own: Own
    size: int


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
    coming: dict[_Picture, list[_Part]] = defaultdict(list)
    for message in messages:
        _sort_in(coming, settings.prefix, message)
    has: dict[tuple[str, str], list[tuple[str, int]]] = defaultdict(list)
    if not coming:
        return has
    with connection.transaction():
        lock(connection, {picture.own[:2] for picture in coming})
        for picture, there in _there_after(connection, settings, coming).items():
            has[picture.own.tenant, picture.own.device].append((picture.own.sha256, there))
    return has


def _sort_in(coming: dict[_Picture, list[_Part]], prefix: str, message: Piece) -> None:
    if not message.topic.startswith(f"{prefix}/"):
        return
    found = _PIECE.fullmatch(message.topic, len(prefix))
    if found is None:
        return
    size, first = int(found["size"]), int(found["first"])
    if size <= MOST_BYTES and 0 < len(message.payload) <= min(MOST_PIECE_BYTES, size - first):
        own = Own(found["tenant"], found["device"], found["sha256"])
        coming[_Picture(own, size)].append(_Part(first, message.payload))


def _there_after(
    connection: psycopg.Connection, settings: Settings, coming: dict[_Picture, list[_Part]]
) -> dict[_Picture, int]:
    """How many bytes of each picture are there without a gap, with what is coming. Few questions for all of them."""
    there = dict.fromkeys(coming, 0)
    wanted = []
    for picture, (whole, known) in _known(connection, list(coming)).items():
        if whole is not None:
            there[picture] = whole if whole == picture.size else 0
        elif known or may_come(connection, picture.own):
            wanted.append(picture)
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO picture_piece (tenant, device, sha256, size_bytes, first, content)"
            " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [(*each.own, each.size, *part) for each in wanted for part in coming[each]],
        )
    _bound(connection, wanted)
    for picture, reached in _without_gap(connection, wanted).items():
        there[picture] = reached
        if reached >= picture.size and not _is_kept(connection, settings, picture):
            there[picture] = 0  # it comes again from its beginning
    return there


def _known(
    connection: psycopg.Connection, pictures: list[_Picture]
) -> dict[_Picture, tuple[int | None, bool]]:
    """Of each: how many bytes it has if it is here whole, and whether it was begun or is named."""
    rows = connection.execute(
        """
        SELECT f.size_bytes,
          EXISTS (SELECT 1 FROM picture_piece p
            WHERE (p.tenant, p.device, p.sha256) = (a.tenant, a.device, a.sha256))
          OR EXISTS (SELECT 1 FROM evidence_named n
            WHERE (n.tenant, n.device, n.sha256) = (a.tenant, a.device, a.sha256))
        FROM unnest(%s::text[], %s::text[], %s::text[]) WITH ORDINALITY AS a (tenant, device, sha256, nth)
        LEFT JOIN evidence_file f ON (f.tenant, f.device, f.sha256) = (a.tenant, a.device, a.sha256)
          AND f.state <> 'lost'
        ORDER BY a.nth
        """,
        _columns(pictures),
    ).fetchall()
    return dict(zip(pictures, rows, strict=True))


def _columns(pictures: list[_Picture]) -> list[list[str]]:
    return [[each.own[column] for each in pictures] for column in range(3)]


def _bound(connection: psycopg.Connection, pictures: list[_Picture]) -> None:
    """Forget what has waited longest of a device that has too much waiting; what is coming now last."""
    devices = sorted({each.own[:2] for each in pictures})
    over = connection.execute(
        "SELECT tenant, device FROM picture_piece JOIN unnest(%s::text[], %s::text[])"
        " AS asked (tenant, device) USING (tenant, device) GROUP BY tenant, device"
        " HAVING count(*) > %s OR sum(length(content)) > %s",
        (
            *([each[n] for each in devices] for n in range(2)),
            MOST_WAITING_PIECES,
            MOST_WAITING_BYTES,
        ),
    ).fetchall()
    for tenant, device in over:
        now = [each.own.sha256 for each in pictures if each.own[:2] == (tenant, device)]
        rows = connection.execute(
            "SELECT sha256, count(*), sum(length(content)) FROM picture_piece"
            " WHERE (tenant, device) = (%s, %s) GROUP BY sha256"
            " ORDER BY sha256 = ANY(%s), max(arrived_at)",
            (tenant, device, now),
        ).fetchall()
        pieces, size = sum(int(row[1]) for row in rows), sum(int(row[2]) for row in rows)
        for sha256, its_pieces, its_size in rows:
            if pieces <= MOST_WAITING_PIECES and size <= MOST_WAITING_BYTES:
                break
            _forget(connection, Own(tenant, device, sha256))
            pieces, size = pieces - int(its_pieces), size - int(its_size)


def _without_gap(connection: psycopg.Connection, pictures: list[_Picture]) -> dict[_Picture, int]:
    there = dict.fromkeys(pictures, 0)
    for *own, size, first, length in connection.execute(
        "SELECT tenant, device, sha256, size_bytes, first, length(content) FROM picture_piece"
        " JOIN unnest(%s::text[], %s::text[], %s::text[], %s::bigint[])"
        " AS asked (tenant, device, sha256, size_bytes) USING (tenant, device, sha256, size_bytes)"
        " ORDER BY first",
        [*_columns(pictures), [each.size for each in pictures]],
    ):
        picture = _Picture(Own(*own), size)
        if first <= there[picture]:
            there[picture] = max(there[picture], first + length)
    return there


def _is_kept(connection: psycopg.Connection, settings: Settings, picture: _Picture) -> bool:
    """Put a picture together; whether it is what its hash says. Its pieces are not needed any more.

    While the evidence folder is away they wait, and the events beside them are taken: the device sends a piece again.
    """
    content = bytearray()
    for first, part in connection.execute(
        "SELECT first, content FROM picture_piece"
        " WHERE (tenant, device, sha256, size_bytes) = (%s, %s, %s, %s) ORDER BY first",
        (*picture.own, picture.size),
    ):
        content += bytes(part)[len(content) - first :]
    whole = _sha256(content).hexdigest() == picture.own.sha256
    if whole:
        try:
            keep(connection, settings, picture.own, bytes(content), over="pieces")
        except NotOursError as error:
            _log.warning("%s", error)
            return False
    _forget(connection, picture.own)
    return whole


def _forget(connection: psycopg.Connection, own: Own) -> None:
    connection.execute(
        "DELETE FROM picture_piece WHERE (tenant, device, sha256) = (%s, %s, %s)", own
    )
