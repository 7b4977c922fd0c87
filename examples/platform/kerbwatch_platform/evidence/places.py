"""One-time places to which a device may put one picture by HTTPS.

A place is a URL with 256 random bits in it. Only their hash is kept: who reads the database cannot write there. It
takes the one picture that it was made for, until its time is over; the same bytes again are answered as taken, as a
device whose power failed before it heard the answer puts them once more.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from hashlib import sha256 as _sha256
from typing import TYPE_CHECKING, Literal

from kerbwatch_platform.evidence.keeping import MOST_BYTES, Own, keep, lock, size_of

if TYPE_CHECKING:
    import psycopg

    from kerbwatch_platform.settings import Settings

PATH = "/put/"
KEPT_DAYS = 30
"""A place whose time is over is told from one that never was for so long, by nobody but the log."""

Outcome = Literal["stored", "no_place", "too_large", "other_bytes"]


def open_place(
    connection: psycopg.Connection,
    settings: Settings,
    own: Own,
    case_id: str,
    *,
    size_bytes: int | None = None,
    hours: float = 24,
) -> dict[str, object]:
    """Make a place for one picture.

    Returns:
        What a ``picture`` command says as its ``put``: ``url``, ``until``, ``most_bytes``. The URL is a secret.

    Raises:
        ValueError: The settings name no address for uploads.
    """
    if settings.uploads is None:
        raise ValueError("settings: `uploads` says no address at which devices can put pictures")
    token = secrets.token_urlsafe(32)
    until = datetime.now(UTC) + timedelta(hours=hours)
    most = min(size_bytes or MOST_BYTES, MOST_BYTES)
    connection.execute(
        "INSERT INTO evidence_place (token_sha256, tenant, device, case_id, sha256, most_bytes, until)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s)",
        (_hashed(token), own.tenant, own.device, case_id, own.sha256, most, until),
    )
    told = until.isoformat(timespec="seconds")
    return {"url": f"{settings.uploads.url}{PATH}{token}", "until": told, "most_bytes": most}


def most_bytes(connection: psycopg.Connection, token: str) -> int | None:
    """How much may be put there; None: there is no such place, or its time is over."""
    row = connection.execute(
        "SELECT most_bytes FROM evidence_place WHERE token_sha256 = %s AND until > now()",
        (_hashed(token),),
    ).fetchone()
    return None if row is None else int(row[0])


def put(connection: psycopg.Connection, settings: Settings, token: str, content: bytes) -> Outcome:
    """Take what was put there.

    Raises:
        OSError: The disk does not take it; the device comes again.
    """
    with connection.transaction():
        row = connection.execute(
            "SELECT tenant, device, sha256, most_bytes FROM evidence_place"
            " WHERE token_sha256 = %s AND until > now() FOR UPDATE",
            (_hashed(token),),
        ).fetchone()
        if row is None:
            return "no_place"
        own = Own(*row[:3])
        if len(content) > row[3]:
            return "too_large"
        if _sha256(content).hexdigest() != own.sha256:
            return "other_bytes"
        lock(connection, [own[:2]])
        if size_of(connection, own) is None:
            keep(connection, settings, own, content, over="https")
        connection.execute(
            "UPDATE evidence_place SET used_at = coalesce(used_at, now()) WHERE token_sha256 = %s",
            (_hashed(token),),
        )
    return "stored"


def forget(connection: psycopg.Connection) -> int:
    """Delete places whose time has been over for long; how many."""
    found = connection.execute(
        "DELETE FROM evidence_place WHERE until < now() - make_interval(days => %s)", (KEPT_DAYS,)
    )
    return found.rowcount


def _hashed(token: str) -> str:
    return _sha256(token.encode()).hexdigest()
