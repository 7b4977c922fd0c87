"""What could not be taken, kept for a person: nothing is thrown away unseen, and nothing is tried for ever."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Literal

from kerbwatch_platform import store
from kerbwatch_platform.contract.message import Message, place_of

if TYPE_CHECKING:
    import psycopg

    from kerbwatch_platform.settings import Settings

Kind = Literal["raised", "killed", "dead_letter", "odd_topic", "unclear"]
KEPT_BYTES = 1_000_000
"""Of a payload; a longer one is cut."""
MOST_OF_DEVICE = 200
"""Open rows of one device. What comes on top is counted in one row more, and its payload is not kept."""
_TOPIC_CHARACTERS = 600
_PUT = """
INSERT INTO quarantine (kind, topic, tenant, device, sha256, size_bytes, payload, why)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (kind, topic, sha256) DO UPDATE
SET times = quarantine.times + 1, last_at = now(), why = excluded.why, done_at = NULL, done_by = NULL
"""
_OPEN = """
SELECT count(*) FROM quarantine
WHERE tenant IS NOT DISTINCT FROM %s AND device IS NOT DISTINCT FROM %s AND done_at IS NULL
"""


def sha256_of(message: Message) -> str:
    """What a message is known by, beside its topic."""
    return hashlib.sha256(message.payload).hexdigest()


def put(
    connection: psycopg.Connection[Any], prefix: str, message: Message, kind: Kind, why: str
) -> None:
    """Keep a message, in the caller's transaction; one that comes again is counted."""
    tenant, device = whose(message.topic, prefix)
    topic, told = readable(message.topic, _TOPIC_CHARACTERS), readable(why, 500)
    sha256, kept = sha256_of(message), message.payload[:KEPT_BYTES]
    (rows,) = connection.execute(_OPEN, (tenant, device)).fetchone() or (0,)
    if rows >= MOST_OF_DEVICE:
        topic, sha256, kept = f"{readable(prefix, 200)}/{tenant}/{device}/…", "", b""
    row = (kind, topic, tenant, device, sha256, len(message.payload), kept, told)
    connection.execute(_PUT, row)


def killers(connection: psycopg.Connection[Any]) -> frozenset[tuple[str, str]]:
    """(topic, sha256) of what workers died with or failed at: it is not tried again until a person says so."""
    query = (
        "SELECT topic, sha256 FROM quarantine"
        " WHERE kind IN ('killed', 'raised') AND done_at IS NULL LIMIT 10000"
    )
    return frozenset(connection.execute(query).fetchall())


def done(connection: psycopg.Connection[Any], quarantine_id: int, by: str) -> bool:
    """A person has seen it, and it is let go; whether it was open."""
    query = (
        "UPDATE quarantine SET done_at = now(), done_by = %s"
        " WHERE quarantine_id = %s AND done_at IS NULL"
    )
    return connection.execute(query, (by, quarantine_id)).rowcount > 0


def take_again(
    connection: psycopg.Connection[Any], settings: Settings, quarantine_id: int, by: str
) -> bool:
    """Take a message as if it came now: what was wrong has been mended. Whether it could be.

    Raises:
        ValueError: It is not there any more, was cut, or is none of a device's events.
        psycopg.Error: It still cannot be taken.
    """
    query = (
        "SELECT topic, payload, size_bytes FROM quarantine"
        " WHERE quarantine_id = %s AND done_at IS NULL FOR UPDATE"
    )
    with connection.transaction():
        row = connection.execute(query, (quarantine_id,)).fetchone()
        if row is None or len(row[1]) < row[2]:
            raise ValueError("it is not there any more, or not whole")
        if place_of(row[0], settings.prefix).channel != "events":
            raise ValueError("only events are taken again")
        store.take(connection, [Message(row[0], bytes(row[1]))], prefix=settings.prefix)
        return done(connection, quarantine_id, by)


def whose(topic: str, prefix: str) -> tuple[str | None, str | None]:
    """Tenant and device of a topic, as far as it has them: the broker vouches for both, whatever comes behind."""
    levels = topic.removeprefix(f"{prefix}/").split("/") if topic.startswith(f"{prefix}/") else []
    try:
        place = place_of("/".join([prefix, *levels[:2], "events"]), prefix)
    except ValueError:
        return None, None
    return place.tenant, place.device


def readable(text: str, most: int) -> str:
    """A text of others, so that a database takes it and a page shows it: what is invisible is written out."""
    shown = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text[:most])
    return shown[:most]
