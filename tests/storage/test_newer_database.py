"""An agent works on the tables of the version after it, or refuses them in words and changes nothing."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from agent.storage import database_file as storage
from agent.storage.case_table import load_open_cases, save_case
from agent.storage.corruption import open_database
from agent.storage.database import Database
from agent.storage.database_file import READABLE_FROM, SCHEMA
from agent.storage.errors import NewerDatabaseError
from agent.storage.paths import DATABASE
from tests.support.agent_process import run_agent
from tests.support.cases import OPEN_CASE
from tests.support.drafts import case_opened
from tests.support.outboxes import open_outbox, waiting_ids
from tests.support.red_bike_model import write_model
from tests.support.sites import standing_bike_site, write_site
from tests.support.storage_at_start import CLOCK

if TYPE_CHECKING:
    from pathlib import Path


def _of_the_next_version(path: Path, readable_from: int) -> None:
    """What the next version's agent leaves: one migration more, that adds a table and a column with a default."""
    Database(path).close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE later (name TEXT PRIMARY KEY, value TEXT)")
        connection.execute("INSERT INTO later VALUES ('kept', 'as it was')")
        connection.execute("ALTER TABLE cases ADD COLUMN seen_twice INTEGER NOT NULL DEFAULT 0")
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
            " VALUES ('kerbwatch', 'create_later', '2027-01-01')"
        )
        connection.execute(f"PRAGMA user_version = {readable_from}")


def _files(folder: Path) -> dict[str, bytes]:
    """The database with its journal; the index beside it (-shm) is nobody's content."""
    return {p.name: p.read_bytes() for p in folder.iterdir() if not p.name.endswith("-shm")}


def test_the_version_before_works_on_tables_that_only_gained(tmp_path: Path) -> None:
    path = tmp_path / DATABASE
    _of_the_next_version(path, READABLE_FROM)
    with Database(path) as database:
        outbox = open_outbox(database)
        draft = case_opened(CLOCK)

        def write(connection: sqlite3.Connection) -> None:
            save_case(connection, OPEN_CASE)
            outbox.add(connection, draft)

        database.write(write).result()
        assert waiting_ids(database) == [draft.event_id]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT * FROM later").fetchall() == [("kept", "as it was")]
        assert connection.execute("PRAGMA user_version").fetchone() == (READABLE_FROM,)
        [[count]] = connection.execute("SELECT count(*) FROM _sqlite_migrations").fetchall()
        assert count == SCHEMA + 1
        assert [each.case_id for each in load_open_cases(connection)] == [OPEN_CASE.case_id]


def test_tables_that_changed_for_older_agents_are_refused_with_their_journal_untouched(
    tmp_path: Path,
) -> None:
    (there := tmp_path / "there").mkdir()
    path = there / DATABASE
    _of_the_next_version(path, SCHEMA + 1)
    with closing(sqlite3.connect(path)) as writer:  # a power cut leaves what is in the journal
        writer.execute("UPDATE later SET value = 'in the journal'")
        writer.commit()
        shutil.copytree(there, tmp_path / "after", ignore=shutil.ignore_patterns("*-shm"))
    before = _files(tmp_path / "after")
    assert before[f"{DATABASE}-wal"]
    for check in (True, False):
        with pytest.raises(NewerDatabaseError, match="install that version again"):
            open_database(tmp_path / "after" / DATABASE, check=check, in_memory=tmp_path / "memory")
    assert _files(tmp_path / "after") == before
    assert not (tmp_path / "memory").exists()


def test_a_newer_database_that_is_damaged_is_not_put_aside_by_an_older_agent(
    tmp_path: Path,
) -> None:
    path = tmp_path / DATABASE
    _of_the_next_version(path, SCHEMA + 1)
    content = bytearray(path.read_bytes())
    content[4096 * 2 : 4096 * 3] = b"\x5a" * 4096
    path.write_bytes(content)
    with pytest.raises(NewerDatabaseError):
        open_database(path, check=True)
    assert path.read_bytes() == bytes(content)
    assert not (tmp_path / "quarantine").exists()


def test_who_may_read_is_written_before_the_first_table_is_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut between two migrations leaves nothing that an older agent takes for its own."""
    path = tmp_path / DATABASE
    Database(path).close()
    monkeypatch.setattr(storage, "SCHEMA", SCHEMA + 1)
    monkeypatch.setattr(storage, "READABLE_FROM", SCHEMA + 1)

    def cut(_: sqlite3.Connection) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("agent.storage.migrations.apply", cut)
    with pytest.raises(KeyboardInterrupt):
        Database(path)
    monkeypatch.undo()
    with pytest.raises(NewerDatabaseError):
        Database(path)


def test_the_agent_ends_with_words_and_a_code_of_its_own(tmp_path: Path) -> None:
    write_model(tmp_path / "models")
    write_site(tmp_path, standing_bike_site())
    state = tmp_path / "state"
    state.mkdir()
    _of_the_next_version(state / DATABASE, SCHEMA + 1)
    before = _files(state)
    agent = run_agent(tmp_path)
    _, told = agent.communicate()
    assert agent.returncode == 5
    assert "a newer version of the agent wrote it" in told
    assert "Traceback" not in told
    assert {name: _files(state)[name] for name in before} == before
