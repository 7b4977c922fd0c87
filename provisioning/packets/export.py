"""Makes a case's packet from what the device keeps: manifests, links, redacted copies, events, keys."""

from __future__ import annotations

import io
import json
import re
import zipfile
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from agent.identity.signing_key import FILE as SIGNING_KEY
from agent.identity.signing_key import Signer
from agent.protocol.base import ClockReading
from agent.protocol.events import PublicKey
from agent.protocol.evidence import Manifest, Tombstone
from agent.protocol.signed import read_record, thumbprint
from agent.storage import evidence_chain
from agent.storage.database_file import read_only
from drivers.files.privileges import read_file
from provisioning.packets import layout
from provisioning.packets.layout import EVENTS, KEYS, LINKS, MANIFESTS, READMES, SEAL, Seal, Sealed
from provisioning.wording import say
from provisioning.wording.case_sentences import several_cases

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from agent.storage.evidence_chain import Record
    from drivers.clock import Clock

_ON_DISK = re.compile(r"manifest-[0-9]{1,15}\.jws")
_EVENTS_OF = (
    "SELECT event FROM outbox WHERE json_valid(event)"
    " AND json_extract(event, '$.body.case_id') = ?1"
    " UNION ALL SELECT event FROM kept WHERE json_valid(event)"
    " AND json_extract(event, '$.body.case_id') = ?1"
)


_Told = dict[str, tuple[str, Manifest | Tombstone]]


class NoPacketError(RuntimeError):
    """There is nothing to export: no such case, or none that was packed."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A packet, and what could not be put into it.

    Attributes:
        case_id: Whose.
        content: The zip.
        pictures: How many redacted copies it holds.
        originals: How many originals.
        missing: Files that the manifests name and that are not on the disk.
        altered: Redacted copies that are not what the manifests name: left out, for nobody knows what they show.
    """

    case_id: str
    content: bytes
    pictures: int
    originals: int
    missing: tuple[str, ...]
    altered: tuple[str, ...]


def export(
    database: Path, evidence: Path, keys: Path, case: str, clock: Clock, *, originals: bool
) -> Exported:
    """Make the packet of a case.

    Args:
        database: The device's, which may be in use.
        evidence: Where the pictures of cases lie.
        keys: Where the signing key lies.
        case: The id of the case, or the beginning of it.
        clock: For when the packet is sealed.
        originals: Whether the pictures as they were taken go with it.

    Raises:
        NoPacketError: No case begins so, several do, or the key is not there.
        OSError: A file cannot be read.
        sqlite3.Error: The database cannot be read.
    """
    signer = _signer(keys)
    with closing(read_only(database)) as connection:
        connection.execute("BEGIN")  # one moment of a database that goes on
        case_id = _case_id(connection, evidence, case)
        records = evidence_chain.records_of(connection, case_id)
        links = _links(connection, records)
        head = evidence_chain.head(connection)
        events = [json.loads(event) for (event,) in connection.execute(_EVENTS_OF, (case_id,))]
    told, missing = _told(records, evidence / case_id)
    if not told:
        raise NoPacketError(say("No manifest of case {case_id} can be read.", case_id=case_id))
    manifests = [each for _, each in told.values() if isinstance(each, Manifest)]
    pictures, gone, altered = _pictures(manifests, evidence, originals=originals)
    contents = {
        **{name: jws.encode() for name, (jws, _) in told.items()},
        LINKS: _json({"links": links}),
        EVENTS: _json(sorted(events, key=lambda each: str(each.get("occurred_at")))),
        KEYS: _json({"keys": _keys(records, signer)}),
        **{name: files(__package__).joinpath(name).read_bytes() for name in READMES},
        **pictures,
    }
    _, newest = max(told.values(), key=lambda each: each[1].number)
    seal = Seal(
        tenant=newest.tenant,
        device_id=newest.device_id,
        case_id=case_id,
        sealed_at=clock.now().astimezone(UTC),
        sealed_clock=ClockReading.of(clock),
        first=links[0]["number"] if links else None,
        head=None if head is None else layout.Head(number=head.number, link=head.link),
        files=_sealed(contents),
    )
    contents[SEAL] = signer.sign(seal.model_dump(mode="json")).encode()
    copies = sum(name.startswith(layout.PICTURES) for name in contents)
    return Exported(
        case_id,
        zipped(contents),
        copies,
        len(pictures) - copies,
        missing=tuple(sorted(missing | gone)),
        altered=tuple(sorted(altered)),
    )


