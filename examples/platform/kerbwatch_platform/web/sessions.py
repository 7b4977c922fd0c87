"""Sessions: kept in the database, named by a cookie that only this browser has."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kerbwatch_platform.web.roles import Account, Role

if TYPE_CHECKING:
    from datetime import datetime

    from psycopg import Connection

    from kerbwatch_platform.words import Language

IDLE_MINUTES = 30
LONGEST_HOURS = 12
"""A shift."""
KNOWN_DAYS = 180
"""How long a browser is known after somebody has signed in at it."""

_ENDED = "seen_at < now() - make_interval(mins => %(idle)s) OR began_at < now() - make_interval(hours => %(longest)s)"
_ENDS = {"idle": IDLE_MINUTES, "longest": LONGEST_HOURS}


@dataclass(frozen=True, slots=True)
class Session:
    """One browser at which an account is signed in."""

    key_hash: bytes
    began_at: datetime
    seen_at: datetime
    peer: str
    browser: str


def new_key() -> str:
    """256 bits for a cookie or a link."""
    return secrets.token_urlsafe(32)


def hashed(key: str) -> bytes:
    """What the database keeps of a key: whoever reads it there cannot use it."""
    return hashlib.sha256(key.encode()).digest()


def csrf_of(key: str) -> str:
    """What a form names beside the cookie; whoever does not have the cookie cannot know it."""
    return hmac.new(key.encode(), b"csrf", hashlib.sha256).hexdigest()


def begin(connection: Connection, account: str, peer: str, browser: str) -> str:
    """Begin a session under a new key; gives the cookie's value."""
    key = new_key()
    with connection.transaction():
        connection.execute(f"DELETE FROM desk_session WHERE {_ENDED}", _ENDS)
        connection.execute(
            "INSERT INTO desk_session (key_hash, account, peer, browser) VALUES (%s, %s, %s, %s)",
            (hashed(key), account, peer, browser[:200]),
        )
    return key


def account_of(
    connection: Connection, key: str | None, language: Language, *, renews: bool = True
) -> Account | None:
    """Whose session a cookie names; None: nobody's, or it has ended.

    Args:
        connection: To the database.
        key: The cookie's value.
        language: For an account that has chosen none.
        renews: Whether somebody is there; a page that asks by itself keeps no session alive.
    """
    if not key:
        return None
    row = connection.execute(
        f"""SELECT a.name, a.person, a.role, a.language, s.seen_at < now() - interval '30 s'
        FROM desk_session s JOIN account a ON a.name = s.account
        WHERE key_hash = %(key)s AND closed_at IS NULL AND NOT ({_ENDED})""",
        {"key": hashed(key), **_ENDS},
    ).fetchone()
    if row is None:
        return None
    name, person, role, own_language, to_note = row
    if to_note and renews:
        connection.execute(
            "UPDATE desk_session SET seen_at = now() WHERE key_hash = %s", (hashed(key),)
        )
    return Account(name, person, Role[role.upper()], own_language or language)


def end(connection: Connection, key: str) -> None:
    """Sign this browser out."""
    connection.execute("DELETE FROM desk_session WHERE key_hash = %s", (hashed(key),))


def end_all(connection: Connection, account: str, *, but: str | None = None) -> int:
    """Sign an account out everywhere (but where the cookie has this value); how many sessions ended."""
    kept = hashed(but) if but else b""
    return connection.execute(
        "DELETE FROM desk_session WHERE account = %s AND key_hash <> %s", (account, kept)
    ).rowcount


def sessions_of(connection: Connection, account: str) -> list[Session]:
    """Where an account is signed in, the latest first."""
    rows = connection.execute(
        f"""SELECT key_hash, began_at, seen_at, peer, browser FROM desk_session
        WHERE account = %(account)s AND NOT ({_ENDED}) ORDER BY seen_at DESC""",
        {"account": account, **_ENDS},
    ).fetchall()
    return [Session(*row) for row in rows]


def know(connection: Connection, key: str, account: str) -> None:
    """Somebody has signed in at this browser: strangers' attempts no longer count against it."""
    connection.execute(
        "DELETE FROM known_browser WHERE last_at < now() - make_interval(days => %s)", (KNOWN_DAYS,)
    )
    connection.execute(
        """INSERT INTO known_browser (key_hash, account) VALUES (%s, %s)
        ON CONFLICT (key_hash, account) DO UPDATE SET last_at = now()""",
        (hashed(key), account),
    )


def is_known(connection: Connection, key: str | None, account: str) -> bool:
    """Whether this account has signed in at this browser not too long ago."""
    if not key:
        return False
    found = connection.execute(
        """SELECT 1 FROM known_browser
        WHERE key_hash = %s AND account = %s AND last_at > now() - make_interval(days => %s)""",
        (hashed(key), account, KNOWN_DAYS),
    ).fetchone()
    return found is not None


def rename_browser(connection: Connection, old: str | None, new: str) -> None:
    """Give a browser another key; it stays known to whom it was known."""
    connection.execute(
        "UPDATE known_browser SET key_hash = %s WHERE key_hash = %s",
        (hashed(new), hashed(old or "")),
    )
