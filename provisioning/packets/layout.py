"""What lies where in a packet, and its seal. ``docs/evidence.md`` explains it to its readers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import Field

from agent.protocol.base import ClockReading, Wire
from agent.protocol.events import PublicKey
from agent.protocol.evidence import MAX_JWS
from agent.protocol.fields import AtMost, Count, Id, Moment, Name, Number, Sha256
from agent.protocol.strict_json import StrictJsonError, read_json

if TYPE_CHECKING:
    from agent.protocol.evidence import ManifestPicture

SEAL: Final = "packet.jws"
KEYS: Final = "keys.jwks"
LINKS: Final = "links.json"
EVENTS: Final = "events.json"
READMES: Final = ("README.txt", "README.zh-CN.txt")
MANIFESTS: Final = "manifests/"
PICTURES: Final = "pictures/"
ORIGINALS: Final = "originals/"

_PICTURE = r"[a-z_]{1,16}(-[A-Za-z0-9_-]{1,96})?"
_KNOWN: Final = re.compile(
    rf"(packet\.jws|keys\.jwks|links\.json|events\.json|README(\.zh-CN)?\.txt"
    rf"|manifests/(manifest|tombstone)-[0-9]{{1,15}}\.jws"
    rf"|pictures/{_PICTURE}\.redacted\.jpg|originals/{_PICTURE}\.jpg)"
)
MAX_FILES: Final = 300
MAX_LINKS: Final = 200_000
MAX_FILE_BYTES: Final = 32_000_000
_MAX_KEYS_BYTES: Final = 100_000
MAX_PARTS: Final = 1_000_000
"""So many lists, tables and commas a file of JSON has at most, and more than ``MAX_LINKS`` need. A list of nothing
takes 3 bytes in the file and some hundred in memory."""

FileName = Annotated[str, Field(max_length=200, pattern=f"^{_KNOWN.pattern}$")]


class Sealed(Wire):
    """One file of a packet."""

    sha256: Sha256
    size_bytes: Count


class Link(Wire):
    """One record of the chain between the first of the case and the head: its number, and its digest."""

    number: Number
    sha256: Sha256


class Head(Wire):
    """The newest record of the device when the packet was sealed."""

    number: Number
    link: Sha256


class Seal(Wire):
    """What the packet holds, and where the device's chain stood: the payload of ``packet.jws``.

    ``first`` is the number from which ``links.json`` leads to ``head``; null: no record of this case is in the
    chain of the present database.
    """

    record: Literal["packet"] = "packet"
    tenant: Name
    device_id: Name
    case_id: Id
    sealed_at: Moment
    sealed_clock: ClockReading
    first: Number | None
    head: Head | None
    files: Annotated[dict[FileName, Sealed], AtMost(MAX_FILES)]


class Keys(Wire):
    """The public keys that signed the records of a packet (RFC 7517)."""

    keys: Annotated[tuple[PublicKey, ...], Field(max_length=16, fail_fast=True)]


class Links(Wire):
    """The chain from the case's first record to the head."""

    links: Annotated[tuple[Link, ...], Field(max_length=MAX_LINKS, fail_fast=True)]


def is_known(name: str) -> bool:
    """Whether a packet may have a file of this name."""
    return _KNOWN.fullmatch(name) is not None


def most_bytes(name: str) -> int:
    """How long a file of this name may be: what is signed or a key is read whole before anything of it is known."""
    if name == KEYS:
        return _MAX_KEYS_BYTES
    return MAX_JWS if name.endswith(".jws") else MAX_FILE_BYTES


def read_parts(content: bytes) -> Any:
    """Read a file of JSON, if it has no more parts than a packet needs.

    Raises:
        StrictJsonError: It has more, or is no JSON.
    """
    if sum(map(content.count, (b"[", b"{", b","))) > MAX_PARTS:
        raise StrictJsonError("not_json", f"more than {MAX_PARTS} parts")
    return read_json(content)


def place_of(picture: ManifestPicture) -> tuple[str, str | None]:
    """Where a picture's original and its redacted copy lie in a packet; None: there is no copy."""
    original = ORIGINALS + picture.file.rpartition("/")[2]
    if picture.redacted is None:
        return original, None
    return original, PICTURES + picture.redacted.file.rpartition("/")[2]
