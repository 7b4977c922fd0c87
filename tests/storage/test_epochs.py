"""Epochs: what begins one, what it names, and what outlives it."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from agent.protocol.events import Predecessor
from agent.storage import kept_table
from agent.storage.database import Database
from agent.storage.kept_table import Asked
from agent.storage.outbox_queries import Lane
from drivers.testing import FakeClock
from tests.support.drafts import birth, case_opened
from tests.support.outboxes import NOON, open_outbox, sequences

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agent.storage.outbox import Outbox


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "kerbwatch.db") as database:
        yield database


def add(database: Database, outbox: Outbox, count: int = 1) -> list[int]:
    clock = FakeClock(NOON)
    return database.write(
        lambda c: [outbox.add(c, case_opened(clock)) for _ in range(count)]
    ).result()


def kept(database: Database) -> list[tuple[Any, ...]]:
    with closing(database.read()) as connection:
        return connection.execute(
            "SELECT epoch, sequence, standing, waiting FROM kept ORDER BY id"
        ).fetchall()


def texts(database: Database, table: str) -> dict[str, str]:
    with closing(database.read()) as connection:
        return dict(connection.execute(f"SELECT event_id, event FROM {table}").fetchall())


def test_the_first_number_of_an_epoch_is_its_births_whenever_that_comes(
    database: Database,
) -> None:
    outbox, clock = open_outbox(database), FakeClock(NOON)
    assert add(database, outbox, 2) == [2, 3]
    births = [
        database.write(lambda c: outbox.add_birth(c, birth(clock))).result() for _ in range(2)
    ]
    assert births == [1, 4], "the next connection's is one event more"
    outbox.begin_epoch("rolled_back").result()
    assert database.write(lambda c: outbox.add_birth(c, birth(clock))).result() == 1


def test_a_device_that_runs_on_from_a_replays_state_begins_an_epoch_with_its_birth(
    database: Database,
) -> None:
    clock = FakeClock(NOON)
    assert add(database, open_outbox(database, "4e91a7"), 2) == [1, 2]
    outbox = open_outbox(database)
    assert outbox.epoch != "4e91a7"
    assert database.write(lambda c: outbox.add_birth(c, birth(clock))).result() == 1
    assert sequences(database) == [1, 2, 3]


def test_an_epoch_names_the_one_before_with_its_last_number_and_why_it_began(
    tmp_path: Path,
) -> None:
    path = tmp_path / "kerbwatch.db"
    with Database(path) as database:
        first = open_outbox(database, boot_id="boot-1")
        assert (first.begun.because, first.predecessor) == ("first_start", None)
        add(database, first, 3)
        first.confirm([2]).result()
    with Database(path) as database:  # the power went: that run never ended
        second = open_outbox(database, boot_id="boot-2")
        assert (second.begun.because, second.begun.carried) == ("power_cut", 2)
        assert second.predecessor == Predecessor(epoch=first.epoch, last_sequence=4)
        assert sequences(database) == [2, 3]
        assert second.knows(first.epoch)
        assert not second.knows("another")
    with Database(path) as database:
        again = open_outbox(database, boot_id="boot-2")
        assert again.begun == second.begun, "a restart within the boot begins nothing"


def test_two_devices_from_one_card_name_the_same_predecessor(tmp_path: Path) -> None:
    """What a platform sees of a cloned card: two births of number 1 that continue one epoch."""
    with Database(tmp_path / "a.db") as database:
        cloned = open_outbox(database).epoch
    shutil.copy(tmp_path / "a.db", tmp_path / "b.db")
    successors = set()
    for name in ("a", "b"):
        with Database(tmp_path / f"{name}.db") as database:
            outbox = open_outbox(database)
            assert outbox.epoch == cloned, "neither knows of the other"
            add(database, outbox)
            outbox.begin_epoch("copied").result()  # the platform met two events under one number
            assert outbox.begun.because == "copied"
            assert outbox.predecessor == Predecessor(epoch=cloned, last_sequence=2)
            successors.add(outbox.epoch)
    assert len(successors) == 2


def test_what_has_arrived_outlives_its_epoch_byte_for_byte(tmp_path: Path) -> None:
    with Database(tmp_path / "kerbwatch.db") as database:
        outbox = open_outbox(database, keep_arrived=10)
        given = add(database, outbox, 4)
        outbox.confirm(given[:3]).result()
        before, old = texts(database, "outbox"), outbox.epoch
        outbox.begin_epoch("rolled_back").result()
        assert [row[:2] for row in kept(database)] == [(old, 2), (old, 3), (old, 4)]
        assert texts(database, "kept").items() <= before.items()
        again = outbox.resend(Asked(old, ((3, 9),))).result()
        assert again == (2, []), "of this epoch there is none"
        assert outbox.figures().rows == 1 + 2
        with closing(database.read()) as reader:
            rows = kept_table.waiting(
                reader, Lane.CASE, passed=0, taken=(), limit=9, limit_bytes=10**6
            )
        assert [row.numbered for row in rows] == [(old, 3), (old, 4)]
        outbox.confirm([row.key for row in rows]).result()
        assert outbox.figures().rows == 1


def test_events_can_be_asked_for_by_the_time_at_which_they_occurred(tmp_path: Path) -> None:
    clock = FakeClock(NOON)
    with Database(tmp_path / "kerbwatch.db") as database:
        outbox = open_outbox(database, keep_arrived=10)
        for _ in range(4):
            database.write(lambda c: outbox.add(c, case_opened(clock))).result()
            outbox.confirm(sequences(database)).result()
            clock.advance(60)
            if outbox.begun.because == "first_start" and len(kept(database)) < 1:
                outbox.begin_epoch("copied").result()
        start_s = NOON.timestamp()
        asked = Asked(None, (), start_s, start_s + 120)
        assert outbox.resend(asked).result() == (2, [2]), "one of each epoch"
        with closing(database.read()) as reader:
            assert kept_table.counted(reader, asked, outbox.epoch) == (0, 2)


def test_the_quota_is_one_over_all_epochs_and_the_oldest_go_first(tmp_path: Path) -> None:
    with Database(tmp_path / "kerbwatch.db") as database:
        outbox = open_outbox(database, keep_arrived=3)
        outbox.confirm(add(database, outbox, 3)).result()
        old = outbox.epoch
        outbox.begin_epoch("copied").result()
        outbox.confirm(add(database, outbox, 2)).result()
        assert [row[:2] for row in kept(database)] == [(old, 4)]
        assert len(texts(database, "outbox")) == 2


def test_what_a_limit_refused_waits_again_once_a_larger_one_is_announced(
    database: Database,
) -> None:
    outbox = open_outbox(database)
    given = add(database, outbox, 3)
    outbox.set_aside(given[:1], "1500 bytes; the broker takes 1000", limit_bytes=1000).result()
    outbox.set_aside(given[1:2], "Packet too large").result()  # nobody said what is allowed
    assert outbox.resend_what_fits(1000).result() == 0
    assert outbox.resend_what_fits(1001).result() == 1
    assert [row[1:] for row in kept(database)] == [(2, "set_aside", 1), (3, "set_aside", 0)]
    assert outbox.resend(Asked(outbox.epoch, ((3, 3),))).result() == (1, [])


def test_a_refusal_of_the_platforms_ends_the_sending_and_is_kept(tmp_path: Path) -> None:
    with Database(tmp_path / "kerbwatch.db") as database:
        outbox = open_outbox(database, keep_arrived=10)
        given = add(database, outbox, 2)
        outbox.confirm(given[:1], refused="unknown_zone").result()
        assert sequences(database) == given[1:]
        outbox.begin_epoch("copied").result()
        with closing(database.read()) as reader:
            [row] = reader.execute("SELECT sequence, standing, refused FROM kept").fetchall()
        assert row == (2, "arrived", "unknown_zone")


def test_an_event_that_must_have_another_number_keeps_its_id(tmp_path: Path) -> None:
    with Database(tmp_path / "kerbwatch.db") as database:
        outbox = open_outbox(database, keep_arrived=10)
        outbox.confirm(add(database, outbox)).result()
        outbox.begin_epoch("copied").result()
        [(event_id, _)] = texts(database, "kept").items()
        outbox.number_anew([-1], outbox.epoch).result()
        assert kept(database) == []
        event = json.loads(texts(database, "outbox")[event_id])
        assert (event["epoch"], event["sequence"]) == (outbox.epoch, 2)
