"""A device's state with cases, pictures and events, whose clock a test moves."""

from __future__ import annotations

import dataclasses
import os
import threading
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from agent.audit import AuditLog, AuditRecord, records
from agent.retention import LegalHold, LegalHolds, Outcome, Retention, SampleCrops, Settings
from agent.retention.track_files import TrackFiles
from agent.storage.case_table import save_case, save_trace
from agent.storage.database import Database
from agent.storage.outbox_queries import Lane
from drivers.inodes import Inodes
from drivers.testing import FakeClock
from tests.support.cases import OPEN_CASE
from tests.support.drafts import case_opened
from tests.support.outboxes import open_outbox

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

NOON = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
DAY_S = 86_400.0
PICTURE_BYTES = 40_960
PICTURES = ("begin.jpg", "threshold.jpg", "after.jpg")
EACH_BYTES = PICTURE_BYTES * len(PICTURES)
NAME = "kerbwatch.sqlite3"


class StateFolder:
    """A state folder with everything that retention looks at."""

    def __init__(self, folder: Path, **settings: float) -> None:
        self.folder, self.clock = folder, FakeClock(NOON, boot_id="boot-1", monotonic_s=50)
        self.database = Database(folder / NAME)
        self.outbox = open_outbox(self.database, keep_arrived=5000)
        self.settings = Settings.model_validate(settings)
        self.holds = LegalHolds(folder)
        self.audit = AuditLog(folder / "audit", self.clock)
        self.free_bytes = 10**12
        self.inodes: Inodes | None = None
        self.retention = self.begin()

    def begin(self) -> Retention:
        """As after a restart: nothing is remembered that is not on the disk."""
        self.retention = Retention(
            self.database,
            state_dir=self.folder,
            evidence_dir=self.folder / "evidence",
            settings=self.settings,
            clock=self.clock,
            audit=self.audit,
            crops=SampleCrops(self.folder / "collection", 30),
            tracks=TrackFiles(self.folder / "tracks", self.settings.tracks_hours / 24),
            free=lambda _: self.free_bytes,
            count=lambda _: self.inodes,
        )
        return self.retention

    def case(self, *, over: bool = True, heard: bool = True) -> str:
        """A case with its pictures, its trace and its event; over and heard of unless told."""
        draft = case_opened(self.clock)
        case_id = draft.event_id
        draft = draft.model_copy(
            update={"body": draft.body.model_copy(update={"case_id": case_id})}
        )
        case = dataclasses.replace(OPEN_CASE, case_id=case_id, place_id=case_id)
        case = dataclasses.replace(case, state="cleared" if over else "open")

        def write(connection: sqlite3.Connection) -> int:
            save_case(connection, case)
            save_trace(connection, case_id, "case.opened", "{}", "{}")
            return self.outbox.add(connection, draft, Lane.CASE)

        self.pictures(case_id)
        sequence = self.database.write(write).result()
        if heard:
            self.outbox.confirm([sequence]).result()
        return case_id

    def pictures(self, case_id: str) -> None:
        folder = self.folder / "evidence" / case_id
        folder.mkdir(parents=True)
        for name in PICTURES:
            (folder / name).write_bytes(os.urandom(PICTURE_BYTES))

    def kept(self) -> set[str]:
        return {path.name for path in (self.folder / "evidence").iterdir()}

    def passes(self, days: float = 0.0) -> Outcome:
        """Let time pass, and look for what may go."""
        self.clock.advance(days * DAY_S)
        outcome = self.retention.once(threading.Event())
        assert outcome is not None
        return outcome

    def count(self, table: str) -> int:
        with closing(self.database.read()) as connection:
            [number] = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        return int(number)

    def deletions(self) -> list[AuditRecord]:
        return [each for each in records(self.folder / "audit") if each.what == "pictures.deleted"]


def hold_on(case_id: str) -> LegalHold:
    return LegalHold(case_id=case_id, reason="example", by="test", at=NOON)
