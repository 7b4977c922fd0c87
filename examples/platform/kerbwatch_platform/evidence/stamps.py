"""Every hour an authority signs that the hour's records were there (RFC 3161), over the root of their tree (RFC 6962).

What a tree is and how a token is verified stands in ``contract/timestamp.py``. The records of an hour are settled
first, and stay settled: an authority that does not answer is asked again for the very same root.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import httpx

from kerbwatch_platform.contract import timestamp

if TYPE_CHECKING:
    import psycopg

    from kerbwatch_platform.settings import Settings

WITHIN_S = 30.0
LARGEST_TOKEN = 100_000
_MOST_HOURS = 48
"""Asked for at one time; after a long outage of the authority the rest comes with the next."""


class Stamped(NamedTuple):
    """What was done.

    Attributes:
        signed: Hours that the authority signed now.
        waiting: Hours that it has not signed yet.
        failed: What went wrong last; None: nothing did.
    """

    signed: int
    waiting: int
    failed: str | None


class Proof(NamedTuple):
    """That a record was there when the authority signed its hour.

    ``told`` is what ``timestamp.py proof`` writes; ``token`` and ``authority`` what ``timestamp.py verify`` reads beside.
    """

    hour: datetime
    root: str
    told: dict[str, object]
    token: bytes
    authority: bytes


def settle_hour(connection: psycopg.Connection, now: datetime | None = None) -> int:
    """Close the hour that is over: its records, and their root. The same hour again changes nothing.

    Returns:
        Of how many records it is; 0: of none, or it was closed before (what came since is of the next).
    """
    hour = (now or datetime.now(UTC)).replace(minute=0, second=0, microsecond=0)
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('evidence hour'), 0)")
        done = connection.execute("SELECT 1 FROM evidence_hour WHERE hour = %s", (hour,))
        if done.fetchone() is not None:
            return 0
        connection.execute(
            "INSERT INTO evidence_hour (hour, root, records) VALUES (%s, '', 0)", (hour,)
        )
        # The very rows that are marked are hashed: another transaction may bring an older one between two statements.
        texts = [
            row[0].encode()
            for row in connection.execute(
                "UPDATE evidence_record SET hour = %s"
                " WHERE hour IS NULL AND received_at < %s AND jws <> '' RETURNING jws",
                (hour, hour),
            )
        ]
        root = timestamp.root_of(sorted(timestamp.leaf(each) for each in texts))
        connection.execute(
            "UPDATE evidence_hour SET root = %s, records = %s WHERE hour = %s",
            (root.hex(), len(texts), hour),
        )
        if not texts:
            connection.execute("DELETE FROM evidence_hour WHERE hour = %s", (hour,))
    return len(texts)


def stamp(connection: psycopg.Connection, settings: Settings) -> Stamped:
    """Have the authority sign every hour that it has not signed yet; one after the other, until one fails.

    Raises:
        OSError: The file of the authority's certificates cannot be read.
    """
    hours = connection.execute(
        "SELECT hour, root FROM evidence_hour WHERE token IS NULL ORDER BY hour"
    ).fetchall()
    if settings.timestamps is None or not hours:
        return Stamped(0, len(hours), None)
    authority = settings.timestamps.certificates_file.read_bytes()
    signed, failed = 0, None
    with httpx.Client(timeout=WITHIN_S) as client:
        for hour, root in hours[:_MOST_HOURS]:
            try:
                token = _asked(client, settings.timestamps.url, bytes.fromhex(root))
                told = timestamp.signed_at(token, bytes.fromhex(root), authority)
            except Exception as error:  # noqa: BLE001 - whatever a stranger's answer may raise
                failed = f"{type(error).__name__}: {error}"[:300]
                connection.execute(
                    "UPDATE evidence_hour SET tries = tries + 1, tried_at = now(), failed = %s"
                    " WHERE hour = %s",
                    (failed, hour),
                )
                break
            connection.execute(
                "UPDATE evidence_hour SET token = %s, authority = %s, stamped_at = %s, failed = NULL,"
                " tries = tries + 1, tried_at = now() WHERE hour = %s AND token IS NULL",
                (token, authority, datetime.fromisoformat(told), hour),
            )
            signed += 1
    return Stamped(signed, len(hours) - signed, failed)


def _asked(client: httpx.Client, url: str, root: bytes) -> bytes:
    content = bytearray()
    headers = {"Content-Type": "application/timestamp-query"}
    with client.stream("POST", url, content=timestamp.request(root), headers=headers) as answer:
        answer.raise_for_status()
        for part in answer.iter_bytes():
            content += part
            if len(content) > LARGEST_TOKEN:
                raise ValueError("the authority's answer is too large")
    return bytes(content)


def proof_of(
    connection: psycopg.Connection, tenant: str, device: str, event_id: str
) -> Proof | None:
    """The proof of a record; None while the authority has not signed its hour."""
    row = connection.execute(
        "SELECT r.jws, h.hour, h.root, h.token, h.authority FROM evidence_record r"
        " JOIN evidence_hour h USING (hour)"
        " WHERE (tenant, device, event_id) = (%s, %s, %s) AND h.token IS NOT NULL",
        (tenant, device, event_id),
    ).fetchone()
    if row is None:
        return None
    jws, hour, root, token, authority = row
    leaves = sorted(
        timestamp.leaf(each.encode())
        for (each,) in connection.execute(
            "SELECT jws FROM evidence_record WHERE hour = %s", (hour,)
        )
    )
    index = leaves.index(timestamp.leaf(jws.encode()))
    path = [each.hex() for each in timestamp.path_of(leaves, index)]
    told = {"index": index, "count": len(leaves), "path": path}
    return Proof(hour, root, told, bytes(token), bytes(authority))
