"""What a device is told: the numbers that are settled, by the contract's words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    import psycopg

MOST = 1000
"""Ranges of one receipt."""
MOST_EPOCHS = 16
"""Epochs of a device that are told of when none is named: those that something came of last. A device has one."""
_OF = "tenant = %(tenant)s AND device = %(device)s AND epoch = %(epoch)s"
_SETTLED = f"""
WITH settled AS (
  SELECT 0::bigint AS first, %(through)s::bigint AS last
  UNION ALL SELECT sequence, sequence FROM numbered WHERE {_OF} AND sequence > %(through)s
  UNION ALL SELECT first, last FROM lost WHERE {_OF} AND last > %(through)s
  UNION ALL SELECT sequence, sequence FROM refused WHERE {_OF} AND sequence > %(through)s
), reached AS (
  SELECT first, last, max(last) OVER (ORDER BY first, last
    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM settled
), parted AS (
  SELECT first, last, sum(CASE WHEN first <= before + 1 THEN 0 ELSE 1 END)
    OVER (ORDER BY first, last ROWS UNBOUNDED PRECEDING) AS island FROM reached
)
SELECT min(first), max(last) FROM parted GROUP BY island ORDER BY 1
"""
"""Stretches without a gap, from where the last receipt ended: ``receipt.sql``, in PostgreSQL's words."""


def receipts(
    connection: psycopg.Connection,
    tenant: str,
    device: str,
    epochs: Collection[str] | None = None,
) -> list[dict[str, Any]]:
    """What is settled of a device, whoever stored it, as bodies of receipts; to be sent after the commit.

    Computed of what is committed (and of the caller's own transaction): never ahead of the store. ``epochs`` are those
    of which something came; without it those that something came of last.
    """
    with connection.transaction(), connection.cursor() as cursor:
        if epochs is None:
            cursor.execute(
                "SELECT epoch FROM receipted WHERE tenant = %s AND device = %s"
                " ORDER BY touched_at DESC, epoch LIMIT %s",
                (tenant, device, MOST_EPOCHS),
            )
            epochs = [epoch for (epoch,) in cursor.fetchall()]
        return [
            each
            for epoch in sorted(epochs)
            for each in _of(cursor, {"tenant": tenant, "device": device, "epoch": epoch})
        ]


def _of(cursor: psycopg.Cursor, of: dict[str, str]) -> Iterator[dict[str, Any]]:
    cursor.execute(f"SELECT through FROM receipted WHERE {_OF}", of)
    before = (cursor.fetchone() or (0,))[0]
    cursor.execute(_SETTLED, of | {"through": before})
    (_, through), *ranges = cursor.fetchall()
    if through > before:
        cursor.execute(
            "INSERT INTO receipted (tenant, device, epoch, through)"
            " VALUES (%(tenant)s, %(device)s, %(epoch)s, %(through)s)"
            " ON CONFLICT (tenant, device, epoch) DO UPDATE"
            " SET through = greatest(receipted.through, excluded.through)",
            of | {"through": through},
        )
    newest = f"WHERE {_OF} ORDER BY sequence DESC LIMIT {MOST}"
    cursor.execute(f"SELECT sequence, sequence, code FROM refused {newest}", of)
    refused = cursor.fetchall()
    cursor.execute(f"SELECT sequence, sequence FROM conflicting {newest}", of)
    conflicts = cursor.fetchall()
    for begin in range(0, max(1, len(ranges)), MOST):
        receipt = {"contract": 2, "epoch": of["epoch"], "contiguous_through": through}
        more = {"ranges": ranges[begin : begin + MOST], "refused": refused, "conflicts": conflicts}
        yield receipt | {name: json.loads(json.dumps(told)) for name, told in more.items() if told}
