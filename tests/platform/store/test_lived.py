"""What is kept ages by the time that the platform has lived through: no clock that is set wrong makes it older."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
from kerbwatch_platform.store import lived
from kerbwatch_platform.store.lived import DAY_S, Reading

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
YEAR = timedelta(days=365)


def test_within_a_boot_no_wall_clock_counts(connection: psycopg.Connection) -> None:
    assert lived.advance(connection, Reading("a", 100.0, NOON)) == 0
    assert lived.advance(connection, Reading("a", 3_700.0, NOON + 9 * YEAR)) == 3_600
    assert lived.advance(connection, Reading("a", 7_300.0, NOON - 9 * YEAR)) == 7_200
    assert lived.advance(connection, Reading("a", 7_300.0, NOON)) == 7_200, "no time has passed"


def test_between_two_boots_a_clock_makes_nothing_older_than_by_seven_days(
    connection: psycopg.Connection,
) -> None:
    lived.advance(connection, Reading("a", 100.0, NOON))
    off = NOON + timedelta(days=2)
    assert lived.advance(connection, Reading("b", 5.0, off)) == 2 * DAY_S
    assert lived.advance(connection, Reading("c", 5.0, off + 9 * YEAR)) == 9 * DAY_S
    assert lived.advance(connection, Reading("d", 5.0, off)) == 9 * DAY_S, "never younger"


def test_two_machines_that_take_turns_make_nothing_older(connection: psycopg.Connection) -> None:
    """One of them may have run for years."""
    lived.advance(connection, Reading("a", 90_000_000.0, NOON))
    for minutes in range(1, 61):
        at = NOON + timedelta(minutes=minutes)
        running_s = 90_000_000.0 if minutes % 2 else 5.0
        told = lived.advance(connection, Reading("b" if minutes % 2 else "a", running_s, at))
    assert told == 3_600


def test_this_machine_has_a_boot_and_runs(connection: psycopg.Connection) -> None:
    first, then = lived.reading(), lived.reading()
    assert first.boot_id == then.boot_id
    assert 0 < first.running_s <= then.running_s
