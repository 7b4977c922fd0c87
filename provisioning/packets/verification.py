"""Verifies a case's packet part by part, without any network: what was changed, and how it can be told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from agent.identity import jws
from agent.identity.jws import NotVerifiedError
from agent.protocol.evidence import Manifest, Tombstone, digest_of, link_of
from agent.protocol.signed import JwsError, parts_of, read_record, thumbprint
from agent.protocol.strict_json import StrictJsonError, read_json
from provisioning.packets import layout, zip_reader
from provisioning.packets.jpeg_size import size_px
from provisioning.packets.layout import (
    EVENTS,
    KEYS,
    LINKS,
    MANIFESTS,
    ORIGINALS,
    PICTURES,
    READMES,
    SEAL,
    Keys,
    Links,
    Seal,
)
from wording.harmless import harmless
from wording.messages import Said, said

if TYPE_CHECKING:
    from pathlib import Path

    from agent.protocol.events import PublicKey
    from agent.protocol.evidence import FileFacts, ManifestPicture, RedactedFile

M = TypeVar("M", bound=BaseModel)
What = Literal[
    "chain", "changed", "damaged", "empty", "foreign", "missing", "re_encoded", "refused", "swapped"
]
"""What is wrong with a part, for a program; ``docs/evidence.md`` has a row for each."""
_MOST_SHOWN: Final = 100


@dataclass(frozen=True, slots=True)
class Fault:
    """One part that does not hold: its name in the packet, what is wrong, and how that is told."""

    part: str
    what: What
    reason: Said


@dataclass(slots=True)
class Verdict:
    """What verifying a packet found.

    Attributes:
        faults: Empty if every part holds. Each part is named once.
        remarks: What a reader should know, and is no fault.
        seal: The packet's; None: it does not hold.
        records: The manifests and tombstones that hold, in order.
        keys: The ids of the keys against which it was verified.
        trusted: Whether these keys were given, and are not only the packet's own.
    """

    faults: list[Fault] = field(default_factory=list)
    remarks: list[Said] = field(default_factory=list)
    seal: Seal | None = None
    records: list[Manifest | Tombstone] = field(default_factory=list)
    keys: tuple[str, ...] = ()
    trusted: bool = False

    def add(self, part: str, what: What, reason: Said) -> None:
        """Note a fault, if none of the part is noted yet."""
        if all(each.part != part for each in self.faults):
            self.faults.append(Fault(part, what, reason))


def verify(path: Path, given: Iterable[PublicKey] = ()) -> Verdict:
    """Verify a packet.

    Args:
        path: The zip.
        given: The device's public keys, as its births told them; none: the packet's own are taken.

    Raises:
        OSError: The file cannot be read.
    """
    verdict = Verdict()
    try:
        contents = zip_reader.read(path)
    except zip_reader.NotReadError as error:
        [reason] = error.args
        verdict.add(path.name, "damaged", reason)
        return verdict
    for name, reason in list(contents.refused.items())[:_MOST_SHOWN]:
        verdict.add(name, "refused", reason)
    _Packet(contents.files, verdict, tuple(given)).verify()
    return verdict


class _Packet:
    """One packet that is being verified; each step notes its faults, the most telling ones first."""

    def __init__(
        self, files: dict[str, bytes], verdict: Verdict, given: tuple[PublicKey, ...]
    ) -> None:
        self._files, self._verdict = files, verdict
        self._keys = self._trusted(given)
        self._texts: dict[str, str] = {}

    def verify(self) -> None:
        seal = self._seal()
        records = self._records(seal)
        self._pictures(records)
        self._links(seal, records)
        self._events(seal, records)
        self._sealed_files(seal)
        self._verdict.seal = seal
        self._verdict.records = list(records.values())

    def _trusted(self, given: tuple[PublicKey, ...]) -> dict[str, PublicKey]:
        own = self._read(KEYS, Keys)
        for key in () if own is None else own.keys:
            if key.kid != thumbprint(key.x):
                reason = said("the id of a key is not the one that belongs to it")
                self._verdict.add(KEYS, "changed", reason)
        if given and own is not None and not {each.x for each in own.keys} & {g.x for g in given}:
            reason = said("none of the packet's keys is one that was given: another device's")
            self._verdict.add(KEYS, "foreign", reason)
        keys = given or (() if own is None else own.keys)
        self._verdict.trusted = bool(given)
        self._verdict.keys = tuple(each.kid for each in keys)
        return {each.kid: each for each in keys}

    def _there(self, name: str) -> bytes | None:
        """The content of a part; if it is missing or empty, that is noted."""
        content = self._files.get(name)
        if content is None:
            self._verdict.add(name, "missing", said("it is not in the packet"))
        elif not content:
            self._verdict.add(name, "empty", said("it is empty"))
        return content or None

    def _read(self, name: str, model: type[M]) -> M | None:
        content = self._there(name)
        if content is None:
            return None
        try:
            return model.model_validate(layout.read_parts(content))
        except (StrictJsonError, ValidationError):
            self._verdict.add(name, "damaged", said("it does not have the form of such a file"))
            return None

    def _payload(self, name: str) -> bytes | None:
        """The payload of a signature that one of the keys made; what else it is, is noted."""
        content = self._there(name)
        if content is None:
            return None
        try:
            text = content.decode("ascii")
            parts = parts_of(text)
        except (UnicodeDecodeError, JwsError):
            self._verdict.add(name, "changed", said("it is no signature any more: it was changed"))
            return None
        key = self._keys.get(parts.kid or "")
        if key is None:
            kid = harmless(parts.kid or "-", 50)
            reason = said("signed by another key ({kid}): of another device, or forged", kid=kid)
            self._verdict.add(name, "foreign", reason)
            return None
        try:
            payload = jws.verified(text, key)
        except (NotVerifiedError, JwsError, ValueError):
            reason = said("the signature does not hold: it was changed after it was signed")
            self._verdict.add(name, "changed", reason)
            return None
        self._texts[name] = text
        return payload

    def _seal(self) -> Seal | None:
        payload = self._payload(SEAL)
        if payload is None:
            return None
        try:
            return Seal.model_validate(read_json(payload))
        except (StrictJsonError, ValidationError):
            self._verdict.add(SEAL, "foreign", said("signed by the device, but it is no seal"))
            return None

    def _records(self, seal: Seal | None) -> dict[str, Manifest | Tombstone]:
        """Every manifest and tombstone that holds, by its name, in order of their numbers."""
        names = {each for each in self._files if each.startswith(MANIFESTS)}
        names |= {each for each in (seal.files if seal else ()) if each.startswith(MANIFESTS)}
        found: dict[str, Manifest | Tombstone] = {}
        for name in sorted(names):
            if self._payload(name) is None:
                continue
            try:
                told = read_record(self._texts[name])
            except ValueError:
                reason = said("signed by the device, but it is no manifest and no tombstone")
                self._verdict.add(name, "foreign", reason)
                continue
            if name != f"{MANIFESTS}{told.record}-{told.number}.jws":
                number = told.number
                reason = said(
                    "it is the {record} number {number}", record=told.record, number=number
                )
                self._verdict.add(name, "swapped", reason)
            elif seal is not None and not _same_case(told, seal):
                self._verdict.add(name, "foreign", said("it is of another case or device"))
            else:
                found[name] = told
        return dict(sorted(found.items(), key=lambda each: each[1].number))

    def _pictures(self, records: dict[str, Manifest | Tombstone]) -> None:
        wanted: dict[str, FileFacts | RedactedFile] = {}
        for each in _pictures_of(records):
            original, copy = layout.place_of(each)
            if copy is not None and each.redacted is not None:
                wanted[copy] = each.redacted
            if original in self._files:
                wanted[original] = each.original
            if each.not_redacted is not None:
                self._verdict.remarks.append(
                    said("{file}: not redacted ({code})", file=original, code=each.not_redacted)
                )
        by_hash = {facts.sha256: name for name, facts in wanted.items()}
        for name, facts in wanted.items():
            content = self._there(name)
            if content is not None and sha256(content).hexdigest() != facts.sha256:
                self._verdict.add(name, *_how_changed(content, facts, by_hash))
        if any(each.part.startswith(MANIFESTS) for each in self._verdict.faults):
            return  # it may be that manifest which names the others
        for name in sorted(self._files):
            if name.startswith((PICTURES, ORIGINALS)) and name not in wanted:
                self._verdict.add(name, "foreign", said("no manifest names this picture"))

    def _links(self, seal: Seal | None, records: dict[str, Manifest | Tombstone]) -> None:
        """Follow the chain from the case's first record to the device's newest one."""
        told = self._read(LINKS, Links)
        if told is None or seal is None:
            return
        digests = {each.number: each.sha256 for each in told.links}
        numbers = [each.number for each in told.links]
        of_case = {each.number: name for name, each in records.items()}
        linked = [number for number in sorted(of_case) if number in digests]
        for number in sorted(set(of_case) - set(linked)):
            self._verdict.remarks.append(
                said("record {number} is of a former database's chain", number=number)
            )
        if seal.first is None:
            return
        whole = (
            seal.head is not None
            and numbers == sorted(set(numbers))
            and numbers[:1] == [seal.first]
            and numbers[-1:] == [seal.head.number]
        )
        if not whole:
            reason = said("the chain is cut short: it does not lead to the newest record")
            self._verdict.add(LINKS, "chain", reason)
            return
        self._follow(seal, numbers, digests, {of_case[n]: records[of_case[n]] for n in linked})

    def _follow(
        self,
        seal: Seal,
        numbers: list[int],
        digests: dict[int, str],
        records: dict[str, Manifest | Tombstone],
    ) -> None:
        by_number = {each.number: (name, each) for name, each in records.items()}
        link: str | None = None
        known = False
        for number in numbers:
            name, told = by_number.get(number, ("", None))
            if told is not None:
                if digest_of(self._texts[name]) != digests[number]:
                    reason = said("the chain has another record of number {number}", number=number)
                    self._verdict.add(name, "chain", reason)
                if known and told.previous != link:
                    reason = said("it does not follow the record before it in the chain")
                    self._verdict.add(name, "chain", reason)
                link, known = told.previous, True
            link = link_of(link, digests[number])
        if known and (seal.head is None or link != seal.head.link):
            reason = said(
                "the chain does not lead to the newest record: a link was changed or taken out"
            )
            self._verdict.add(LINKS, "chain", reason)
        if not known and not self._verdict.faults:
            reason = said("no record of the case is in the chain")
            self._verdict.add(LINKS, "chain", reason)
        for tombstone in (each for each in records.values() if isinstance(each, Tombstone)):
            for gone in tombstone.manifests:
                if digests.get(gone.number, gone.sha256) != gone.sha256:
                    reason = said(
                        "the tombstone names another manifest of number {number}",
                        number=gone.number,
                    )
                    self._verdict.add(LINKS, "chain", reason)

    def _events(self, seal: Seal | None, records: dict[str, Manifest | Tombstone]) -> None:
        """What the platform was told is what the manifests say, where both tell it."""
        content = self._there(EVENTS)
        if content is None:
            return
        try:
            told = layout.read_parts(content)
        except StrictJsonError:
            told = None
        if not isinstance(told, list) or not all(isinstance(each, dict) for each in told):
            self._verdict.add(EVENTS, "damaged", said("it does not have the form of such a file"))
            return
        by_id = {each.event_id: each for each in records.values() if isinstance(each, Manifest)}
        for event in told:
            body = event.get("body")
            if not isinstance(body, dict) or (seal and body.get("case_id") != seal.case_id):
                self._verdict.add(EVENTS, "foreign", said("an event in it is of another case"))
                continue
            manifest = by_id.get(str(event.get("event_id")))
            if manifest is not None and not _agrees(body, manifest):
                reason = said("an event in it has other pictures than its manifest")
                self._verdict.add(EVENTS, "changed", reason)

    def _sealed_files(self, seal: Seal | None) -> None:
        """Every file is the one that was sealed, and there is no other."""
        if seal is None:
            return
        for name, sealed in seal.files.items():
            content = self._there(name)
            if content is not None and sha256(content).hexdigest() != sealed.sha256:
                self._verdict.add(name, "changed", said("it is not what was sealed"))
        for name in sorted(self._files.keys() - seal.files.keys() - {SEAL}):
            self._verdict.add(name, "foreign", said("it was not in the packet when it was sealed"))
        for name in (KEYS, LINKS, EVENTS, *READMES):
            if name not in seal.files:
                self._verdict.add(name, "missing", said("it is not in the packet"))


def _same_case(told: Manifest | Tombstone, seal: Seal) -> bool:
    return (told.tenant, told.device_id, told.case_id) == (
        seal.tenant,
        seal.device_id,
        seal.case_id,
    )


def _pictures_of(records: dict[str, Manifest | Tombstone]) -> Iterator[ManifestPicture]:
    for each in records.values():
        if isinstance(each, Manifest):
            yield from each.pictures


def _agrees(body: dict[str, Any], manifest: Manifest) -> bool:
    """Whether an event's pictures are those of its manifest."""
    told = body.get("pictures")
    if not isinstance(told, list):
        return False
    theirs = {(e.get("file"), e.get("sha256")) for e in told if isinstance(e, dict)}
    return theirs == {(each.file, each.original.sha256) for each in manifest.pictures}


def _how_changed(
    content: bytes, facts: FileFacts | RedactedFile, by_hash: dict[str, str]
) -> tuple[What, Said]:
    """What became of a picture whose hash is another."""
    other = by_hash.get(sha256(content).hexdigest())
    if other is not None:
        return "swapped", said("it is the picture {other}, put in this one's place", other=other)
    size = size_px(content)
    if size is None:
        return "damaged", said("it is no JPEG any more")
    if size != (facts.width_px, facts.height_px):
        return "foreign", said("it is another picture: of another size")
    if len(content) != facts.size_bytes:
        return "re_encoded", said("it was encoded again, or is another picture of the same size")
    return "changed", said("bytes in it were changed")
