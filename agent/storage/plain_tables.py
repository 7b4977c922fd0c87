"""Tables whose rows mean the same in any database: what of them is saved when a database is left.

A database is left when it is damaged (:mod:`agent.storage.corruption`) or when its disk fails
(:mod:`agent.storage.memory_fallback`). These rows have no checksum: what cannot be a row of its table is not one.
The outbox, kept events, cases and states are saved by :mod:`agent.storage.salvage`.
"""

from __future__ import annotations

import json
import math
import re
import sqlite3
from contextlib import suppress
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from agent.protocol.events import Because
from agent.protocol.evidence import STAGES, WHY_DELETED, digest_of
from agent.protocol.fields import MAX_NUMBER, is_id
from agent.storage.checksum import is_whole
from agent.storage.errors import UNREADABLE
from agent.storage.evidence_chain import DELETED
from agent.storage.outbox_queries import Lane

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Rows = dict[str, list[tuple[Any, ...]]]
"""By table: rows as :data:`PLAIN` names their columns, the oldest first."""
LEFT: frozenset[str] = frozenset({"minutes"})
"""Tables that are left with a damaged database on purpose. ``minutes``: figures of the last hours by which silence is
explained; they prove nothing, and copying some megabytes of them would keep the cases waiting."""
_ALL: Mapping[str, str] = {}
_MAX_TIME_S = 253_402_300_800.0
"""The year 10000: beyond it nothing is a date."""
_STAGES = {*STAGES.values(), DELETED}
_HASH = re.compile("[0-9a-f]{64}")
_PAGE = re.compile(r"\d{4}-\d\d-\d\d(\+\d+)?")


class _Plain(NamedTuple):
    """One such table.

    Attributes:
        order: By what its rows are in order; it names each of them.
        columns: What is saved.
        can_be: Called with a row's columns; whether they can be a row of the table.
        keeps: Whether a row that is there already stays; else the saved one is newer.
    """

    order: str
    columns: str
    can_be: Callable[..., bool]
    keeps: bool = False


def _is_text(*values: object) -> bool:
    return all(isinstance(value, str) for value in values)


def _is_count(*values: object) -> bool:
    return all(isinstance(value, int) and value >= 0 for value in values)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and 0 <= value < _MAX_TIME_S


def _is_answer(command_id: object, digest: object, answer: object) -> bool:
    return _is_text(command_id, digest) and is_whole(answer, None)


def _is_note(case_id: object, ticket: object, verdict: object) -> bool:
    told = isinstance(ticket, str | None) and (verdict is None or is_whole(verdict, None))
    return _is_text(case_id) and told


def _is_judged(case_id: object, verdict: object, place: object) -> bool:
    """The place is a zone and a kind of case, as JSON."""
    if not isinstance(place, str) or not _is_text(case_id, verdict):
        return False
    try:
        names = json.loads(place)
    except (ValueError, RecursionError):
        return False
    return isinstance(names, list) and len(names) == 2 and _is_text(*names)


def _is_held_back(case_id: object, kind: object, place: object) -> bool:
    return _is_text(case_id, kind) and is_whole(place, None)


def _is_job(case_id: object, stage: object, event: object, tries: object) -> bool:
    return _is_text(case_id, stage) and is_whole(event, None) and _is_count(tries)


def _is_counter(day: object, zone_id: object, kind: object, name: object, value: object) -> bool:
    on_a_page = isinstance(day, str) and _PAGE.fullmatch(day) is not None
    return on_a_page and _is_text(zone_id, kind, name) and _is_number(value)


def _is_loss(
    id_: object,
    epoch: object,
    first: object,
    last: object,
    lane: object,
    reason: object,
    at: object,
    reported: object,
) -> bool:
    numbers = isinstance(first, int) and isinstance(last, int) and 1 <= first <= last
    named = isinstance(epoch, str) and (epoch == "" or is_id(epoch)) and _is_text(reason)
    known = lane in set(Lane) and _is_time(at) and (reported is None or _is_count(reported))
    return _is_count(id_) and numbers and named and known


def _is_age(kind: object, name: object, since_s: object) -> bool:
    return _is_text(kind, name) and _is_number(since_s)


def _is_trace(case_id: object, opened: object, type_: object, last: object, trace: object) -> bool:
    texts = (last, trace) if opened is None else (opened, last, trace)
    return _is_text(case_id, type_) and all(is_whole(text, None) for text in texts)


def _is_epoch(
    epoch: object, because: object, predecessor: object, last: object, carried: object
) -> bool:
    names = (epoch,) if predecessor is None else (epoch, predecessor)
    named = all(isinstance(name, str) and is_id(name) for name in names)
    return named and because in get_args(Because) and _is_count(last or 0, carried)


def _is_picture(
    sha256: object,
    case_id: object,
    file: object,
    size_bytes: object,
    sent_bytes: object,
    tries: object,
    command_id: object,
    put_url: object,
    put_until: object,
    queued_at: object,
) -> bool:
    named = isinstance(sha256, str) and _HASH.fullmatch(sha256) is not None
    below = isinstance(file, str) and not {"..", "/"} & set(PurePosixPath(file).parts)
    texts = all(isinstance(each, str | None) for each in (case_id, command_id, put_url))
    times = _is_time(queued_at) and (put_until is None or _is_time(put_until))
    return named and below and texts and times and _is_count(size_bytes, sent_bytes, tries)


