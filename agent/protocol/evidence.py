"""What proves a case: a signed manifest per stage, and a signed tombstone when its pictures are deleted.

Manifests and tombstones of a device form one chain. Each has the next number, and says in ``previous`` which
*link* it follows. The link of a record is SHA-256 over the link that it follows (32 bytes; nothing at the
chain's first) and the SHA-256 of its compact signature (32 bytes): :func:`link_of`. So what lies between two
manifests can be proved with 32 bytes a record, also when the records in between were of other cases or are
deleted.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Final, Literal, get_args

from pydantic import Field

from agent.protocol.base import (
    MAX_PLACES,
    ClockReading,
    EventCode,
    Models,
    Wire,
)
from agent.protocol.case import Departed, Fraction, PictureFile, Thing
from agent.protocol.field_examples import BEGAN_AT, EPOCH, Example, id_of, sha256_of
from agent.protocol.fields import (
    AtMost,
    Count,
    Flag,
    Id,
    Label,
    Moment,
    Name,
    Number,
    Seconds,
    Sentence,
    Sha256,
    Share,
    Text,
    Version,
    Word,
)
from agent.protocol.place import Place

Stage = Literal["opened", "cleared", "withdrawn"]
"""At which of its events a case was packed."""
STAGES: Final[dict[str, Stage]] = {
    "case.opened": "opened",
    "case.cleared": "cleared",
    "case.withdrawn": "withdrawn",
}
"""The types of events at which a case is packed."""
WhyDeleted = Literal["age", "room", "missing"]
WHY_DELETED: Final = get_args(WhyDeleted)
MAX_JWS = 2_000_000
CompactJws = Annotated[
    str,
    Field(max_length=MAX_JWS, pattern=r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$"),
]
"""A signature in compact form (RFC 7515, EdDSA), with its payload inside."""
_Bytes = Annotated[int, Field(strict=True, gt=0, le=2**31 - 1)]
_Pixels = Annotated[int, Field(strict=True, gt=0, le=65_535)]
_CASE: Final = id_of("case")


class FileFacts(Wire):
    """One file of a picture, as it lay on the disk."""

    sha256: Annotated[Sha256, Example(sha256_of("example threshold"))]
    size_bytes: Annotated[_Bytes, Example(240_000)]
    width_px: Annotated[_Pixels, Example(1280)]
    height_px: Annotated[_Pixels, Example(720)]


RedactedName = Annotated[
    str,
    Field(
        max_length=191,
        pattern=r"^[A-Za-z0-9-]{1,64}/[a-z_]{1,16}(-[A-Za-z0-9_-]{1,96})?\.redacted\.jpg$",
    ),
]
"""A redacted copy: the id of the case, a stroke, and a name that has none."""


class RedactedFile(Wire):
    """The copy that may leave the device.

    ``share`` is how much of the picture is hidden in it; null where nobody measured it.
    """

    file: Annotated[RedactedName, Example(f"{_CASE}/threshold.redacted.jpg")]
    sha256: Annotated[Sha256, Example(sha256_of("example threshold, redacted"))]
    size_bytes: Annotated[_Bytes, Example(58_000)]
    width_px: Annotated[_Pixels, Example(1280)]
    height_px: Annotated[_Pixels, Example(720)]
    share: Annotated[Share | None, Example(0.02)]


class ManifestPicture(Wire):
    """A picture of the case: the original, and the copy that may leave.

    ``redacted`` is null where it could not be redacted, and
    ``not_redacted`` says why. ``faults`` is what makes it worth less, such as ``dark``. ``default``: its copy
    is sent without being asked for.
    """

    role: Annotated[
        Literal["begin", "threshold", "close_up", "plate_view", "after"], Example("threshold")
    ]
    file: Annotated[PictureFile, Example(f"{_CASE}/threshold.jpg")]
    captured_at: Annotated[Moment, Example(BEGAN_AT)]
    original: FileFacts
    redacted: RedactedFile | None
    not_redacted: Annotated[Word | None, Example(None)] = None
    faults: Annotated[tuple[Word, ...], AtMost(16), Example(())] = ()
    default: Annotated[Flag, Example(True)]


class LegalFields(Wire):
    """What the city has said of this device at this corner, as the site has it; null: it was not given."""

    legal_review_no: Annotated[Label | None, Example(None)]
    tech_review_no: Annotated[Label | None, Example(None)]
    sign_installed: Annotated[Flag, Example(True)]
    location_published: Annotated[Flag, Example(False)]


class _Link(Wire):
    """What every record of the chain has.

    ``epoch`` is the one in which it was signed. Two records with one number are of a database that was set
    back in between: they have different epochs. ``previous`` is the link that it follows; null: it begins a
    chain, of a new database.
    """

    tenant: Annotated[Name, Example("example-city")]
    device_id: Annotated[Name, Example("example-corner")]
    epoch: Annotated[Id, Example(EPOCH)]
    number: Annotated[Number, Example(17)]
    previous: Annotated[Sha256 | None, Example(sha256_of("example link"))]
    case_id: Annotated[Id, Example(_CASE)]
    purpose: Annotated[Annotated[str, Text(200)], Example("city-order")]
    signed_at: Annotated[Moment, Example(BEGAN_AT)]
    signed_clock: Annotated[
        ClockReading,
        Example(
            ClockReading(
                state="synchronised", boot_id=id_of("boot"), monotonic_s=5190.0, error_s=0.02
            )
        ),
    ]


class Manifest(_Link):
    """One stage of a case and all that proves it: the payload that the signature of an ``evidence.packed`` is over.

    ``event_id``, ``occurred_at`` and ``clock`` are those of the case's event, ``signed_at`` and
    ``signed_clock`` are of the signing, which may be later. ``thresholds_sha256`` is over the settings by
    which the scenarios judge, those that nobody gave included. ``evidence_fault`` is why the disk did not
    take every picture; null if it did.
    """

    record: Literal["manifest"] = "manifest"
    stage: Annotated[Stage, Example("opened")]
    event_id: Annotated[Id, Example(id_of("event 2"))]
    test: Annotated[Flag, Example(False)] = False
    occurred_at: Annotated[Moment, Example(BEGAN_AT)]
    clock: Annotated[
        ClockReading,
        Example(
            ClockReading(
                state="synchronised", boot_id=id_of("boot"), monotonic_s=5180.0, error_s=0.02
            )
        ),
    ]
    kind: Annotated[Word, Example("misparked_bike")]
    code: Annotated[
        EventCode,
        Example(EventCode(profile="gbt-47678-5", code=None, name="示例事项")),
    ]
    place: Place
    began_at: Annotated[Moment, Example(BEGAN_AT)]
    opened_at: Annotated[Moment, Example(BEGAN_AT)]
    last_present_at: Annotated[Moment, Example(BEGAN_AT)]
    cleared_at: Annotated[Moment | None, Example(None)]
    allowed_s: Annotated[Seconds, Example(180.0)]
    members: Annotated[
        tuple[Thing, ...],
        AtMost(MAX_PLACES),
        Example(
            (
                Thing(
                    member_id="1",
                    label="bicycle",
                    box=Fraction(left=0.41, top=0.52, right=0.5, bottom=0.68),
                    since=BEGAN_AT,
                    last_present_at=BEGAN_AT,
                ),
            )
        ),
    ]
    left: Annotated[tuple[Departed, ...], AtMost(MAX_PLACES), Example(())]
    pictures: Annotated[tuple[ManifestPicture, ...], AtMost(32)]
    evidence_fault: Annotated[Sentence | None, Example(None)]
    models: Models
    configuration_sha256: Annotated[Sha256, Example(sha256_of("example configuration"))]
    thresholds_sha256: Annotated[Sha256, Example(sha256_of("example thresholds"))]
    agent_version: Annotated[Version | None, Example("0.2.0")]
    legal: LegalFields


class DeletedManifest(Wire):
    """A manifest whose pictures are deleted: what is left of it on the device."""

    number: Annotated[Number, Example(17)]
    stage: Annotated[Stage, Example("opened")]
    sha256: Annotated[Sha256, Example(sha256_of("example manifest"))]


class Tombstone(_Link):
    """The pictures of a case are deleted: the payload that the signature of an ``evidence.deleted`` is over.

    ``why``: ``age``: their retention period is over. ``room``: there was no more room for them. ``missing``:
    they are not there any more, and no record says why. ``deleted_at`` is null where nobody noted it. ``files`` and
    ``size_bytes`` are what was there; ``manifests`` are those of the case, by the SHA-256 of their compact
    signatures; there are none where an older agent packed none.
    """

    record: Literal["tombstone"] = "tombstone"
    why: Annotated[WhyDeleted, Example("age")]
    deleted_at: Annotated[Moment | None, Example(BEGAN_AT)]
    files: Annotated[Count, Example(7)]
    size_bytes: Annotated[Count, Example(812_000)]
    manifests: Annotated[tuple[DeletedManifest, ...], AtMost(16)] = ()


class PackedBody(Wire):
    """One stage of a case has its manifest, which is signed. Its payload is a :class:`Manifest` as JSON.

    ``case_id``, ``stage`` and ``number`` are said again there, and are the same.
    """

    case_id: Annotated[Id, Example(_CASE)]
    stage: Annotated[Stage, Example("opened")]
    number: Annotated[Number, Example(17)]
    jws: CompactJws


class DeletedBody(Wire):
    """The pictures of a case are deleted. The signature's payload is a :class:`Tombstone` as JSON.

    ``case_id`` and ``number`` are said again there, and are the same.
    """

    case_id: Annotated[Id, Example(_CASE)]
    number: Annotated[Number, Example(18)]
    jws: CompactJws


def digest_of(jws: str) -> str:
    """The SHA-256 of a compact signature, in hexadecimal."""
    return hashlib.sha256(jws.encode("ascii")).hexdigest()


def link_of(previous: str | None, digest: str) -> str:
    """The link of a record of the chain, in hexadecimal.

    Args:
        previous: The link that it follows; None: it is the first.
        digest: The SHA-256 of its compact signature, in hexadecimal.
    """
    before = b"" if previous is None else bytes.fromhex(previous)
    return hashlib.sha256(before + bytes.fromhex(digest)).hexdigest()
