"""The device's lived time, kept in the database: retention and due dates are measured by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.storage.day_counters import WRITTEN_AT
from agent.storage.lived_time import LivedTime
from agent.storage.state_table import load_state, save_state

if TYPE_CHECKING:
    import sqlite3

    from drivers.clock import Clock

_LIFETIME = "retention.lifetime"


def known(connection: sqlite3.Connection) -> LivedTime:
    """The lived time as last written."""
    told = load_state(connection, _LIFETIME)
    return LivedTime() if told is None else LivedTime.model_validate_json(told)


def forget_what_is_later(connection: sqlite3.Connection) -> None:
    """Forget since when things age and when days were written on, where that is after now; within a transaction.

    It was noted by a lived time that is lost, or is damaged: what has it ages from now on, and is kept for longer.
    """
    lived_s = known(connection).lived_s
    connection.execute("DELETE FROM ageing WHERE since_s > ?", (lived_s,))
    connection.execute("DELETE FROM days WHERE name = ? AND value > ?", (WRITTEN_AT, lived_s))


def count_on(connection: sqlite3.Connection, clock: Clock) -> LivedTime:
    """Advance the lived time to now and write it; within a transaction."""
    lifetime = known(connection).now(clock)
    save_state(connection, _LIFETIME, lifetime.model_dump_json())
    return lifetime
