"""PostgreSQL's store and the small SQLite platform are one platform: the same messages leave the same behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from kerbwatch_platform import store

from tests.support import device_words
from tests.support.both_stores import Both
from tests.support.hostile_messages import HOSTILE, TOPIC, UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from tests.support.postgres import Postgres


@pytest.fixture(scope="module")
def shared(migrated: Postgres) -> Iterator[psycopg.Connection]:
    """A database of which each test takes back what it did."""
    migrated.script("CREATE DATABASE compared TEMPLATE empty;")
    with store.connect(migrated.address("compared")) as opened:
        yield opened


@pytest.fixture
def both(shared: psycopg.Connection) -> Iterator[Both]:
    with shared.transaction(force_rollback=True):
        yield Both(shared)


def test_every_example_of_the_contract_leaves_the_same(both: Both) -> None:
    messages = device_words.of_the_contract()
    for each in messages:
        both.take([each])
    both.take(messages)
    both.compare()
    assert len(both.large.execute("SELECT FROM event").fetchall()) > 20


def encoded(payload: str | bytes) -> bytes:
    return payload.encode() if isinstance(payload, str) else payload


def test_every_hostile_message_leaves_the_same(both: Both) -> None:
    both.take([(TOPIC, encoded(each)) for each in HOSTILE.values()])
    both.compare()
    codes = both.large.execute("SELECT DISTINCT why FROM set_aside").fetchall()
    assert len(codes) > 5


@pytest.mark.parametrize("name", [each for each in HOSTILE if each not in UNREADABLE])
def test_a_hostile_message_after_a_good_one_and_before_it_leaves_the_same(
    both: Both, name: str
) -> None:
    good, bad = device_words.of_the_contract(), (TOPIC, encoded(HOSTILE[name]))
    both.take([bad, *good[:4], bad])
    both.take(good)
    both.take([bad])
    both.compare()


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(batches=device_words.batches())
def test_whatever_devices_send_leaves_the_same(
    shared: psycopg.Connection, batches: list[list[tuple[str, bytes]]]
) -> None:
    with shared.transaction(force_rollback=True):
        both = Both(shared)
        for batch in batches:
            both.take(batch)
        both.compare()
