"""The queue: nothing twice, nothing out of order, nothing without its number."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from pydantic import TypeAdapter, ValidationError

from agent.protocol.events import CaseEvent, Event, Predecessor
from agent.storage import kept_table
from agent.storage.database import Database
from agent.storage.epoch import BIRTH
from agent.storage.outbox import Outbox
from agent.storage.outbox_queries import Lane, live_from, waiting, waits
from agent.storage.state_table import load_state, save_state
from drivers.testing import FakeClock
from tests.support.drafts import birth, case_opened
from tests.support.outboxes import NOON, open_outbox, sequences

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.protocol.events import Draft

LANES = st.sampled_from(Lane)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "kerbwatch.db") as database:
        yield database


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOON)


def add(database: Database, outbox: Outbox, draft: Draft, lane: Lane = Lane.CASE) -> int:
    return database.write(lambda connection: outbox.add(connection, draft, lane)).result()


def first_text(database: Database, lane: Lane = Lane.CASE) -> str:
    with closing(database.read()) as connection:
        return waiting(connection, lane, limit=1)[0].event


def test_an_event_is_kept_as_the_platform_will_read_it(
    database: Database, clock: FakeClock
) -> None:
    outbox = open_outbox(database)
    draft = case_opened(clock)
    sequence = add(database, outbox, draft)
    event: Event = TypeAdapter[Event](Event).validate_json(first_text(database))
    assert isinstance(event, CaseEvent)
    assert (event.event_id, event.epoch, event.sequence) == (
        draft.event_id,
        outbox.epoch,
        sequence,
    )
    assert event.body.model_dump(exclude=_times) == draft.body.model_dump(exclude=_times)


_times = {"began_at", "opened_at", "last_present_at"}


def test_times_are_the_sites_and_texts_are_plain(database: Database, clock: FakeClock) -> None:
    add(database, open_outbox(database), case_opened(clock, address="长安街1号"))
    text = first_text(database)
    assert json.loads(text)["occurred_at"] == "2026-03-01T12:00:00.123+08:00"
    assert json.loads(text)["body"]["began_at"] == "2026-03-01T12:00:00.123+08:00"
    assert "长安街1号" in text
    assert ": " not in text


def test_a_body_of_another_type_is_refused_and_uses_no_number(
    database: Database, clock: FakeClock
) -> None:
    outbox = open_outbox(database)
    wrong = birth(clock).model_copy(update={"type": "case.opened"})
    with pytest.raises(ValidationError):
        add(database, outbox, wrong)
    assert add(database, outbox, case_opened(clock)) == 2, "after the birth"


def test_the_same_event_cannot_be_added_twice(database: Database, clock: FakeClock) -> None:
    outbox = open_outbox(database)
    draft = case_opened(clock)
    add(database, outbox, draft)
    with pytest.raises(sqlite3.IntegrityError):
        add(database, outbox, draft)
    assert sequences(database) == [2]


def test_an_event_and_what_it_tells_of_are_kept_together_or_not_at_all(
    database: Database, clock: FakeClock
) -> None:
    outbox = open_outbox(database)

    def work(connection: sqlite3.Connection, *, fail: bool) -> int:
        save_state(connection, "case", "open")
        sequence = outbox.add(connection, case_opened(clock), Lane.CASE)
        if fail:
            raise LookupError
        return sequence

    with pytest.raises(LookupError):
        database.write(lambda connection: work(connection, fail=True)).result()
    with closing(database.read()) as connection:
        assert load_state(connection, "case") is None
    assert sequences(database) == []
    assert database.write(lambda connection: work(connection, fail=False)).result() == 2


def test_numbers_never_begin_again(tmp_path: Path, clock: FakeClock) -> None:
    with Database(tmp_path / "kerbwatch.db") as database:
        outbox = open_outbox(database)
        last = [add(database, outbox, case_opened(clock)) for _ in range(3)][-1]
        outbox.confirm(sequences(database)).result()
        assert sequences(database) == []
    with Database(tmp_path / "kerbwatch.db") as database:
        assert add(database, open_outbox(database), case_opened(clock)) == last + 1


def test_a_database_keeps_its_epoch_and_another_one_has_another(tmp_path: Path) -> None:
    epochs = []
    for name in ("a", "a", "b"):
        with Database(tmp_path / name / "kerbwatch.db") as database:
            epochs.append(open_outbox(database).epoch)
    assert epochs[0] == epochs[1] != epochs[2]


def test_a_new_epoch_remembers_the_one_before(database: Database) -> None:
    first = open_outbox(database)
    assert first.predecessor is None
    second = open_outbox(database, epoch="replayed")
    assert second.epoch == "replayed"
    assert second.predecessor == Predecessor(epoch=first.epoch, last_sequence=1)
    again = open_outbox(database)
    assert (again.epoch, again.predecessor) == ("replayed", second.predecessor)


def test_figures_count_what_waits(database: Database, clock: FakeClock) -> None:
    outbox = open_outbox(database)
    assert outbox.figures().oldest_s(clock) == 0
    add(database, outbox, case_opened(clock))
    clock.advance(60)
    add(database, outbox, birth(clock), Lane.REST)
    clock.advance(60)
    figures = outbox.figures()
    texts = [first_text(database), first_text(database, Lane.REST)]
    assert figures.rows == 2
    assert figures.size_bytes == sum(len(text.encode()) for text in texts)
    assert figures.oldest_s(clock) == pytest.approx(120)


def test_the_age_of_what_waits_survives_any_clock(database: Database, clock: FakeClock) -> None:
    outbox = open_outbox(database)
    add(database, outbox, case_opened(clock))
    clock.step(clock.now() + timedelta(days=20_000))
    clock.advance(60)
    assert outbox.figures().oldest_s(clock) == 60
    assert outbox.lanes()[Lane.CASE].oldest_s(clock) == 60
    clock.step(clock.now() - timedelta(days=40_000))
    assert outbox.figures().oldest_s(clock) == 60
    clock.reboot("another")
    assert outbox.figures().oldest_s(clock) == 0, "a clock that was set back tells nothing"


def test_what_is_buried_holds_up_nobody_and_is_not_forgotten(
    database: Database, clock: FakeClock
) -> None:
    outbox = open_outbox(database)
    for _ in range(3):
        add(database, outbox, case_opened(clock))
    outbox.set_aside([3], "too large").result()
    assert sequences(database) == [2, 4]
    assert outbox.figures().dead_letters == 1
    with closing(database.read()) as connection:
        [(sequence, reason, event)] = connection.execute("SELECT sequence, reason, event FROM kept")
    assert (sequence, reason, json.loads(event)["sequence"]) == (3, "too large", 3)


def test_only_what_is_young_and_of_this_boot_is_live(database: Database, clock: FakeClock) -> None:
    outbox = open_outbox(database)

    def live() -> int:
        with closing(database.read()) as connection:
            since_s = clock.monotonic_s() - 30
            return live_from(connection, Lane.CASE, clock.boot_id, since_s)

    assert live() == 2
    old = add(database, outbox, case_opened(clock))
    clock.advance(31)
    assert live() == old + 1
    young = add(database, outbox, case_opened(clock))
    add(database, outbox, birth(clock), Lane.REST)
    assert live() == young
    clock.step(NOON.replace(year=2037))
    assert live() == young
    clock.reboot("another")
    assert live() == young + 2


def test_an_epoch_that_the_disk_has_garbled_is_none(tmp_path: Path) -> None:
    path = tmp_path / "kerbwatch.db"
    with Database(path) as database:
        database.write(lambda c: save_state(c, "outbox.epoch", "\x00\x1b[2J" * 9)).result()
        outbox = open_outbox(database)
        assert outbox.predecessor is None
        add(database, outbox, case_opened(FakeClock(NOON)))  # as before, events can be told
        assert len(outbox.epoch) == 16


def test_what_a_broker_says_is_kept_short_and_harmless(tmp_path: Path) -> None:
    with Database(tmp_path / "kerbwatch.db") as database, closing(database.read()) as reader:
        outbox = open_outbox(database)
        number = add(database, outbox, case_opened(FakeClock(NOON)))
        outbox.set_aside([number], "\x1b[2J\u202eno\n" * 5000).result()
        [[letter]] = reader.execute("SELECT reason FROM kept").fetchall()
        assert not reader.execute("SELECT * FROM losses").fetchall(), "while it is kept"
        database.write(lambda c: kept_table.give_up(c, "refused")).result()
        [[loss]] = reader.execute("SELECT reason FROM losses").fetchall()
    for reason in (letter, loss):
        assert len(reason) <= 200
        assert reason.isprintable()
        assert "\\x1b[2J" in reason


@given(sizes=st.lists(st.integers(0, 300), max_size=12), limit_bytes=st.integers(0, 8000))
@settings(max_examples=25, deadline=None)
def test_a_batch_is_the_longest_that_fits_and_never_empty(
    sizes: list[int], limit_bytes: int
) -> None:
    clock = FakeClock(NOON)
    with (
        tempfile.TemporaryDirectory() as folder,
        Database(Path(folder) / "kerbwatch.db") as database,
        closing(database.read()) as reader,
    ):
        outbox = open_outbox(database)
        for size in sizes:
            add(database, outbox, case_opened(clock, padding=size))
        everything = waiting(reader, Lane.CASE, limit=100, limit_bytes=10**9)
        batch = waiting(reader, Lane.CASE, limit=100, limit_bytes=limit_bytes)
        assert batch == everything[: len(batch)]
        if len(batch) > 1:
            assert sum(row.size_bytes for row in batch) <= limit_bytes
        if batch != everything:
            following = everything[len(batch)]
            assert sum(row.size_bytes for row in [*batch, following]) > limit_bytes
            assert batch


class OutboxMachine(RuleBasedStateMachine):
    """An outbox that is added to, confirmed, buried from and reopened, against lists."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.clock = FakeClock(NOON)
        self.lanes: dict[Lane, list[int]] = {lane: [] for lane in Lane}
        self.event_ids: dict[int, str] = {}
        self.dead: set[int] = set()
        self.last = BIRTH
        self._open()

    def _open(self) -> None:
        self.database = Database(self.folder / "kerbwatch.db")
        self.outbox = open_outbox(self.database)

    def teardown(self) -> None:
        self.database.close()
        shutil.rmtree(self.folder)

    @rule(lane=LANES, count=st.integers(1, 3))
    def add(self, lane: Lane, count: int) -> None:
        drafts = [case_opened(self.clock) for _ in range(count)]
        given = self.database.write(
            lambda connection: [self.outbox.add(connection, draft, lane) for draft in drafts]
        ).result()
        assert given == list(range(self.last + 1, self.last + 1 + count))
        self.last += count
        self.lanes[lane] += given
        self.event_ids |= {s: draft.event_id for s, draft in zip(given, drafts, strict=True)}

    @rule(lane=LANES)
    def fail_to_add(self, lane: Lane) -> None:
        def work(connection: sqlite3.Connection) -> None:
            self.outbox.add(connection, case_opened(self.clock), lane)
            raise LookupError

        with pytest.raises(LookupError):
            self.database.write(work).result()

    @precondition(lambda self: any(self.lanes.values()))
    @rule(choice=st.data(), bury=st.booleans())
    def let_go(self, choice: st.DataObject, bury: bool) -> None:
        every = [sequence for lane in self.lanes.values() for sequence in lane]
        gone = choice.draw(st.lists(st.sampled_from(every), unique=True))
        if bury:
            self.outbox.set_aside(gone, "test").result()
            self.dead |= set(gone)
        else:
            self.outbox.confirm(gone).result()
        for lane, kept in self.lanes.items():
            self.lanes[lane] = [sequence for sequence in kept if sequence not in gone]

    @rule()
    def confirm_what_is_not_there(self) -> None:
        self.outbox.confirm([self.last + 1, 10**9]).result()

    @rule()
    def reopen(self) -> None:
        epoch = self.outbox.epoch
        self.database.close()
        self._open()
        assert self.outbox.epoch == epoch

    @invariant()
    def it_holds_what_the_lists_hold(self) -> None:
        with closing(self.database.read()) as connection:
            for lane, expected in self.lanes.items():
                rows = waiting(connection, lane, limit=10**6, limit_bytes=10**9)
                assert [row.key for row in rows] == expected
                for row in rows:
                    event = json.loads(row.event)
                    assert event["event_id"] == self.event_ids[row.key]
                    assert event["sequence"] == row.key
                assert waits(connection, lane, "case.opened") == bool(expected)
        figures = self.outbox.figures()
        assert figures.rows == sum(map(len, self.lanes.values()))
        assert figures.dead_letters == len(self.dead)


TestOutboxAgainstLists = OutboxMachine.TestCase
TestOutboxAgainstLists.settings = settings(max_examples=20, stateful_step_count=20, deadline=None)
