"""The table ``state``: single values by name."""

from __future__ import annotations

import sqlite3

from agent.storage.checksum import crc_of

ANALYSIS_SNAPSHOT = "analysis.snapshot."
"""Before a camera's name: what its analysis goes on from after a restart."""


def save_state(connection: sqlite3.Connection, name: str, value: str) -> None:
    """Store a snapshot or counter under a name; within a transaction."""
    connection.execute(
        "INSERT INTO state (name, value, crc) VALUES (?, ?, ?)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value, crc = excluded.crc",
        (name, value, crc_of(value)),
    )


def load_state(connection: sqlite3.Connection, name: str) -> str | None:
    """The value last stored under the name; None if there is none."""
    row = connection.execute("SELECT value FROM state WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row[0])


def delete_state(connection: sqlite3.Connection, name: str) -> None:
    """Forget what was stored under a name; within a transaction."""
    connection.execute("DELETE FROM state WHERE name = ?", (name,))
