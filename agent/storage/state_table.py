"""The table ``state``: single values by name."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from agent.storage.checksum import crc_of

if TYPE_CHECKING:
    pass

ANALYSIS_SNAPSHOT = "analysis.snapshot."
"""Before a camera's name: what its analysis goes on from after a restart."""


def save_state(connection: sqlite3.Connection, name: str, value: str) -> None:
    """Keep a snapshot or counter under a name; within a piece of work."""
    connection.execute(
        "INSERT INTO state (name, value, crc) VALUES (?, ?, ?)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value, crc = excluded.crc",
        (name, value, crc_of(value)),
    )


def load_state(connection: sqlite3.Connection, name: str) -> str | None:
    """What was last kept under the name; None if nothing ever was."""
    row = connection.execute("SELECT value FROM state WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row[0])
