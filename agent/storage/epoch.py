"""Epochs of the outbox, and events carried from one database to another.

An epoch begins when the numbers of the one before can no longer be trusted: nobody can say any more which event a
number means, or the database is another one. It names the epoch before, the last number given there, and why
(:data:`agent.protocol.events.Because`); number 1 is its birth's.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.protocol.events import Because, Predecessor
from agent.protocol.fields import is_id
from agent.storage.checksum import crc_of, is_whole
from agent.storage.kept_table import keep_arrived
from agent.storage.loss_table import joined, note_loss
from agent.storage.outbox_queries import last_sequence
from agent.storage.state_table import load_state, save_state

if TYPE_CHECKING:
    from collections.abc import Iterable


EPOCH, _BORN = "outbox.epoch", "outbox.born"
_RUNNING_BOOT, _CARRIED = "outbox.running_boot", "outbox.carried"
BIRTH = 1
"""The number of an epoch's birth, reserved for it."""
EPOCHS_KNOWN = 1000
"""Number of epochs remembered, the newest."""


class Begun(NamedTuple):
    """An epoch, and how it began.

    Attributes:
        epoch: Its name.
        because: Why it began.
        predecessor: The epoch that it continues; None: there was none, or nobody knows.
        carried: How many waiting events were numbered anew: they are those from 2 on.
    """

    epoch: str
    because: Because
    predecessor: Predecessor | None
    carried: int


def settle_epoch(
    connection: sqlite3.Connection, given: str | None, boot_id: str | None, fresh: Because
) -> Begun:
    """Read this database's epoch, or begin one; a different one given replaces it.

    Args:
        connection: The writer's.
        given: The epoch of a replay; None: a random one.
        boot_id: This boot; None: it is not noted.
        fresh: Why an epoch begins where there is none yet.
    """
    epoch = noted_epoch(connection)
    if given is not None and given != epoch:
        before = None if epoch is None else _last_of(connection, epoch)
        save_state(connection, EPOCH, given)
        _note(connection, Begun(given, "replay", before, 0))
    elif epoch is None:
        _note(connection, Begun(_new_epoch(connection), fresh, None, 0))
        _reserve_birth(connection)
    elif connection.execute("SELECT 1 FROM epochs LIMIT 1").fetchone() is None:
        begin_epoch(connection, "upgraded")
    elif given is None and _has_no_place_for_its_birth(connection):
        begin_epoch(connection, fresh)
    elif boot_id is not None and load_state(connection, _RUNNING_BOOT) not in {None, "", boot_id}:
        begin_epoch(connection, "power_cut")
    if boot_id is not None:
        save_state(connection, _RUNNING_BOOT, boot_id)
    return begun(connection)


def begun(connection: sqlite3.Connection) -> Begun:
    """The present epoch, and how it began."""
    epoch, because, name, last, carried_over = connection.execute(
        "SELECT epoch, because, predecessor, last_sequence, carried FROM epochs"
        " ORDER BY number DESC LIMIT 1"
    ).fetchone()
    before = Predecessor(epoch=name, last_sequence=last) if name else None
    return Begun(epoch, because, before, carried_over)


def was_upgraded(connection: sqlite3.Connection) -> bool:
    """Whether an agent of version 0.1.0 wrote this database before."""
    query = "SELECT 1 FROM epochs WHERE because = 'upgraded' LIMIT 1"
    return connection.execute(query).fetchone() is not None


def is_former(connection: sqlite3.Connection, epoch: str) -> bool:
    """Whether an epoch was one of this device's, as far back as it remembers."""
    query = "SELECT 1 FROM epochs WHERE epoch = ?1 OR predecessor = ?1 LIMIT 1"
    return connection.execute(query, (epoch,)).fetchone() is not None


def awaits_birth(connection: sqlite3.Connection) -> bool:
    """Whether the present epoch's birth was not queued yet, so that its number is free."""
    return load_state(connection, _BORN) != noted_epoch(connection)


def _has_no_place_for_its_birth(connection: sqlite3.Connection) -> bool:
    """Whether number 1 is another event's: a replay gives it to what it finds first.

    A device that runs on from a replay's state begins an epoch of its own.
    """
    query = "SELECT 1 FROM outbox WHERE sequence = ?"
    return awaits_birth(connection) and connection.execute(query, (BIRTH,)).fetchone() is not None


def note_birth(connection: sqlite3.Connection) -> None:
    """Note that the present epoch's birth is queued; in the transaction that queues it."""
    save_state(connection, _BORN, noted_epoch(connection) or "")


def _new_epoch(connection: sqlite3.Connection) -> str:
    epoch = secrets.token_hex(8)
    save_state(connection, EPOCH, epoch)
    return epoch


def _last_of(connection: sqlite3.Connection, epoch: str) -> Predecessor:
    return Predecessor(epoch=epoch, last_sequence=last_sequence(connection))


def _note(connection: sqlite3.Connection, began: Begun) -> None:
    before = began.predecessor
    connection.execute(
        "INSERT OR REPLACE INTO epochs (epoch, because, predecessor, last_sequence, carried)"
        " VALUES (?, ?, ?, ?, ?)",
        (
            began.epoch,
            began.because,
            None if before is None else before.epoch,
            None if before is None else before.last_sequence,
            began.carried,
        ),
    )
    connection.execute(
        "DELETE FROM epochs WHERE number <= (SELECT max(number) FROM epochs) - ?", (EPOCHS_KNOWN,)
    )


