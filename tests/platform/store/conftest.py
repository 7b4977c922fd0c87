"""A database of each test's own, with the platform's tables."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import psycopg
import pytest
from kerbwatch_platform import store

from tests.support.postgres import Postgres, postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

_names = (f"store_{number}" for number in itertools.count())


@pytest.fixture(scope="session")
def migrated() -> Iterator[Postgres]:
    """A server with an empty, migrated database to copy: ``empty``."""
    with postgres() as server:
        server.script("CREATE DATABASE empty;")
        with store.connect(server.address("empty")) as connection:
            store.migrate(connection)
        yield server


@pytest.fixture
def database(migrated: Postgres) -> str:
    """Where a migrated database is."""
    name = next(_names)
    migrated.script(f"CREATE DATABASE {name} TEMPLATE empty;")
    return migrated.address(name)


@pytest.fixture
def connection(database: str) -> Iterator[psycopg.Connection]:
    with store.connect(database) as opened:
        yield opened
