"""What goes to the police of a case: one zip with everything that proves it, sealed by the platform's signature.

What is verified and what is not lie apart in it (``unverified/``): nobody has to believe the platform which is which,
``contract/verify_handover.py`` finds out by itself. Originals are on the device, and leave it by a technician's hand
alone (docs/evidence.md, A packet). What was handed over is in the store before anybody has it.
"""

from __future__ import annotations

import json
import re
import uuid
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from kerbwatch_platform.evidence import files as kept
from kerbwatch_platform.evidence.pictures import Picture, picture_of
from kerbwatch_platform.evidence.signing import counter_sign, key, public_jwk
from kerbwatch_platform.evidence.stamps import proof_of

if TYPE_CHECKING:
    import psycopg

    from kerbwatch_platform.settings import Settings

MOST_BYTES, MOST_FILES, LARGEST_FILE = 256_000_000, 600, 64_000_000
"""Of a zip, before it is compressed, and of one file in it: what ``verify_handover.py`` reads, and half of all its bytes."""
_OTHERS = 6
"""Files of each zip that are not counted: two texts to be read first, links, keys, report and seal."""
LONGEST_REASON = 500
LINKS_BEYOND, MOST_LINKS = 1000, 100_000
"""Of the chain, behind the case's last record: what followed was not left out."""
_PART_BYTES = 1_048_576
_HERE = Path(__file__).parent
_READMES = {"README.txt": "handover.txt", "README.zh-CN.txt": "handover.zh-CN.txt"}
_CASE_EVENTS = (
    "case.opened", "case.persisting", "case.changed", "case.cleared", "case.withdrawn", "case.ticketed",
    "case.judged", "case.abstained", "evidence.packed", "evidence.deleted", "evidence.stored", "evidence.not_sent",
)  # fmt: skip


class HandoverError(RuntimeError):
    """It is not the asker's fault that nothing can be handed over; the words are for whoever runs the platform."""


class TooMuchError(Exception):
    """The case has more than a zip may hold; nothing was recorded.

    Attributes:
        files: How many there would be.
        size_bytes: How much, as far as it was counted.
    """

    def __init__(self, files: int, size_bytes: int) -> None:
        super().__init__(f"{files} files, {size_bytes} bytes")
        self.files, self.size_bytes = files, size_bytes


class _Of(NamedTuple):
    tenant: str
    device: str
    case_id: str


_WORD = re.compile("[a-z_]{1,32}")


class _Record(NamedTuple):
    """A record of the case, as :data:`_RECORDS` reads it."""

    event_id: str
    stage: str | None
    number: int | None
    previous: str | None
    digest: str
    link: str | None
    why: str | None
    received_at: datetime

    @property
    def file(self) -> str:
        # What a sender says is part of a file's name only where it is a plain word.
        stage = self.stage if self.stage and _WORD.fullmatch(self.stage) else "unknown"
        name = f"records/{self.number or 0}-{stage}-{self.digest[:8]}.jws"
        return name if self.why is None else f"unverified/{name}"


_RECORDS = """
SELECT event_id, stage, number, previous, digest, link,
  coalesce(fault, CASE chain WHEN 'broken' THEN 'chain_broken' END), received_at
FROM evidence_record WHERE (tenant, device, case_id) = (%s, %s, %s) ORDER BY number, event_id
"""


