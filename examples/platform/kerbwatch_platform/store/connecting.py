"""The way to the database, and its tables brought up to what this version needs."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import sqlalchemy
from alembic import command
from alembic.config import Config
from psycopg.conninfo import make_conninfo
from psycopg_pool import ConnectionPool

from kerbwatch_platform.store.upkeep import make_around

HERE = Path(__file__).parent
VIEWS = HERE / "views"
"""Made again in the order of their names whenever one of them changes: each room's views stand in a file of its own."""
_OPTIONS = "-c search_path=public -c jit=off"
"""Compiling a query takes longer than answering it here."""
_MIGRATING = 0x6B657262
"""Advisory lock: one migration at a time, however many workers start."""


def connect(database: str) -> psycopg.Connection:
    """A connection that commits each statement unless a transaction is opened (``with connection.transaction()``).

    Raises:
        psycopg.OperationalError: There is no database, or it does not let us in.
    """
    return psycopg.connect(database, autocommit=True, options=_OPTIONS)


def pool(database: str, *, most: int = 8, longest_s: int = 0) -> ConnectionPool:
    """Connections as ``connect`` gives them, ``most`` at once; each is tried before it is lent.

    Args:
        database: libpq connection string.
        most: So many connections.
        longest_s: A statement that takes longer is ended; 0: none is.
    """
    options = f"{_OPTIONS} -c statement_timeout={longest_s}s"
    return ConnectionPool(
        database,
        min_size=1,
        max_size=most,
        open=True,
        kwargs={"autocommit": True, "options": options},
        check=ConnectionPool.check_connection,
    )


def migrate(connection: psycopg.Connection) -> None:
    """Bring the tables up to this version, step by step, and make the views again; all of it or nothing.

    Nothing happens where that is done already. Then the months around now get their partitions.
    """
    told = connection.info
    database = make_conninfo(
        "", **told.get_parameters(), **({"password": told.password} if told.password else {})
    )
    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(database),
        poolclass=sqlalchemy.NullPool,
    )
    chosen = Config()
    chosen.set_main_option("script_location", str(HERE / "migrations"))
    with engine.begin() as begun:
        # The steps are whole files: sent as they are, without parameters, a file may hold several statements.
        over = begun.execution_options(no_parameters=True)
        over.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATING})")
        chosen.attributes["connection"] = over
        chosen.attributes["views"] = Views()
        command.upgrade(chosen, "head")
    make_around(connection, datetime.now(UTC))


class Views:
    """The SQL of all views, and the names in it."""

    def __init__(self) -> None:
        self.text = "\n".join(
            each.read_text(encoding="utf-8") for each in sorted(VIEWS.glob("*.sql"))
        )
        self.names = re.findall("^CREATE (?:OR REPLACE )?VIEW ([a-z_]+)", self.text, re.MULTILINE)
        self.sha256 = hashlib.sha256(self.text.encode()).hexdigest()

    def dropping(self) -> str:
        """What takes them away, those that rest on others first."""
        names = ", ".join(reversed(self.names))
        return f"DROP VIEW IF EXISTS {names};" if names else "SELECT 1"
