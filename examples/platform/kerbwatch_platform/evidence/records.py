"""Verifies the records of the devices' chains as they arrive: signature, what it is bound to, what it follows.

A record is an ``evidence.packed`` or ``evidence.deleted``: the text of its compact signature (docs/evidence.md). It is
held against the key that the store has of the device (``device_key``). What does not hold is kept and said, never
dropped: it may be the city that has the wrong key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from kerbwatch_platform.contract.verify_signed import decode, verify

if TYPE_CHECKING:
    import psycopg

KINDS = ("evidence.packed", "evidence.deleted")
MOST_PICTURES = 32
"""In one manifest, by the contract."""
LARGEST_NUMBER = 2**53 - 1
_HASH = re.compile("[0-9a-f]{64}")
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,200}")


@dataclass(frozen=True, slots=True)
class Named:
    """A picture that a manifest names; ``sha256`` is that of the copy that may leave the device."""

    role: str
    file: str
    captured_at: str | None
    original_sha256: str | None
    sha256: str | None
    not_redacted: str | None


@dataclass(frozen=True, slots=True)
class Checked:
    """What a record says, and what is wrong with it.

    Attributes:
        fault: ``no_key`` (no birth of the device has come), ``another_key``, ``bad_signature``, ``unreadable``, or
            ``contradicts`` (its event says otherwise); None: the signature holds.
        stage: A manifest's; ``deleted`` of a tombstone.
        number: Its number in the chain.
        previous: The link that it follows.
        digest: The SHA-256 of its text.
        link: Its own.
        pictures: Those that it names.
    """

    fault: str | None
    stage: str | None
    number: int | None
    previous: str | None
    digest: str
    link: str | None
    pictures: list[Named] = field(default_factory=list)


def link_of(previous: str | None, digest: str) -> str:
    """The link of a record, in hexadecimal: SHA-256 over the link before it and the digest of its text."""
    return sha256(bytes.fromhex(previous or "") + bytes.fromhex(digest)).hexdigest()


def check(
    kind: str, body: dict[str, Any], bound: dict[str, str], key: dict[str, str] | None
) -> Checked:
    """Hold a record against its device's key and its own event.

    Args:
        kind: The event's type.
        body: The event's.
        bound: Tenant and device of the topic that it came by.
        key: The device's, as ``device_key`` has it; None: unknown yet.
    """
    jws = body.get("jws")
    text = jws if isinstance(jws, str) and jws.isascii() else ""
    digest = sha256(text.encode()).hexdigest()
    told = _payload(text)
    if told is None:
        return Checked("unreadable", None, None, None, digest, None)
    fault = _fault(text, kind, body, bound, key) or _contradiction(kind, body, told)
    number, previous = told.get("number"), told.get("previous")
    known = type(number) is int and 0 < number <= LARGEST_NUMBER
    followed = previous is None or _is_hash(previous)
    if not known or not followed:
        return Checked(fault or "unreadable", None, None, None, digest, None)
    stage = "deleted" if kind == "evidence.deleted" else _text(told.get("stage"))
    return Checked(
        fault, stage, number, previous, digest, link_of(previous, digest), list(_named(told))
    )


def _payload(text: str) -> dict[str, Any] | None:
    """What a compact signature is over, believed by nobody yet."""
    try:
        told = json.loads(decode(text.split(".")[1]))
    except (ValueError, IndexError, RecursionError):
        return None
    return told if isinstance(told, dict) else None


def _fault(
    text: str, kind: str, body: dict[str, Any], bound: dict[str, str], key: dict[str, str] | None
) -> str | None:
    if key is None:
        return "no_key"
    try:
        header = json.loads(decode(text.split(".", maxsplit=1)[0]))
        if header.get("kid", key["kid"]) != key["kid"]:
            return "another_key"
        verify(text, key, {})
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return "bad_signature"
    record = "tombstone" if kind == "evidence.deleted" else "manifest"
    try:
        verify(text, key, bound | {"case_id": str(body.get("case_id")), "record": record})
    except ValueError:
        return "contradicts"
    return None


def _contradiction(kind: str, body: dict[str, Any], told: dict[str, Any]) -> str | None:
    """Its event says the number and the stage again, and has to say the same."""
    again = ("number",) if kind == "evidence.deleted" else ("number", "stage")
    return None if all(body.get(each) == told.get(each) for each in again) else "contradicts"


def _named(told: dict[str, Any]) -> Iterable[Named]:
    pictures = told.get("pictures")
    for each in pictures[:MOST_PICTURES] if isinstance(pictures, list) else ():
        if not isinstance(each, dict):
            continue
        role, file = _text(each.get("role")), _text(each.get("file"))
        if role is None or file is None:
            continue
        yield Named(
            role,
            file,
            _moment(each.get("captured_at")),
            _hash_in(each.get("original")),
            _hash_in(each.get("redacted")),
            _text(each.get("not_redacted")),
        )


def _text(value: Any) -> str | None:
    """A text that may be stored and shown; else None."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        return None
    return value if value.isprintable() else None


