"""The table of false alarms whose place and look are held back."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from agent.domain.scene import HeldPlace
from wording.known_errors import reason_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.domain.scene import Case
    from agent.storage.database import Database

KEPT = 500
"""Places, those that were told last."""
_places = TypeAdapter(HeldPlace)
_log = logging.getLogger(__name__)


def hold(connection: sqlite3.Connection, case: Case) -> None:
    """Hold back what looks like a case's members; within a transaction.

    A case of which no look was noted holds nothing back: it would be the place alone.
    """
    looks = tuple(member.look for member in case.members if member.look is not None)
    release(connection, [case.case_id])
    if not looks:
        return
    place = HeldPlace(case.case_id, case.kind, case.zone_id, case.camera_id, looks)
    connection.execute(
        "INSERT INTO held_back (case_id, kind, place) VALUES (?, ?, ?)",
        (case.case_id, case.kind, _places.dump_json(place).decode()),
    )
    connection.execute(
        "DELETE FROM held_back WHERE number <="
        " (SELECT number FROM held_back ORDER BY number DESC LIMIT 1 OFFSET ?)",
        (KEPT,),
    )


def release(connection: sqlite3.Connection, case_ids: Iterable[str]) -> None:
    """Hold nothing back any more because of cases; within a transaction."""
    connection.executemany(
        "DELETE FROM held_back WHERE case_id = ?", [(case_id,) for case_id in case_ids]
    )


def held_in(database: Database) -> list[HeldPlace] | None:
    """Every place that is held back; None if the database cannot be read, which costs no frame."""
    try:
        with closing(database.read()) as connection:
            rows = connection.execute("SELECT place FROM held_back ORDER BY number").fetchall()
    except sqlite3.Error as error:
        _log.error("what is held back after false alarms: %s", reason_of(error))
        return None
    return [place for (text,) in rows if (place := _read(text)) is not None]


def _read(text: str) -> HeldPlace | None:
    try:
        return _places.validate_json(text)
    except ValidationError as error:
        _log.error("a place that is held back cannot be read: %s", type(error).__name__)
        return None
