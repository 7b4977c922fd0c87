"""What is accepted is on the disk, and nobody waits in vain."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlite_utils

from agent.domain.scene import Box, Case, Member
from agent.storage import migrations
from agent.storage.case_table import load_open_cases, save_case
from agent.storage.database import Database
from agent.storage.database_file import READABLE_FROM, SCHEMA
from agent.storage.errors import StorageError
from agent.storage.state_table import load_state, save_state
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.domain.scene import CaseState


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "state" / "kerbwatch.db") as database:
        yield database


def case(case_id: str, *, place_id: str = "p1", state: CaseState = "open") -> Case:
    return Case(
        case_id=case_id,
        kind="misparked_bike",
        zone_id="z1",
        place_id=place_id,
        camera_id="c1",
        state=state,
        began_s=1.5,
        opened_s=61.5,
        last_present_s=70.0,
        last_reported_s=61.5,
        members=(Member("m1", "bike", Box(0.1, 0.2, 0.3, 0.4), 1.5),),
        confidence=0.8,
    )


def state(database: Database, name: str) -> str | None:
    with closing(database.read()) as connection:
        return load_state(connection, name)


def test_what_was_written_is_there_after_reopening(tmp_path: Path) -> None:
    with Database(tmp_path / "kerbwatch.db") as database:
        database.write(lambda connection: save_state(connection, "counter", "1")).result()
        database.write(lambda connection: save_state(connection, "counter", "2")).result()
    with Database(tmp_path / "kerbwatch.db") as database:
        assert state(database, "counter") == "2"
        assert state(database, "never") is None


def test_the_tables_know_how_many_migrations_made_them_and_who_may_read_them(
    database: Database,
) -> None:
    with closing(database.read()) as connection:
        [version] = connection.execute("PRAGMA user_version").fetchone()
        applied = list(migrations.migrations.applied(sqlite_utils.Database(connection)))
    assert len(applied) == SCHEMA
    assert version == READABLE_FROM <= SCHEMA


def test_a_database_of_this_version_is_opened_without_what_makes_tables(tmp_path: Path) -> None:
    path = tmp_path / "kerbwatch.db"
    Database(path).close()
    script = (
        "import sys; from pathlib import Path; from agent.storage.database import Database;"
        f"Database(Path({str(path)!r})).close(); print('sqlite_utils' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_closing_writes_what_was_accepted_and_refuses_the_rest(tmp_path: Path) -> None:
    database = Database(tmp_path / "kerbwatch.db")
    futures = [database.write(partial(save_state, name=f"s{i}", value="x")) for i in range(2000)]
    database.close()
    assert all(future.done() and future.exception() is None for future in futures)
    with pytest.raises(StorageError, match="closed"):
        database.write(lambda connection: save_state(connection, "late", "x"))
    database.close()  # once more does no harm


def test_who_writes_at_the_same_time_shares_a_commit(database: Database) -> None:
    commits: list[None] = []
    database.on_commit(lambda: commits.append(None))
    go_on = threading.Event()
    first = database.write(lambda _: go_on.wait(PATIENCE_S))
    futures = [database.write(partial(save_state, name=f"s{i}", value="x")) for i in range(100)]
    assert not any(future.done() for future in futures)
    go_on.set()
    first.result()
    for future in futures:
        future.result()
    database.write(lambda _: None).result()  # the listener runs after the futures resolve
    assert len(commits) - 1 in {1, 2}


def test_a_fault_in_one_piece_of_work_undoes_that_piece_only(database: Database) -> None:
    def fails(connection: sqlite3.Connection) -> None:
        save_state(connection, "half", "done")
        raise LookupError("no such zone")

    go_on = threading.Event()
    database.write(lambda _: go_on.wait(PATIENCE_S))
    before = database.write(lambda connection: save_state(connection, "before", "kept"))
    faulty = database.write(fails)
    after = database.write(lambda connection: save_state(connection, "after", "kept"))
    go_on.set()
    before.result()
    after.result()
    with pytest.raises(LookupError, match="no such zone"):
        faulty.result()
    names = ("before", "half", "after")
    assert [state(database, name) for name in names] == ["kept", None, "kept"]


def test_work_that_commits_by_itself_costs_its_group_an_error_and_nobody_an_answer(
    database: Database,
) -> None:
    with pytest.raises(StorageError):
        database.write(lambda connection: connection.commit()).result(PATIENCE_S)
    database.write(lambda connection: save_state(connection, "next", "kept")).result(PATIENCE_S)
    assert state(database, "next") == "kept"


def test_readers_cannot_write_and_see_only_what_was_committed(database: Database) -> None:
    go_on, written = threading.Event(), threading.Event()

    def slow(connection: sqlite3.Connection) -> None:
        save_state(connection, "slow", "x")
        written.set()
        go_on.wait(PATIENCE_S)

    future = database.write(slow)
    assert written.wait(PATIENCE_S)
    assert state(database, "slow") is None
    go_on.set()
    future.result()
    assert state(database, "slow") == "x"
    with closing(database.read()) as connection, pytest.raises(sqlite3.OperationalError):
        save_state(connection, "sly", "x")


def test_a_full_disk_is_an_error_and_passes(database: Database) -> None:
    def fill(connection: sqlite3.Connection) -> None:
        save_state(connection, "large", "x" * 1_000_000)

    def limit(connection: sqlite3.Connection, pages: int) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")

    database.write(lambda connection: limit(connection, 40)).result()
    with pytest.raises(StorageError, match="full") as caught:
        database.write(fill).result(PATIENCE_S)
    assert caught.value.full
    assert caught.value.path == database.path
    database.write(lambda connection: limit(connection, 4000)).result(PATIENCE_S)
    database.write(fill).result(PATIENCE_S)
    assert state(database, "large") is not None


def test_a_file_that_is_no_database_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "kerbwatch.db"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(StorageError, match="not a database") as caught:
        Database(path)
    assert caught.value.path == path


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_if_the_writer_ends_nobody_is_left_waiting(tmp_path: Path) -> None:
    database = Database(tmp_path / "kerbwatch.db")

    def fault() -> None:
        raise RuntimeError("a fault in a listener")

    running, go_on = threading.Event(), threading.Event()

    def slow(_: sqlite3.Connection) -> None:
        running.set()
        go_on.wait(PATIENCE_S)

    database.on_commit(fault)
    database.write(slow)
    assert running.wait(PATIENCE_S)
    later = [database.write(lambda _: go_on.wait(PATIENCE_S)) for _ in range(3)]
    go_on.set()
    database.close()
    for future in later:
        assert isinstance(future.exception(PATIENCE_S), StorageError)
    with pytest.raises(StorageError):
        database.write(lambda _: None)


def test_open_cases_come_back_as_they_were_in_the_order_of_their_opening(
    database: Database,
) -> None:
    first, second = case("c1"), case("c2", place_id="p2")
    database.write(lambda connection: save_case(connection, second)).result()
    database.write(lambda connection: save_case(connection, first)).result()
    with closing(database.read()) as connection:
        assert load_open_cases(connection) == [second, first]


def test_a_cleared_case_is_no_longer_open_and_makes_room_for_the_next(database: Database) -> None:
    database.write(lambda connection: save_case(connection, case("c1"))).result()
    database.write(lambda connection: save_case(connection, case("c1", state="cleared"))).result()
    database.write(lambda connection: save_case(connection, case("c2"))).result()
    with closing(database.read()) as connection:
        assert load_open_cases(connection) == [case("c2")]


def test_one_place_has_one_open_case_of_a_kind(database: Database) -> None:
    database.write(lambda connection: save_case(connection, case("c1"))).result()
    with pytest.raises(sqlite3.IntegrityError):
        database.write(lambda connection: save_case(connection, case("c2"))).result()
    with closing(database.read()) as connection:
        assert load_open_cases(connection) == [case("c1")]


@pytest.mark.slow
def test_whatever_was_accepted_before_a_kill_is_there_after_it(tmp_path: Path) -> None:
    """A kill, not a power cut: that takes a disk that can be cut off."""
    path = tmp_path / "device.db"
    accepted: set[int] = set()
    pause = random.Random(5)
    for _ in range(4):
        with subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.support.delivering_process",
                path,
                "",
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            first = process.stdout.readline()
            time.sleep(pause.uniform(0, 0.3))
            process.send_signal(signal.SIGKILL)
            lines = [first, *process.stdout]
        accepted |= {int(line.split()[0]) for line in lines if line.endswith("\n")}
    assert len(accepted) >= 4
    with Database(path) as database, closing(database.read()) as connection:
        kept = {sequence for (sequence,) in connection.execute("SELECT sequence FROM outbox")}
        assert accepted <= kept
        assert kept == set(range(2, max(kept) + 1)), "1 is the birth's"
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_database_that_is_deleted_under_its_writer_takes_nothing_that_nobody_would_find(
    tmp_path: Path,
) -> None:
    with Database(tmp_path / "kerbwatch.sqlite3") as database:
        database.write(lambda connection: save_case(connection, case("c1"))).result()
        (tmp_path / "kerbwatch.sqlite3").unlink()
        with pytest.raises(StorageError, match="deleted or replaced"):
            database.write(lambda connection: save_case(connection, case("c2"))).result()
