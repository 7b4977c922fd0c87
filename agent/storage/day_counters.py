"""Counters of each day, from which the daily summary (日报) is made.

A counter belongs to a page, a zone (or the device) and a kind of case (or none), and has a name.
Counters add up; one whose name ends in ``_max`` keeps the highest value. Cases are counted in the
transaction that records them; the rest is written every few minutes.

A page is a local day by the wall clock, such as ``2026-03-01``. The clock may show a day that was already
reported, because it was wrong then or is now: that time is not yet reported, and goes onto a further page
(``2026-03-01+2``). Which pages are old, and which are complete, is decided by the device's lived time
(:mod:`agent.storage.lived_time_counter`), never by their dates.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from agent.storage.lived_time import DAY_S

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from agent.domain.case_lifecycle import Change

DAYS_KEPT = 400
DEVICE = ""
"""Stands for the zone and the kind where something is the whole device's."""
TOLD, ENDED, MOVED = "told", "ended", "moved"
"""The device's own counters of a page: its summary was sent; the clock passed its midnight; the clock was set
from this day to another one, or from another one to it."""
LOST = "lost"
"""How many numbers were told as lost with a page."""
SUPPRESSED = "suppressed."
"""What candidates, kept from being cases by the verifier's word, were seen as: followed by one of its kinds."""
JUDGED = "judged."
"""What a reviewer found of a case: followed by the verdict."""
WARNED, WARNED_LEFT = "warned", "warned_left"
"""Who was warned before a case opened, and who of these left before one did."""
HELD_BACK = "held_back"
"""Candidates that were held back, because they look like a false alarm at the same place."""
_HELD_BACK_AT = "held_back_at_max"
_SUPPRESSED_AT, _MAX = "suppressed_at.", "_max"
"""And when the last of them was, in seconds of Unix time by the clock of then."""
_DOUBTFUL = (MOVED, "unsynchronised_s")
WRITTEN_AT = "lived_s_max"
"""When a page was last written on, in lived seconds."""
ENDED_S, SETTLED_S = 60.0, 600.0
"""After so long nobody writes any more on a page whose midnight the clock has passed (it may be set back by
seconds then), and on one whose day is yesterday, however it was left. On any other: after a day."""
_PAGES = "day >= ? AND day < ? || ','"
"""All pages of a day, by the index: a comma follows the plus sign."""
Place = tuple[str, str, str]
"""Zone, kind of case, name of the counter."""


@dataclass(frozen=True, slots=True)
class SuppressedCount:
    """How many candidates for a kind of case in a zone were seen as something else, and when the last was."""

    zone_id: str
    kind: str
    seen_as: str
    count: int
    last_at: datetime


def day_of(at: datetime, timezone: ZoneInfo) -> str:
    """The local day of a moment, such as ``2026-03-01``."""
    return f"{at.astimezone(timezone):%Y-%m-%d}"


def page_of(connection: sqlite3.Connection, day: str) -> str:
    """The page that a day is written on: the first of its pages that was not yet reported."""
    rows = connection.execute(
        f"SELECT day, max(name = ?) FROM days WHERE {_PAGES} GROUP BY day",  # noqa: S608
        (TOLD, day, day),
    )
    told = {page for page, is_told in rows if is_told}
    page, number = day, 1
    while page in told:
        number += 1
        page = f"{day}+{number}"
    return page


def day_on(page: str) -> str:
    """The day of a page."""
    return page.partition("+")[0]


def count(connection: sqlite3.Connection, day: str, values: Mapping[Place, float]) -> None:
    """Add to a day's counters; within a transaction."""
    if values:
        _add(connection, page_of(connection, day), values)


def note(connection: sqlite3.Connection, page: str, name: str, value: float = 1.0) -> None:
    """Add to one of a page's own counters; within a transaction."""
    _add(connection, page, {(DEVICE, DEVICE, name): value})


def _add(connection: sqlite3.Connection, page: str, values: Mapping[Place, float]) -> None:
    connection.executemany(
        "INSERT INTO days (day, zone_id, kind, name, value) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET value = CASE WHEN name LIKE '%\\_max' ESCAPE '\\'"
        " THEN max(value, excluded.value) ELSE value + excluded.value END",
        [(page, *place, value) for place, value in values.items()],
    )


def written_on(connection: sqlite3.Connection, day: str, lived_s: float) -> None:
    """Note that a page was written now; within a transaction."""
    count(connection, day, {(DEVICE, DEVICE, WRITTEN_AT): lived_s})


def count_case(connection: sqlite3.Connection, day: str, change: Change) -> None:
    """Count what happened to a case; within the transaction that records it. A test counts for nothing."""
    case = change.case
    if case.test:
        return
    names = {
        "case.opened": {"opened": 1.0},
        "case.abstained": {"abstained": 1.0},
        "case.withdrawn": {"withdrawn": 1.0},
        "case.cleared": {"cleared": 1.0, "stood_s": max(0.0, case.last_present_s - case.began_s)},
    }
    found = names.get(change.type, {})
    count(connection, day, {(case.zone_id, case.kind, name): n for name, n in found.items()})


def count_suppressed(
    connection: sqlite3.Connection, day: str, at: datetime, found: Mapping[Place, int]
) -> None:
    """Count candidates that were no case by the verifier's word; within a transaction.

    Args:
        connection: Of the transaction.
        day: Now.
        at: Now.
        found: Zone, kind of case, and what they were seen as → how many.
    """
    values: dict[Place, float] = {}
    for (zone_id, kind, seen_as), times in found.items():
        values[zone_id, kind, SUPPRESSED + seen_as] = times
        values[zone_id, kind, f"{_SUPPRESSED_AT}{seen_as}{_MAX}"] = at.timestamp()
    count(connection, day, values)


