"""The table of what was made of each zone in each minute of the last hours: figures, no pictures."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

KEPT = 20_000
"""Minutes of zones, those written last, whatever the clock says: of ten zones the last 33 hours, some 6 MB."""


class ZoneMinute(NamedTuple):
    """One zone in one minute."""

    zone_id: str
    at: datetime
    """When the minute began, by the clock of then."""
    told: dict[str, Any]
    """See :mod:`agent.analysis.zone_minutes`."""


def keep_minutes(connection: sqlite3.Connection, minutes: Sequence[ZoneMinute]) -> None:
    """Keep minutes; within a transaction."""
    connection.executemany(
        "INSERT INTO minutes (zone_id, at, told) VALUES (?, ?, ?)",
        [
            (each.zone_id, each.at.timestamp(), json.dumps(each.told, separators=(",", ":")))
            for each in minutes
        ],
    )
    connection.execute(
        "DELETE FROM minutes WHERE number <= (SELECT max(number) FROM minutes) - ?", (KEPT,)
    )


def minutes_of(
    connection: sqlite3.Connection, zone_id: str, begins: datetime, ends: datetime
) -> list[ZoneMinute]:
    """What was made of a zone in the minutes of a stretch of time, by the clock of then.

    Args:
        connection: To read with.
        zone_id: The zone.
        begins: From here.
        ends: Until before here.
    """
    rows = connection.execute(
        "SELECT at, told FROM minutes WHERE zone_id = ? AND at >= ? AND at < ? ORDER BY at, number",
        (zone_id, begins.timestamp(), ends.timestamp()),
    )
    return [ZoneMinute(zone_id, datetime.fromtimestamp(at, UTC), json.loads(t)) for at, t in rows]


def timezone_of(connection: sqlite3.Connection) -> str | None:
    """The site's time zone when the newest minute was kept; None: it was not noted.

    Raises:
        sqlite3.OperationalError: The database is of an agent that kept no minutes.
    """
    row = connection.execute(
        "SELECT json_extract(told, '$.timezone') FROM minutes ORDER BY number DESC LIMIT 1"
    ).fetchone()
    return None if row is None else row[0]


def span_of(connection: sqlite3.Connection) -> dict[str, tuple[datetime, datetime]]:
    """Zone → the first and the last minute that are kept of it."""
    rows = connection.execute("SELECT zone_id, min(at), max(at) FROM minutes GROUP BY zone_id")
    return {
        zone_id: (datetime.fromtimestamp(first, UTC), datetime.fromtimestamp(last, UTC))
        for zone_id, first, last in rows
    }
