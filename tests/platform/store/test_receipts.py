"""Receipts go on from the one before, above a gap as well, and say what counting everything again would say."""

from __future__ import annotations

import importlib
import itertools
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kerbwatch_platform import store

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import psycopg

    from tests.support.postgres import Postgres

CITY, CORNER, EPOCH = "city", "corner-1", "e1"
OF = (CITY, CORNER, EPOCH)


@pytest.fixture(scope="module")
def shared(migrated: Postgres) -> Iterator[psycopg.Connection]:
    migrated.script("CREATE DATABASE told TEMPLATE empty;")
    with store.connect(migrated.address("told")) as opened:
        yield opened


def number(connection: psycopg.Connection, numbers: Iterable[int]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO numbered VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [(*OF, each, f"id-{each}") for each in numbers],
        )


def told(connection: psycopg.Connection) -> list[tuple[int, int]]:
    """All that the receipts of the epoch say is settled, from 0."""
    bodies = store.receipts(connection, CITY, CORNER, [EPOCH])
    [through] = {body["contiguous_through"] for body in bodies}
    ranges = (tuple(each) for body in bodies for each in body.get("ranges", ()))
    return [(0, through), *ranges]


def stretches(settled: set[int]) -> list[tuple[int, int]]:
    """Counted one by one."""
    found: list[tuple[int, int]] = [(0, 0)]
    for each in sorted(settled):
        first, last = found[-1]
        found = [*found[:-1], (first, each)] if each == last + 1 else [*found, (each, each)]
    return found


LOSS = st.tuples(st.integers(1, 60), st.integers(0, 6))
STEP = st.one_of(
    st.tuples(st.just("came"), st.sets(st.integers(1, 60), max_size=15)),
    st.tuples(st.just("lost"), LOSS),
    st.tuples(st.just("refused"), st.integers(1, 60)),
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(STEP, max_size=8), most=st.sampled_from((1, 3, 1000)))
def test_however_it_comes_a_receipt_names_exactly_what_is_settled(
    shared: psycopg.Connection, steps: list[tuple[str, Any]], most: int
) -> None:
    """Also where more stretches stand than are kept from one receipt to the next."""
    settled: set[int] = set()
    with pytest.MonkeyPatch.context() as patched, shared.transaction(force_rollback=True):
        patched.setattr(importlib.import_module("kerbwatch_platform.store.receipts"), "MOST", most)
        for nth, (what, value) in enumerate(steps):
            if what == "came":
                number(shared, value)
                settled |= value
            elif what == "lost":
                first, last = value[0], value[0] + value[1]
                query = "INSERT INTO lost VALUES (%s, %s, %s, %s, %s, 'rest', 'evicted', %s)"
                shared.execute(query, (*OF, first, last, f"r{nth}"))
                settled |= set(range(first, last + 1))
            else:
                query = (
                    "INSERT INTO refused VALUES (%s, %s, %s, %s, 'code', '') ON CONFLICT DO NOTHING"
                )
                shared.execute(query, (*OF, value))
                settled.add(value)
            assert told(shared) == stretches(settled)
            view = "SELECT first, last FROM stretch WHERE device = %s ORDER BY first"
            seen = shared.execute(view, (CORNER,)).fetchall()
            assert (seen or [(0, 0)]) == stretches(settled)  # no row: nothing has come


def test_a_gap_that_stays_does_not_have_what_lies_above_it_read_again(
    connection: psycopg.Connection,
) -> None:
    """By the rows that the database reads of an epoch with a number that never comes."""
    number(connection, itertools.chain(range(1, 5), range(6, 3001)))
    assert told(connection) == [(0, 4), (6, 3000)]
    number(connection, [3001])
    connection.execute("VACUUM ANALYZE numbered")
    before = rows_read(connection)
    assert told(connection) == [(0, 4), (6, 3001)]
    assert rows_read(connection) - before < 10


def rows_read(connection: psycopg.Connection) -> int:
    connection.execute("SELECT pg_stat_force_next_flush()")
    [[read]] = connection.execute(
        "SELECT seq_tup_read + idx_tup_fetch + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes"
        " WHERE relname = 'numbered') FROM pg_stat_user_tables WHERE relname = 'numbered'"
    ).fetchall()
    return int(read)


def test_two_workers_that_tell_at_once_leave_what_either_has_found(
    connection: psycopg.Connection, database: str
) -> None:
    """What one keeps may be older than what the other kept; the receipt after it is whole all the same."""
    number(connection, [1, 2, 4])
    with store.connect(database) as other, other.transaction():
        assert told(other) == [(0, 2), (4, 4)]
        number(connection, [6])
    assert told(connection) == [(0, 2), (4, 4), (6, 6)]
    number(connection, [3])
    assert told(connection) == [(0, 4), (6, 6)]
