"""Months of events: a partition for each is made ahead, and old ones are taken out of the way. Called hourly.

An event's id is a UUIDv7, whose first 48 bits are milliseconds since 1970 (RFC 9562, section 5.7): its text sorts by time,
and each month is a range of texts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

import psycopg
from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Callable

BEHIND, AHEAD = 2, 3
"""Months before and after the present one that have a partition: a device may bring what waited for weeks."""
KEEP_MONTHS = 25
"""Before the present one, that stay within reach of every question: this year and the two before it."""
PATIENCE = "5s"
"""For so long a step waits for those who read and write; then it is left for the next hour."""
MOST_REFUSED = 1000
"""Refused events of a device that are kept as they came; of older ones the number and the code stay."""
_COLUMNS = sql.SQL("tenant, device, event_id, type, test, raw, received_at")


@dataclass(frozen=True, order=True)
class Month:
    """A month by UTC."""

    year: int
    month: int

    @classmethod
    def of(cls, at: datetime) -> Self:
        """The month of a time, which has its offset."""
        utc = at.astimezone(UTC)
        return cls(utc.year, utc.month)

    @property
    def name(self) -> str:
        """Of its partition."""
        return f"event_{self.year:04}_{self.month:02}"

    @property
    def first_id(self) -> str:
        """The lowest text that an id of this month begins with."""
        begins = datetime(self.year, self.month, 1, tzinfo=UTC)
        digits = f"{int(begins.timestamp()) * 1000:012x}"
        return f"{digits[:8]}-{digits[8:]}"

    def __add__(self, months: int) -> Month:
        years, rest = divmod(self.month - 1 + months, 12)
        return Month(self.year + years, rest + 1)


def keep_up(connection: psycopg.Connection, now: datetime, *, keep: int = KEEP_MONTHS) -> str:
    """Do what is due: make months ahead, take old ones out, forget the content of old refusals. A line about it.

    What waits too long for others is left for the next time.
    """
    made = make_around(connection, now)
    past = [each for each in months(connection) if each < Month.of(now) + -keep]
    out = [each for each in past if _unless_busy(connection, take_out, each)]
    _forget_refused(connection)
    told = {"made": made, "taken out": out}
    return "; ".join(
        f"{what} {', '.join(each.name for each in which)}" for what, which in told.items() if which
    )


def make_around(connection: psycopg.Connection, now: datetime) -> list[Month]:
    """Give the months around now their partitions; those that had none."""
    around = (Month.of(now) + each for each in range(-BEHIND, AHEAD + 1))
    return [each for each in around if _unless_busy(connection, make, each)]


def months(connection: psycopg.Connection) -> list[Month]:
    """That have a partition, the oldest first."""
    found = connection.execute(
        "SELECT relid::regclass::text FROM pg_partition_tree('event') WHERE isleaf AND level = 1"
    ).fetchall()
    names = (name.removeprefix("event_").split("_") for (name,) in found if name != "event_other")
    return sorted(Month(int(year), int(month)) for year, month in names)


def make(connection: psycopg.Connection, month: Month) -> bool:
    """Give a month its partition, with what lies in ``event_other`` of it; whether there was none."""
    if month in months(connection) or _is_out(connection, month):
        return False
    first, end = sql.Literal(month.first_id), sql.Literal((month + 1).first_id)
    facts = {"name": sql.Identifier(month.name), "first": first, "end": end, "columns": _COLUMNS}
    with connection.transaction():
        connection.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(PATIENCE))
        # Who has an event of this month waits here until there is a place for it.
        connection.execute("LOCK TABLE event_other IN ACCESS EXCLUSIVE MODE")
        if month in months(connection):  # another was quicker
            return False
        connection.execute(
            sql.SQL("CREATE TABLE {name} (LIKE event INCLUDING ALL)").format(**facts)
        )
        connection.execute(
            sql.SQL(
                "WITH moved AS (DELETE FROM event_other WHERE event_id >= {first} AND event_id < {end}"
                " RETURNING {columns}) INSERT INTO {name} ({columns}) SELECT {columns} FROM moved"
            ).format(**facts)
        )
        connection.execute(
            sql.SQL(
                "ALTER TABLE event ATTACH PARTITION {name} FOR VALUES FROM ({first}) TO ({end})"
            ).format(**facts)
        )
    return True


def take_out(connection: psycopg.Connection, month: Month) -> bool:
    """Take a month's events out of ``event`` into the schema ``archive``, where they stay until a person drops them.

    Its numbers, cases, stays and hours stay where they are; an event of it that comes once more is not kept again.
    """
    facts = {"name": sql.Identifier(month.name)}
    with connection.transaction():
        connection.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(PATIENCE))
        connection.execute(sql.SQL("ALTER TABLE event DETACH PARTITION {name}").format(**facts))
        connection.execute(sql.SQL("ALTER TABLE {name} SET SCHEMA archive").format(**facts))
        connection.execute(
            "INSERT INTO archived_month (name, first_id, end_id) VALUES (%s, %s, %s)",
            (month.name, month.first_id, (month + 1).first_id),
        )
    return True


def _is_out(connection: psycopg.Connection, month: Month) -> bool:
    query = "SELECT 1 FROM archived_month WHERE name = %s"
    return connection.execute(query, (month.name,)).fetchone() is not None


def _unless_busy(
    connection: psycopg.Connection, step: Callable[[psycopg.Connection, Month], bool], month: Month
) -> bool:
    try:
        return step(connection, month)
    except psycopg.errors.LockNotAvailable:
        return False


def _forget_refused(connection: psycopg.Connection) -> None:
    connection.execute(
        "UPDATE refused r SET raw = '' FROM ("
        " SELECT tenant, device, epoch, sequence, row_number() OVER (PARTITION BY tenant, device"
        " ORDER BY epoch, sequence DESC) AS nth FROM refused WHERE raw <> '') AS aged"
        " WHERE (r.tenant, r.device, r.epoch, r.sequence) = (aged.tenant, aged.device, aged.epoch, aged.sequence)"
        " AND nth > %s",
        (MOST_REFUSED,),
    )
