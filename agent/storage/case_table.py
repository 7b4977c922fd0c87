"""The tables of open cases and of why cases opened."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from pydantic import TypeAdapter

from agent.domain.scene import Case
from agent.storage.checksum import crc_of
from wording.known_errors import reason_of

if TYPE_CHECKING:
    from agent.storage.database import Database

_log = logging.getLogger(__name__)

cases_adapter = TypeAdapter(Case)


def save_case(connection: sqlite3.Connection, case: Case) -> None:
    """Store a case; within the transaction that adds its event.

    Raises:
        sqlite3.IntegrityError: Another case is open for the same place and kind.
    """
    document = cases_adapter.dump_json(case).decode()
    connection.execute(
        "INSERT INTO cases (case_id, place_id, kind, state, document, crc) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (case_id) DO UPDATE SET place_id = excluded.place_id, kind = excluded.kind,"
        " state = excluded.state, document = excluded.document, crc = excluded.crc",
        (case.case_id, case.place_id, case.kind, case.state, document, crc_of(document)),
    )


TRACES_KEPT = 1000
"""Number of cases that can be explained: those recorded last, regardless of the clock."""


def save_trace(
    connection: sqlite3.Connection, case_id: str, type_: str, body: str, trace: str
) -> None:
    """Store why a case opened, with its first and last event; within the event's transaction.

    Args:
        connection: The writer's.
        case_id: Of the case.
        type_: Of the event that is being recorded.
        body: The event's body, as JSON.
        trace: The decision trace so far, as JSON.
    """
    connection.execute(
        "INSERT INTO traces (case_id, opened, last_type, last, trace) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (case_id) DO UPDATE SET last_type = excluded.last_type,"
        " last = excluded.last, trace = CASE excluded.trace WHEN '{}' THEN trace"
        " ELSE excluded.trace END",
        (case_id, body if type_ == "case.opened" else None, type_, body, trace),
    )
    connection.execute(
        "DELETE FROM traces WHERE rowid <="
        " (SELECT rowid FROM traces ORDER BY rowid DESC LIMIT 1 OFFSET ?)",
        (TRACES_KEPT,),
    )


class Traced(NamedTuple):
    """Why a case opened: its first and its last event and what the rule went by, each as JSON."""

    case_id: str
    opened: str
    last: str
    trace: str


def traces_of(connection: sqlite3.Connection, begins: str) -> list[Traced]:
    """Why each case opened whose id begins so, the last recorded first."""
    rows = connection.execute(
        "SELECT case_id, opened, last, trace FROM traces"
        " WHERE opened IS NOT NULL AND substr(case_id, 1, length(?1)) = ?1"
        " ORDER BY rowid DESC",
        (begins,),
    ).fetchall()
    return [Traced(*row) for row in rows]


def case_ids(connection: sqlite3.Connection) -> set[str]:
    """Every case that is kept, open or over."""
    return {case_id for (case_id,) in connection.execute("SELECT case_id FROM cases")}


def has_case(connection: sqlite3.Connection, case_id: str) -> bool:
    """Whether the case is kept, open or over."""
    query = "SELECT 1 FROM cases WHERE case_id = ?"
    return connection.execute(query, (case_id,)).fetchone() is not None


def case_of(connection: sqlite3.Connection, case_id: str) -> Case | None:
    """A case that is kept, open or over."""
    query = "SELECT document FROM cases WHERE case_id = ?"
    row = connection.execute(query, (case_id,)).fetchone()
    return None if row is None else cases_adapter.validate_json(row[0])


def load_open_cases(connection: sqlite3.Connection) -> list[Case]:
    """Every open case, in the order in which they were recorded."""
    rows = connection.execute(
        "SELECT document FROM cases WHERE state = 'open' ORDER BY rowid"
    ).fetchall()
    return [cases_adapter.validate_json(document) for (document,) in rows]


def open_case_ids(connection: sqlite3.Connection) -> tuple[str, ...]:
    """The ids of the cases that are open, in the order in which they were recorded; no tests."""
    rows = connection.execute(
        "SELECT case_id FROM cases WHERE state = 'open'"
        # As text: a document that is damaged is a case all the same.
        " AND instr(document, '\"test\":true') = 0 ORDER BY rowid"
    )
    return tuple(case_id for (case_id,) in rows)


def last_body(connection: sqlite3.Connection, case_id: str) -> str | None:
    """The body of a case's last event, as JSON; None if it is not kept any more."""
    row = connection.execute("SELECT last FROM traces WHERE case_id = ?", (case_id,)).fetchone()
    return None if row is None else str(row[0])


def last_body_in(database: Database, case_id: str) -> str | None:
    """The same; a database that cannot be read costs that, and no case."""
    try:
        with closing(database.read()) as connection:
            return last_body(connection, case_id)
    except sqlite3.Error as error:
        _log.error("what was told of case %s last: %s", case_id, reason_of(error))
        return None
