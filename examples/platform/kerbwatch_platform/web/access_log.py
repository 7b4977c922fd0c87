"""Who saw or did what. Rows are only ever added; the database refuses anything else."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from kerbwatch_platform.words import text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from psycopg import Connection

PAGE = 100
COLUMNS = {
    "number": text("Number"),
    "at": text("Time"),
    "account": text("Account"),
    "role": text("Role"),
    "what": text("What"),
    "tenant": text("City"),
    "device": text("Device"),
    "case_id": text("Case"),
    "picture": text("Picture (SHA-256)"),
    "method": text("Method"),
    "path": text("Page"),
    "status": text("Result"),
    "peer": text("Address"),
    "detail": text("Detail"),
}
"""Column → its heading."""

WHAT = {
    "saw": text("saw"),
    "did": text("did"),
    "refused": text("was refused"),
    "signed_in": text("signed in"),
    "sign_in_failed": text("failed to sign in"),
    "signed_out": text("signed out"),
    "used_link": text("used a one-time link"),
    "exported": text("exported"),
}
"""Codes of the column ``what``; every POST that is not one of the others is ``did``."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One row before it has its number."""

    account: str | None
    role: str | None
    what: str
    method: str
    path: str
    status: int
    peer: str
    tenant: str | None = None
    device: str | None = None
    case_id: str | None = None
    picture: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows; None: all.

    Attributes:
        before: Only rows of smaller numbers: the next page.
    """

    account: str | None = None
    what: str | None = None
    device: str | None = None
    case_id: str | None = None
    first_day: date | None = None
    last_day: date | None = None
    before: int | None = None


def write(connection: Connection, entry: Entry) -> None:
    """Add a row."""
    names = [field.name for field in fields(entry)]
    values = [_short(getattr(entry, name)) for name in names]
    places = ", ".join(["%s"] * len(names))
    connection.execute(f"INSERT INTO access_log ({', '.join(names)}) VALUES ({places})", values)


_CONDITIONS = {
    "account": "account = %(account)s",
    "what": "what = %(what)s",
    "device": "device = %(device)s",
    "case_id": "case_id = %(case_id)s",
    "first_day": "at >= %(first_day)s::date::timestamp AT TIME ZONE %(zone)s",
    "last_day": "at < (%(last_day)s::date + 1)::timestamp AT TIME ZONE %(zone)s",
    "before": "number < %(before)s",
}
"""Only those that are wanted stand in the query: each has its index."""


def read(
    connection: Connection, wanted: Wanted, zone: str, most: int = PAGE
) -> list[dict[str, Any]]:
    """Rows, the newest first.

    Args:
        connection: To the database.
        wanted: Which.
        zone: IANA name of the time zone that days are of.
        most: How many.
    """
    values = {name: getattr(wanted, name) for name in _CONDITIONS}
    asked = [_CONDITIONS[name] for name, value in values.items() if value is not None]
    found = connection.execute(_query(asked), values | {"zone": zone, "most": most})
    return [dict(zip(COLUMNS, row, strict=True)) for row in found]


def rows(connection: Connection, wanted: Wanted, zone: str) -> Iterator[tuple[Any, ...]]:
    """All of them, the newest first, as the database hands them out; each has the values of :data:`COLUMNS`."""
    values = {name: getattr(wanted, name) for name in _CONDITIONS}
    asked = [_CONDITIONS[name] for name, value in values.items() if value is not None]
    with connection.transaction(), connection.cursor(name="access_log") as cursor:
        cursor.itersize = 1000
        yield from cursor.execute(_query(asked), values | {"zone": zone, "most": None})


def _query(asked: list[str]) -> bytes:
    query = f"SELECT {', '.join(COLUMNS)} FROM access_log"
    if asked:
        query += f" WHERE {' AND '.join(asked)}"
    return f"{query} ORDER BY number DESC LIMIT %(most)s".encode()


def _short(value: Any) -> Any:
    return value[:500] if isinstance(value, str) else value