def _moment(value: Any) -> str | None:
    try:
        return datetime.fromisoformat(value).astimezone().isoformat()
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def _is_hash(value: Any) -> bool:
    return isinstance(value, str) and _HASH.fullmatch(value) is not None


def _hash_in(facts: Any) -> str | None:
    found = facts.get("sha256") if isinstance(facts, dict) else None
    return found if _is_hash(found) else None


# In the store ------------------------------------------------------------------------------------------------------


def verify_arrived(
    connection: psycopg.Connection,
    packed: Sequence[tuple[str, str, str]],
    births: Iterable[tuple[str, str]] = (),
) -> int:
    """Verify records that the store has taken in; the same again changes nothing.

    Call it in the transaction that took them in, or at any time after it: what nobody called it for is found by
    :func:`verify_rest`.

    Args:
        connection: To the store.
        packed: Tenant, device and ``event_id`` of each.
        births: Devices whose birth has come: what lacked their key is tried again.

    Returns:
        How many were verified or tried again.
    """
    with connection.transaction():
        again = [
            row
            for tenant, device in sorted(set(births))
            for row in connection.execute(
                "SELECT tenant, device, event_id FROM evidence_record"
                " WHERE (tenant, device) = (%s, %s) AND fault IN ('no_key', 'another_key')",
                (tenant, device),
            )
        ]
        return _verify(connection, [*packed, *again])


def verify_rest(connection: psycopg.Connection, most: int = 10_000) -> int:
    """Verify what is in the store and was not verified on arrival: a worker was killed between, or keys came late."""
    with connection.transaction():
        missed = connection.execute(
            "SELECT tenant, device, event_id FROM event e WHERE type = ANY(%s) AND NOT EXISTS ("
            "  SELECT 1 FROM evidence_record r"
            "  WHERE (r.tenant, r.device, r.event_id) = (e.tenant, e.device, e.event_id))"
            " LIMIT %s",
            (list(KINDS), most),
        ).fetchall()
        keyless = connection.execute(
            "SELECT tenant, device, event_id FROM evidence_record JOIN device_key"
            " USING (tenant, device) WHERE fault = 'no_key' LIMIT %s",
            (most,),
        ).fetchall()
        count = _verify(connection, [*missed, *keyless])
        _join_up(connection, most)
    return count


def _join_up(connection: psycopg.Connection, most: int) -> None:
    """Bring together what two workers took in at once, neither of which saw the other's."""
    loose = connection.execute(
        "SELECT r.tenant, r.device, r.number FROM evidence_record r JOIN evidence_record b"
        " ON (b.tenant, b.device, b.number, b.link) = (r.tenant, r.device, r.number - 1, r.previous)"
        " WHERE r.chain IN ('awaits', 'broken') AND b.fault IS NULL LIMIT %s",
        (most,),
    ).fetchall()
    _chain(connection, {(row[0], row[1], row[2]) for row in loose})
    named = connection.execute(
        "SELECT n.tenant, n.device, n.event_id FROM evidence_file f JOIN evidence_named n"
        " USING (tenant, device, sha256) WHERE f.kind = 'picture' AND f.case_id IS NULL LIMIT %s",
        (most,),
    ).fetchall()
    _settle(connection, set(named) | _at(connection, {(row[0], row[1], row[2]) for row in loose}))


