"""What holds outboxes against a store sees what is missing there, what is there too often, and what nobody sent."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from agent.storage.database import Database
from agent.storage.paths import DATABASE
from benchmarks.fleet_check import Found, held_against
from drivers.clock import SystemClock
from tests.support.drafts import birth, case_opened
from tests.support.outboxes import open_outbox
from tests.support.topics import TENANT

_TABLES = """
CREATE TABLE event (tenant, device, event_id);
CREATE TABLE numbered (tenant, device, epoch, sequence);
CREATE TABLE refused (x); CREATE TABLE conflict (x); CREATE TABLE set_aside (x); CREATE TABLE lost (x);
"""
_DEVICE = "sim-00000"


@pytest.fixture
def store() -> Iterator[sqlite3.Connection]:
    """A platform's store, empty."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(_TABLES)
        yield connection


@pytest.fixture
def folder(tmp_path: Path, store: sqlite3.Connection) -> Path:
    """One device with six events, of which five were delivered and stored; the last waits."""
    clock = SystemClock()
    with Database(tmp_path / _DEVICE / DATABASE) as database:
        outbox = open_outbox(database, keep_arrived=100, device=_DEVICE)
        database.write(lambda connection: outbox.add_birth(connection, birth(clock))).result()
        for _ in range(5):
            database.write(lambda connection: outbox.add(connection, case_opened(clock))).result()
        outbox.confirm([1, 2, 3, 4, 5]).result()
        with closing(database.read()) as reader:
            rows = reader.execute("SELECT event_id, sequence FROM outbox WHERE arrived = 1")
            for event_id, sequence in rows.fetchall():
                store.execute("INSERT INTO event VALUES (?, ?, ?)", (TENANT, _DEVICE, event_id))
                numbered = (TENANT, _DEVICE, outbox.epoch, sequence)
                store.execute("INSERT INTO numbered VALUES (?, ?, ?, ?)", numbered)
    return tmp_path


def _found(folder: Path, store: sqlite3.Connection) -> Found:
    return held_against(folder, TENANT, lambda query: store.execute(query).fetchall())


def test_what_was_delivered_is_there_once_and_what_waits_is_not_lost(
    folder: Path, store: sqlite3.Connection
) -> None:
    found = _found(folder, store)
    assert found.holds, found.line
    assert (found.given, found.stored, found.waiting) == (6, 5, 1)


def test_what_a_device_takes_for_delivered_and_nobody_has_is_lost(
    folder: Path, store: sqlite3.Connection
) -> None:
    store.execute("DELETE FROM event WHERE rowid = 3")
    store.execute("DELETE FROM numbered WHERE rowid = 3")
    found = _found(folder, store)
    assert (found.lost, found.gaps, found.holds) == (1, 1, False)


def test_a_row_too_many_and_an_event_of_nobody_are_seen(
    folder: Path, store: sqlite3.Connection
) -> None:
    store.execute("INSERT INTO event SELECT * FROM event WHERE rowid = 2")
    found = _found(folder, store)
    assert (found.twice, found.unknown, found.holds) == (1, 0, False)
    store.execute("INSERT INTO event VALUES (?, ?, 'of nobody')", (TENANT, _DEVICE))
    assert _found(folder, store).unknown == 1


def test_rubbish_is_a_fault(folder: Path, store: sqlite3.Connection) -> None:
    store.execute("INSERT INTO refused VALUES (1)")
    found = _found(folder, store)
    assert not found.holds
    assert "1 refused" in found.line
