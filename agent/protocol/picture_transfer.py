"""How redacted pictures reach the platform: what a piece is, and what is told of a picture.

A picture travels in pieces, each one publish on the ``pictures`` channel: the topic says which picture by its
SHA-256, how long it is and where the piece begins, and the payload is the picture's bytes from there on. What the
platform has of it stands in its receipts (:class:`agent.protocol.downlink.Receipt`).
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Field

from agent.protocol.base import Wire
from agent.protocol.field_examples import BEGAN_AT, Example, id_of, sha256_of
from agent.protocol.fields import MORE_LATER, Id, Moment, Name, Sha256, Word

PIECE_BYTES: Final = 8192
"""So long a piece is at most: 33 ms of a link of 2 Mbit/s."""
MAX_PICTURE_BYTES: Final = 8_000_000
"""No picture that leaves a device is longer."""

PictureBytes = Annotated[int, Field(strict=True, ge=1, le=MAX_PICTURE_BYTES)]
OrderId = Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9._:-]{1,64}$")]


class StoredBody(Wire):
    """The platform has a redacted picture, whole: by its receipt, or because its store took it by HTTPS.

    ``command_id`` is that of the ``picture`` or ``snapshot`` that asked for it; null: it came by itself.
    ``case_id`` is null for what is of no case.
    """

    case_id: Annotated[Id | None, Example(id_of("case"))]
    sha256: Annotated[Sha256, Example(sha256_of("example redacted close_up"))]
    size_bytes: Annotated[PictureBytes, Example(31_000)]
    over: Annotated[Literal["mqtt", "https"], Example("mqtt")]
    command_id: Annotated[OrderId | None, Example(None)] = None


class NotSentBody(Wire):
    """A redacted picture was queued and does not come.

    ``deleted``: its case was deleted before it was sent, or a snapshot has not arrived for 30 days. ``damaged``: its bytes are not those any more that were
    redacted. ``upload_expired``: the time in which it might be put was over. ``upload_refused``: the store that it
    was to be put into did not take it.
    """

    case_id: Annotated[Id | None, Example(id_of("case"))]
    sha256: Annotated[Sha256, Example(sha256_of("example redacted threshold"))]
    because: Annotated[
        Literal["deleted", "damaged", "upload_expired", "upload_refused"], Example("deleted")
    ]
    command_id: Annotated[OrderId | None, Example("p-1")] = None


class SnapshotBody(Wire):
    """What became of a ``snapshot``: the picture that comes, by its hash, or ``because`` of what none does.

    ``no_frame``: the camera gave none in time. ``not_kept``: the disk did not take it. Any other word: it could not
    be redacted, and so does not leave.
    """

    camera_id: Annotated[Name, Example("street")]
    command_id: Annotated[OrderId, Example("s-1")]
    captured_at: Annotated[Moment | None, Example(BEGAN_AT)]
    sha256: Annotated[Sha256 | None, Example(sha256_of("example snapshot"))]
    size_bytes: Annotated[PictureBytes | None, Example(64_000)]
    because: Annotated[Word | None, Example(None)] = None


Has = Annotated[
    tuple[Sha256, Annotated[int, Field(strict=True, ge=0, le=MAX_PICTURE_BYTES)]],
    Field(json_schema_extra={MORE_LATER: True}),
]
"""A picture, and how many of its bytes the platform has, from the first on and without a gap."""


def has_of(item: Any) -> Any:
    """What one of a receipt's ``pictures`` says, as far as it can be read; None: it is none."""
    match item:
        case [str() as sha256, int() as size_bytes, *_] if type(size_bytes) is int:
            known = len(sha256) == 64 and set(sha256) <= set("0123456789abcdef")
            if known and 0 <= size_bytes <= MAX_PICTURE_BYTES:
                return sha256, size_bytes
    return None
