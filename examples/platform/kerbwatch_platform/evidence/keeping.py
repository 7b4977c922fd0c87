"""Keeps a file that came whole: checked, durable on the disk, then a row. One way for pieces and HTTPS."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kerbwatch_platform.evidence import files, folder
from kerbwatch_platform.evidence.jpeg import NoPictureError, checked

if TYPE_CHECKING:
    from collections.abc import Iterable

    import psycopg

    from kerbwatch_platform.settings import Settings

MOST_BYTES = 8_000_000
"""Of a picture, by the contract."""
MOST_UNNAMED = 64
"""Pictures of one device that nothing names yet: its manifests are on their way, or somebody fills our disk."""


class Own(NamedTuple):
    """Whose picture it is."""

    tenant: str
    device: str
    sha256: str


def lock(connection: psycopg.Connection, devices: Iterable[tuple[str, str]]) -> None:
    """Hold devices' pictures for this transaction: two workers may have pieces of one.

    Args:
        connection: In a transaction.
        devices: Tenant and device of each. They are taken in one order, so that no two workers wait for each other.
    """
    keys = [f"{tenant}/{device}" for tenant, device in sorted(devices)]
    connection.execute(
        "SELECT pg_advisory_xact_lock_shared(hashtext('evidence folder'), 0)",
    )
    connection.execute(
        "SELECT pg_advisory_xact_lock(hashtext('evidence'), key) FROM ("
        " SELECT DISTINCT hashtext(name) AS key FROM unnest(%s::text[]) AS name ORDER BY key) AS keys",
        (keys,),
    )


def size_of(connection: psycopg.Connection, own: Own) -> int | None:
    """How many bytes the picture has, if it is here whole, or was until its time was over: it need not come again."""
    row = connection.execute(
        "SELECT size_bytes FROM evidence_file"
        " WHERE (tenant, device, sha256) = (%s, %s, %s) AND state <> 'lost'",
        own,
    ).fetchone()
    return None if row is None else int(row[0])


def may_come(connection: psycopg.Connection, own: Own) -> bool:
    """Whether a picture is expected, or there is room for one that nobody has named yet."""
    row = connection.execute(
        """
        SELECT EXISTS (SELECT 1 FROM evidence_named
            WHERE (tenant, device, sha256) = (%(tenant)s, %(device)s, %(sha256)s))
          OR (SELECT count(*) FROM (SELECT 1 FROM evidence_file
            WHERE (tenant, device, kind) = (%(tenant)s, %(device)s, 'picture') AND case_id IS NULL
              AND state <> 'deleted' LIMIT %(most)s) AS unnamed) < %(most)s
          OR EXISTS (SELECT 1 FROM event
            WHERE (type, tenant, device) = ('evidence.snapshot', %(tenant)s, %(device)s)
            AND raw->'body'->>'sha256' = %(sha256)s)
        """,
        own._asdict() | {"most": MOST_UNNAMED},
    ).fetchone()
    return bool(row and row[0])


def keep(
    connection: psycopg.Connection, settings: Settings, own: Own, content: bytes, *, over: str
) -> str:
    """Store bytes that have this SHA-256 (the caller looked), under :func:`lock`.

    What is no picture is kept as well, and never shown: it is what the device says that it sent.

    Returns:
        The row's state.

    Raises:
        OSError: The disk does not take it, or is not the one with the evidence.
    """
    folder.need(connection, settings)
    why: str | None = None
    try:
        checked(content)
    except NoPictureError as error:
        why = error.code
    path = files.path_of(files.put(settings.evidence_folder, content))
    row = connection.execute(
        """
        WITH named AS (
          SELECT n.case_id, bool_or(r.fault IS NULL AND r.chain <> 'broken') AS verified
          FROM evidence_named n JOIN evidence_record r USING (tenant, device, event_id)
          WHERE (n.tenant, n.device, n.sha256) = (%(tenant)s, %(device)s, %(sha256)s)
          GROUP BY n.case_id ORDER BY 2 DESC LIMIT 1
        ), snapshot AS (
          SELECT 1 FROM event WHERE (type, tenant, device) = ('evidence.snapshot', %(tenant)s, %(device)s)
            AND raw->'body'->>'sha256' = %(sha256)s LIMIT 1
        )
        INSERT INTO evidence_file (tenant, device, sha256, case_id, kind, size_bytes, path, over, state, why)
        SELECT %(tenant)s, %(device)s, %(sha256)s, (SELECT case_id FROM named),
          CASE WHEN EXISTS (SELECT 1 FROM snapshot) THEN 'snapshot' ELSE 'picture' END,
          %(size)s, %(path)s, %(over)s,
          CASE WHEN %(why)s::text IS NOT NULL THEN 'refused'
            WHEN (SELECT verified FROM named) THEN 'verified' ELSE 'unverified' END,
          coalesce(%(why)s::text, CASE WHEN NOT EXISTS (SELECT 1 FROM named) THEN 'not_named' END)
        ON CONFLICT (tenant, device, sha256) DO UPDATE
          SET state = excluded.state, why = excluded.why, over = excluded.over, taken_at = now(),
            since_s = NULL, gone_at = NULL
        RETURNING state
        """,
        own._asdict() | {"size": len(content), "path": path, "over": over, "why": why},
    ).fetchone()
    assert row is not None
    return str(row[0])
