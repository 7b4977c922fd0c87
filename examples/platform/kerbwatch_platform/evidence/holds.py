"""Holds: a case whose pictures nobody may delete until the hold is lifted. Both have a reason, and both are kept."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from kerbwatch_platform.store import lived

if TYPE_CHECKING:
    import psycopg

LONGEST_REASON = 500


class Of(NamedTuple):
    """Which case."""

    tenant: str
    device: str
    case_id: str


class Hold(NamedTuple):
    """That a case was held, or let go.

    Attributes:
        held: Whether it is held since then.
        account: Who said so.
        reason: Why.
    """

    tenant: str
    device: str
    case_id: str
    held: bool
    account: str
    reason: str
    at: datetime


class NoCaseError(LookupError):
    """Nothing of such a case is here."""


class NoReasonError(ValueError):
    """A reason of 1 to 500 characters is needed."""


_COLUMNS = "tenant, device, case_id, held, account, reason, at"


def change(
    connection: psycopg.Connection, of: tuple[str, str, str], *, hold: bool, by: str, reason: str
) -> bool:
    """Hold a case, or lift its hold. When this returns no deletion is under way that does not know of it.

    Args:
        connection: To the store.
        of: Tenant, device and id of the case.
        hold: Set it, or lift it.
        by: Who does.
        reason: Why; it is kept.

    Returns:
        False: it was so before, and nothing was changed.

    Raises:
        NoCaseError: There is no such case.
        NoReasonError: No reason is given, or too long a one.
    """
    need_reason(reason)
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock_shared(hashtext('evidence folder'), 0)")
        connection.execute(
            "SELECT pg_advisory_xact_lock(hashtext('hold'), hashtext(%s))", ("/".join(of),)
        )
        need_case(connection, of)
        if (held(connection, of) is not None) == hold:
            return False
        lived_s = lived.advance(connection)
        connection.execute(
            "INSERT INTO case_hold (tenant, device, case_id, held, account, reason, lived_s)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (*of, hold, by, reason.strip(), lived_s),
        )
    return True


def held(connection: psycopg.Connection, of: tuple[str, str, str]) -> Hold | None:
    """The hold on a case, if there is one."""
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM hold_now WHERE (tenant, device, case_id) = (%s, %s, %s) AND held".encode(),
        of,
    ).fetchone()
    return None if row is None else Hold(*row)


def history(connection: psycopg.Connection, of: tuple[str, str, str]) -> list[Hold]:
    """How a case was held and let go, the newest first."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM case_hold WHERE (tenant, device, case_id) = (%s, %s, %s)"
        " ORDER BY number DESC".encode(),
        of,
    )
    return [Hold(*row) for row in rows]


def standing(connection: psycopg.Connection, most: int = 1000) -> list[Hold]:
    """All that are held, the longest first."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM hold_now WHERE held ORDER BY at LIMIT %s".encode(), (most,)
    )
    return [Hold(*row) for row in rows]


def need_reason(reason: str) -> None:
    """Say if a reason is none.

    Raises:
        NoReasonError: It is empty, or too long.
    """
    if not 0 < len(reason.strip()) <= LONGEST_REASON:
        raise NoReasonError(f"a reason of 1 to {LONGEST_REASON} characters is needed")


def need_case(connection: psycopg.Connection, of: tuple[str, str, str]) -> None:
    """Say if nothing of a case is here.

    Raises:
        NoCaseError: Neither an event nor a picture of it is.
    """
    row = connection.execute(
        "SELECT EXISTS (SELECT 1 FROM newest_case WHERE (tenant, device, case_id) = (%s, %s, %s))"
        " OR EXISTS (SELECT 1 FROM evidence_record WHERE (tenant, device, case_id) = (%s, %s, %s))",
        (*of, *of),
    ).fetchone()
    if row is None or not row[0]:
        raise NoCaseError("/".join(of))
