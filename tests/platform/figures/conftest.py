"""Drawn weeks in a PostgreSQL and, from there, in an archive: once for all tests of a file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

import pytest
from kerbwatch_platform import figures, store
from kerbwatch_platform.figures import archive

from tests.support.desk_database import take_in
from tests.support.drawn_quarter import Drawn, drawn
from tests.support.quarter_truth import Asked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import psycopg

    from tests.support.postgres import Postgres

PERIODS = ("2026Q4", "2027Q1", "2026-12-24..2027-01-02", "2026-12-25")


@dataclass(frozen=True, slots=True)
class Weeks:
    """What was drawn, and where it lies."""

    made: Drawn
    database: psycopg.Connection
    folder: Path
    now: datetime

    def period(self, name: str) -> figures.Period:
        return figures.period(name, str(self.made.zone), now=self.now)

    def asked(self, name: str) -> Asked:
        """The same period, for the truth."""
        asked = self.period(name)
        days = [
            day for day in self.made.days if asked.first <= date.fromisoformat(day) <= asked.last
        ]
        return Asked(self.made, days, asked.now_ms)


@pytest.fixture(scope="module")
def database(server: Postgres) -> Iterator[psycopg.Connection]:
    with store.connect(server.address()) as connection:
        store.migrate(connection)
        connection.execute("SET statement_timeout = '60s'")
        yield connection


@pytest.fixture(scope="module")
def weeks(database: psycopg.Connection, tmp_path_factory: pytest.TempPathFactory) -> Weeks:
    """Two weeks around the year's end; asked at midnight, when the last night is not over."""
    made = drawn(7, date(2026, 12, 22), 14, cases_a_day=2.5)
    take_in(database, made)
    folder = tmp_path_factory.mktemp("archive")
    archive.write_all(database, folder)
    return Weeks(made, database, folder, datetime(2027, 1, 5, tzinfo=made.zone))