def _signer(keys: Path) -> Signer:
    if not (keys / SIGNING_KEY).is_file():
        raise NoPacketError(
            say("The device's signing key is not in {folder}: nothing can be sealed.", folder=keys)
        )
    return Signer(keys)


def _sealed(contents: dict[str, bytes]) -> dict[str, Sealed]:
    """What the seal says of each file."""
    return {
        name: Sealed(sha256=sha256(content).hexdigest(), size_bytes=len(content))
        for name, content in sorted(contents.items())
    }


def _case_id(connection: sqlite3.Connection, evidence: Path, case: str) -> str:
    """The one case whose id begins so, of those that were packed."""
    on_disk = {path.parent.name for path in evidence.glob(f"{_literal(case)}*/manifest-*.jws")}
    found = sorted({*evidence_chain.case_ids(connection, case), *on_disk})
    if not found:
        newest = ", ".join(evidence_chain.case_ids(connection, "")[-5:]) or say("none")
        raise NoPacketError(
            say(
                "No case that was packed begins {case_id}. The newest: {known}",
                case_id=case,
                known=newest,
            )
        )
    if case not in found and len(found) > 1:
        raise NoPacketError(several_cases(case, found))
    return case if case in found else found[0]


def _literal(text: str) -> str:
    """A text in which no character stands for others in a pattern of names."""
    return re.sub(r"[^A-Za-z0-9-]", "?", text)


def _told(records: list[Record], folder: Path) -> tuple[_Told, set[str]]:
    """The records of a case by their places in the packet, and the files that cannot be read.

    They are those of the database, and what a former one has left on the disk.
    """
    found: _Told = {}
    damaged: set[str] = set()
    known = {each.jws for each in records if each.jws is not None}
    texts = {f"{MANIFESTS}{each.number}": each.jws for each in records if each.jws is not None}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if _ON_DISK.fullmatch(path.name):
            text = read_file(path).decode(errors="replace")
            if text not in known:
                texts[MANIFESTS + path.name] = text
    for name, jws in texts.items():
        try:
            told = read_record(jws)
        except ValueError:
            damaged.add(name)
        else:
            found.setdefault(f"{MANIFESTS}{told.record}-{told.number}.jws", (jws, told))
    return found, damaged


def _links(connection: sqlite3.Connection, records: list[Record]) -> list[dict[str, Any]]:
    """The chain from the case's first record to the head."""
    if not records:
        return []
    found = evidence_chain.digests(connection, records[0].number, 2**53 - 1)
    return [{"number": number, "sha256": digest} for number, digest in found]


def _keys(records: list[Record], signer: Signer) -> list[dict[str, str]]:
    """The keys that signed: the present one first."""
    own = signer.public
    others = {each.key_x for each in records} - {own.x}
    keys = [own, *(PublicKey(kid=thumbprint(x), x=x) for x in sorted(others))]
    return [each.model_dump() for each in keys]


def _pictures(
    manifests: list[Manifest], evidence: Path, *, originals: bool
) -> tuple[dict[str, bytes], set[str], set[str]]:
    """The files of the pictures, by their places in the packet; those that are not there; and altered copies."""
    wanted: dict[str, tuple[str, str | None]] = {}
    for each in (picture for manifest in manifests for picture in manifest.pictures):
        original, copy = layout.place_of(each)
        if copy is not None and each.redacted is not None:
            wanted[copy] = each.redacted.file, each.redacted.sha256
        if originals:
            wanted[original] = each.file, None  # goes as it is: the manifest says what it was
    found: dict[str, bytes] = {}
    missing: set[str] = set()
    altered: set[str] = set()
    for place, (file, digest) in wanted.items():
        try:
            content = read_file(evidence / file)
        except FileNotFoundError:
            missing.add(place)
            continue
        if digest not in {None, sha256(content).hexdigest()}:
            altered.add(place)
            continue
        found[place] = content
    return found, missing, altered


def zipped(contents: dict[str, bytes]) -> bytes:
    """A zip that is the same for the same contents, on every machine: no time, no user in it."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name, content in sorted(contents.items()):
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            is_picture = name.endswith(".jpg")
            entry.compress_type = zipfile.ZIP_STORED if is_picture else zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return written.getvalue()


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1).encode() + b"\n"