def _reserve_birth(connection: sqlite3.Connection) -> None:
    """Leave the first number to the birth."""
    if last_sequence(connection) < BIRTH:
        connection.execute("DELETE FROM sqlite_sequence WHERE name = 'outbox'")
        connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('outbox', ?)", (BIRTH,))


def note_clean_end(connection: sqlite3.Connection) -> None:
    """Note that the run ended in order: what it had sent is not in doubt; within a transaction."""
    save_state(connection, _RUNNING_BOOT, "")


def noted_epoch(connection: sqlite3.Connection) -> str | None:
    """The epoch noted in a database; None if there is none or it is damaged."""
    text = load_state(connection, EPOCH)
    return text if text is not None and is_id(text) else None


COLUMNS = (
    "sequence, event_id, lane, type, occurred_at, boot_id, monotonic_s, size_bytes, event, crc"
)


DAMAGED = "stored event failed its checksum"


def take_over(
    connection: sqlite3.Connection,
    rows: Iterable[tuple[Any, ...]],
    before: Predecessor | None,
    because: Because,
) -> None:
    """Fill an empty outbox with the rows saved from another, as a new epoch; within a transaction.

    Args:
        connection: The writer's.
        rows: :data:`COLUMNS` of each.
        before: The epoch of the other one, if known.
        because: Why.
    """
    epoch = _new_epoch(connection)
    _note(connection, Begun(epoch, because, before, _put_in_anew(connection, rows, epoch)))
    _reserve_birth(connection)


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
    before: Predecessor | None,
) -> int:
    """Merge the events of the fallback outbox back into this one, as a new epoch; within a transaction.

    Args:
        connection: The writer's.
        rows: :data:`COLUMNS` of the events waiting in the other.
        went: What had been :func:`carried` there: of that, what no longer waits there is settled.
        before: The other's epoch, if known.

    Returns:
        How many events were new to it.
    """
    waiting = list(rows)
    ids, (epoch, ranges) = {row[1] for row in waiting}, went
    noted = noted_epoch(connection)
    here_before = None if noted is None else _last_of(connection, noted)
    for first, last in ranges if noted == epoch else ():
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
    begin_epoch(connection, "durable", before or here_before)
    # It need not begin another one for the power that went.
    save_state(connection, _RUNNING_BOOT, "")
    return new


def is_of_outbox(name: str) -> bool:
    """Whether a state belongs to the outbox and so has no meaning in another database."""
    return name.startswith("outbox.")


def _put_in_anew(
    connection: sqlite3.Connection, rows: Iterable[tuple[Any, ...]], epoch: str
) -> int:
    """Number rows in an epoch, from the one after its birth on; returns how many.

    What they say stays, their ``event_id`` and the version of the contract that they follow too.
    """
    count = 0
    for _, event_id, lane, kind, at, boot, steady_s, _, event, _ in rows:
        count += 1
        text, sequence = renumbered(event, epoch, BIRTH + count), BIRTH + count
        size_bytes, crc = len(text.encode()), crc_of(text)
        connection.execute(
            f"INSERT INTO outbox ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            (sequence, event_id, lane, kind, at, boot, steady_s, size_bytes, text, crc),
        )
    return count


def renumbered(event: str, epoch: str, sequence: int) -> str:
    """An event's text with another epoch and number, and otherwise as it was."""
    told = json.loads(event) | {"epoch": epoch, "sequence": sequence}
    return json.dumps(told, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def number_anew(connection: sqlite3.Connection, row_id: int, epoch: str) -> None:
    """Move a kept event into the outbox, under the next number of the present epoch."""
    row = connection.execute(
        "DELETE FROM kept WHERE id = ? RETURNING event_id, lane, type, occurred_at, event",
        (row_id,),
    ).fetchone()
    if row is None:
        return
    event_id, lane, kind, at, event = row
    clock, sequence = json.loads(event)["clock"], last_sequence(connection) + 1
    text = renumbered(event, epoch, sequence)
    # One that waits under a number of this epoch already was moved before.
    connection.execute(
        f"INSERT OR IGNORE INTO outbox ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        (
            *(sequence, event_id, lane, kind, at, clock["boot_id"], clock["monotonic_s"]),
            *(len(text.encode()), text, crc_of(text)),
        ),
    )


def begin_epoch(
    connection: sqlite3.Connection, because: Because, before: Predecessor | None = None
) -> Begun:
    """Give the database a new epoch: what waits is numbered anew, what has arrived is kept as it is.

    Args:
        connection: The writer's.
        because: Why.
        before: The epoch that it continues; None: the one that ends.
    """
    ended = noted_epoch(connection)
    if before is None and ended is not None:
        before = _last_of(connection, ended)
    keep_arrived(connection, ended or "")
    epoch = _new_epoch(connection)
    connection.execute(
        f"CREATE TEMP TABLE moved AS SELECT {COLUMNS} FROM outbox"  # noqa: S608
        " WHERE arrived = 0 ORDER BY sequence"
    )
    connection.execute("DELETE FROM outbox")
    connection.execute("UPDATE sqlite_sequence SET seq = 0 WHERE name = 'outbox'")
    rows = connection.execute("SELECT * FROM moved ORDER BY sequence").fetchall()
    for sequence, _, lane, *_, event, crc in rows:
        if not is_whole(event, crc):
            reason = f"damaged: {DAMAGED}"
            note_loss(connection, ended or "", lane, [sequence], reason, time.time())
    carried_over = _put_in_anew(connection, (row for row in rows if is_whole(*row[-2:])), epoch)
    connection.execute("DROP TABLE moved")
    _note(connection, Begun(epoch, because, before, carried_over))
    _reserve_birth(connection)
    return begun(connection)
