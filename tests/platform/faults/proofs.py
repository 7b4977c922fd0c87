"""What must hold after every fault, as SQL over the platform's tables and what the devices have accepted.

``given`` (what each device gave which number), ``device_case`` and ``ahead`` are filled from outside; all else are
the tables and views of the data model. Each query gives what breaks its promise: nothing is what it must find.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from tests.platform.faults.devices import TENANT
from tests.platform.faults.suite import Found

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from tests.platform.faults.devices import Device

_TABLES = """
CREATE TEMP TABLE given (tenant text, device text, epoch text, sequence bigint, event_id text, waits boolean);
CREATE TEMP TABLE device_case (tenant text, device text, case_id text, state text);
CREATE TEMP TABLE ahead (what text);
"""
PROOFS = {
    "every number is there or named": """
SELECT g.device, g.epoch, g.sequence FROM given g WHERE NOT g.waits
  AND NOT EXISTS (SELECT 1 FROM settled s WHERE (s.tenant, s.device, s.epoch) = (g.tenant, g.device, g.epoch)
    AND g.sequence BETWEEN s.first AND s.last)
  AND NOT EXISTS (SELECT 1 FROM numbered n WHERE (n.tenant, n.device, n.event_id) = (g.tenant, g.device, g.event_id))
""",
    "the platform misses nothing": """
SELECT m.device, m.epoch, m.first, m.last, m.why FROM missing m WHERE m.why <> 'moved' AND EXISTS (
  SELECT 1 FROM generate_series(m.first, m.last) AS n (sequence) WHERE NOT EXISTS (
    SELECT 1 FROM given g WHERE g.waits
      AND (g.tenant, g.device, g.epoch, g.sequence) = (m.tenant, m.device, m.epoch, n.sequence)))
""",
    "what moved to another epoch has come": """
SELECT device, epoch, gone, came FROM moved WHERE gone > came
""",
    "every event is there once": """
SELECT device, event_id, count(*) FROM event GROUP BY tenant, device, event_id HAVING count(*) > 1
""",
    "no number without its event, no event without a number": """
SELECT n.device, n.epoch, n.sequence::text FROM numbered n WHERE NOT EXISTS (
  SELECT 1 FROM event e WHERE (e.tenant, e.device, e.event_id) = (n.tenant, n.device, n.event_id))
UNION ALL SELECT e.device, e.event_id, e.type FROM event e WHERE NOT EXISTS (
  SELECT 1 FROM numbered n WHERE (n.tenant, n.device, n.event_id) = (e.tenant, e.device, e.event_id))
""",
    "every case stands as its device has it": """
SELECT c.device, c.case_id, c.state, n.state FROM device_case c
  LEFT JOIN case_now n ON (n.tenant, n.device, n.case_id) = (c.tenant, c.device, c.case_id)
WHERE (n.state = 'open') IS DISTINCT FROM (c.state = 'open')
""",
    "no place has two open cases of a kind": """
SELECT n.device, n.place_id, count(*) FROM case_now n WHERE n.state = 'open' AND NOT EXISTS (
  SELECT 1 FROM unknown_case u WHERE (u.tenant, u.device, u.case_id) = (n.tenant, n.device, n.case_id))
GROUP BY n.tenant, n.device, n.place_id, n.kind HAVING count(*) > 1
""",
    "no receipt was ahead of the store": "SELECT what FROM ahead",
    "no event is in conflict": "SELECT device, epoch, sequence FROM conflicting",
    "nothing was put aside or refused": """
SELECT topic, why FROM set_aside UNION ALL SELECT device, code FROM refused
""",
    "no memory is on two cards": "SELECT device, epoch, successors, goes_on FROM cloned",
}
"""Promise → what breaks it."""
_SHOWN = 3
_COUNTS = """
SELECT (SELECT count(*) FROM event), (SELECT count(*) FROM numbered),
  (SELECT coalesce(sum(last - first + 1), 0)::bigint FROM lost), (SELECT count(*) FROM conflict)
"""


def judged(
    database: str,
    devices: Sequence[Device],
    *,
    ahead: Sequence[str],
    receipts: int,
    times: int,
    recover_s: list[float],
    without: Collection[str] = (),
    notes: str = "",
) -> Found:
    """Run the proofs.

    Args:
        database: The platform's.
        devices: They have ended.
        ahead: What receipts named that was not there.
        receipts: How many were looked at.
        times: How often the fault struck.
        recover_s: How long each return took.
        without: Promises that this fault cannot keep, by its nature.
        notes: What else there is to say.
    """
    assert set(without) <= set(PROOFS)
    with psycopg.connect(database) as connection:
        connection.execute(_TABLES)
        _fill(connection, devices, ahead)
        broken = {}
        for promise, query in PROOFS.items():
            rows = connection.execute(query.encode()).fetchall()
            if rows and promise not in without:
                told = [" ".join(map(str, row)) for row in rows[:_SHOWN]]
                broken[promise] = [
                    *told,
                    *([f"and {len(rows) - _SHOWN} more"] if rows[_SHOWN:] else []),
                ]
        [(events, numbers, named, conflicts)] = connection.execute(_COUNTS).fetchall()
    return Found(
        times, events, numbers, named, conflicts, receipts, recover_s, broken=broken, notes=notes
    )


def _fill(connection: psycopg.Connection, devices: Sequence[Device], ahead: Sequence[str]) -> None:
    with connection.cursor() as cursor:
        for device in devices:
            of = TENANT, device.name
            cursor.executemany(
                "INSERT INTO given VALUES (%s, %s, %s, %s, %s, %s)",
                [(*of, *each) for each in (*device.accepted.values(), *device.gone)],
            )
            told = [each for each in device.cases.items() if each[0] not in device.untold]
            cursor.executemany(
                "INSERT INTO device_case VALUES (%s, %s, %s, %s)", [(*of, *each) for each in told]
            )
        cursor.executemany("INSERT INTO ahead VALUES (%s)", [(each,) for each in ahead])
