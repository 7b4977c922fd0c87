"""Whether workers die with a message: one that a broker brings again is marked before it is tried, alone.

A worker that is killed by what it reads cannot say so afterwards. So the mark is committed first, and goes in the
transaction that takes the message. A batch that was under way when a worker was killed for another reason is tried
once more, one by one, and nothing of it is suspected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kerbwatch_platform.intake.quarantine import readable, sha256_of

if TYPE_CHECKING:
    import psycopg

    from kerbwatch_platform.contract.message import Message

MOST_TRIES = 3
"""Workers that may die with one message by itself before it is put aside."""
_KEPT = "7 days"


def begin(connection: psycopg.Connection[Any], message: Message) -> int:
    """Mark, and commit, that a worker begins with it; how many began before and did not come back."""
    query = (
        "INSERT INTO attempt (topic, sha256) VALUES (%s, %s) ON CONFLICT (topic, sha256)"
        " DO UPDATE SET tries = attempt.tries + 1, last_at = now() RETURNING tries"
    )
    with connection.transaction():
        row = connection.execute(query, _key(message)).fetchone()
    return int(row[0]) - 1 if row else 0


def end(connection: psycopg.Connection[Any], message: Message) -> None:
    """It was taken or put aside, in this transaction."""
    connection.execute("DELETE FROM attempt WHERE (topic, sha256) = (%s, %s)", _key(message))


def forget_old(connection: psycopg.Connection[Any]) -> None:
    """Forget the marks of what never came again."""
    connection.execute("DELETE FROM attempt WHERE last_at < now() - %s::interval", (_KEPT,))


def _key(message: Message) -> tuple[str, str]:
    return readable(message.topic, 600), sha256_of(message)