def handover(
    connection: psycopg.Connection,
    settings: Settings,
    tenant: str,
    device: str,
    case_id: str,
    by: str,
    reason: str,
    into: BinaryIO,
) -> None:
    """Write a zip of a case, recorded before it is given away; whether it may be so large is decided before it is read.

    Of what it writes no more is in memory than one picture, or one event.

    Args:
        connection: To the store.
        settings: Where files and key are.
        tenant: Whose case it is.
        device: Which one saw it.
        case_id: The case.
        by: The account that hands it over.
        reason: To whom and what for; it stands in the seal.
        into: An empty file, which can be read again; afterwards it stands at its beginning.

    Raises:
        LookupError: No event of such a case is here.
        ValueError: ``reason`` is empty or too long.
        TooMuchError: The case has more than a zip may hold.
        HandoverError: The platform's key cannot be used, or a file has gone while it was read.
        OSError: The disk does not take it.
    """
    if not 0 < len(reason.strip()) <= LONGEST_REASON:
        raise ValueError(f"a reason of 1 to {LONGEST_REASON} characters is needed")
    of = _Of(tenant, device, case_id)
    try:
        own_key = key(settings.signing_key_file)
    except (OSError, ValueError) as error:
        raise HandoverError(str(error)) from error
    with connection.transaction():
        # What is counted is what is written, whatever comes meanwhile.
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        _refuse_too_much(connection, of)
        made_at = datetime.now(UTC)
        seal: dict[str, Any] = {
            "record": "handover",
            "handover_id": str(uuid.uuid4()),
            "tenant": tenant,
            "device_id": device,
            "case_id": case_id,
            "by": by,
            "reason": reason.strip(),
            "made_at": made_at.isoformat(timespec="seconds"),
        }
        with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as handed:
            zipped = _Zip(handed, made_at)
            _fill(zipped, connection, settings, of, public_jwk(own_key))
            seal["files"] = dict(sorted(zipped.files.items()))
            jws = counter_sign(own_key, seal)
            zipped.add("handover.jws", jws.encode())
        size_bytes = into.tell()
        into.seek(0)
        digest = sha256()
        while part := into.read(_PART_BYTES):
            digest.update(part)
        connection.execute(
            "INSERT INTO handover (handover_id, tenant, device, case_id, account, reason, at, sha256,"
            " size_bytes, jws) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                seal["handover_id"],
                *of,
                by,
                seal["reason"],
                made_at,
                digest.hexdigest(),
                size_bytes,
                jws,
            ),
        )
    into.seek(0)


class _Zip:
    """A zip that is written file by file; ``files`` says of each what the seal does."""

    def __init__(self, handed: zipfile.ZipFile, made_at: datetime) -> None:
        self._handed, self._made_at = handed, made_at
        self.files: dict[str, dict[str, object]] = {}

    def add(self, name: str, content: bytes | Iterable[bytes]) -> None:
        """Write one file, at once or in pieces.

        Raises:
            TooMuchError: It is longer than was to be expected of its events.
        """
        entry = zipfile.ZipInfo(name, self._made_at.timetuple()[:6])
        stored = name.endswith((".jpg", ".zip"))
        entry.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
        entry.external_attr = 0o644 << 16
        hashed, size_bytes = sha256(), 0
        with self._handed.open(entry, "w") as file:
            for part in [content] if isinstance(content, bytes) else content:
                hashed.update(part)
                size_bytes += len(part)
                if size_bytes > LARGEST_FILE:
                    raise TooMuchError(len(self.files), size_bytes)
                file.write(part)
        self.files[name] = {"sha256": hashed.hexdigest(), "size_bytes": size_bytes}


_SIZES = """
SELECT n.files, n.bytes, n.largest FROM (
  SELECT count(*) AS files, coalesce(sum(size), 0)::bigint AS bytes, coalesce(max(size), 0)::bigint AS largest FROM (
    SELECT size_bytes AS size FROM (SELECT DISTINCT f.sha256, f.size_bytes FROM evidence_named n
      JOIN evidence_file f ON (f.tenant, f.device, f.sha256) = (n.tenant, n.device, n.sha256)
      WHERE (n.tenant, n.device, n.case_id) = (%(tenant)s, %(device)s, %(case_id)s)
        AND f.state IN ('verified', 'unverified')) AS picture
    UNION ALL SELECT size_bytes FROM evidence_file WHERE (tenant, device, case_id) = (%(tenant)s, %(device)s, %(case_id)s)
      AND kind = 'packet' AND state = 'verified'
    UNION ALL SELECT octet_length(jws) FROM evidence_record
      WHERE (tenant, device, case_id) = (%(tenant)s, %(device)s, %(case_id)s)
    UNION ALL SELECT 4000 FROM evidence_record
      WHERE (tenant, device, case_id) = (%(tenant)s, %(device)s, %(case_id)s) AND hour IS NOT NULL
    UNION ALL SELECT octet_length(x) FROM (SELECT DISTINCT hour FROM evidence_record
      WHERE (tenant, device, case_id) = (%(tenant)s, %(device)s, %(case_id)s)) AS own JOIN evidence_hour USING (hour)
      CROSS JOIN LATERAL (VALUES (token), (authority)) AS stamp (x) WHERE token IS NOT NULL
    UNION ALL SELECT sum(size) FROM (
      SELECT 300 + octet_length(coalesce(jws, '')) AS size FROM verdict
      WHERE (tenant, device, case_id) = (%(tenant)s, %(device)s, %(case_id)s)
      UNION ALL SELECT 300 FROM case_ticket WHERE (tenant, device, case_id) = (%(tenant)s, %(device)s, %(case_id)s)
    ) AS decision
    UNION ALL SELECT sum(octet_length(raw::text)) FROM event WHERE type = ANY(%(types)s)
      AND (tenant, device) = (%(tenant)s, %(device)s) AND case_id = %(case_id)s HAVING count(*) > 0
  ) AS part
) AS n
"""


