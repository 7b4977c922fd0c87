"""What lies on a disk, read beside the product: which numbers were given, and to which events."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import tempfile
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Stored:
    """The outbox and the open cases of one database.

    Attributes:
        epoch: The database's; empty: none yet.
        events: Every event that is kept, by its number, those that have arrived too.
        open_cases: The id of each open case.
        damage: What SQLite's own check finds; only of a copy.
    """

    epoch: str
    events: dict[int, dict[str, Any]]
    open_cases: tuple[str, ...]
    damage: tuple[str, ...] = ()

    @property
    def ids(self) -> set[str]:
        return {event["event_id"] for event in self.events.values()}

    @property
    def numbered(self) -> dict[tuple[str, int], str]:
        """(epoch, number) → id of the event."""
        return {(e["epoch"], number): e["event_id"] for number, e in self.events.items()}

    def picture_faults(self, evidence: Path) -> list[str]:
        """Each picture that an event names and that is not there as it says."""
        faults = []
        for event in self.events.values():
            for picture in event["body"].get("pictures") or ():
                path = evidence / picture["file"]
                if not path.is_file():
                    faults.append(f"{picture['file']} is missing")
                elif hashlib.sha256(path.read_bytes()).hexdigest() != picture["sha256"]:
                    faults.append(f"{picture['file']} is not the picture that the event names")
        return faults


EMPTY = Stored("", {}, ())


def beside(path: Path) -> Stored:
    """Read beside the agent, which alone may write: what a reader sees has been fsynced."""
    with (
        suppress(sqlite3.OperationalError),  # not there yet
        closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection,
    ):
        connection.execute("BEGIN")
        return _read(connection)
    return EMPTY


def of_a_copy(path: Path) -> Stored:
    """Read a copy, so that the file stays as the fault has left it; look for damage, too."""
    with tempfile.TemporaryDirectory() as folder:
        for suffix in ("", "-wal"):
            with suppress(FileNotFoundError):
                shutil.copy(path.with_name(path.name + suffix), folder)
        with closing(sqlite3.connect(Path(folder) / path.name)) as connection:
            try:
                found = _read(connection)
            except sqlite3.OperationalError:  # no tables yet
                return EMPTY
            checked = [str(row[0]) for row in connection.execute("PRAGMA integrity_check")]
            damage = () if checked == ["ok"] else tuple(checked)
            return Stored(found.epoch, found.events, found.open_cases, damage)


def _read(connection: sqlite3.Connection) -> Stored:
    rows = connection.execute("SELECT sequence, event FROM outbox ORDER BY sequence").fetchall()
    [epoch] = connection.execute(
        "SELECT max(value) FROM state WHERE name = 'outbox.epoch'"
    ).fetchone()
    cases = connection.execute("SELECT case_id FROM cases WHERE state = 'open'").fetchall()
    return Stored(
        epoch=epoch or "",
        events={sequence: json.loads(text) for sequence, text in rows},
        open_cases=tuple(case_id for (case_id,) in cases),
    )
