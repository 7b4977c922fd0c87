"""What goes to the police of a case: one zip with everything that proves it, sealed by the platform's signature.

What is verified and what is not lie apart in it (``unverified/``): nobody has to believe the platform which is which,
``contract/verify_handover.py`` finds out by itself. Originals are on the device, and leave it by a technician's hand
alone (docs/evidence.md, A packet). What was handed over is in the store before anybody has it.
"""

from __future__ import annotations

import io
import json
import re
import uuid
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kerbwatch_platform.evidence import files as kept
from kerbwatch_platform.evidence.pictures import Picture, picture_of
from kerbwatch_platform.evidence.signing import counter_sign, key, public_jwk
from kerbwatch_platform.evidence.stamps import proof_of

if TYPE_CHECKING:
    import psycopg

    from kerbwatch_platform.settings import Settings

MOST_BYTES = 256_000_000
LONGEST_REASON = 500
LINKS_BEYOND = 1000
"""Of the chain, behind the case's last record: what followed was not left out."""
_HERE = Path(__file__).parent
_READMES = {"README.txt": "handover.txt", "README.zh-CN.txt": "handover.zh-CN.txt"}
_CASE_EVENTS = (
    "case.opened", "case.persisting", "case.changed", "case.cleared", "case.withdrawn", "case.ticketed",
    "case.judged", "case.abstained", "evidence.packed", "evidence.deleted", "evidence.stored", "evidence.not_sent",
)  # fmt: skip


class HandoverError(RuntimeError):
    """It is not the asker's fault that nothing can be handed over; the words are for whoever runs the platform."""


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
    jws: str
    why: str | None
    received_at: datetime

    @property
    def file(self) -> str:
        # What a sender says is part of a file's name only where it is a plain word.
        stage = self.stage if self.stage and _WORD.fullmatch(self.stage) else "unknown"
        name = f"records/{self.number or 0}-{stage}-{self.digest[:8]}.jws"
        return name if self.why is None else f"unverified/{name}"


_RECORDS = """
SELECT event_id, stage, number, previous, digest, link, jws,
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
) -> bytes:
    """A zip of a case, recorded before it is given away.

    Args:
        connection: To the store.
        settings: Where files and key are.
        tenant: Whose case it is.
        device: Which one saw it.
        case_id: The case.
        by: The account that hands it over.
        reason: To whom and what for; it stands in the seal.

    Raises:
        LookupError: No event of such a case is here.
        ValueError: ``reason`` is empty or too long.
        HandoverError: The platform's key cannot be used, or the case has more than a zip may hold.
    """
    if not 0 < len(reason.strip()) <= LONGEST_REASON:
        raise ValueError(f"a reason of 1 to {LONGEST_REASON} characters is needed")
    of = _Of(tenant, device, case_id)
    try:
        own_key = key(settings.signing_key_file)
    except (OSError, ValueError) as error:
        raise HandoverError(str(error)) from error
    with connection.transaction():
        found = _files(connection, settings, of, public_jwk(own_key))
        if sum(map(len, found.values())) > MOST_BYTES:
            raise HandoverError(f"the case has more than {MOST_BYTES} bytes of evidence")
        made_at = datetime.now(UTC)
        seal = {
            "record": "handover",
            "handover_id": str(uuid.uuid4()),
            "tenant": tenant,
            "device_id": device,
            "case_id": case_id,
            "by": by,
            "reason": reason.strip(),
            "made_at": made_at.isoformat(timespec="seconds"),
            "files": {
                name: {"sha256": sha256(content).hexdigest(), "size_bytes": len(content)}
                for name, content in sorted(found.items())
            },
        }
        jws = counter_sign(own_key, seal)
        content = _zipped({"handover.jws": jws.encode(), **found}, made_at)
        digest = sha256(content).hexdigest()
        connection.execute(
            "INSERT INTO handover (handover_id, tenant, device, case_id, account, reason, at, sha256,"
            " size_bytes, jws) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (seal["handover_id"], *of, by, seal["reason"], made_at, digest, len(content), jws),
        )
    return content


def _files(
    connection: psycopg.Connection, settings: Settings, of: _Of, own_key: dict[str, str]
) -> dict[str, bytes]:
    events = [
        row[0]
        for row in connection.execute(
            "SELECT raw FROM event WHERE type = ANY(%s) AND (tenant, device) = (%s, %s)"
            " AND case_id = %s ORDER BY event_id",
            (list(_CASE_EVENTS), *of),
        )
    ]
    if not events:
        raise LookupError(f"no event of case {of.case_id} of {of.tenant}/{of.device} is here")
    records = [_Record(*row) for row in connection.execute(_RECORDS, of)]
    shown = list(_pictures(settings, picture_of(connection, *of)))
    device_key = connection.execute(
        "SELECT key FROM device_key WHERE (tenant, device) = (%s, %s)", of[:2]
    ).fetchone()
    found = {name: (_HERE / each).read_bytes() for name, each in _READMES.items()}
    found |= {each.file: each.jws.encode() for each in records}
    for _, picture in shown:
        found |= picture
    found |= _packets(connection, settings, of)
    for each in records:
        found |= _stamped(connection, of, each)
    texts = {
        "events.json": events,
        "decisions.json": _decisions(connection, of),
        "links.json": {"runs": _runs(connection, of, [r for r in records if r.why is None])},
        "keys.json": {
            "platform": [own_key],
            "device": [] if device_key is None else [json.loads(device_key[0])],
        },
        "report.json": _report(records, [each for each, _ in shown]),
    }
    return found | {name: _json(told) for name, told in texts.items()}


def _pictures(
    settings: Settings, pictures: Iterable[Picture]
) -> Iterator[tuple[Picture, dict[str, bytes]]]:
    """Each with its file, by its hash: never by the name that a device gave it. Some have none, or have lost it."""
    for each in pictures:
        if each.sha256 is None or each.content_path is None:
            yield each, {}
            continue
        place = "pictures" if each.verified else "unverified/pictures"
        try:
            found = {f"{place}/{each.sha256}.jpg": kept.content(settings, each.sha256)}
        except LookupError:
            yield replace(each, state="awaited", why="content_lost", content_path=None), {}
        else:
            yield each, found


def _packets(connection: psycopg.Connection, settings: Settings, of: _Of) -> dict[str, bytes]:
    """Packets of the device that a person brought in: they carry a seal of their own."""
    rows = connection.execute(
        "SELECT sha256 FROM evidence_file WHERE (tenant, device, case_id) = (%s, %s, %s)"
        " AND kind = 'packet' AND state = 'verified'",
        of,
    )
    return {f"packets/{row[0]}.zip": kept.content(settings, row[0]) for row in rows.fetchall()}


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
        " AND number BETWEEN %s AND %s AND fault IS NULL ORDER BY number",
        (*of[:2], min(numbers), max(numbers) + LINKS_BEYOND),
    ).fetchall()
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


def _zipped(found: dict[str, bytes], made_at: datetime) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as handed:
        for name, content in found.items():
            entry = zipfile.ZipInfo(name, made_at.timetuple()[:6])
            entry.compress_type = (
                zipfile.ZIP_STORED if name.endswith(".jpg") else zipfile.ZIP_DEFLATED
            )
            entry.external_attr = 0o644 << 16
            handed.writestr(entry, content)
    return out.getvalue()
