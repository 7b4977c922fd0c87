"""Epochs of the outbox, and events carried from one database to another."""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from typing import TYPE_CHECKING, Any

from agent.protocol.fields import is_id
from agent.storage.checksum import crc_of, is_whole
from agent.storage.loss_table import joined, note_loss
from agent.storage.state_table import load_state, save_state

if TYPE_CHECKING:
    from collections.abc import Iterable


EPOCH, _PREVIOUS_EPOCH = "outbox.epoch", "outbox.previous_epoch"
_RUNNING_BOOT, _CARRIED = "outbox.running_boot", "outbox.carried"


def settle_epoch(
    connection: sqlite3.Connection, given: str | None, boot_id: str | None
) -> tuple[str, str | None]:
    """Read this database's epoch, or begin one; a different one given replaces it."""
    epoch = noted_epoch(connection, EPOCH)
    if epoch is None or (given is not None and given != epoch):
        if epoch is not None:
            save_state(connection, _PREVIOUS_EPOCH, epoch)
        epoch = given or secrets.token_hex(8)
        save_state(connection, EPOCH, epoch)
    elif boot_id is not None and load_state(connection, _RUNNING_BOOT) not in {None, "", boot_id}:
        epoch, _ = begin_epoch(connection)
    if boot_id is not None:
        save_state(connection, _RUNNING_BOOT, boot_id)
    return epoch, noted_epoch(connection, _PREVIOUS_EPOCH)


def note_clean_end(connection: sqlite3.Connection) -> None:
    """Note that the run ended in order: what it had sent is not in doubt; within a transaction."""
    save_state(connection, _RUNNING_BOOT, "")


def noted_epoch(connection: sqlite3.Connection, name: str = EPOCH) -> str | None:
    """An epoch noted in a database; None if there is none or it is damaged."""
    text = load_state(connection, name)
    return text if text is not None and is_id(text) else None


COLUMNS = (
    "sequence, event_id, lane, type, occurred_at, boot_id, monotonic_s, size_bytes, event, crc"
)


DAMAGED = "stored event failed its checksum"


def take_over(
    connection: sqlite3.Connection, rows: Iterable[tuple[Any, ...]], previous: str | None
) -> None:
    """Fill an empty outbox with the rows saved from another, as a new epoch; within a transaction.

    Args:
        connection: The writer's.
        rows: :data:`COLUMNS` of each.
        previous: The epoch of the other one, if known.
    """
    epoch = secrets.token_hex(8)
    save_state(connection, EPOCH, epoch)
    if previous is not None:
        save_state(connection, _PREVIOUS_EPOCH, previous)
    _put_in_anew(connection, rows, epoch)


def note_carried(connection: sqlite3.Connection, epoch: str | None, sequences: list[int]) -> None:
    """Note which numbers of another database were carried into this one; within a transaction."""
    ranges = joined([(each, each) for each in sequences])
    save_state(connection, _CARRIED, json.dumps({"epoch": epoch, "ranges": ranges}))


def carried(reader: sqlite3.Connection) -> tuple[str | None, list[tuple[int, int]]]:
    """What :func:`note_carried` has noted: the other's epoch, and ranges of its numbers."""
    told = json.loads(load_state(reader, _CARRIED) or '{"epoch": null, "ranges": []}')
    return told["epoch"], [(first, last) for first, last in told["ranges"]]


def take_back(
    connection: sqlite3.Connection,
    rows: Iterable[tuple[Any, ...]],
    went: tuple[str | None, list[tuple[int, int]]],
    previous: str | None,
) -> int:
    """Merge the events of the fallback outbox back into this one, as a new epoch; within a transaction.

    Args:
        connection: The writer's.
        rows: :data:`COLUMNS` of the events waiting in the other.
        went: What had been :func:`carried` there: of that, what no longer waits there is settled.
        previous: The other's epoch, if known.

    Returns:
        How many events were new to it.
    """
    waiting = list(rows)
    ids, (epoch, ranges) = {row[1] for row in waiting}, went
    for first, last in ranges if load_state(connection, EPOCH) == epoch else ():
        here = connection.execute(
            "SELECT event_id FROM outbox WHERE sequence BETWEEN ? AND ?", (first, last)
        ).fetchall()
        settled = [row for row in here if row[0] not in ids]
        connection.executemany("UPDATE outbox SET arrived = 1 WHERE event_id = ?", settled)
    new = 0
    for _, *values in waiting:
        new += connection.execute(
            f"INSERT INTO outbox ({COLUMNS}) VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
            " ON CONFLICT (event_id) DO NOTHING",
            values,
        ).rowcount
    begin_epoch(connection)
    if previous is not None:
        save_state(connection, _PREVIOUS_EPOCH, previous)
    save_state(
        connection, _RUNNING_BOOT, ""
    )  # it need not begin another one for the power that went
    return new


def is_of_outbox(name: str) -> bool:
    """Whether a state belongs to the outbox and so has no meaning in another database."""
    return name.startswith("outbox.")


def _put_in_anew(
    connection: sqlite3.Connection, rows: Iterable[tuple[Any, ...]], epoch: str
) -> None:
    """Number rows from 1 on in an epoch; their ``event_id`` stays."""
    for sequence, (_, event_id, lane, kind, at, boot, steady_s, _, event, _) in enumerate(rows, 1):
        told = json.loads(event) | {"epoch": epoch, "sequence": sequence}
        text = json.dumps(told, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        size_bytes, crc = len(text.encode()), crc_of(text)
        connection.execute(
            f"INSERT INTO outbox ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            (sequence, event_id, lane, kind, at, boot, steady_s, size_bytes, text, crc),
        )


def begin_epoch(connection: sqlite3.Connection) -> tuple[str, str | None]:
    """Give the database a new epoch, and renumber waiting events from 1 on."""
    previous = load_state(connection, EPOCH)
    epoch = secrets.token_hex(8)
    if previous is not None:
        save_state(connection, _PREVIOUS_EPOCH, previous)
    save_state(connection, EPOCH, epoch)
    connection.execute(
        f"CREATE TEMP TABLE moved AS SELECT {COLUMNS} FROM outbox"  # noqa: S608
        " WHERE arrived = 0 ORDER BY sequence"
    )
    connection.execute("DELETE FROM outbox")
    connection.execute("UPDATE sqlite_sequence SET seq = 0 WHERE name = 'outbox'")
    rows = connection.execute("SELECT * FROM moved ORDER BY sequence").fetchall()
    for sequence, _, lane, *_, event, crc in rows:
        if not is_whole(event, crc):
            note_loss(
                connection, previous or "", lane, [sequence], f"damaged: {DAMAGED}", time.time()
            )
    _put_in_anew(connection, (row for row in rows if is_whole(*row[-2:])), epoch)
    connection.execute("DROP TABLE moved")
    return epoch, previous
