"""Asks devices for what is missing: after a restored backup above all, without anybody having to think of it.

A number that does not come is mostly on its way. So a gap has to be there for some minutes, is asked for once an hour,
and what fills it meanwhile makes it a smaller one, not a new one.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from kerbwatch_platform.store import orders

if TYPE_CHECKING:
    from collections.abc import Collection

    import psycopg

Device = tuple[str, str]
WAIT_S, AGAIN_S = 300.0, 3600.0
MOST_DEVICES = 200
"""That are asked in one go: a database that was restored misses something of all of them."""
MOST_RANGES = 1000
_LOCK = 0x6B657262_67617073
"""Of one worker at a time."""
_FIND = """
CREATE TEMPORARY TABLE gap ON COMMIT DROP AS
WITH asked AS (SELECT * FROM unnest(%s::text[], %s::text[]) AS d(tenant, device))
SELECT m.tenant, m.device, m.epoch, m.first, m.last FROM asked d
  JOIN missing m ON (m.tenant, m.device) = (d.tenant, d.device)
  WHERE m.why = 'awaited' OR m.why = 'moved' AND EXISTS (
    SELECT 1 FROM moved v WHERE (v.tenant, v.device, v.epoch) = (m.tenant, m.device, m.epoch)
      AND v.gone > v.came)
"""
_NOTE = """
INSERT INTO gap_seen (tenant, device, epoch, first, last, seen_at, asked_at, times_asked)
SELECT g.tenant, g.device, g.epoch, g.first, g.last,
  coalesce(min(s.seen_at), now()), max(s.asked_at), coalesce(max(s.times_asked), 0)
FROM gap g LEFT JOIN gap_seen s ON (s.tenant, s.device, s.epoch) = (g.tenant, g.device, g.epoch)
  AND s.first <= g.last AND s.last >= g.first
GROUP BY g.tenant, g.device, g.epoch, g.first, g.last
ON CONFLICT (tenant, device, epoch, first) DO UPDATE SET last = excluded.last,
  seen_at = excluded.seen_at, asked_at = excluded.asked_at, times_asked = excluded.times_asked
"""
_FORGET = """
DELETE FROM gap_seen s USING unnest(%s::text[], %s::text[]) AS d(tenant, device)
WHERE (s.tenant, s.device) = (d.tenant, d.device) AND NOT EXISTS (
  SELECT 1 FROM gap g WHERE (g.tenant, g.device, g.epoch, g.first) = (s.tenant, s.device, s.epoch, s.first))
"""
_DUE = f"""
WITH due AS (
  SELECT * FROM gap_seen WHERE seen_at <= now() - make_interval(secs => %(wait_s)s)
    AND (asked_at IS NULL OR asked_at <= now() - make_interval(secs => %(again_s)s))
), chosen AS (
  SELECT tenant, device FROM due GROUP BY tenant, device ORDER BY min(seen_at) LIMIT {MOST_DEVICES}
)
UPDATE gap_seen s SET asked_at = now(), times_asked = s.times_asked + 1
FROM due JOIN chosen USING (tenant, device)
WHERE (s.tenant, s.device, s.epoch, s.first) = (due.tenant, due.device, due.epoch, due.first)
RETURNING s.tenant, s.device, s.epoch, s.first, s.last
"""


def look(
    connection: psycopg.Connection[Any],
    devices: Collection[Device],
    *,
    wait_s: float = WAIT_S,
    again_s: float = AGAIN_S,
) -> list[Device]:
    """Look at these devices, and ask those whose gaps have stood long enough; gives those that still have some.

    One worker at a time: what another is about is left to it.

    Args:
        connection: The database.
        devices: Those whose receipts had gaps, or that were looked at before.
        wait_s: How long a gap must have been there.
        again_s: How long after it was asked for it is asked for again.

    Raises:
        psycopg.Error: The database is lost.
    """
    with connection.transaction():
        (mine,) = connection.execute(
            "SELECT pg_try_advisory_xact_lock(%s)", (_LOCK,)
        ).fetchone() or (False,)
        if not mine:
            return list(devices)
        named = ([tenant for tenant, _ in devices], [device for _, device in devices])
        connection.execute(_FIND, named)
        connection.execute(_NOTE)
        connection.execute(_FORGET, named)
        limits = {"wait_s": wait_s, "again_s": again_s}
        _ask(connection, connection.execute(_DUE, limits).fetchall())
        left = connection.execute("SELECT DISTINCT tenant, device FROM gap").fetchall()
    return [(str(tenant), str(device)) for tenant, device in left]


def noted(connection: psycopg.Connection[Any]) -> set[Device]:
    """Devices whose gaps were seen before, by whichever worker."""
    rows = connection.execute("SELECT DISTINCT tenant, device FROM gap_seen").fetchall()
    return {(str(tenant), str(device)) for tenant, device in rows}


def everywhere(connection: psycopg.Connection[Any]) -> list[Device]:
    """Every device of which events are there: for the look that leaves out none."""
    rows = connection.execute("SELECT DISTINCT tenant, device FROM receipted").fetchall()
    return [(str(tenant), str(device)) for tenant, device in rows]


def _ask(connection: psycopg.Connection[Any], rows: list[Any]) -> None:
    by_epoch: dict[tuple[str, str, str], list[list[int]]] = defaultdict(list)
    for tenant, device, epoch, first, last in sorted(rows):
        by_epoch[tenant, device, epoch].append([first, last])
    for (tenant, device, epoch), ranges in by_epoch.items():
        command = {"command": "resend", "epoch": epoch, "ranges": ranges[:MOST_RANGES]}
        orders.order(connection, tenant, device, command, by="platform", hours=AGAIN_S / 3600)
