"""What each day was like, in counters: the ground of the daily summary (日报).

A counter belongs to a local day, a zone (or the device) and a kind of case (or none), and has a name.
Counters add up; one whose name ends in ``_max`` keeps the highest value. Cases are counted in the
transaction that records them; the rest is written every few minutes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from agent.cases import Change

DAYS_KEPT = 400
DEVICE = ""
"""Stands for the zone and the kind where something is the whole device's."""
Place = tuple[str, str, str]
"""Zone, kind of case, name of the counter."""


def day_of(at: datetime, timezone: ZoneInfo) -> str:
    """The local day of a moment, such as ``2026-03-01``."""
    return f"{at.astimezone(timezone):%Y-%m-%d}"


def count(connection: sqlite3.Connection, day: str, values: Mapping[Place, float]) -> None:
    """Add to a day's counters; within a piece of work."""
    connection.executemany(
        "INSERT INTO days (day, zone_id, kind, name, value) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET value = CASE WHEN name LIKE '%\\_max' ESCAPE '\\'"
        " THEN max(value, excluded.value) ELSE value + excluded.value END",
        [(day, *place, value) for place, value in values.items()],
    )


def count_case(connection: sqlite3.Connection, day: str, change: Change) -> None:
    """Count what happened to a case; within the piece of work that records it."""
    case = change.case
    names = {
        "case.opened": {"opened": 1.0},
        "case.abstained": {"abstained": 1.0},
        "case.cleared": {"cleared": 1.0, "stood_s": max(0.0, case.last_present_s - case.began_s)},
    }
    found = names.get(change.type, {})
    count(connection, day, {(case.zone_id, case.kind, name): n for name, n in found.items()})


def read(connection: sqlite3.Connection, day: str) -> dict[Place, float]:
    """A day's counters; empty if nothing was counted."""
    rows = connection.execute("SELECT zone_id, kind, name, value FROM days WHERE day = ?", (day,))
    return {(zone_id, kind, name): value for zone_id, kind, name, value in rows}


def known(connection: sqlite3.Connection) -> list[str]:
    """The days of which something was counted, the oldest first."""
    return [day for (day,) in connection.execute("SELECT DISTINCT day FROM days ORDER BY day")]


def forget_old(connection: sqlite3.Connection) -> None:
    """Keep the newest days; within a piece of work."""
    connection.execute(
        "DELETE FROM days WHERE day NOT IN"
        " (SELECT DISTINCT day FROM days ORDER BY day DESC LIMIT ?)",
        (DAYS_KEPT,),
    )
