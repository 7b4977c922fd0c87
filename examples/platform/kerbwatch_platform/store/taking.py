"""Taking a batch of messages in: one transaction, whatever is in them.

Several workers do this at once, on the same devices. Rows go in in one order in all of them (table by table, each by its
key), and a row that another worker has just stored is waited for, then left as it is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import psycopg
from psycopg.pq import TransactionStatus

from kerbwatch_platform.contract.message import PREFIX, place_of
from kerbwatch_platform.contract.reading import losses_in
from kerbwatch_platform.store.aside import put_aside
from kerbwatch_platform.store.sorting import aside, sort

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kerbwatch_platform.contract.message import Message
    from kerbwatch_platform.store.sorting import Sorted

TRIES = 5
"""Of a batch that the database ended because two workers waited for each other."""
_STAGED = """
CREATE TEMPORARY TABLE incoming_event (
  tenant text, device text, event_id text COLLATE "C", type text, test boolean, raw jsonb) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE incoming_number (
  tenant text, device text, epoch text, sequence bigint, event_id text COLLATE "C", first boolean) ON COMMIT DELETE ROWS;
"""
# What lies in an archived month came if it is numbered: it is not kept a second time.
_EVENTS = """
INSERT INTO event (tenant, device, event_id, type, test, raw)
SELECT tenant, device, event_id, type, test, raw FROM incoming_event i WHERE NOT EXISTS (
  SELECT 1 FROM archived_month a JOIN numbered n ON (n.tenant, n.device, n.event_id) = (i.tenant, i.device, i.event_id)
  WHERE i.event_id >= a.first_id AND i.event_id < a.end_id)
