"""Accounts and the one-time links that give them a password; there is no password that was there before."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kerbwatch_platform.web import sessions
from kerbwatch_platform.words import text

if TYPE_CHECKING:
    from datetime import datetime

    from psycopg import Connection

    from kerbwatch_platform.web.roles import Role

FIRST_HOURS, LINK_HOURS = 24, 72
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,31}")
LONGEST_PERSON = 60

AT_FIRST_START, BY_COMMAND = text("the first start"), text("the command line")
"""Who made an account, where it was nobody with one; no account can be called so."""
BAD_NAME = text(
    "An account's name has 2 to 32 characters: small letters a–z, digits, dot, underscore and hyphen."
)
BAD_PERSON = text("The person's name or number has 1 to 60 characters.")
TAKEN = text("There is an account of that name already.")
LAST_ADMINISTRATOR = text(
    "This is the last administrator who can sign in. Make another one first; the desk would belong to nobody."
)
NO_ACCOUNT = text("There is no such account, or it was closed.")


class AccountError(Exception):
    """It cannot be done; the text is one to be said."""


@dataclass(frozen=True, slots=True)
class Link:
    """A one-time link that still holds.

    Attributes:
        account: Whose; None: of the first administrator, who has no name yet.
    """

    account: str | None
    not_after: datetime


@dataclass(frozen=True, slots=True)
class Listed:
    """A row of the list of accounts."""

    name: str
    person: str
    role: str
    made_at: datetime
    made_by: str
    closed_at: datetime | None
    can_sign_in: bool
    sessions: int
    link_until: datetime | None


def first_link(connection: Connection) -> str | None:
    """Make the link that makes the first administrator; None: there is one. Each one ends those before.

    Returns:
        The token: it stands nowhere else.
    """
    with connection.transaction():
        connection.execute("LOCK TABLE account_link")
        if _administrators(connection):
            return None
        connection.execute("DELETE FROM account_link WHERE account IS NULL AND used_at IS NULL")
        return _link(connection, None, AT_FIRST_START, FIRST_HOURS)


def new_link(connection: Connection, name: str, by: str) -> str:
    """A link with which an account gets a (new) password; ends the links before it.

    Raises:
        AccountError: There is no such account.
    """
    with connection.transaction():
        _locked(connection, name)
        connection.execute(
            "DELETE FROM account_link WHERE account = %s AND used_at IS NULL", (name,)
        )
        return _link(connection, name, by, LINK_HOURS)


def make(connection: Connection, name: str, person: str, role: Role, by: str) -> str:
    """Make an account; gives the token of its one-time link.

    Raises:
        AccountError: The name is none, or is taken.
    """
    _check_names(name, person)
    with connection.transaction():
        made = connection.execute(
            """INSERT INTO account (name, person, role, made_by) VALUES (%s, %s, %s, %s)
            ON CONFLICT DO NOTHING""",
            (name, person, role.word, by),
        ).rowcount
        if not made:
            raise AccountError(TAKEN)
        return _link(connection, name, by, LINK_HOURS)


def link_of(connection: Connection, token: str) -> Link | None:
    """What a link is for; None: it was used, is over, or never was. Looking at it does not use it."""
    row = connection.execute(
        """SELECT l.account, not_after FROM account_link l LEFT JOIN account a ON a.name = l.account
        WHERE token_hash = %s AND used_at IS NULL AND not_after > now() AND a.closed_at IS NULL""",
        (sessions.hashed(token),),
    ).fetchone()
    return Link(*row) if row else None


def use_link(
    connection: Connection, token: str, password_hash: str, *, name: str, person: str
) -> str | None:
    """Use a link: its account has this password from now on, and is signed out everywhere.

    Args:
        connection: To the database.
        token: Of the link.
        password_hash: What is kept of the password.
        name: Of the first administrator's account; otherwise the link knows.
        person: Likewise.

    Returns:
        The account's name; None: the link no longer holds.

    Raises:
        AccountError: The first administrator's name is none, or is taken.
    """
    with connection.transaction():
        row = connection.execute(
            """UPDATE account_link SET used_at = now()
            WHERE token_hash = %s AND used_at IS NULL AND not_after > now() RETURNING account""",
            (sessions.hashed(token),),
        ).fetchone()
        if row is None:
            return None
        if row[0] is None:
            return _first(connection, name, person, password_hash)
        account = str(row[0])
        changed = connection.execute(
            "UPDATE account SET password_hash = %s WHERE name = %s AND closed_at IS NULL",
            (password_hash, account),
        ).rowcount
        sessions.end_all(connection, account)
        return account if changed else None


def password_of(connection: Connection, name: str) -> str | None:
    """What is kept of an account's password; None: nobody can sign in by that name."""
    row = connection.execute(
        "SELECT password_hash FROM account WHERE name = %s AND closed_at IS NULL", (name,)
    ).fetchone()
    return row[0] if row else None


