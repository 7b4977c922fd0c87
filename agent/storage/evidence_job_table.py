"""The table of stages of cases whose packet is not made yet; see :mod:`agent.evidence.packets`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import sqlite3

    from agent.protocol.evidence import Stage


class EvidenceJob(NamedTuple):
    """A stage whose packet is to be made.

    Attributes:
        number: In the order of the events.
        case_id: Whose it is.
        stage: Of its life.
        event: What the event of it told, as JSON.
        tries: How often it was begun before.
    """

    number: int
    case_id: str
    stage: Stage
    event: str
    tries: int


def add_job(connection: sqlite3.Connection, case_id: str, stage: Stage, event: str) -> None:
    """Have the packet of a stage made; within the transaction that adds its event."""
    connection.execute(
        "INSERT INTO evidence_job (case_id, stage, event) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (case_id, stage, event),
    )


def oldest_job(connection: sqlite3.Connection) -> EvidenceJob | None:
    """The job that has waited longest; None: none waits."""
    row = connection.execute(
        "SELECT number, case_id, stage, event, tries FROM evidence_job ORDER BY number LIMIT 1"
    ).fetchone()
    return None if row is None else EvidenceJob(*row)


def count_try(connection: sqlite3.Connection, number: int, by: int) -> None:
    """Count that a job is begun (1), or that it could not be, through no fault of its own (-1)."""
    connection.execute(
        "UPDATE evidence_job SET tries = max(0, tries + ?) WHERE number = ?", (by, number)
    )


def put_last(connection: sqlite3.Connection, number: int) -> None:
    """Let the others go first: what is wrong with a job may be wrong with it alone."""
    connection.execute(
        "UPDATE evidence_job SET number = 1 + (SELECT max(number) FROM evidence_job) WHERE number = ?",
        (number,),
    )


def delete_job(connection: sqlite3.Connection, number: int) -> None:
    """Take that a job is done; within the transaction that keeps what came of it."""
    connection.execute("DELETE FROM evidence_job WHERE number = ?", (number,))


def jobs_waiting(connection: sqlite3.Connection) -> int:
    """How many packets are not made yet."""
    [count] = connection.execute("SELECT count(*) FROM evidence_job").fetchone()
    return int(count)