def _is_record(
    number: object,
    case_id: object,
    stage: object,
    digest: object,
    link: object,
    key_x: object,
    jws: object,
) -> bool:
    """A record of the chain of evidence; of one whose signature is kept, the digest is its own."""
    numbered = isinstance(number, int) and 1 <= number <= MAX_NUMBER // 2
    named = isinstance(case_id, str) and is_id(case_id) and stage in _STAGES and _is_text(key_x)
    hashes = all(isinstance(each, str) and _HASH.fullmatch(each) for each in (digest, link))
    whole = jws is None or (isinstance(jws, str) and jws.isascii() and digest_of(jws) == digest)
    return numbered and named and hashes and whole


def _is_deletion(
    case_id: object, why: object, at: object, files: object, size_bytes: object, told: object
) -> bool:
    known = (at is None or _is_time(at)) and (told is None or _is_count(told))
    named = isinstance(case_id, str) and is_id(case_id) and why in WHY_DELETED
    return named and known and _is_count(files, size_bytes)


PLAIN: dict[str, _Plain] = {
    "orders": _Plain("number", "command_id, digest, answer", _is_answer),
    "case_notes": _Plain("case_id", "case_id, ticket, verdict", _is_note),
    "verdicts": _Plain("number", "case_id, verdict, place", _is_judged),
    "held_back": _Plain("number", "case_id, kind, place", _is_held_back),
    "evidence_job": _Plain("number", "case_id, stage, event, tries", _is_job),
    "days": _Plain("day, zone_id, kind, name", "day, zone_id, kind, name, value", _is_counter),
    # A loss ages by its id: it is saved along.
    "losses": _Plain("id", "id, epoch, first, last, lane, reason, at, reported", _is_loss),
    "ageing": _Plain("kind, name", "kind, name, since_s", _is_age),
    "traces": _Plain("rowid", "case_id, opened, last_type, last, trace", _is_trace),
    "epochs": _Plain(
        "number", "epoch, because, predecessor, last_sequence, carried", _is_epoch, keeps=True
    ),
    # The chain goes on from its newest record that can be read.
    "evidence_chain": _Plain(
        "number", "number, case_id, stage, digest, link, key_x, jws", _is_record
    ),
    "evidence_deletions": _Plain(
        "case_id", "case_id, why, at, files, size_bytes, told", _is_deletion
    ),
    "picture_queue": _Plain(
        "id",
        "sha256, case_id, file, size_bytes, sent_bytes, tries, command_id, put_url, put_until,"
        " queued_at",
        _is_picture,
    ),
}
"""Without the answers and notes a command that is repeated is obeyed again, without unreported losses a gap is never
named, without the days a summary tells too little, and without the ages things are kept twice as long."""


def rows_of(
    reader: sqlite3.Connection, tables: Iterable[str] = PLAIN, wheres: Mapping[str, str] = _ALL
) -> Rows:
    """What can be read of the tables of a database that is left, and can be what was written.

    Args:
        reader: Of the database.
        tables: Which.
        wheres: By table, of which rows; one that is not named: of all.
    """
    return {table: _rows_of(reader, table, PLAIN[table], wheres.get(table, "")) for table in tables}


def _rows_of(
    reader: sqlite3.Connection, table: str, plain: _Plain, where: str
) -> list[tuple[Any, ...]]:
    found = from_both_ends(reader, table, plain.order, plain.columns, where)
    valid = {key: row for key, row in found.items() if plain.can_be(*row)}
    return [valid[key] for key in sorted(valid)]


def from_both_ends(
    reader: sqlite3.Connection, table: str, order: str, columns: str, where: str = ""
) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """A table's rows from both ends up to what cannot be read, if there is that.

    Args:
        reader: Of the database.
        table: Its name.
        order: By which columns its rows are in order.
        columns: What is read.
        where: Of which rows; empty: of all.

    Returns:
        The columns by what is in order; none if there is no such table.
    """
    names = order.split(", ")
    found: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    for way in ("ASC", "DESC"):
        by = ", ".join(f"{name} {way}" for name in names)
        query = f"SELECT {order}, {columns} FROM {table} {where} ORDER BY {by}"  # noqa: S608
        with suppress(*UNREADABLE, OverflowError):
            for row in reader.execute(query):
                found[row[: len(names)]] = row[len(names) :]
            break  # nothing kept it from the other end
    return found


def put(connection: sqlite3.Connection, rows: Rows) -> None:
    """Write saved rows into another database; within a transaction."""
    for table, saved in rows.items():
        _, columns, _, keeps = PLAIN[table]
        marks = ", ".join("?" * len(columns.split(",")))
        known = "IGNORE" if keeps else "REPLACE"
        connection.executemany(
            f"INSERT OR {known} INTO {table} ({columns}) VALUES ({marks})",  # noqa: S608
            saved,
        )
