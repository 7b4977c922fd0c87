"""The platform's data model in SQLite and in a real PostgreSQL: a test that asks for ``store`` runs on both."""

from __future__ import annotations

import itertools
import sqlite3
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from tests.support.example_platform import PLATFORM
from tests.support.postgres import Postgres, postgres

if TYPE_CHECKING:
    from collections.abc import Iterator


class Store(Protocol):
    """A database with the model in it."""

    def prepare(self) -> None: ...
    def insert(self, table: str, *rows: tuple[Any, ...]) -> None: ...
    def run(self, text: str, **given: str | float) -> list[dict[str, Any]]: ...


class InSqlite:
    def __init__(self) -> None:
        self.db = sqlite3.connect(":memory:")
        self.db.row_factory = sqlite3.Row
        self.prepare()

    def prepare(self) -> None:
        self.db.executescript((PLATFORM / "sqlite.sql").read_text(encoding="utf-8"))

    def insert(self, table: str, *rows: tuple[Any, ...]) -> None:
        for row in rows:
            self.db.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)

    def run(self, text: str, **given: str | float) -> list[dict[str, Any]]:
        return [dict(row) for row in self.db.execute(text, given)]


class InPostgres:
    def __init__(self, server: Postgres, schema: str) -> None:
        self._server, self._schema = server, schema
        server.script(f"CREATE SCHEMA {schema};")
        self.prepare()

    def prepare(self) -> None:
        text = (PLATFORM / "postgresql.sql").read_text(encoding="utf-8")
        self._server.script(f"SET search_path = {self._schema};\n{text}")

    def insert(self, table: str, *rows: tuple[Any, ...]) -> None:
        self._server.insert(f"{self._schema}.{table}", rows)

    def run(self, text: str, **given: str | float) -> list[dict[str, Any]]:
        return self._server.run(text, path=self._schema, **given)


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as running:
        yield running


_schemas = itertools.count()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "sqlite":
        return InSqlite()
    return InPostgres(request.getfixturevalue("server"), f"s{next(_schemas)}")
