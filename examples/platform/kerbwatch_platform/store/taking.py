"""Taking a batch of messages in: one transaction, whatever is in them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kerbwatch_platform.contract.message import PREFIX
from kerbwatch_platform.contract.reading import losses_in
from kerbwatch_platform.store.sorting import Sorted, sort

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from kerbwatch_platform.contract.message import Message


@dataclass
class Taken:
    """What a batch brought that somebody has to act on after the commit."""

    epochs: set[tuple[str, str, str]] = field(default_factory=set)
    """Tenant, device and epoch of which something came: a receipt is due."""
    births: set[tuple[str, str]] = field(default_factory=set)
    test_cases: list[tuple[str, str, str]] = field(default_factory=list)
    """Tenant, device and case: each gets a number at once."""
    packed: list[tuple[str, str, str]] = field(default_factory=list)
    """Tenant, device and event of each ``evidence.packed``."""
    set_aside: dict[tuple[str, str], int] = field(default_factory=dict)
    """Bytes that this batch put aside, by device."""


def take(
    connection: psycopg.Connection, messages: Sequence[Message], *, prefix: str = PREFIX
) -> Taken:
    """Store everything that messages say, in one transaction; pieces of pictures and answers are left alone.

    Whatever else is stored of the same messages goes into a transaction around this one.
    """
    found = sort(messages, prefix)
    taken = Taken(found.epochs, found.births, found.test_cases, found.packed)
    with connection.transaction(), connection.cursor() as cursor:
        _events(cursor, found)
        _numbers(cursor, found)
        _aside(cursor, found, taken)
        for of in _due(cursor, found):
            taken.epochs |= _fill(cursor, *of)
        cursor.executemany(
            "INSERT INTO receipted (tenant, device, epoch, through) VALUES (%s, %s, %s, 0)"
            " ON CONFLICT (tenant, device, epoch) DO UPDATE SET touched_at = now()",
            sorted(taken.epochs),
        )
    return taken


def _events(cursor: psycopg.Cursor, found: Sorted) -> None:
    cursor.executemany(
        "INSERT INTO event (tenant, device, event_id, type, test, raw)"
        " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        [(*of, *told) for of, told in sorted(found.events.items())],
    )


def _numbers(cursor: psycopg.Cursor, found: Sorted) -> None:
    first = dict(reversed(found.claims))
    cursor.executemany(
        "INSERT INTO numbered VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        [(*number, event_id) for number, event_id in sorted(first.items())],
    )
    cursor.executemany(
        "INSERT INTO conflict SELECT tenant, device, epoch, sequence, %s FROM numbered"
        " WHERE (tenant, device, epoch, sequence) = (%s, %s, %s, %s) AND event_id <> %s"
        " ON CONFLICT DO NOTHING",
        [(event_id, *number, event_id) for number, event_id in sorted(found.claims)],
    )
    cursor.executemany(
        "DELETE FROM refused WHERE (tenant, device, epoch, sequence) = (%s, %s, %s, %s)",
        sorted(first),
    )
    cursor.executemany(
        "INSERT INTO refused VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        [(*number, *told) for number, told in sorted(found.refused.items())],
    )


def _aside(cursor: psycopg.Cursor, found: Sorted, taken: Taken) -> None:
    for _, each in sorted(found.aside.items()):
        cursor.execute(
            "INSERT INTO set_aside (topic, sha256, why, payload, tenant, device, size_bytes)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (*each, len(each.payload)),
        )
        if cursor.rowcount and each.tenant and each.device:
            of = (each.tenant, each.device)
            taken.set_aside[of] = taken.set_aside.get(of, 0) + len(each.payload)


def _due(cursor: psycopg.Cursor, found: Sorted) -> list[tuple[str, str, str | None]]:
    """Loss reports to look at: those of this batch, and all of a device whose key is known only now."""
    known = set()
    for of, key in sorted(found.keys.items()):
        cursor.execute(
            "INSERT INTO device_key VALUES (%s, %s, %s) ON CONFLICT DO NOTHING", (*of, key)
        )
        if cursor.rowcount:
            known.add(of)
    due: list[tuple[str, str, str | None]] = [(*of, None) for of in sorted(known)]
    reports = (of for of in sorted(found.losses) if of[:2] not in known)
    return [*due, *((of.tenant, of.device, of.event_id) for of in reports)]


def _fill(
    cursor: psycopg.Cursor, tenant: str, device: str, event_id: str | None
) -> set[tuple[str, str, str]]:
    mine = "tenant = %s AND device = %s"
    cursor.execute(f"SELECT key FROM device_key WHERE {mine}", (tenant, device))
    key = cursor.fetchone()
    if key is None:  # the report is looked at again when the device's birth has come
        return set()
    cursor.execute(
        f"SELECT raw FROM event WHERE {mine} AND type = 'device.loss' AND event_id = coalesce(%s, event_id)",
        (tenant, device, event_id),
    )
    rows = [
        (tenant, device, *loss, report["event_id"])
        for (report,) in cursor.fetchall()
        for loss in losses_in(report, json.loads(key[0]))
    ]
    cursor.executemany(
        "INSERT INTO lost VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        sorted(rows),
    )
    return {row[:3] for row in rows}
