"""What has no number that could be told, for a person to look at: bounded, so that no device fills the disk with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    import psycopg

    from kerbwatch_platform.store.sorting import Aside

MOST_BYTES = 262_144
"""Kept of one message: its beginning."""
MOST_OF_DEVICE = 100
"""Messages kept of one device, the newest; what comes on no device's topic counts as one device's."""
MOST_BYTES_OF_DEVICE = 4_000_000
_OLDEST = """
WITH aged AS (
  SELECT topic, sha256, size_bytes,
    row_number() OVER newest AS nth, sum(length(payload)) OVER newest AS bytes
  FROM set_aside WHERE tenant = %(tenant)s AND device = %(device)s
  WINDOW newest AS (ORDER BY at DESC, topic, sha256)
), gone AS (
  DELETE FROM set_aside USING aged
  WHERE (set_aside.topic, set_aside.sha256) = (aged.topic, aged.sha256)
    AND (aged.nth > %(most)s OR aged.bytes > %(most_bytes)s)
  RETURNING set_aside.size_bytes
)
INSERT INTO dropped AS d SELECT %(tenant)s, %(device)s, count(*), sum(size_bytes) FROM gone HAVING count(*) > 0
ON CONFLICT (tenant, device) DO UPDATE SET
  messages = d.messages + excluded.messages, bytes = d.bytes + excluded.bytes
"""


def put_aside(cursor: psycopg.Cursor, rubbish: Collection[Aside]) -> dict[tuple[str, str], int]:
    """Keep it, each once, and drop the oldest of those whose rubbish it is. Gives the bytes that were new, by device."""
    new: dict[tuple[str, str], int] = {}
    # One instant for all of a transaction would leave to chance which of a batch is the newest.
    for each in sorted(rubbish):
        cursor.execute(
            "INSERT INTO set_aside (topic, sha256, why, payload, tenant, device, size_bytes, at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, clock_timestamp()) ON CONFLICT DO NOTHING",
            (*each[:3], each.payload[:MOST_BYTES], each.tenant, each.device, len(each.payload)),
        )
        if cursor.rowcount:
            of = (each.tenant, each.device)
            new[of] = new.get(of, 0) + len(each.payload)
    for tenant, device in sorted(new):
        most = {"most": MOST_OF_DEVICE, "most_bytes": MOST_BYTES_OF_DEVICE}
        cursor.execute(_OLDEST, {"tenant": tenant, "device": device, **most})
    return new