_ARRIVED = """
SELECT e.tenant, e.device, e.event_id, e.type, e.raw->'body', k.key
FROM unnest(%s::text[], %s::text[], %s::text[]) AS asked (tenant, device, event_id)
JOIN event e USING (tenant, device, event_id) LEFT JOIN device_key k USING (tenant, device)
WHERE e.type = ANY(%s) ORDER BY e.tenant, e.device, e.event_id
"""
_KEPT = """
INSERT INTO evidence_record (tenant, device, event_id, case_id, stage, number, previous, digest, link, jws, fault)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (tenant, device, event_id) DO UPDATE SET fault = excluded.fault
"""
_NAMES = """
INSERT INTO evidence_named (tenant, device, event_id, nth, case_id, stage, role, file, captured_at,
  original_sha256, sha256, not_redacted)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""


def _verify(connection: psycopg.Connection, asked: Sequence[tuple[Any, ...]]) -> int:
    columns = [list(column) for column in zip(*sorted(set(asked)), strict=True)]
    if not columns:
        return 0
    rows = connection.execute(_ARRIVED, (*columns, list(KINDS))).fetchall()
    touched: set[tuple[str, str, int]] = set()
    for tenant, device, event_id, kind, body, key in rows:
        told = body if isinstance(body, dict) else {}
        bound = {"tenant": tenant, "device_id": device}
        found = check(kind, told, bound, None if key is None else json.loads(key))
        own = (tenant, device, event_id)
        case_id, jws = _text(told.get("case_id")), told.get("jws")
        facts = (found.stage, found.number, found.previous, found.digest, found.link)
        text = jws if isinstance(jws, str) else ""
        connection.execute(_KEPT, (*own, case_id, *facts, text, found.fault))
        if case_id is not None and found.stage is not None:
            _name(connection, own, case_id, found)
        if found.number is not None:
            touched |= {(tenant, device, found.number), (tenant, device, found.number + 1)}
    _chain(connection, touched)
    _settle(connection, {row[:3] for row in rows} | _at(connection, touched))
    return len(rows)


def _name(
    connection: psycopg.Connection, own: tuple[str, str, str], case_id: str, found: Checked
) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            _NAMES,
            [
                (*own, nth, case_id, found.stage, *astuple(each))
                for nth, each in enumerate(found.pictures)
            ],
        )


def _chain(connection: psycopg.Connection, touched: Iterable[tuple[str, str, int]]) -> None:
    """Say anew of these numbers what each follows. A record whose signature does not hold breaks nobody's chain."""
    with connection.cursor() as cursor:
        cursor.executemany(
            """
            UPDATE evidence_record r SET chain = CASE
              WHEN r.previous IS NULL THEN 'begins'
              WHEN EXISTS (SELECT 1 FROM evidence_record b
                WHERE (b.tenant, b.device, b.number) = (r.tenant, r.device, r.number - 1)
                AND b.fault IS NULL AND b.link = r.previous) THEN 'follows'
              WHEN EXISTS (SELECT 1 FROM evidence_record b
                WHERE (b.tenant, b.device, b.number) = (r.tenant, r.device, r.number - 1)
                AND b.fault IS NULL) THEN 'broken'
              ELSE 'awaits' END
            WHERE (tenant, device, number) = (%s, %s, %s)
            """,
            sorted(touched),
        )


def _at(
    connection: psycopg.Connection, touched: Iterable[tuple[str, str, int]]
) -> set[tuple[Any, ...]]:
    columns = [list(column) for column in zip(*sorted(touched), strict=True)]
    if not columns:
        return set()
    return set(
        connection.execute(
            "SELECT tenant, device, event_id FROM evidence_record JOIN"
            " unnest(%s::text[], %s::text[], %s::bigint[]) AS asked (tenant, device, number)"
            " USING (tenant, device, number)",
            columns,
        ).fetchall()
    )


def _settle(connection: psycopg.Connection, records: Iterable[tuple[Any, ...]]) -> None:
    """Say of the files that these records name whose they are, and whether that is proven."""
    columns = [list(column) for column in zip(*sorted(records), strict=True)]
    if not columns:
        return
    connection.execute(
        """
        UPDATE evidence_file f SET case_id = by_best.case_id, kind = 'picture',
          state = CASE WHEN f.state IN ('refused', 'lost', 'deleted') THEN f.state
            WHEN by_best.verified THEN 'verified' ELSE 'unverified' END,
          why = CASE WHEN f.state IN ('refused', 'lost', 'deleted') THEN f.why ELSE by_best.why END
        FROM (
          SELECT DISTINCT ON (n.tenant, n.device, n.sha256) n.tenant, n.device, n.sha256, n.case_id,
            r.fault IS NULL AND r.chain <> 'broken' AS verified,
            coalesce(r.fault, CASE r.chain WHEN 'broken' THEN 'chain_broken' END) AS why
          FROM evidence_named n JOIN evidence_record r USING (tenant, device, event_id)
          WHERE (n.tenant, n.device, n.sha256) IN (
            SELECT m.tenant, m.device, m.sha256 FROM evidence_named m JOIN
            unnest(%s::text[], %s::text[], %s::text[]) AS asked (tenant, device, event_id)
            USING (tenant, device, event_id))
          ORDER BY n.tenant, n.device, n.sha256, r.fault IS NULL AND r.chain <> 'broken' DESC
        ) AS by_best
        WHERE (f.tenant, f.device, f.sha256) = (by_best.tenant, by_best.device, by_best.sha256)
        """,
        columns,
    )
