"""Several workers on the same devices, each killed in the middle of what it does: numbers there or named lost, every event once."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from kerbwatch_platform import store
from kerbwatch_platform.contract.message import Message

from tests.support.both_stores import Both
from tests.support.device_lives import lives

if TYPE_CHECKING:
    from pathlib import Path

ROUNDS = int(os.environ.get("KERBWATCH_ROUNDS", "1"))
WORKERS = 3


class Worker:
    """A process of which every line is what it told a device."""

    def __init__(self, database: str, messages: Path, seed: int) -> None:
        command = [sys.executable, "-m", "tests.support.store_worker"]
        told = [*command, database, str(messages), str(seed)]
        self._process = subprocess.Popen(told, stdout=subprocess.PIPE, text=True)

    def killed_after(self, lines: int) -> list[dict[str, Any]]:
        """Kill it once it has told so much; all that it told."""
        assert self._process.stdout is not None
        told = [self._process.stdout.readline() for _ in range(lines)]
        self._process.kill()
        return self._read(told)

    def ended(self) -> list[dict[str, Any]]:
        """All that it told, when it has done everything."""
        told = self._read([])
        assert self._process.returncode == 0
        return told

    def _read(self, told: list[str]) -> list[dict[str, Any]]:
        rest, _ = self._process.communicate()
        told += rest.splitlines(keepends=True)
        return [json.loads(line) for line in told if line.endswith("\n")]


def assert_none_is_ahead(connection: psycopg.Connection, told: list[dict[str, Any]]) -> None:
    """Every number that a device was told of is in the store, or named."""
    for each in told:
        stretches = connection.execute(
            "SELECT first, last FROM stretch WHERE device = %s AND epoch = %s",
            (each["device"], each["epoch"]),
        ).fetchall()
        ranges = [(0, each["contiguous_through"]), *each.get("ranges", ())]
        for first, last in ranges:
            assert any(begin <= first and last <= end for begin, end in stretches), each


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_whichever_worker_is_killed_all_of_it_is_there_once_and_no_receipt_is_ahead(
    seed: int, database: str, connection: psycopg.Connection, tmp_path: Path
) -> None:
    messages = lives(6, seed)
    file = tmp_path / "messages.json"
    file.write_text(json.dumps(messages), encoding="utf-8")
    chance = random.Random(seed)
    for turn in range(2):
        working = [Worker(database, file, WORKERS * turn + each) for each in range(WORKERS)]
        for each in working:
            assert_none_is_ahead(connection, each.killed_after(chance.randint(1, 60)))
    last = [Worker(database, file, 100 + each) for each in range(WORKERS)]
    for each in last:
        assert_none_is_ahead(connection, each.ended())
    both = Both(connection)
    both.take([(topic, text.encode()) for topic, text in messages])  # nothing of it is new
    both.compare(but_numbers=True)
    assert connection.execute("SELECT * FROM missing").fetchall() == []
    assert connection.execute("SELECT * FROM conflict").fetchall() == []
    assert connection.execute("SELECT count(*) FROM lost").fetchall() == [(6 * 6,)]


ENDED_ONCE = """
CREATE SEQUENCE tries;
CREATE FUNCTION as_in_a_deadlock() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF nextval('tries') <= 2 THEN RAISE EXCEPTION 'two waited for each other' USING ERRCODE = '40P01'; END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER ended AFTER INSERT ON numbered FOR EACH STATEMENT EXECUTE FUNCTION as_in_a_deadlock();
"""
"""The database ends the first two transactions; what a sequence has given stays given."""


def test_a_batch_that_the_database_ends_for_a_deadlock_is_taken_in_once_more(
    connection: psycopg.Connection,
) -> None:
    connection.execute(ENDED_ONCE)
    messages = [Message(to, text.encode()) for to, text in lives(1, 1, 20)]
    store.take(connection, messages)
    assert connection.execute("SELECT * FROM missing").fetchall() == []
    assert connection.execute("SELECT last_value FROM tries").fetchall() == [(3,)]


def test_within_a_transaction_of_the_callers_a_deadlock_is_the_callers_to_repeat(
    connection: psycopg.Connection,
) -> None:
    connection.execute(ENDED_ONCE)
    [message, *_] = [Message(to, text.encode()) for to, text in lives(1, 1, 20)]
    with pytest.raises(psycopg.errors.DeadlockDetected), connection.transaction():
        store.take(connection, [message])
    assert connection.execute("SELECT * FROM event").fetchall() == []
