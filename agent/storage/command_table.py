"""The table of the platform's commands that came, with their answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import sqlite3

Origin = Literal["plain", "signed"]
"""Of which kind a command is; the same id may come once of each."""
_BEGINS: dict[Origin, str] = {"plain": "", "signed": "signed/"}
"""How an id stands in the table; none has a stroke of its own."""


def answered(
    connection: sqlite3.Connection, origin: Origin, command_id: str
) -> tuple[str, str] | None:
    """The digest of a command that came, and its answer as JSON; None: there was none."""
    query = "SELECT digest, answer FROM orders WHERE command_id = ?"
    row = connection.execute(query, (_BEGINS[origin] + command_id,)).fetchone()
    return None if row is None else (str(row[0]), str(row[1]))


def remember(
    connection: sqlite3.Connection,
    origin: Origin,
    command_id: str,
    digest: str,
    answer: str,
    kept: int,
) -> None:
    """Keep an answer, and of all of its kind the newest ``kept``; within a transaction."""
    connection.execute(
        "INSERT INTO orders (command_id, digest, answer) VALUES (?, ?, ?)",
        (_BEGINS[origin] + command_id, digest, answer),
    )
    connection.execute(
        "DELETE FROM orders WHERE instr(command_id, '/') > 0 IS ?1 AND number <= ("
        " SELECT number FROM orders WHERE instr(command_id, '/') > 0 IS ?1"
        " ORDER BY number DESC LIMIT 1 OFFSET ?2)",
        (origin == "signed", kept),
    )
