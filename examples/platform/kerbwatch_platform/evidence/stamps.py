"""Every hour an authority signs that the hour's records were there (RFC 3161), over the root of their tree (RFC 6962).

What a tree is and how a token is verified stands in ``contract/timestamp.py``. The records of an hour are settled
first, and stay settled: an authority that does not answer is asked again for the very same root.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from kerbwatch_platform.contract import timestamp
from kerbwatch_platform.transports.exchange import Exchanges

if TYPE_CHECKING:
    import psycopg

    from kerbwatch_platform.settings import Settings

WITHIN_S = 30.0
"""For one hour, from finding the authority to the last byte of its answer."""
LARGEST_TOKEN = 100_000
_LEAF = r"sha256('\x00'::bytea || convert_to(jws, 'UTF8'))"
"""``timestamp.leaf`` as SQL has it: an hour's texts may be many, their hashes are small."""
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
        leaves = [
            bytes(row[0])
            for row in connection.execute(
                "UPDATE evidence_record SET hour = %s"
                f" WHERE hour IS NULL AND received_at < %s AND jws <> '' RETURNING {_LEAF}".encode(),
                (hour, hour),
            )
        ]
        root = timestamp.root_of(sorted(leaves))
        connection.execute(
            "UPDATE evidence_hour SET root = %s, records = %s WHERE hour = %s",
            (root.hex(), len(leaves), hour),
        )
        if not leaves:
            connection.execute("DELETE FROM evidence_hour WHERE hour = %s", (hour,))
    return len(leaves)


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
    with Exchanges(WITHIN_S, LARGEST_TOKEN) as exchanges:
        for hour, root in hours[:_MOST_HOURS]:
            try:
                token = _asked(exchanges, settings.timestamps.url, bytes.fromhex(root))
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


def _asked(exchanges: Exchanges, url: str, root: bytes) -> bytes:
    headers = {"Content-Type": "application/timestamp-query"}
    try:
        answer = exchanges.post(url, timestamp.request(root), headers)
    except TimeoutError as error:
        raise TimeoutError(f"the authority gave no whole answer within {WITHIN_S:g} s") from error
    if answer.status != 200:
        raise ValueError(f"the authority answered HTTP {answer.status}")
    if len(answer.content) > LARGEST_TOKEN:
        raise ValueError("the authority's answer is too large")
    return answer.content


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
    asked = f"SELECT {_LEAF} FROM evidence_record WHERE hour = %s".encode()
    leaves = sorted(bytes(each) for (each,) in connection.execute(asked, (hour,)))
    index = leaves.index(timestamp.leaf(jws.encode()))
    path = [each.hex() for each in timestamp.path_of(leaves, index)]
    told = {"index": index, "count": len(leaves), "path": path}
    return Proof(hour, root, told, bytes(token), bytes(authority))
