"""For how long the device has lived, counted on in the database: what ages, and what is due, goes by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.storage.lived_time import Lifetime
from agent.storage.state_table import load_state, save_state

if TYPE_CHECKING:
    import sqlite3

    from drivers.clock import Clock

_LIFETIME = "retention.lifetime"


def known(connection: sqlite3.Connection) -> Lifetime:
    """As it was last counted."""
    told = load_state(connection, _LIFETIME)
    return Lifetime() if told is None else Lifetime.model_validate_json(told)


def count_on(connection: sqlite3.Connection, clock: Clock) -> Lifetime:
    """Count it on to this moment and write it down; within a piece of work."""
    lifetime = known(connection).now(clock)
    save_state(connection, _LIFETIME, lifetime.model_dump_json())
    return lifetime