ORDER BY tenant, device, event_id ON CONFLICT DO NOTHING
"""
_NUMBERS = """
INSERT INTO numbered SELECT tenant, device, epoch, sequence, event_id FROM incoming_number WHERE first
ORDER BY tenant, device, epoch, sequence ON CONFLICT DO NOTHING
"""
_CONFLICTS = """
INSERT INTO conflict SELECT tenant, device, epoch, sequence, i.event_id
FROM incoming_number i JOIN numbered n USING (tenant, device, epoch, sequence) WHERE n.event_id <> i.event_id
ORDER BY tenant, device, epoch, sequence, i.event_id ON CONFLICT DO NOTHING
"""
# An older consumer could not read them.
_READ_NOW = """
DELETE FROM refused r USING incoming_number i
WHERE (r.tenant, r.device, r.epoch, r.sequence) = (i.tenant, i.device, i.epoch, i.sequence)
"""


@dataclass
class Taken:
    """What a batch brought that somebody has to act on after the commit."""

    epochs: set[tuple[str, str, str]] = field(default_factory=set)
    """Tenant, device and epoch of which something came: a receipt is due."""
    births: set[tuple[str, str]] = field(default_factory=set)
    test_cases: list[tuple[str, str, str]] = field(default_factory=list)
    """Tenant, device and case: each gets a number at once."""
    packed: list[tuple[str, str, str]] = field(default_factory=list)
    """Tenant, device and event of each record: ``evidence.packed``, ``evidence.deleted``."""
    set_aside: dict[tuple[str, str], int] = field(default_factory=dict)
    """Bytes that this batch put aside, by device."""

    def __ior__(self, other: Taken) -> Self:
        self.epochs |= other.epochs
        self.births |= other.births
        self.test_cases += other.test_cases
        self.packed += other.packed
        for of, size in other.set_aside.items():
            self.set_aside[of] = self.set_aside.get(of, 0) + size
        return self


def take(
    connection: psycopg.Connection, messages: Sequence[Message], *, prefix: str = PREFIX
) -> Taken:
    """Store everything that messages say, in one transaction; pieces of pictures and answers are left alone.

    Whatever else is stored of the same messages goes into a transaction around this one; a deadlock is then the caller's
    to repeat.
    """
    own = connection.info.transaction_status is TransactionStatus.IDLE
    for tries_left in reversed(range(TRIES if own else 1)):
        try:
            with connection.transaction():
                return _taken(connection, messages, prefix)
        except psycopg.errors.DeadlockDetected:
            if not tries_left:
                raise
    raise AssertionError  # unreachable: the last try returns or raises


def _taken(connection: psycopg.Connection, messages: Sequence[Message], prefix: str) -> Taken:
    try:
        with connection.transaction(), connection.cursor() as cursor:
            return _stored(cursor, sort(messages, prefix))
    except (psycopg.DataError, psycopg.errors.ProgramLimitExceeded) as why:
        # What the database does not take costs its own message alone: the others are tried one by one.
        if len(messages) > 1:
            taken = Taken()
            for each in messages:
                taken |= _taken(connection, [each], prefix)
            return taken
        return _not_taken(connection, messages[0], prefix, f"the database: {why.sqlstate}")


def _not_taken(connection: psycopg.Connection, message: Message, prefix: str, why: str) -> Taken:
    place = place_of(message.topic, prefix)  # another topic's never comes as far as this
    with connection.transaction(), connection.cursor() as cursor:
        rubbish = aside(message.topic, why, message.payload, place.tenant, place.device)
        return Taken(set_aside=put_aside(cursor, [rubbish]))


def _stored(cursor: psycopg.Cursor, found: Sorted) -> Taken:
    taken = Taken(found.epochs, found.births, found.test_cases, found.packed)
    if found.claims:
        _stage(cursor, found)
        for step in (_EVENTS, _NUMBERS, _CONFLICTS, _READ_NOW):
            cursor.execute(step)
    if found.refused:
        cursor.executemany(
            "INSERT INTO refused VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [(*number, *told) for number, told in sorted(found.refused.items())],
        )
    for tenant, device, event_id in _due(cursor, found):
        taken.epochs |= _fill(cursor, tenant, device, event_id)
    if found.aside:
        taken.set_aside = put_aside(cursor, found.aside.values())
    return taken


def _stage(cursor: psycopg.Cursor, found: Sorted) -> None:
    """Bring the batch over, into tables of this connection that are empty again after the commit."""
    cursor.execute("SELECT to_regclass('pg_temp.incoming_number')")
    if cursor.fetchone() == (None,):
        cursor.execute(_STAGED)
    else:  # an earlier batch of the same transaction
        cursor.execute("DELETE FROM pg_temp.incoming_event")
        cursor.execute("DELETE FROM pg_temp.incoming_number")
    with cursor.copy("COPY pg_temp.incoming_event FROM STDIN") as copy:
        for of, told in found.events.items():
            copy.write_row((*of, *told))
    numbers = set()
    with cursor.copy("COPY pg_temp.incoming_number FROM STDIN") as copy:
        for number, event_id in found.claims:
            copy.write_row((*number, event_id, number not in numbers))
            numbers.add(number)


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
    """Fill numbers from a loss report, or from all of a device whose key is known now. Gives their epochs."""
    mine = "tenant = %s AND device = %s"
    cursor.execute(f"SELECT key FROM device_key WHERE {mine}", (tenant, device))
    key = cursor.fetchone()
    if key is None:  # the report is looked at again when the device's birth has come
        return set()
    reports = f"SELECT raw FROM event WHERE {mine} AND type = 'device.loss'"
    if event_id is None:
        cursor.execute(reports, (tenant, device))
    else:
        cursor.execute(f"{reports} AND event_id = %s", (tenant, device, event_id))
    rows = [
        (tenant, device, *loss, report["event_id"])
        for (report,) in cursor.fetchall()
        for loss in losses_in(report, json.loads(key[0]))
    ]
    if rows:
        cursor.executemany(
            "INSERT INTO lost VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            sorted(rows),
        )
    return {row[:3] for row in rows}
