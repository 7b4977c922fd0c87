"""When rows of the platform's own end: the access log, and notes of what was sent, put aside or refused.

What is deleted was written before a moment that lies so many days of lived time back (:mod:`kerbwatch_platform.store.lived`).
Each hour it is noted what the clock said and how far the log had come; a clock that was ahead for a while makes no row
old, because the earliest that any note since says counts.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from kerbwatch_platform.store import lived

if TYPE_CHECKING:
    import psycopg

    from kerbwatch_platform.settings import Retention

_LOG_AT_ONCE = 50_000
_ENDS = {
    "quarantine": "DELETE FROM quarantine WHERE done_at < %(at)s",
    "over_limit": "DELETE FROM over_limit WHERE hour < %(at)s",
    # Those that tell a device of a decision are part of its history.
    "outgoing": (
        "DELETE FROM outgoing o WHERE not_after < %(at)s"
        " AND NOT EXISTS (SELECT 1 FROM verdict v WHERE v.order_id = o.order_id)"
        " AND NOT EXISTS (SELECT 1 FROM case_ticket t WHERE t.order_id = o.order_id)"
    ),
    # What is looked at again when a system is told (exports/webhooks.py) is not told a second time.
    "webhook_delivery": (
        "DELETE FROM webhook_delivery d USING webhook w WHERE w.name = d.name"
        " AND coalesce(d.delivered_at, d.given_up_at, d.queued_at) < %(at)s"
        " AND d.queued_at < w.reached - interval '1 day'"
    ),
    "account_link": "DELETE FROM account_link WHERE not_after < %(at)s",
    "desk_session": "DELETE FROM desk_session WHERE seen_at < %(at)s",
    "known_browser": "DELETE FROM known_browser WHERE last_at < %(at)s",
}
"""Tables whose rows end after ``notes_days``. Open rows of the quarantine wait for a person; each device has a few."""


class Before(NamedTuple):
    """What is older than some days: written before ``at``; in the access log, of this number or a smaller one."""

    at: datetime
    log_number: int


def end(connection: psycopg.Connection, periods: Retention) -> dict[str, int]:
    """Delete rows whose time is over; how many of each table."""
    lived_s = lived.advance(connection)
    _mark(connection, lived_s)
    ended: dict[str, int] = {}
    notes = before(connection, lived_s, periods.notes_days)
    if notes is not None:
        ended = {
            table: connection.execute(text.encode(), {"at": notes.at}).rowcount
            for table, text in _ENDS.items()
        }
    log = before(connection, lived_s, periods.access_log_days)
    if log is not None:
        ended["access_log"] = connection.execute(
            "DELETE FROM access_log WHERE number IN"
            " (SELECT number FROM access_log WHERE number <= %s ORDER BY number LIMIT %s)",
            (log.log_number, _LOG_AT_ONCE),
        ).rowcount
    return {table: count for table, count in ended.items() if count}


def before(connection: psycopg.Connection, lived_s: float, days: float) -> Before | None:
    """What is older than so many days; None: the platform has not lived that long."""
    row = connection.execute(
        "SELECT min(at), min(log_number) FROM lived_mark WHERE lived_s >= ("
        "  SELECT max(lived_s) FROM lived_mark WHERE lived_s <= %s)",
        (lived_s - days * lived.DAY_S,),
    ).fetchone()
    return None if row is None or row[0] is None else Before(row[0], int(row[1]))


def _mark(connection: psycopg.Connection, lived_s: float) -> None:
    connection.execute(
        "INSERT INTO lived_mark SELECT %s, now(), coalesce(max(number), 0) FROM access_log"
        " ON CONFLICT DO NOTHING",
        (lived_s,),
    )