def count_held_back(
    connection: sqlite3.Connection, day: str, at: datetime, found: Mapping[tuple[str, str], int]
) -> None:
    """Count candidates that were held back after a false alarm; within a transaction.

    Args:
        connection: Of the transaction.
        day: Now.
        at: Now.
        found: Zone and kind of case → how many.
    """
    values: dict[Place, float] = {}
    for (zone_id, kind), times in found.items():
        values[zone_id, kind, HELD_BACK] = times
        values[zone_id, kind, _HELD_BACK_AT] = at.timestamp()
    count(connection, day, values)


@dataclass(frozen=True, slots=True)
class HeldBackCount:
    """How many candidates for a kind of case in a zone were held back, and when the last was."""

    zone_id: str
    kind: str
    count: int
    last_at: datetime


def held_back(connection: sqlite3.Connection) -> list[HeldBackCount]:
    """What was held back after false alarms, over all days kept; by zone and kind."""
    rows = connection.execute(
        "SELECT zone_id, kind, sum(CASE name WHEN ?1 THEN value ELSE 0 END),"
        " max(CASE name WHEN ?2 THEN value ELSE 0 END) FROM days WHERE name IN (?1, ?2)"
        " GROUP BY zone_id, kind ORDER BY zone_id, kind",
        (HELD_BACK, _HELD_BACK_AT),
    )
    return [
        HeldBackCount(zone_id, kind, int(total), datetime.fromtimestamp(last_s, UTC))
        for zone_id, kind, total, last_s in rows
    ]


def suppressed(connection: sqlite3.Connection) -> list[SuppressedCount]:
    """What the verifier's word kept from being a case, over all days kept; the most frequent first."""
    rows = connection.execute(
        "SELECT zone_id, kind, name, sum(value), max(value) FROM days"
        " WHERE name LIKE 'suppressed%' GROUP BY zone_id, kind, name"
    )
    told = {(zone_id, kind, name): (total, most) for zone_id, kind, name, total, most in rows}
    found = []
    for (zone_id, kind, name), (total, _) in told.items():
        seen_as = name.removeprefix(SUPPRESSED)
        last = told.get((zone_id, kind, f"{_SUPPRESSED_AT}{seen_as}{_MAX}"))
        if name.startswith(SUPPRESSED) and last is not None:  # a damaged database may have lost it
            _, last_s = last
            last_at = datetime.fromtimestamp(last_s, UTC)
            found.append(SuppressedCount(zone_id, kind, seen_as, int(total), last_at))
    return sorted(found, key=lambda each: (-each.count, astuple(each)))


def read(connection: sqlite3.Connection, page: str) -> dict[Place, float]:
    """A page's counters; empty if nothing was counted."""
    rows = connection.execute("SELECT zone_id, kind, name, value FROM days WHERE day = ?", (page,))
    return {(zone_id, kind, name): value for zone_id, kind, name, value in rows}


def known(connection: sqlite3.Connection) -> list[str]:
    """The names of all pages, in order."""
    return [day for (day,) in connection.execute("SELECT DISTINCT day FROM days ORDER BY day")]


def due(connection: sqlite3.Connection, today: str, lived_s: float) -> list[str]:
    """Pages that are complete and not yet reported, the oldest first.

    A page is over when it has not been written on for long enough: soon after the clock has passed its
    midnight, and later where it was left otherwise, with the power or by a clock that was set.

    Args:
        connection: To read with.
        today: By a clock that can be trusted.
        lived_s: Now.
    """
    rows = connection.execute(
        "SELECT day, max(name = ?), max(CASE WHEN name = ? THEN value ELSE 0 END) AS written_s"
        " FROM days GROUP BY day HAVING NOT max(name = ?) ORDER BY written_s, day",
        (ENDED, WRITTEN_AT, TOLD),
    )
    yesterday = (date.fromisoformat(today) - timedelta(days=1)).isoformat()
    return [
        page
        for page, has_ended, written_s in rows
        if day_on(page) != today
        and lived_s - written_s
        >= (ENDED_S if has_ended else SETTLED_S if day_on(page) == yesterday else DAY_S)
    ]


def can_be_trusted(counters: Mapping[Place, float]) -> bool:
    """Whether a page holds exactly one day, as far as the clock can tell."""
    own = {name: counters.get((DEVICE, DEVICE, name), 0.0) for name in ("uptime_s", *_DOUBTFUL)}
    return own["uptime_s"] > 0 and not any(own[name] for name in _DOUBTFUL)


def told_as_lost(connection: sqlite3.Connection, page: str) -> int:
    """How many numbers were reported lost with the other pages of the same day."""
    day = day_on(page)
    [lost] = connection.execute(
        f"SELECT coalesce(sum(value), 0) FROM days WHERE name = ? AND day != ? AND {_PAGES}",  # noqa: S608
        (LOST, page, day, day),
    ).fetchone()
    return int(lost)


def forget_old(connection: sqlite3.Connection) -> None:
    """Delete all but the pages written last; within a transaction."""
    connection.execute(
        "DELETE FROM days WHERE day NOT IN (SELECT day FROM days GROUP BY day"
        " ORDER BY max(CASE WHEN name = ? THEN value ELSE 0 END) DESC, day DESC LIMIT ?)",
        (WRITTEN_AT, DAYS_KEPT),
    )
