"""A store and a folder of evidence of the tests' own, and a device that packs cases for them."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import psycopg
import pytest
from kerbwatch_platform import store
from kerbwatch_platform.settings import Settings
from psycopg import sql

from tests.support.evidence_desk import City
from tests.support.packed_cases import PackingDevice, jpeg
from tests.support.postgres import Postgres, postgres

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEMPLATE = "platform_template"


@pytest.fixture(scope="session")
def with_tables() -> Iterator[Postgres]:
    """A server that has an empty database with the platform's tables."""
    with postgres() as server:
        server.script(f"CREATE DATABASE {TEMPLATE};")
        with store.connect(server.address(TEMPLATE)) as connection:
            store.migrate(connection)
            connection.execute(b"""CREATE TABLE IF NOT EXISTS verdict (tenant TEXT, device TEXT, case_id TEXT,
              verdict TEXT, of_case TEXT, reference TEXT, account TEXT, at TIMESTAMPTZ, undone_at TIMESTAMPTZ, jws TEXT);
              CREATE TABLE IF NOT EXISTS case_ticket (decision_id UUID, tenant TEXT, device TEXT, case_id TEXT,
              ticket TEXT, account TEXT, at TIMESTAMPTZ, undone_at TIMESTAMPTZ);""")
        yield server


_names = (f"desk_{number}" for number in itertools.count())


@pytest.fixture
def settings(with_tables: Postgres, tmp_path: Path) -> Settings:
    """Of a platform with a database of its own."""
    name = next(_names)
    with psycopg.connect(with_tables.address(), autocommit=True) as connection:
        made = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        connection.execute(made.format(sql.Identifier(name), sql.Identifier(TEMPLATE)))
    return Settings(
        database=with_tables.address(name),
        broker="mqtt://localhost:1",
        evidence_folder=tmp_path / "kept",
        signing_key_file=tmp_path / "keys" / "platform.pem",
    )


@pytest.fixture
def connection(settings: Settings) -> Iterator[psycopg.Connection]:
    with psycopg.connect(settings.database, autocommit=True) as opened:
        yield opened


@pytest.fixture
def city(connection: psycopg.Connection, settings: Settings, tmp_path: Path) -> Iterator[City]:
    folder = tmp_path / "device"
    folder.mkdir()
    device = PackingDevice(folder)
    yield City(connection, settings, device)
    device.database.close()


@pytest.fixture(scope="session")
def large() -> bytes:
    """A picture of several pieces."""
    return jpeg("large", 1280, 720, quality=95)
