"""A database of a real PostgreSQL with the platform's tables, and settings that lead to it: one for each test."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import psycopg
import pytest
from kerbwatch_platform import store
from kerbwatch_platform.settings import Settings
from psycopg import sql

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
