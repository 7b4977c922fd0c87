"""The table of what the platform told of a case: its number there, and what a reviewer found."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from pydantic import ValidationError

from agent.protocol.case import Verdict
from wording.known_errors import reason_of

if TYPE_CHECKING:
    from agent.storage.database import Database

_log = logging.getLogger(__name__)


class CaseNotes(NamedTuple):
    """What the platform told of one case; None: nothing yet."""

    ticket: str | None = None
    verdict: Verdict | None = None


def note_ticket(connection: sqlite3.Connection, case_id: str, ticket: str) -> None:
    """Keep the platform's number of a case; within a transaction."""
    connection.execute(
        "INSERT INTO case_notes (case_id, ticket) VALUES (?, ?)"
        " ON CONFLICT (case_id) DO UPDATE SET ticket = excluded.ticket",
        (case_id, ticket),
    )


def note_verdict(connection: sqlite3.Connection, case_id: str, verdict: Verdict) -> None:
    """Keep what a reviewer found of a case; within a transaction."""
    connection.execute(
        "INSERT INTO case_notes (case_id, verdict) VALUES (?, ?)"
        " ON CONFLICT (case_id) DO UPDATE SET verdict = excluded.verdict",
        (case_id, verdict.model_dump_json()),
    )


def notes_on(connection: sqlite3.Connection, case_id: str) -> CaseNotes:
    """What was told of a case."""
    query = "SELECT ticket, verdict FROM case_notes WHERE case_id = ?"
    row = connection.execute(query, (case_id,)).fetchone()
    if row is None:
        return CaseNotes()
    try:
        verdict = None if row[1] is None else Verdict.model_validate_json(row[1])
    except ValidationError as error:
        _log.error("the verdict on case %s cannot be read: %s", case_id, type(error).__name__)
        verdict = None
    return CaseNotes(row[0], verdict)


def notes_in(database: Database, case_id: str) -> CaseNotes:
    """What was told of a case; a database that cannot be read costs that, and no case."""
    try:
        with closing(database.read()) as connection:
            return notes_on(connection, case_id)
    except sqlite3.Error as error:
        _log.error("what the platform told of case %s: %s", case_id, reason_of(error))
        return CaseNotes()
