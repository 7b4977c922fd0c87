"""Of a database that is left, damaged or with its disk, every table is saved, or is named as left on purpose."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.config.loading import from_tables
from agent.domain.scene import Box, Look, Member
from agent.protocol.case import Verdict
from agent.protocol.events import Loss
from agent.protocol.evidence import Manifest, Tombstone, digest_of, link_of
from agent.protocol.fields import MAX_NUMBER
from agent.protocol.vectors import example_record
from agent.storage import (
    day_counters,
    evidence_chain,
    held_back_table,
    lived_time_counter,
    migrations,
    plain_tables,
    verdict_table,
)
from agent.storage.case_notes import note_ticket, note_verdict
from agent.storage.case_table import save_case, save_trace, traces_of
from agent.storage.command_table import remember
from agent.storage.corruption import open_database
from agent.storage.database import Database
from agent.storage.epoch import settle_epoch
from agent.storage.evidence_chain import Deletion, Record
from agent.storage.evidence_job_table import add_job, oldest_job
from agent.storage.loss_table import mark_reported, note_loss, unreported
from agent.storage.memory_fallback import CARRIED_RECORDS
from agent.storage.minute_table import ZoneMinute, keep_minutes
from agent.storage.outbox_queries import Lane
from agent.storage.picture_table import Put, QueuedPicture, queue_picture, queued
from agent.storage.state_table import save_state
from agent.storage.verdict_table import judged
from agent.telemetry.daily_summary import summary_of
from drivers.testing import FakeClock
from tests.support.cases import OPEN_CASE
from tests.support.drafts import case_opened
from tests.support.outboxes import open_outbox
from tests.support.scenes import NOON
from tests.support.sites import site_of
from tests.support.storage_at_start import CLOCK, NAME, Storage

if TYPE_CHECKING:
    from agent.protocol.base import LaneName

DAMAGED = dataclasses.replace(OPEN_CASE, case_id="case-3", place_id="elsewhere")
DAY = "2026-01-01"
Contents = dict[str, set[Any]]


def fill(connection: sqlite3.Connection) -> None:
    """At least one row of every kind into every table beside the outbox."""
    save_case(connection, OPEN_CASE)
    save_case(connection, dataclasses.replace(OPEN_CASE, case_id="case-2", state="cleared"))
    save_case(connection, DAMAGED)
    save_trace(connection, OPEN_CASE.case_id, "case.opened", '{"count":1}', '{"at":1}')
    note_ticket(connection, OPEN_CASE.case_id, "2026-7")
    verdict = Verdict(verdict="valid", duplicate_of=None, reference="r", at=NOON, key="k" * 43)
    note_verdict(connection, OPEN_CASE.case_id, verdict)
    remember(connection, "signed", "c-1", "0" * 64, "{}", 100)
    clock = FakeClock(NOON)
    lived_time_counter.count_on(connection, clock)
    clock.advance(1000)
    lived_s = lived_time_counter.count_on(connection, clock).lived_s
    day_counters.count(connection, DAY, {("kerb", "misparked_bike", "opened"): 3.0})
    day_counters.written_on(connection, DAY, lived_s)
    connection.execute("INSERT INTO ageing VALUES ('case', 'case-2', ?)", (lived_s - 10,))
    for number in (5, 9):
        note_loss(connection, "0123456789abcdef", Lane.CASE, [number], "no room", 1e9)
    [first, _] = unreported(connection, 2)
    mark_reported(connection, [first], 3)
    put = Put("https://platform.example/p", 2e9)
    queue_picture(connection, QueuedPicture("a" * 64, "case-2", "case-2/x.jpg", 7, put=put), NOON)
    add_job(connection, "case-2", "cleared", '{"event_id":"e"}')
    jws = example_record(Manifest, case_id="case-2")
    digest = digest_of(jws)
    link = link_of(None, digest)
    evidence_chain.append(connection, Record(17, "case-2", "opened", digest, link, "x" * 43, jws))
    evidence_chain.note_deletions(connection, [Deletion("case-4", "age", 1e9, 3, 1000)])
    verdict_table.keep_verdict(connection, OPEN_CASE, "valid")
    look = Look(Box(0.1, 0.1, 0.2, 0.2), "AAAA", (1.0, 2.0))
    member = Member("1", "bicycle", look.box, 1.0, look=look)
    held_back_table.hold(connection, dataclasses.replace(OPEN_CASE, members=(member,)))
    keep_minutes(connection, [ZoneMinute("kerb", NOON, {"frames": 1})])
    save_state(connection, "uplink.daily_bytes", '{"day":"2026-01-01"}')
    save_state(connection, "analysis.snapshot.street", '{"now_s":7}')


def fill_outbox(database: Database) -> None:
    """What has arrived in a former epoch and in this one, what was set aside, and what waits."""
    outbox = open_outbox(database, keep_arrived=10)

    def add(connection: sqlite3.Connection) -> int:
        return outbox.add(connection, case_opened(CLOCK), Lane.CASE)

    outbox.confirm([database.write(add).result()], outbox.epoch).result()
    outbox.begin_epoch("rolled_back").result()
    arrived, refused, _ = (database.write(add).result() for _ in range(3))
    outbox.confirm([arrived], outbox.epoch).result()
    outbox.set_aside([refused], "too large", epoch=outbox.epoch).result()


def contents(connection: sqlite3.Connection) -> Contents:
    """By table: what of each row means the same in any database."""
    names = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '%sqlite%'"
    ).fetchall()
    of_others = {
        "outbox": "SELECT event_id FROM outbox WHERE arrived = 0",
        "kept": "SELECT epoch, sequence, event_id, standing FROM kept UNION SELECT value, sequence,"
        " event_id, 'arrived' FROM outbox, state WHERE arrived = 1 AND name = 'outbox.epoch'",
        "cases": "SELECT case_id, state, document FROM cases WHERE case_id != 'case-3'",
        "state": "SELECT name, value FROM state WHERE name NOT LIKE 'outbox.%'"
        " AND name NOT LIKE 'storage.%'",
    }
    found: Contents = {}
    for (table,) in names:
        known = table in of_others or table in plain_tables.PLAIN or table in plain_tables.LEFT
        assert known, f"{table}: save it (plain_tables.PLAIN), or say why it is left (LEFT)"
        columns = "*" if table in plain_tables.LEFT else plain_tables.PLAIN.get(table, ["", "*"])[1]
        query = of_others.get(table, f"SELECT {columns} FROM {table}")
        found[table] = set(connection.execute(query))
        written = found[table] or table in plain_tables.LEFT
        assert written, f"{table}: write a row of it in this test"
    return found


def missing(before: Contents, after: Contents) -> Contents:
    return {table: rows - after[table] for table, rows in before.items() if rows - after[table]}


def read(database: Database) -> Contents:
    with closing(database.read()) as connection:
        return contents(connection)


def damage(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE cases SET document = '{}' WHERE case_id = 'case-3'")


def test_every_table_of_a_damaged_database_is_saved(tmp_path: Path) -> None:
    with Database(tmp_path / NAME) as database:
        database.write(fill).result()
        fill_outbox(database)
        before = read(database)
    damage(tmp_path / NAME)
    database, found = open_database(tmp_path / NAME, check=True)
    assert found is not None
    assert (found.events, found.cases) == (1, 1)
    with database:
        open_outbox(database)
        lost = missing(before, read(database))
    assert lost.keys() <= plain_tables.LEFT, lost


def test_every_table_goes_into_memory_and_comes_back(tmp_path: Path) -> None:
    corner = Storage(tmp_path, tmp_path / "memory")
    with corner.database as database:
        database.write(fill).result()
        fill_outbox(database)
        before = read(database)
        corner.fail()
        database.write(lambda c: note_ticket(c, "case-2", "2026-8")).result()
        assert database.stood_in is not None
        with closing(database.read()) as connection:
            reported = connection.execute("SELECT count(*) FROM losses").fetchone()
    assert reported == (1,), "what was told as lost before needs no telling"
    corner = Storage(tmp_path, tmp_path / "memory")
    with corner.database as database:
        assert database.stood_in is None
        after = read(database)
    assert missing(before, after) == {}
    assert len(after["losses"]) == 2, "none comes back twice"
    assert ("case-2", "2026-8", None) in after["case_notes"]


def test_a_long_chain_of_evidence_does_not_fill_memory_and_is_whole_again_after_it(
    tmp_path: Path,
) -> None:
    def write_chain(connection: sqlite3.Connection) -> None:
        jws = example_record(Manifest, case_id="case-2")
        digest = digest_of(jws)
        link = link_of(None, digest)
        for number in range(1, 3 * CARRIED_RECORDS):
            case_id = f"case-{number}"
            record = Record(number, case_id, "opened", digest, link, "x" * 43, jws)
            evidence_chain.append(connection, record)
        evidence_chain.note_deletions(connection, [Deletion("case-7", "age", 1e9, 3, 1000)])

    def numbers(database: Database) -> list[int]:
        with closing(database.read()) as connection:
            return [number for number, _ in evidence_chain.digests(connection, 0, MAX_NUMBER)]

    corner = Storage(tmp_path, tmp_path / "memory")
    with corner.database as database:
        database.write(write_chain).result()
        before = numbers(database)
        corner.fail()
        database.write(lambda c: note_ticket(c, "case-2", "2026-8")).result()
        assert database.stood_in is not None
        assert numbers(database) == [7, *before[-CARRIED_RECORDS:]]
    corner = Storage(tmp_path, tmp_path / "memory")
    with corner.database as database:
        assert database.stood_in is None
        assert numbers(database) == before


def test_a_summary_counts_what_was_before_the_damage(tmp_path: Path) -> None:
    site = from_tables(site_of())
    with Database(tmp_path / NAME) as database:
        database.write(fill).result()
        open_outbox(database)
        with closing(database.read()) as connection:
            before = summary_of(connection, site, DAY, complete=True)
    damage(tmp_path / NAME)
    database, _ = open_database(tmp_path / NAME, check=True)
    with database, closing(database.read()) as connection:
        after = summary_of(connection, site, DAY, complete=True)
    assert after.zones == before.zones
    assert after.zones[0].cases


ANYTHING = (
    st.none() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(max_size=20) | st.binary()
)
LIKELY = st.sampled_from(
    ["{}", DAY, "a" * 64, "quarantined", "suppressed.a", 0, 1, 3, -1.0, 1e9, 1e300, None]
)


@pytest.fixture(scope="module")
def tables() -> Iterator[sqlite3.Connection]:
    """Tables as the product makes them, with rows as it writes them."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrations.apply(connection)
        settle_epoch(connection, None, None, "first_start")
        fill(connection)
        yield connection


