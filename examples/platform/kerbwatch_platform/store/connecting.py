"""The way to the database, and its tables brought up to what this version needs."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import ConnectionPool

from kerbwatch_platform.store.upkeep import make_around

HERE = Path(__file__).parent
VIEWS = HERE / "views"
"""Made again in the order of their names whenever one of them changes: each room's views stand in a file of its own."""
_OPTIONS = "-c search_path=public -c jit=off"
"""Compiling a query takes longer than answering it here."""
_MIGRATING = 0x6B657262
"""Advisory lock: one migration at a time, however many workers start."""


@dataclass(frozen=True, slots=True)
class Patience:
    """After how many seconds the database ends something by itself; 0: never.

    Attributes:
        statement_s: A statement.
        lock_s: Waiting for what somebody else holds.
        idle_s: A session that does nothing in the middle of a transaction: it keeps locks, and old rows from being
            cleared away.
    """

    statement_s: int
    lock_s: int
    idle_s: int

    @property
    def options(self) -> str:
        """As the server has them."""
        told = {
            "statement_timeout": self.statement_s,
            "lock_timeout": self.lock_s,
            "idle_in_transaction_session_timeout": self.idle_s,
        }
        return " ".join(f"-c {name}={seconds}s" for name, seconds in told.items())


PAGE = Patience(statement_s=60, lock_s=10, idle_s=60)
"""Somebody waits for it: the slowest figure of a city takes half of it on purpose, and no page waits for ever."""
WORKER = Patience(statement_s=600, lock_s=120, idle_s=600)
"""What came is held while it waits, and taken again after it: it may take long, and must not stand still unseen."""
COMMAND = Patience(statement_s=0, lock_s=0, idle_s=3600)
"""Archives, exports, migrations and what is hourly take as long as they take; a person ends them."""
_NETWORK = {"connect_timeout": 10, "keepalives_idle": 60, "tcp_user_timeout": 60_000}
"""Seconds, seconds and milliseconds: a server whose cable was pulled says nothing at all."""


def connect(database: str, patience: Patience = COMMAND) -> psycopg.Connection:
    """A connection that commits each statement unless a transaction is opened (``with connection.transaction()``).

    Raises:
        psycopg.OperationalError: There is no database, or it does not let us in.
    """
    return psycopg.connect(database, **_arguments(database, patience))


def pool(database: str, patience: Patience, *, most: int = 8) -> ConnectionPool:
    """Connections as ``connect`` gives them, ``most`` at once; each is tried before it is lent."""
    return ConnectionPool(
        database,
        min_size=1,
        max_size=most,
        open=True,
        kwargs=_arguments(database, patience),
        check=ConnectionPool.check_connection,
    )


def _arguments(database: str, patience: Patience) -> dict[str, Any]:
    chosen = conninfo_to_dict(database)
    network = {name: value for name, value in _NETWORK.items() if name not in chosen}
    return {"autocommit": True, "options": f"{_OPTIONS} {patience.options}"} | network


def migrate(connection: psycopg.Connection) -> None:
    """Bring the tables up to this version, step by step, and make the views again; all of it or nothing.

    Nothing happens where that is done already. Then the months around now get their partitions.
    """
    # Half of what any command of ours would load, and one alone needs it.
    import sqlalchemy  # noqa: PLC0415
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

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
