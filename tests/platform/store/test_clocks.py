"""A clock that was set is carried into what is told of cases once, however often a device says so."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from kerbwatch_platform import store
from kerbwatch_platform.contract.message import Message

from agent.domain.ids import uuid7
from agent.protocol.examples import examples

if TYPE_CHECKING:
    import psycopg

BOOTS = 25
[CLOCK] = examples()["message-clock"]["events"]
TOPIC = f"kerbwatch/v2/{CLOCK['tenant']}/{CLOCK['device_id']}/events"
BEGAN = datetime(2026, 3, 1, tzinfo=UTC)


def clocks(first: int, shift_s: int) -> Message:
    """Every boot's clock in one message, set to ``shift_s`` after ``BEGAN``."""
    events: list[dict[str, Any]] = []
    for boot in range(BOOTS):
        event = copy.deepcopy(CLOCK)
        number = first + boot
        event |= {"event_id": uuid7(BEGAN + timedelta(seconds=number), number), "sequence": number}
        event["clock"]["monotonic_s"] = float(number)
        at = BEGAN + timedelta(seconds=shift_s)
        event["body"] |= {"boot_id": f"boot-{boot}", "zero_at": at.isoformat()}
        events.append(event)
    return Message(TOPIC, json.dumps({"contract": 2, "events": events}).encode())


def times_worked(connection: psycopg.Connection) -> int:
    connection.execute("SELECT pg_stat_force_next_flush()")
    query = (
        "SELECT coalesce(sum(calls), 0) FROM pg_stat_user_functions WHERE funcname = 'cases_again'"
    )
    [[calls]] = connection.execute(query).fetchall()
    return int(calls)


def test_one_message_of_many_clocks_is_work_once_and_none_where_nothing_changes(
    connection: psycopg.Connection,
) -> None:
    connection.execute("SET track_functions = 'pl'")
    for message, calls in (
        (clocks(1, 0), 1),
        (clocks(101, 0), 1),  # newer, and the same clocks
        (clocks(201, 60), 2),
    ):
        store.take(connection, [message])
        assert times_worked(connection) == calls
    kept = connection.execute("SELECT count(*), count(DISTINCT zero_s) FROM boot").fetchone()
    assert kept == (BOOTS, 1)
