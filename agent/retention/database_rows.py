"""The database queries and deletions of retention."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from agent.protocol.evidence import Manifest
from agent.protocol.signed import read_record
from agent.storage import evidence_chain, kept_table, lived_time_counter
from agent.storage.errors import StorageError
from agent.storage.evidence_chain import Deletion
from agent.storage.lived_time import DAY_S
from wording.known_errors import reason_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from agent.config.retention import Settings
    from agent.storage.database import Database
    from agent.storage.evidence_chain import Record
    from agent.storage.lived_time import LivedTime
    from drivers.clock import Clock

AT_ONCE = 200
"""Rows deleted in one transaction: a case that opens meanwhile waits for no more than that."""
GIVE_BACK_FROM_SHARE, GIVE_BACK_FROM_BYTES = 0.25, 8_000_000
"""Space is given back to the disk only when so much of the file is free, and then until half of that
is: free pages are used again, and moving pages about wears the card."""
GIVE_BACK_PAGES = 256
"""In one step."""

_WAITING_CASES = (
    "SELECT DISTINCT json_extract(event, '$.body.case_id') FROM outbox"
    " WHERE arrived = 0 AND (type LIKE 'case.%' OR type LIKE 'evidence.%') AND json_valid(event)"
    " UNION SELECT case_id FROM evidence_job"
)
_UNAGED: dict[str, str] = {
    "letter": "SELECT epoch || ':' || sequence FROM kept WHERE standing != 'arrived'",
    "loss": "SELECT CAST(id AS TEXT) FROM losses WHERE reported IS NOT NULL",
}


class DatabaseRows:
    """Retention in the database.

    Args:
        database: The database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def live(self, clock: Clock) -> LivedTime:
        """Advance the device's lived time and store it."""
        return self._database.write(
            lambda connection: lived_time_counter.count_on(connection, clock)
        ).result()

    def cases(self) -> dict[str, tuple[int, bool]]:
        """Every case: its position in the order of recording, and whether it is closed."""
        query = "SELECT case_id, rowid, state FROM cases"
        return {case_id: (rowid, state != "open") for case_id, rowid, state in self._read(query)}

    def waiting_cases(self) -> frozenset[str]:
        """Cases with events that the platform has not confirmed."""
        return frozenset(case_id for (case_id,) in self._read(_WAITING_CASES))

    def note_deletions(self, deletions: list[Deletion]) -> None:
        """Note whose pictures are deleted, and why: the agent tells it by a signed tombstone.

        Raises:
            StorageError: The disk did not take it.
        """
        if deletions:
            self._database.write(
                lambda connection: evidence_chain.note_deletions(connection, deletions)
            ).result()

    def noted(self, case_ids: Iterable[str]) -> list[str]:
        """Of these cases those of which a deletion is noted."""
        with closing(self._database.read()) as connection:
            return [each for each in case_ids if evidence_chain.is_deleted(connection, each)]

    def without_pictures(self, case_ids: Iterable[str]) -> list[str]:
        """Of these cases those whose manifests name pictures."""
        with closing(self._database.read()) as connection:
            return [
                case_id
                for case_id in case_ids
                if any(map(_has_pictures, evidence_chain.records_of(connection, case_id)))
            ]

    def with_manifests(self) -> set[str]:
        """Cases whose manifests are kept, and of which no deletion is noted."""
        with closing(self._database.read()) as connection:
            return evidence_chain.with_manifests(connection)

    def since_s(self, kind: str) -> dict[str, float]:
        """From which lived second each item of a kind ages."""
        query = "SELECT name, since_s FROM ageing WHERE kind = ?"
        return dict(self._read(query, kind))

    def let_age(self, kind: str, names: Iterable[str], lived_s: float) -> None:
        """Start the age of items that do not age yet."""
        rows = [(kind, name, lived_s) for name in names]
        if rows:
            self._database.write(
                lambda connection: connection.executemany(
                    "INSERT INTO ageing (kind, name, since_s) VALUES (?, ?, ?)"
                    " ON CONFLICT DO NOTHING",
                    rows,
                )
            ).result()

    def let_rows_age(self, lived_s: float) -> None:
        """Start the age of dead letters and reported losses."""
        for kind, query in _UNAGED.items():
            ages = self.since_s(kind).keys()
            self.let_age(kind, [n for (n,) in self._read(query) if n not in ages], lived_s)

    def delete_old(
        self, settings: Settings, lived_s: float, kept_cases: Iterable[str]
    ) -> dict[str, int]:
        """Delete rows past their retention period.

        Args:
            settings: How long each kind is kept.
            lived_s: Now.
            kept_cases: Cases whose rows stay, because of their pictures or a hold.

        Returns:
            Number of rows deleted, by kind.
        """
        kept = frozenset(kept_cases)

        def old(kind: str, days: float) -> list[str]:
            before_s = lived_s - days * DAY_S
            return [name for name, since_s in self.since_s(kind).items() if since_s <= before_s]

        going = {
            "case": [name for name in old("case", settings.cases_days) if name not in kept],
            "letter": old("letter", settings.letters_days),
            "loss": old("loss", settings.losses_days),
        }
        for kind, names in going.items():
            for first in range(0, len(names), AT_ONCE):
                self._delete(kind, names[first : first + AT_ONCE])
        self._forget_orphans()
        self._database.write(evidence_chain.forget).result()
        return {kind: len(names) for kind, names in going.items() if names}

    def _delete(self, kind: str, names: list[str]) -> None:
        def work(connection: sqlite3.Connection) -> None:
            for name in names:
                if kind == "case":
                    _end_manifests(connection, name)
                    connection.execute(
                        "DELETE FROM cases WHERE case_id = ? AND state != 'open'", (name,)
                    )
                    for table in ("traces", "case_notes", "evidence_job"):
                        connection.execute(f"DELETE FROM {table} WHERE case_id = ?", (name,))  # noqa: S608
                elif kind == "letter":
                    _give_up(connection, name)
                else:
                    connection.execute("DELETE FROM losses WHERE id = ?", (int(name),))
                connection.execute("DELETE FROM ageing WHERE kind = ? AND name = ?", (kind, name))

        self._database.write(work).result()

    def _forget_orphans(self) -> None:
        """Delete the ages of items that no longer exist."""
        gone = [
            name
            for (name,) in self._read(
                "SELECT name FROM ageing WHERE kind = 'case'"
                " AND name NOT IN (SELECT case_id FROM cases)"
            )
        ]
        if gone:
            self._delete("case", gone[:AT_ONCE])

    def forget(self, kind: str, names: Iterable[str]) -> None:
        """Delete the ages of items that were deleted."""
        rows = [(kind, name) for name in names]
        if rows:
            self._database.write(
                lambda connection: connection.executemany(
                    "DELETE FROM ageing WHERE kind = ? AND name = ?", rows
                )
            ).result()

    def give_back(self, go_on: Callable[[], bool]) -> int:
        """Return free pages to the file system, if there are many; in small steps.

        Args:
            go_on: Asked before each step.

        Returns:
            Number of bytes returned.
        """
        [[free_pages, pages, page_bytes]] = self._read(
            "SELECT * FROM pragma_freelist_count, pragma_page_count, pragma_page_size"
        )
        most_pages = max(GIVE_BACK_FROM_BYTES / page_bytes, GIVE_BACK_FROM_SHARE * pages)
        if free_pages < most_pages:
            return 0
        given = 0
        while given < free_pages - most_pages / 2 and go_on():
            step = self._database.write(_shrink).result()
            if step <= 0:  # a file that was made without this
                break
            given += step
        return given * int(page_bytes)

    def _read(self, query: str, *values: str) -> list[Any]:
        try:
            with closing(self._database.read()) as connection:
                return connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise StorageError(self._database.path, reason_of(error)) from error


