"""What a device is told: the numbers that are settled, by the contract's words."""

from __future__ import annotations

import heapq
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    import psycopg

MOST = 1000
"""Ranges of one receipt; and stretches above a gap that are kept of an epoch, the longest."""
MOST_EPOCHS = 16
"""Epochs of a device that are told of when none is named: those that something came of last. A device has one."""
_OF = "tenant = %(tenant)s AND device = %(device)s AND epoch = %(epoch)s"
# What was settled stays settled: only what was not when the last receipt was computed is looked for, gap by gap along the
# index (OFFSET 0 keeps the planner from reading the whole epoch).
_SETTLED = f"""
WITH kept AS (
  SELECT coalesce(max(through), 0) AS through, coalesce(range_agg(stretches), '{{}}') AS stretches
  FROM receipted WHERE {_OF}
), came AS (
  SELECT n.number AS first, n.number AS last FROM kept
    CROSS JOIN LATERAL unnest(unsettled(through, stretches)) AS gap
    CROSS JOIN LATERAL (
      SELECT sequence FROM numbered WHERE {_OF} AND sequence >= lower(gap) AND sequence < upper(gap)
      UNION ALL SELECT sequence FROM refused WHERE {_OF} AND sequence >= lower(gap) AND sequence < upper(gap)
      OFFSET 0) AS n(number)
  UNION ALL SELECT first, last FROM lost CROSS JOIN kept
    WHERE {_OF} AND unsettled(through, stretches) && int8range(first, last, '[]')
), whole AS (
  SELECT int8multirange(int8range(0, through, '[]')) + stretches
    + coalesce((SELECT range_agg(int8range(first, last, '[]')) FROM came), '{{}}') AS settled FROM kept
)
SELECT lower(stretch), upper(stretch) - 1, EXISTS (SELECT FROM came) FROM whole
CROSS JOIN LATERAL unnest(settled) AS stretch ORDER BY 1
"""
"""Stretches without a gap: ``receipt.sql``, in PostgreSQL's words; and whether there is news."""
_KEEP = """
INSERT INTO receipted (tenant, device, epoch, through, stretches)
VALUES (%(tenant)s, %(device)s, %(epoch)s, %(through)s, %(stretches)s::int8multirange)
ON CONFLICT (tenant, device, epoch) DO UPDATE
SET through = greatest(receipted.through, excluded.through), stretches = excluded.stretches
WHERE (receipted.through, receipted.stretches) IS DISTINCT FROM (excluded.through, excluded.stretches)
"""


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
    through, ranges = _settled(cursor, of)
    newest = f"WHERE {_OF} ORDER BY sequence DESC LIMIT {MOST}"
    cursor.execute(f"SELECT sequence, sequence, code FROM refused {newest}", of)
    refused = cursor.fetchall()
    cursor.execute(f"SELECT sequence, sequence FROM conflicting {newest}", of)
    conflicts = cursor.fetchall()
    for begin in range(0, max(1, len(ranges)), MOST):
        receipt = {"contract": 2, "epoch": of["epoch"], "contiguous_through": through}
        more = {"ranges": ranges[begin : begin + MOST], "refused": refused, "conflicts": conflicts}
        yield receipt | {name: json.loads(json.dumps(told)) for name, told in more.items() if told}


def _settled(cursor: psycopg.Cursor, of: dict[str, str]) -> tuple[int, list[tuple[int, int]]]:
    """Up to where an epoch has no gap, and its stretches above; kept for the next receipt where there is news."""
    cursor.execute(_SETTLED, of)
    rows = cursor.fetchall()
    (_, through, is_news), *more = rows
    ranges = [(first, last) for first, last, _ in more]
    if is_news:
        longest = heapq.nlargest(MOST, ranges, key=lambda each: each[1] - each[0])
        stretches = ",".join(f"[{first},{last}]" for first, last in longest)
        cursor.execute(_KEEP, of | {"through": through, "stretches": f"{{{stretches}}}"})
    return through, ranges