def _refuse_too_much(connection: psycopg.Connection, of: _Of) -> None:
    """Decide by what the store says of sizes; of no file a byte is read for it.

    Raises:
        TooMuchError: It would be more than a receiver's program reads.
        LookupError: There is no event of the case.
    """
    given = of._asdict() | {"types": list(_CASE_EVENTS)}
    there = connection.execute(
        "SELECT 1 FROM event WHERE type = ANY(%(types)s) AND (tenant, device) = (%(tenant)s, %(device)s)"
        " AND case_id = %(case_id)s LIMIT 1",
        given,
    ).fetchone()
    if there is None:
        raise LookupError(f"no event of case {of.case_id} of {of.tenant}/{of.device} is here")
    [files, size_bytes, largest] = connection.execute(_SIZES, given).fetchone() or (0, 0, 0)
    files += _OTHERS
    if files > MOST_FILES or size_bytes > MOST_BYTES or largest > LARGEST_FILE:
        raise TooMuchError(files, size_bytes)


def _fill(
    zipped: _Zip,
    connection: psycopg.Connection,
    settings: Settings,
    of: _Of,
    own_key: dict[str, str],
) -> None:
    """Write all but the seal."""
    records = [_Record(*row) for row in connection.execute(_RECORDS, of)]
    for name, each in _READMES.items():
        zipped.add(name, (_HERE / each).read_bytes())
    for record in records:
        zipped.add(record.file, _text_of(connection, of, record))
        for name, content in _stamped(connection, of, record).items():
            if name not in zipped.files:  # an hour has one token, whatever number of records
                zipped.add(name, content)
    shown = [_add_picture(zipped, settings, each) for each in picture_of(connection, *of)]
    lost = _add_packets(zipped, connection, settings, of)
    device_key = connection.execute(
        "SELECT key FROM device_key WHERE (tenant, device) = (%s, %s)", of[:2]
    ).fetchone()
    zipped.add("events.json", _events(connection, of))
    texts = {
        "decisions.json": _decisions(connection, of),
        "links.json": {"runs": _runs(connection, of, [r for r in records if r.why is None])},
        "keys.json": {
            "platform": [own_key],
            "device": [] if device_key is None else [json.loads(device_key[0])],
        },
        "report.json": _report(records, shown) | {"packets_lost": lost},
    }
    for name, told in texts.items():
        zipped.add(name, _json(told))


def _text_of(connection: psycopg.Connection, of: _Of, record: _Record) -> bytes:
    row = connection.execute(
        "SELECT jws FROM evidence_record WHERE (tenant, device, event_id) = (%s, %s, %s)",
        (*of[:2], record.event_id),
    ).fetchone()
    return str(row[0]).encode() if row else b""


def _events(connection: psycopg.Connection, of: _Of) -> Iterator[bytes]:
    """A JSON list, event by event."""
    with connection.cursor(name="handed_over") as cursor:
        cursor.itersize = 100
        cursor.execute(
            "SELECT raw FROM event WHERE type = ANY(%s) AND (tenant, device) = (%s, %s)"
            " AND case_id = %s ORDER BY event_id",
            (list(_CASE_EVENTS), *of),
        )
        before = b"[\n"
        for (raw,) in cursor:
            yield before + json.dumps(raw, ensure_ascii=False).encode()
            before = b",\n"
    yield b"\n]\n"


def _add_picture(zipped: _Zip, settings: Settings, picture: Picture) -> Picture:
    """By its hash: never by the name that a device gave it. Some have no file, or have lost it."""
    if picture.sha256 is None or picture.content_path is None:
        return picture
    place = "pictures" if picture.verified else "unverified/pictures"
    name = f"{place}/{picture.sha256}.jpg"
    if name not in zipped.files:
        try:
            zipped.add(name, kept.content(settings, picture.sha256))
        except LookupError:
            return replace(picture, state="awaited", why="content_lost", content_path=None)
    return picture