def _end_manifests(connection: sqlite3.Connection, case_id: str) -> None:
    """Note that a case goes of which there never was a picture: its manifests go with it."""
    records = evidence_chain.records_of(connection, case_id)
    if any(each.jws is not None for each in records):
        gone = Deletion(case_id, "age", None, files=0, size_bytes=0)
        evidence_chain.note_deletions(connection, [gone])


def _has_pictures(record: Record) -> bool:
    """Whether it is a manifest that names pictures; one that cannot be read names none."""
    try:
        told = None if record.jws is None else read_record(record.jws)
    except ValueError:
        return False
    return isinstance(told, Manifest) and bool(told.pictures)


def _give_up(connection: sqlite3.Connection, name: str) -> None:
    """Delete an event that the broker refused, unless it was sent again meanwhile: now it is lost."""
    epoch, _, sequence = name.rpartition(":")
    rows = connection.execute(
        "SELECT id FROM kept WHERE epoch = ? AND sequence = ? AND standing != 'arrived'",
        (epoch, int(sequence)),
    ).fetchall()
    for (row_id,) in rows:
        kept_table.delete(connection, row_id, "refused")


def _shrink(connection: sqlite3.Connection) -> int:
    """Release some free pages; returns by how many pages the file became shorter."""
    [before] = connection.execute("PRAGMA page_count").fetchone()
    for _ in range(GIVE_BACK_PAGES):  # Python steps such a statement once: one page each time
        connection.execute("PRAGMA incremental_vacuum(1)")
    [after] = connection.execute("PRAGMA page_count").fetchone()
    return int(before - after)
