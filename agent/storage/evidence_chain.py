"""The table of the chain of evidence, and what is deleted and not told yet.

A record of the chain is a manifest or a tombstone (:mod:`agent.protocol.evidence`). Its digest stays when the
pictures of its case are deleted: 32 bytes by which what lies between two manifests is proved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    import sqlite3

DELETED: Final = "deleted"
"""The stage of a tombstone."""


class Link(NamedTuple):
    """A place in the chain: a record's number, and its link in hexadecimal."""

    number: int
    link: str


class Record(NamedTuple):
    """One record of the chain.

    Attributes:
        number: In the chain.
        case_id: Whose.
        stage: Of the case, or :data:`DELETED`.
        digest: The SHA-256 of its compact signature, in hexadecimal.
        link: Its link, in hexadecimal.
        key_x: The public key that signed it, in base64url.
        jws: The compact signature; None: it is deleted.
    """

    number: int
    case_id: str
    stage: str
    digest: str
    link: str
    key_x: str
    jws: str | None


class Deletion(NamedTuple):
    """Pictures of a case that were deleted, or are about to be; ``at_s`` in seconds since 1970, None: unknown."""

    case_id: str
    why: str
    at_s: float | None
    files: int
    size_bytes: int


_COLUMNS = "number, case_id, stage, digest, link, key_x, jws"


def head(connection: sqlite3.Connection) -> Link | None:
    """The newest record; None: the chain is empty."""
    row = connection.execute(
        "SELECT number, link FROM evidence_chain ORDER BY number DESC LIMIT 1"
    ).fetchone()
    return None if row is None else Link(int(row[0]), str(row[1]))


def append(connection: sqlite3.Connection, record: Record) -> None:
    """Add the next record; within the transaction that queues its event."""
    connection.execute(
        f"INSERT INTO evidence_chain ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        record,
    )


def records_of(connection: sqlite3.Connection, case_id: str) -> list[Record]:
    """The records of a case, in order."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM evidence_chain WHERE case_id = ? ORDER BY number",  # noqa: S608
        (case_id,),
    )
    return [Record(*row) for row in rows]


def case_ids(connection: sqlite3.Connection, begins: str) -> list[str]:
    """The cases of the chain whose id begins so."""
    rows = connection.execute(
        "SELECT DISTINCT case_id FROM evidence_chain WHERE substr(case_id, 1, length(?1)) = ?1"
        " ORDER BY case_id",
        (begins,),
    )
    return [str(case_id) for (case_id,) in rows]


def digests(connection: sqlite3.Connection, first: int, last: int) -> list[tuple[int, str]]:
    """The numbers and digests of the records from one number to another."""
    return connection.execute(
        "SELECT number, digest FROM evidence_chain WHERE number BETWEEN ? AND ? ORDER BY number",
        (first, last),
    ).fetchall()


def note_deletions(connection: sqlite3.Connection, deletions: list[Deletion]) -> None:
    """Note what is deleted; before it is. What was noted before is not noted again."""
    connection.executemany(
        "INSERT INTO evidence_deletions (case_id, why, at, files, size_bytes)"
        " VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        deletions,
    )


def is_deleted(connection: sqlite3.Connection, case_id: str) -> bool:
    """Whether it is noted that the pictures of a case are deleted."""
    row = connection.execute("SELECT 1 FROM evidence_deletions WHERE case_id = ?", (case_id,))
    return row.fetchone() is not None


def untold(connection: sqlite3.Connection, most: int) -> list[Deletion]:
    """Deletions of which there is no tombstone yet, in order."""
    rows = connection.execute(
        "SELECT case_id, why, at, files, size_bytes FROM evidence_deletions"
        " WHERE told IS NULL ORDER BY rowid LIMIT ?",
        (most,),
    )
    return [Deletion(*row) for row in rows]


def mark_told(connection: sqlite3.Connection, case_id: str, number: int) -> None:
    """A deletion has its tombstone, and of its manifests only the digests are left; in the same transaction."""
    connection.execute(
        "UPDATE evidence_deletions SET told = ? WHERE case_id = ?", (number, case_id)
    )
    connection.execute(
        "UPDATE evidence_chain SET jws = NULL WHERE case_id = ? AND stage != ?", (case_id, DELETED)
    )


def with_manifests(connection: sqlite3.Connection) -> set[str]:
    """The cases whose manifests are kept, and of which no deletion is noted."""
    rows = connection.execute(
        "SELECT DISTINCT case_id FROM evidence_chain WHERE jws IS NOT NULL AND stage != ?"
        " AND case_id NOT IN (SELECT case_id FROM evidence_deletions)",
        (DELETED,),
    )
    return {str(case_id) for (case_id,) in rows}


def forget(connection: sqlite3.Connection) -> int:
    """Delete what no export can need: records before the oldest kept manifest, of cases that are not known any more.

    Returns:
        How many. The newest record always stays: the chain goes on from it.
    """
    connection.execute(
        "DELETE FROM evidence_deletions WHERE told IS NOT NULL"
        " AND case_id NOT IN (SELECT case_id FROM cases)"
    )
    deleted = connection.execute(
        "DELETE FROM evidence_chain WHERE case_id NOT IN (SELECT case_id FROM cases)"
        " AND case_id NOT IN (SELECT case_id FROM evidence_deletions)"
        " AND number < (SELECT max(number) FROM evidence_chain)"
        " AND number < coalesce((SELECT min(number) FROM evidence_chain"
        "  WHERE jws IS NOT NULL AND stage != ?), 9e15)",
        (DELETED,),
    )
    return deleted.rowcount