@pytest.mark.parametrize("table", plain_tables.PLAIN)
@settings(max_examples=400)
@given(data=st.data())
def test_whatever_a_damaged_row_holds_it_is_left_or_is_one_that_can_be_gone_on_with(
    tables: sqlite3.Connection, table: str, data: st.DataObject
) -> None:
    columns = plain_tables.PLAIN[table].columns
    row = list(tables.execute(f"SELECT {columns} FROM {table} LIMIT 1").fetchone())
    for column in data.draw(st.sets(st.integers(0, len(row) - 1), max_size=2)):
        row[column] = data.draw(LIKELY | ANYTHING)
    with closing(sqlite3.connect(":memory:")) as damaged:
        damaged.execute(f"CREATE TABLE {table} ({columns})")
        if table in {"orders", "epochs", "evidence_job"}:
            damaged.execute(f"ALTER TABLE {table} ADD COLUMN number")
        if table == "picture_queue":
            damaged.execute("ALTER TABLE picture_queue ADD COLUMN id")
        damaged.execute(
            f"INSERT INTO {table} ({columns}) VALUES ({', '.join('?' * len(row))})", row
        )
        saved = plain_tables.rows_of(damaged, [table])
    tables.execute("BEGIN")
    tables.execute(f"DELETE FROM {table}")
    plain_tables.put(tables, saved)
    for loss in unreported(tables, 10):
        Loss(
            epoch=loss.epoch,
            lane=cast("LaneName", Lane(loss.lane).name.lower()),
            reason=loss.reason,
            ranges=((loss.first, loss.last),),
            from_at=datetime.fromtimestamp(loss.at_s, UTC),
            to_at=datetime.fromtimestamp(loss.at_s, UTC),
        )
    day_counters.suppressed(tables)
    judged(tables)
    day_counters.due(tables, "2026-01-03", 0.0)
    queued(tables, by_put=True)
    oldest_job(tables)
    before = evidence_chain.head(tables)
    for each in evidence_chain.untold(tables, 10):
        at = None if each.at_s is None else datetime.fromtimestamp(each.at_s, UTC)
        example_record(
            Tombstone,
            number=1 if before is None else before.number + 1,
            previous=None if before is None else before.link,
            case_id=each.case_id,
            why=each.why,
            deleted_at=at,
        )
    for _, text in ((each.case_id, each.trace) for each in traces_of(tables, "")):
        json.loads(text)
    tables.execute("ROLLBACK")


def test_ages_of_a_lived_time_that_is_lost_are_forgotten(tmp_path: Path) -> None:
    """By a lived time that begins again, nothing would be old for as long as the device has lived."""
    with Database(tmp_path / NAME) as database:
        database.write(fill).result()
        query = "UPDATE state SET value = '' WHERE name = 'retention.lifetime'"
        database.write(lambda connection: connection.execute(query)).result()
    database, found = open_database(tmp_path / NAME, check=True)
    assert found is not None
    with database, closing(database.read()) as connection:
        assert connection.execute("SELECT * FROM ageing").fetchall() == []
        pages = day_counters.read(connection, DAY)
    assert pages == {("kerb", "misparked_bike", "opened"): 3.0}
