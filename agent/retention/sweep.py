"""The retention sweep: one pass over everything kept, and its outcome."""

from __future__ import annotations

import fcntl
import logging
import math
import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent.audit import AuditError
from agent.protocol.fields import is_id
from agent.retention.case_pictures import CasePictures
from agent.retention.database_rows import DatabaseRows
from agent.retention.legal_holds import LegalHolds
from agent.retention.selection import Going, Kept, choose
from agent.storage.errors import StorageError
from agent.storage.evidence_chain import Deletion
from agent.storage.lived_time import DAY_S
from agent.storage.paths import RETENTION_LOCK
from drivers.disk import free_bytes
from drivers.inodes import Inodes, inodes
from wording.known_errors import words_of

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from agent.audit import AuditLog
    from agent.config.retention import Settings
    from agent.retention.sample_crops import SampleCrops
    from agent.retention.selection import Why
    from agent.retention.track_files import TrackFiles
    from agent.storage.database import Database
    from drivers.clock import Clock

AT_ONCE = 20
"""Cases whose pictures are deleted between two pauses."""
BREATH_S = 0.2

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a pass found and did.

    Attributes:
        cases: How many cases have pictures now.
        size_bytes: Their size on the disk in bytes.
        held: How many cases are under a legal hold.
        short_bytes: Bytes that should have been freed but could not: what is left is held or belongs to
            open cases.
        short_inodes: Inodes, likewise.
        deleted: Number of cases whose pictures were deleted, by reason.
        deleted_bytes: Their size in bytes.
        rows: Number of database rows deleted, by kind.
        given_back_bytes: By how many bytes the database became smaller.
    """

    cases: int
    size_bytes: int
    held: int
    short_bytes: int
    short_inodes: int = 0
    deleted: dict[Why, int] = field(default_factory=dict)
    deleted_bytes: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    given_back_bytes: int = 0


class Retention:
    """Deletes what has passed its retention period. In a thread of the agent, or as a command.

    Args:
        database: Where cases and events are.
        state_dir: The folder of the state: holds and the lock lie in it.
        evidence_dir: The folder of the pictures.
        settings: How long, and how much.
        clock: To advance the lived time.
        audit: Records what is deleted, before it is deleted.
        crops: Crops collected for labelling; None: none.
        tracks: The tracks of the last hours; None: none.
        free: Measures the free space of the disk.
        count: Measures the free inodes of the disk.
    """

    def __init__(
        self,
        database: Database,
        *,
        state_dir: Path,
        evidence_dir: Path,
        settings: Settings,
        clock: Clock,
        audit: AuditLog,
        crops: SampleCrops | None = None,
        tracks: TrackFiles | None = None,
        free: Callable[[Path], int] = free_bytes,
        count: Callable[[Path], Inodes | None] = inodes,
    ) -> None:
        self._database = database
        self._rows, self._pictures = DatabaseRows(database), CasePictures(evidence_dir)
        self._holds, self._lock = LegalHolds(state_dir), state_dir / RETENTION_LOCK
        self._settings, self._clock, self._audit = settings, clock, audit
        self._state_dir, self._free_bytes, self._inodes = state_dir, free, count
        self._crops, self._tracks = crops, tracks
        self.outcome: Outcome | None = None
        """Of the last pass."""

    def run(self, stop: threading.Event) -> None:
        """Run passes at intervals until stopped; a disk error costs one pass, no more."""
        while not stop.wait(self._settings.every_s):
            try:
                self.once(stop)
            except (OSError, StorageError) as error:
                _log.warning("retention: %s", words_of(error))

    def once(self, stop: threading.Event) -> Outcome | None:
        """Run one pass. May be killed at any moment: the next pass continues.

        Args:
            stop: Set it to end early.

        Returns:
            The outcome; None if another process runs a pass, or if the database is a fallback in memory,
            which does not know all cases.

        Raises:
            StorageError: The database could not be used.
            OSError: A file could not be deleted.
        """
        if self._database.stood_in is not None:
            return None
        with self._alone() as alone:
            if not alone:
                return None
            lived_s = self._rows.live(self._clock).lived_s
            held = self._holds.names()
            kept = self._kept(lived_s, held)
            deleted, deleted_bytes = self._delete_pictures(kept, stop)
            taken = self._pictures.taken()
            self._note_missing(taken)
            self._let_go("crop", self._crops, lived_s)
            self._let_go("tracks", self._tracks, lived_s)
            self._rows.let_rows_age(lived_s)
            rows = self._rows.delete_old(self._settings, lived_s, held | taken.keys())
            given = self._rows.give_back(lambda: not stop.wait(BREATH_S))
            size = sum(each.size_bytes for each in taken.values())
            self.outcome = Outcome(
                cases=len(taken),
                size_bytes=size,
                held=len(held),
                short_bytes=max(0, int(size - self._budget_bytes), int(self._wanted_bytes())),
                short_inodes=max(0, self._wanted_inodes()),
                deleted=deleted,
                deleted_bytes=deleted_bytes,
                rows=rows,
                given_back_bytes=given,
            )
        return self.outcome

    @property
    def _budget_bytes(self) -> float:
        return self._settings.pictures_mb * 1e6

    def _wanted_bytes(self) -> float:
        return self._settings.min_free_mb * 1e6 - self._free_bytes(self._state_dir)

    def _wanted_inodes(self) -> int:
        counted = self._inodes(self._state_dir)
        if counted is None:
            return 0
        return min(self._settings.min_free_inodes, counted.total // 20) - counted.free

    def _kept(self, lived_s: float, held: frozenset[str]) -> list[Kept]:
        """The pictures of every case; those closed and confirmed begin to age."""
        # The pictures first: a case that opens in between is then known, or has none here yet.
        taken = self._pictures.taken()
        cases, since_s = self._rows.cases(), self._rows.since_s("case")
        over = {case_id for case_id, (_, is_over) in cases.items() if is_over}
        quiet = over - since_s.keys()
        waiting = self._rows.waiting_cases() if quiet else frozenset()
        self._rows.let_age("case", sorted(quiet - waiting), lived_s)
        lost = self._lost(taken.keys() - cases.keys(), lived_s)
        # What was cut short is finished, also where there is room again: the platform is told that it is deleted.
        since_s |= dict.fromkeys(self._rows.noted(taken), -math.inf)
        return [
            Kept(
                case_id=case_id,
                size_bytes=each.size_bytes,
                recorded=cases[case_id][0] if case_id in cases else 0,
                over=case_id in over or case_id in lost,
                heard=case_id in over and case_id not in waiting,
                kept_s=lived_s - since_s.get(case_id, lost.get(case_id, lived_s)),
                held=case_id in held,
                inodes=each.inodes,
            )
            for case_id, each in taken.items()
        ]

    def _let_go(self, kind: str, files: SampleCrops | TrackFiles | None, lived_s: float) -> None:
        """Delete the files of a kind whose time is over; of a new one it begins."""
        if files is None:
            return
        there, since_s = files.names(), self._rows.since_s(kind)
        self._rows.let_age(kind, sorted(there - since_s.keys()), lived_s)
        self._rows.forget(kind, since_s.keys() - there)
        for name in there & since_s.keys():
            if lived_s - since_s[name] >= files.days * DAY_S:
                files.delete(name)

    def _lost(self, case_ids: set[str], lived_s: float) -> dict[str, float]:
        """Pictures without a known case, and since when they were seen.

        Pictures are stored a moment before their case: those seen for the first time are left out, and
        deleted in the next pass at the earliest.
        """
        since_s = self._rows.since_s("pictures")
        self._rows.let_age("pictures", case_ids - since_s.keys(), lived_s)
        self._rows.forget("pictures", since_s.keys() - case_ids)
        return {case_id: since_s[case_id] for case_id in case_ids & since_s.keys()}

    def _delete_pictures(
        self, kept: list[Kept], stop: threading.Event
    ) -> tuple[dict[Why, int], int]:
        going = list(
            choose(
                kept,
                days=self._settings.pictures_days,
                budget_bytes=self._budget_bytes,
                wanted_bytes=self._wanted_bytes(),
                wanted_inodes=self._wanted_inodes(),
            )
        )
        deleted: dict[Why, int] = {}
        deleted_bytes = 0
        for first in range(0, len(going), AT_ONCE):
            some = going[first : first + AT_ONCE]
            if first and stop.wait(BREATH_S):
                break
            told, noted = self._tell(some), self._note(some)
            for each in some:
                self._pictures.delete(each.case_id)
                deleted[each.why] = deleted.get(each.why, 0) + 1
                deleted_bytes += each.size_bytes
            if not told and not self._tell(some):
                _log.error("deleted, and not in the audit log: %s", [each.case_id for each in some])
            if not noted and not self._note(some):
                _log.error("deleted, and no tombstone yet: %s", [each.case_id for each in some])
        return deleted, deleted_bytes

    def _note(self, some: list[Going]) -> bool:
        """Note what is deleted, for its tombstones. If the disk is too full for that, delete all the same."""
        at_s = self._clock.now().timestamp()
        gone = [
            Deletion(each.case_id, each.why, at_s, each.files, each.size_bytes)
            for each in some
            if is_id(each.case_id)  # what else may lie there is no case
        ]
        try:
            self._rows.note_deletions(gone)
        except StorageError as error:
            _log.warning("%s", error)
            return False
        return True

    def _note_missing(self, taken: Collection[str]) -> None:
        """Note the cases whose pictures are gone although nobody noted that: a full disk, or a hand."""
        cases = self._rows.cases()
        quiet = [each for each in self._rows.with_manifests() if cases.get(each, (0, True))[1]]
        lost = self._rows.without_pictures(sorted(set(quiet) - set(taken)))
        if lost:
            _log.error("pictures that are not there any more: of cases %s", lost)
        self._rows.note_deletions([Deletion(each, "missing", None, 0, 0) for each in lost])

    def _tell(self, some: list[Going]) -> bool:
        """Record what is deleted. If the disk is too full for that, delete all the same."""
        try:
            for why in sorted({each.why for each in some}):
                of_it = [each for each in some if each.why == why]
                self._audit.append(
                    "pictures.deleted",
                    why=why,
                    cases=[each.case_id for each in of_it],
                    bytes=sum(each.size_bytes for each in of_it),
                )
        except AuditError as error:
            _log.warning("%s", error)
            return False
        return True

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        """Take the lock of a pass; False if another process holds it."""
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(descriptor)
