"""Nobody waits for the database without an end: each kind of connection has its own limits."""

from __future__ import annotations

import select

import psycopg
import pytest
from kerbwatch_platform import store
from kerbwatch_platform.intake import faults
from kerbwatch_platform.store.connecting import COMMAND, Patience

NAMES = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
KINDS = {
    "page": (store.PAGE, ("1min", "10s", "1min")),
    "worker": (store.WORKER, ("10min", "2min", "10min")),
    "command": (COMMAND, ("0", "0", "1h")),
}


@pytest.mark.parametrize(("patience", "limits"), KINDS.values(), ids=KINDS)
def test_each_kind_of_connection_has_its_limits(
    database: str, patience: Patience, limits: tuple[str, ...]
) -> None:
    with store.connect(database, patience) as one:
        assert tuple(one.execute(f"SHOW {name}").fetchall()[0][0] for name in NAMES) == limits
    with store.pool(database, patience) as pool, pool.connection() as lent:
        assert tuple(lent.execute(f"SHOW {name}").fetchall()[0][0] for name in NAMES) == limits


def test_who_says_nothing_of_the_network_is_given_limits_and_who_does_keeps_them(
    database: str,
) -> None:
    with store.connect(database) as usual, store.connect(f"{database} connect_timeout=7") as own:
        assert usual.info.get_parameters()["connect_timeout"] == "10"
        assert usual.info.get_parameters()["tcp_user_timeout"] == "60000"
        assert own.info.get_parameters()["connect_timeout"] == "7"


@pytest.mark.parametrize(
    ("patience", "does"),
    [
        (Patience(1, 0, 0), "SELECT pg_sleep(600)"),
        (Patience(0, 1, 0), "LOCK TABLE event"),
        (Patience(0, 0, 1), "SELECT pg_sleep(0)"),
    ],
    ids=["statement", "lock", "idle"],
)
def test_what_a_worker_is_ended_for_is_waited_out_and_costs_no_message(
    database: str, patience: Patience, does: str
) -> None:
    with store.connect(database) as other, other.transaction():
        other.execute("LOCK TABLE event")
        connection = store.connect(database, patience)
        with pytest.raises(psycopg.Error) as told, connection.transaction():  # noqa: PT012
            connection.execute(does)
            select.select([connection], [], [], 60)
            connection.execute("SELECT 1")
        assert faults.is_passing(told.value), repr(told.value)
        connection.close()
