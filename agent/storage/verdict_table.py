"""The table of what reviewers found, by which the precision of a device is reckoned: by zone and kind of case.

It outlives the cases themselves. Of each zone and kind the newest cases count, so that it says how the device
judges now, and no clock decides what is old.
"""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from agent.domain.scene import Case

KEPT = 500
"""Judged cases of each zone and kind: enough to know a precision of nine in ten to within three in a hundred."""


class Judged(NamedTuple):
    """How many cases of a kind in a zone were found what, by the last verdict on each."""

    zone_id: str
    kind: str
    valid: int
    false: int
    duplicate: int

    @property
    def precision(self) -> float | None:
        """The share of the valid among the valid and the false, 0 to 1; None: nothing was found either."""
        decided = self.valid + self.false
        return round(self.valid / decided, 4) if decided else None


def keep_verdict(connection: sqlite3.Connection, case: Case, verdict: str) -> None:
    """Keep the last verdict on a case; within a transaction."""
    place = json.dumps([case.zone_id, case.kind], ensure_ascii=False)
    connection.execute("DELETE FROM verdicts WHERE case_id = ?", (case.case_id,))
    connection.execute(
        "INSERT INTO verdicts (case_id, verdict, place) VALUES (?, ?, ?)",
        (case.case_id, verdict, place),
    )
    connection.execute(
        "DELETE FROM verdicts WHERE place = ?1 AND number <= ("
        " SELECT number FROM verdicts WHERE place = ?1 ORDER BY number DESC LIMIT 1 OFFSET ?2)",
        (place, KEPT),
    )


def judged(connection: sqlite3.Connection) -> list[Judged]:
    """What was found, by zone and kind; those of which most is known first."""
    rows = connection.execute(
        "SELECT place, sum(verdict = 'valid'), sum(verdict = 'false'), sum(verdict = 'duplicate')"
        " FROM verdicts GROUP BY place ORDER BY count(*) DESC, place"
    )
    return [Judged(*json.loads(place), *counts) for place, *counts in rows]


def judged_if_kept(connection: sqlite3.Connection) -> list[Judged]:
    """The same; nothing in a database of an older agent, which is only read."""
    try:
        return judged(connection)
    except sqlite3.OperationalError:
        return []