def change_password(connection: Connection, name: str, password_hash: str) -> None:
    """Give an account another password."""
    connection.execute(
        "UPDATE account SET password_hash = %s WHERE name = %s", (password_hash, name)
    )


def change_role(connection: Connection, name: str, role: Role) -> None:
    """Change what an account may do; it is signed out everywhere.

    Raises:
        AccountError: There is no such account, or nobody could make accounts any more.
    """
    with connection.transaction():
        _locked(connection, name)
        connection.execute("UPDATE account SET role = %s WHERE name = %s", (role.word, name))
        _refuse_without_administrator(connection)
        sessions.end_all(connection, name)


def close(connection: Connection, name: str) -> None:
    """Close an account for good: it stays in the log, nobody can sign in with it.

    Raises:
        AccountError: As :func:`change_role`.
    """
    with connection.transaction():
        _locked(connection, name)
        connection.execute(
            "UPDATE account SET closed_at = now(), password_hash = NULL WHERE name = %s", (name,)
        )
        _refuse_without_administrator(connection)
        sessions.end_all(connection, name)


def change_language(connection: Connection, name: str, language: str) -> None:
    """In which language an account reads."""
    connection.execute("UPDATE account SET language = %s WHERE name = %s", (language, name))


def listed(connection: Connection) -> list[Listed]:
    """All accounts, the closed ones last."""
    rows = connection.execute(
        """SELECT name, person, role, made_at, made_by, closed_at, password_hash IS NOT NULL,
        (SELECT count(*) FROM desk_session s WHERE s.account = a.name),
        (SELECT max(not_after) FROM account_link l
         WHERE l.account = a.name AND used_at IS NULL AND not_after > now())
        FROM account a ORDER BY closed_at IS NOT NULL, name"""
    ).fetchall()
    return [Listed(*row) for row in rows]


def _first(connection: Connection, name: str, person: str, password_hash: str) -> str | None:
    if _administrators(connection):
        return None
    _check_names(name, person)
    made = connection.execute(
        """INSERT INTO account (name, person, role, password_hash, made_by)
        VALUES (%s, %s, 'administrator', %s, %s) ON CONFLICT DO NOTHING""",
        (name, person, password_hash, AT_FIRST_START),
    ).rowcount
    if not made:
        raise AccountError(TAKEN)
    return name


def _link(connection: Connection, account: str | None, by: str, hours: int) -> str:
    token = sessions.new_key()
    connection.execute(
        """INSERT INTO account_link (token_hash, account, made_by, not_after)
        VALUES (%s, %s, %s, now() + make_interval(hours => %s))""",
        (sessions.hashed(token), account, by, hours),
    )
    return token


def _check_names(name: str, person: str) -> None:
    if not NAME.fullmatch(name):
        raise AccountError(BAD_NAME)
    if not 1 <= len(person) <= LONGEST_PERSON:
        raise AccountError(BAD_PERSON)


def _locked(connection: Connection, name: str) -> None:
    """Wait until nobody else changes accounts: two who each make the other one a viewer leave nobody.

    Raises:
        AccountError: There is no such account.
    """
    connection.execute("LOCK TABLE account IN SHARE ROW EXCLUSIVE MODE")
    if not connection.execute(
        "SELECT 1 FROM account WHERE name = %s AND closed_at IS NULL", (name,)
    ).fetchone():
        raise AccountError(NO_ACCOUNT)


def _refuse_without_administrator(connection: Connection) -> None:
    if not _administrators(connection):
        raise AccountError(LAST_ADMINISTRATOR)


def _administrators(connection: Connection) -> int:
    """How many can sign in and make accounts."""
    row = connection.execute(
        """SELECT count(*) FROM account
        WHERE role = 'administrator' AND closed_at IS NULL AND password_hash IS NOT NULL"""
    ).fetchone()
    return int(row[0]) if row else 0
