"""What is missing, and what to ask a device for again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psycopg

PATIENCE_S = 300.0
"""For so long a number may be on its way: live events overtake a backlog."""
_LACKING = """
SELECT m.epoch, m.first, m.last FROM missing m
WHERE m.tenant = %(tenant)s AND m.device = %(device)s
  AND (m.why = 'awaited' OR (m.why = 'moved' AND EXISTS (
    SELECT 1 FROM moved o WHERE (o.tenant, o.device, o.epoch) = (m.tenant, m.device, m.epoch) AND o.gone > o.came)))
  AND EXISTS (
    SELECT 1 FROM receipted r WHERE (r.tenant, r.device) = (m.tenant, m.device))
ORDER BY m.epoch, m.first
"""


def to_resend(
    connection: psycopg.Connection, tenant: str, device: str, *, patience_s: float = PATIENCE_S
) -> list[tuple[str, list[tuple[int, int]]]]:
    """Epochs of a device with the ranges of numbers that a ``resend`` should ask for.

    A database that was set back to an older backup lacks what the device believes has arrived: something newer came
    after it, so it shows as a gap. What nobody can send any more is not asked for.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LACKING, {"tenant": tenant, "device": device, "patience_s": patience_s})
        found: dict[str, list[tuple[int, int]]] = {}
        for epoch, first, last in cursor.fetchall():
            found.setdefault(epoch, []).append((first, last))
    return list(found.items())
