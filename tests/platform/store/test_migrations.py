"""Tables of any earlier step come up to this version with what is in them, once, however many begin at once."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import psycopg
import pytest
from alembic import command
from kerbwatch_platform import store
from kerbwatch_platform.contract.message import Message
from kerbwatch_platform.store import connecting

from tests.support.device_words import of_the_contract

if TYPE_CHECKING:
    from tests.support.postgres import Postgres


@pytest.fixture
def bare(migrated: Postgres, request: pytest.FixtureRequest) -> str:
    """A database with nothing in it."""
    name = f"bare_{abs(hash(request.node.name))}"
    migrated.script(f"CREATE DATABASE {name};")
    return migrated.address(name)


def take(connection: psycopg.Connection) -> None:
    store.take(connection, [Message(*each) for each in of_the_contract()])


def schema(connection: psycopg.Connection) -> list[tuple[str, ...]]:
    query = (
        "SELECT table_name, column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = 'public' ORDER BY 1, ordinal_position"
    )
    return connection.execute(query).fetchall()


def test_a_migration_that_comes_again_changes_nothing(bare: str) -> None:
    with store.connect(bare) as connection:
        store.migrate(connection)
        take(connection)
        views = connection.execute(
            "SELECT oid FROM pg_class WHERE relkind = 'v' ORDER BY 1"
        ).fetchall()
        store.migrate(connection)
        assert (
            connection.execute("SELECT oid FROM pg_class WHERE relkind = 'v' ORDER BY 1").fetchall()
            == views
        )
        assert connection.execute("SELECT state FROM case_now").fetchall() == [("cleared",)]


def test_what_was_taken_in_at_the_first_step_is_there_at_the_last(
    bare: str, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade = command.upgrade
    monkeypatch.setattr(command, "upgrade", lambda told, _: upgrade(told, "0001"))
    monkeypatch.setattr(connecting, "VIEWS", connecting.VIEWS / "none of them yet")
    with store.connect(bare) as old:
        store.migrate(old)
        take(old)
        monkeypatch.undo()
        store.migrate(old)
        assert schema(old) == schema(connection)
        assert old.execute("SELECT state FROM case_now").fetchall() == [("cleared",)]


def test_views_are_made_again_when_their_text_is_another(bare: str) -> None:
    with store.connect(bare) as connection:
        store.migrate(connection)
        connection.execute(
            "CREATE OR REPLACE VIEW boot AS SELECT tenant, device, boot_id, 7::float8 AS zero_s FROM newest_clock"
        )
        connection.execute("UPDATE made_views SET sha256 = 'of an earlier version'")
        store.migrate(connection)
        [(text,)] = connection.execute("SELECT pg_get_viewdef('boot')").fetchall()
        assert "7" not in text


def test_a_view_of_the_sites_own_on_top_is_told_and_nothing_is_lost(bare: str) -> None:
    with store.connect(bare) as connection:
        store.migrate(connection)
        connection.execute("CREATE VIEW of_the_site AS SELECT case_id FROM case_now")
        connection.execute("UPDATE made_views SET sha256 = 'of an earlier version'")
        with pytest.raises(Exception, match="of_the_site"):
            store.migrate(connection)
        assert connection.execute("SELECT * FROM of_the_site").fetchall() == []


def test_workers_that_begin_at_once_migrate_once(bare: str) -> None:
    faults = []

    def begin() -> None:
        try:
            with store.connect(bare) as connection:
                store.migrate(connection)
        except Exception as error:  # noqa: BLE001 - a thread's fault is the test's
            faults.append(error)

    workers = [threading.Thread(target=begin) for _ in range(4)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    assert faults == []
    with store.connect(bare) as connection:
        take(connection)
