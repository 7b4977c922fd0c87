"""A damaged database costs what cannot be read of it, and never the seeing."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from agent.identity.signing_key import Signer
from agent.storage import plain_tables
from agent.storage.case_notes import note_ticket, notes_on
from agent.storage.case_table import load_open_cases, save_case
from agent.storage.command_table import answered, remember
from agent.storage.corruption import KEPT, open_database
from agent.storage.database import Database
from agent.storage.epoch import EPOCH
from agent.storage.errors import StorageError
from agent.storage.outbox_queries import Lane, waiting
from agent.storage.paths import QUARANTINE
from agent.storage.state_table import ANALYSIS_SNAPSHOT, load_state, save_state
from agent.telemetry import storage_incidents
from tests.support.cases import OPEN_CASE
from tests.support.drafts import case_opened
from tests.support.outboxes import open_outbox, waiting_ids
from tests.support.storage_at_start import CLOCK, NAME


def filled(folder: Path, count: int) -> tuple[str, list[str]]:
    """A closed database with an open case and so many waiting events; its epoch and their ids."""
    with Database(folder / NAME) as database:
        outbox = open_outbox(database)
        drafts = [case_opened(CLOCK) for _ in range(count)]

        def write(connection: sqlite3.Connection) -> None:
            save_case(connection, OPEN_CASE)
            for draft in drafts:
                outbox.add(connection, draft, Lane.CASE)

        database.write(write).result()
        return outbox.epoch, [draft.event_id for draft in drafts]


@pytest.mark.parametrize("content", [b"", b"not a database, for a thousand reasons" * 200])
def test_what_is_no_database_is_kept_aside_and_a_new_one_serves(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / NAME).write_bytes(content)
    database, found = open_database(tmp_path / NAME, check=True)
    with database:
        open_outbox(database)
        assert waiting_ids(database) == []
    if content:  # an empty file is what SQLite begins with
        assert found is not None
        assert (tmp_path / QUARANTINE / "1" / NAME).read_bytes() == content


def test_a_whole_database_is_left_where_it_is(tmp_path: Path) -> None:
    epoch, ids = filled(tmp_path, 5)
    database, found = open_database(tmp_path / NAME, check=True)
    with database:
        assert found is None
        assert open_outbox(database).epoch == epoch
        assert waiting_ids(database) == ids
    assert not (tmp_path / QUARANTINE).exists()


def test_only_the_database_of_a_device_that_had_one_is_missed(tmp_path: Path) -> None:
    assert not storage_incidents.is_gone(tmp_path), "a device that begins"
    (tmp_path / NAME).touch()
    Signer(tmp_path / "keys")
    assert not storage_incidents.is_gone(tmp_path)
    (tmp_path / NAME).unlink()
    assert storage_incidents.is_gone(tmp_path)


def test_another_fault_than_damage_is_not_taken_for_damage(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    with pytest.raises(StorageError):
        open_database(tmp_path / NAME, check=False)
    assert not (tmp_path / QUARANTINE).exists()


@pytest.mark.parametrize("seed", range(12))
def test_what_can_still_be_read_goes_on_under_a_new_epoch_with_its_ids(
    tmp_path: Path, seed: int
) -> None:
    epoch, ids = filled(tmp_path, 300)
    die, path = random.Random(seed), tmp_path / NAME
    content = bytearray(path.read_bytes())
    for _ in range(3):  # whole sectors, as a worn card gives them back
        at = die.randrange(1, len(content) // 512) * 512
        content[at : at + 512] = die.randbytes(512)
    path.write_bytes(content)
    database, found = open_database(path, check=True)
    with database:
        outbox = open_outbox(database)
        saved = waiting_ids(database)
        with closing(database.read()) as connection:
            rows = waiting(connection, Lane.CASE, limit=1000, limit_bytes=1 << 30)
            cases = load_open_cases(connection)
    if found is None:  # the sectors lay in free pages
        assert saved == ids
        return
    assert outbox.epoch != epoch
    assert found.events == len(saved)
    assert set(saved) <= set(ids)
    assert saved == sorted(saved, key=ids.index), "in their order"
    assert [row.key for row in rows] == list(range(2, len(rows) + 2)), "after the birth"
    assert all(f'"epoch":"{outbox.epoch}"' in row.event for row in rows)
    assert found.cases == len(cases)
    assert cases in ([], [OPEN_CASE])


def test_most_of_a_damaged_outbox_is_saved(tmp_path: Path) -> None:
    _, ids = filled(tmp_path, 300)
    path = tmp_path / NAME
    content = bytearray(path.read_bytes())
    middle = content.index(ids[150].encode())
    content[middle // 4096 * 4096 : middle // 4096 * 4096 + 512] = bytes(512)
    path.write_bytes(content)
    database, found = open_database(path, check=True)
    database.close()
    assert found is not None
    assert found.events >= 250
    assert found.cases == 1


def test_only_the_newest_damaged_databases_are_kept(tmp_path: Path) -> None:
    for round_ in range(KEPT + 2):
        (tmp_path / NAME).write_bytes(b"damage %d" % round_ * 1000)
        open_database(tmp_path / NAME, check=True)[0].close()
        (tmp_path / NAME).unlink()
    kept = sorted(int(each.name) for each in (tmp_path / QUARANTINE).iterdir())
    assert kept == [3, 4, 5]


def test_a_case_that_says_something_else_than_was_written_is_not_believed(tmp_path: Path) -> None:
    _, ids = filled(tmp_path, 3)
    with Database(tmp_path / NAME) as database:
        query = "UPDATE cases SET document = replace(document, 'misparked_bike', 'misparked_bikd')"
        database.write(lambda connection: connection.execute(query)).result()
    database, found = open_database(tmp_path / NAME, check=True)
    with database, closing(database.read()) as connection:
        assert load_open_cases(connection) == []
        assert waiting_ids(database) == ids
    assert found is not None
    assert (found.cases, found.events) == (0, 3)


def test_where_the_analysis_stood_is_taken_over(tmp_path: Path) -> None:
    filled(tmp_path, 1)
    with Database(tmp_path / NAME) as database:
        database.write(
            lambda c: save_state(c, f"{ANALYSIS_SNAPSHOT}street", '{"now_s":7}')
        ).result()
        database.write(lambda c: c.execute("UPDATE state SET value = '' WHERE name = ?", (EPOCH,)))
    database, found = open_database(tmp_path / NAME, check=True)
    assert found is not None
    with database, closing(database.read()) as connection:
        assert load_state(connection, f"{ANALYSIS_SNAPSHOT}street") == '{"now_s":7}'


def test_what_the_platform_told_is_saved_on_both_sides_of_the_damage(tmp_path: Path) -> None:
    """Else a command that is repeated is obeyed again, also a signed one."""
    filled(tmp_path, 1)
    ids = [f"c-{number:03}" for number in range(600)]

    def write(connection: sqlite3.Connection) -> None:
        for each in ids:
            remember(connection, "signed", each, "0" * 64, '{"answer": true}', 1000)
            note_ticket(connection, each, f"2026-{each}")

    with Database(tmp_path / NAME) as database:
        database.write(write).result()
    content = bytearray((tmp_path / NAME).read_bytes())
    for text in (b"signed/c-300" + b"0" * 64, b"c-3002026-c-300"):
        page = content.index(text) // 4096 * 4096
        content[page : page + 512] = bytes(512)
    (tmp_path / NAME).write_bytes(content)
    database, found = open_database(tmp_path / NAME, check=True)
    assert found is not None
    with database, closing(database.read()) as connection:
        known = [each for each in ids if answered(connection, "signed", each) is not None]
        noted = [each for each in ids if notes_on(connection, each).ticket == f"2026-{each}"]
    for saved in (known, noted):
        assert 400 < len(saved) < 600
        assert {ids[0], ids[-1]} <= set(saved)


@pytest.mark.parametrize("damage", ["NULL", "x'ff'", "7", "'['"])
@pytest.mark.parametrize("column", ["command_id", "digest", "answer"])
def test_an_answer_that_is_none_any_more_costs_itself_and_nothing_else(
    column: str, damage: str
) -> None:
    values = {"command_id": "'b'", "digest": "'0'", "answer": "'{}'"} | {column: damage}
    with closing(sqlite3.connect(":memory:")) as damaged:
        damaged.execute(
            "CREATE TABLE orders (number INTEGER PRIMARY KEY, command_id, digest, answer)"
        )
        damaged.execute("INSERT INTO orders VALUES (1, 'a', '0', '{}')")
        damaged.execute(f"INSERT INTO orders VALUES (2, {', '.join(values.values())})")
        told = plain_tables.rows_of(damaged, ["orders", "case_notes"])
    assert told["case_notes"] == []
    assert told["orders"][0] == ("a", "0", "{}")
    assert all(isinstance(part, str) for row in told["orders"] for part in row), (
        "what the tables take"
    )
