"""The table of the platform's commands that were carried out, with their answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3


def answered(connection: sqlite3.Connection, command_id: str) -> tuple[str, str] | None:
    """The digest of a command that was carried out, and its answer as JSON; None: there was none."""
    query = "SELECT digest, answer FROM orders WHERE command_id = ?"
    row = connection.execute(query, (command_id,)).fetchone()
    return None if row is None else (str(row[0]), str(row[1]))


def remember(
    connection: sqlite3.Connection, command_id: str, digest: str, answer: str, kept: int
) -> None:
    """Keep an answer, and of all the newest ``kept``; within a transaction."""
    connection.execute(
        "INSERT INTO orders (command_id, digest, answer) VALUES (?, ?, ?)",
        (command_id, digest, answer),
    )
    connection.execute(
        "DELETE FROM orders WHERE number <= (SELECT max(number) FROM orders) - ?", (kept,)
    )
