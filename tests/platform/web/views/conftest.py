"""What the tests of the desk's views share: an empty store for each test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import psycopg
import pytest
from kerbwatch_platform import store

from tests.support.desk_city import Device
from tests.support.postgres import Postgres

_databases = itertools.count()


@pytest.fixture
def database(desk_server: Postgres) -> str:
    """Where an empty store of this test's own is (libpq)."""
    return desk_server.with_tables(f"views{next(_databases)}")


@pytest.fixture
def connection(database: str) -> Iterator[psycopg.Connection]:
    with store.connect(database) as connection:
        yield connection


@pytest.fixture
def device(connection: psycopg.Connection) -> Device:
    return Device(connection)