def _add_packets(
    zipped: _Zip, connection: psycopg.Connection, settings: Settings, of: _Of
) -> list[str]:
    """Packets of the device that a person brought in: they carry a seal of their own. Gives those that are lost."""
    rows = connection.execute(
        "SELECT sha256 FROM evidence_file WHERE (tenant, device, case_id) = (%s, %s, %s)"
        " AND kind = 'packet' AND state = 'verified' ORDER BY sha256",
        of,
    ).fetchall()
    lost = []
    for (digest,) in rows:
        if not kept.holds(settings, digest):
            lost.append(digest)
            continue
        name = f"packets/{digest}.zip"
        try:
            zipped.add(name, kept.parts(settings, digest))
        except LookupError as error:
            raise HandoverError(str(error)) from error
        if zipped.files[name]["sha256"] != digest:
            raise HandoverError(f"{digest} has changed while it was read")
    return lost


def _stamped(connection: psycopg.Connection, of: _Of, record: _Record) -> dict[str, bytes]:
    proof = proof_of(connection, of.tenant, of.device, record.event_id)
    if proof is None or record.why is not None:
        return {}
    hour = f"timestamps/{proof.hour.astimezone(UTC):%Y%m%dT%H%MZ}"
    told = {
        "record": record.file,
        "root": proof.root,
        "token": f"{hour}.tsr",
        "authority": f"{hour}.pem",
    }
    return {
        f"timestamps/{record.number}-{record.digest[:8]}.json": _json(proof.told | told),
        f"{hour}.tsr": proof.token,
        f"{hour}.pem": proof.authority,
    }


def _runs(connection: psycopg.Connection, of: _Of, records: list[_Record]) -> list[dict[str, Any]]:
    """The chain from the case's records on, as far as it is here without a gap; after a gap it begins again."""
    numbers = [each.number for each in records if each.number is not None]
    if not numbers:
        return []
    rows = connection.execute(
        "SELECT number, previous, digest, link FROM evidence_record WHERE (tenant, device) = (%s, %s)"
        " AND number BETWEEN %s AND %s AND fault IS NULL ORDER BY number LIMIT %s",
        (*of[:2], min(numbers), max(numbers) + LINKS_BEYOND, MOST_LINKS + 1),
    ).fetchall()
    if len(rows) > MOST_LINKS:
        raise HandoverError(f"more than {MOST_LINKS} records of the device lie between the case's")
    after = {(number, previous): (digest, link) for number, previous, digest, link in rows}
    runs: list[dict[str, Any]] = []
    linked: set[str] = set()
    for record in records:
        if record.digest in linked or record.number is None:
            continue
        number, previous = record.number, record.previous
        links = []
        while (number, previous) in after:
            digest, link = after[number, previous]
            links.append({"number": number, "sha256": digest})
            linked.add(digest)
            number, previous = number + 1, link
        runs.append({"previous": record.previous, "links": links})
    return runs


def _decisions(connection: psycopg.Connection, of: _Of) -> dict[str, Any]:
    """What people found and noted, with their signatures."""
    where = "WHERE (tenant, device, case_id) = (%s, %s, %s) ORDER BY at"
    verdicts = connection.execute(
        f"SELECT verdict, of_case, reference, account, at, undone_at, jws FROM verdict {where}".encode(),
        of,
    ).fetchall()
    tickets = connection.execute(
        f"SELECT ticket, account, at, undone_at FROM case_ticket {where}".encode(), of
    ).fetchall()
    names = ("verdict", "of_case", "reference", "account", "at", "undone_at", "jws")
    return {
        "verdicts": [dict(zip(names, row, strict=True)) for row in verdicts],
        "tickets": [
            dict(zip(("ticket", "account", "at", "undone_at"), row, strict=True)) for row in tickets
        ],
    }


def _report(records: list[_Record], pictures: list[Picture]) -> dict[str, Any]:
    """What the platform found, of each part: also of what is not in the zip, and why."""
    hidden = {"content_path"}
    return {
        "records": [
            {"file": each.file, "stage": each.stage, "number": each.number, "why": each.why}
            | {"received_at": each.received_at, "verified": each.why is None}
            for each in records
        ],
        "pictures": [
            {name: told for name, told in asdict(each).items() if name not in hidden}
            for each in pictures
        ],
    }


def _json(told: Any) -> bytes:
    text = json.dumps(told, ensure_ascii=False, indent=1, default=_moment)
    return (text + "\n").encode()


def _moment(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    raise TypeError(type(value).__name__)
