"""Makes the packet of a stage of a case: redacted copies, a signed manifest, and what goes by itself is queued.

The case's event does not wait for it: the transaction that adds the event leaves a job
(:mod:`agent.storage.evidence_job_table`), and the jobs are done one by one, the oldest first. Copies are written
first; manifest, queue and the end of the job are one transaction. So a power cut leaves a job that is done
again, with the same result, or one that is done.
"""

from __future__ import annotations

import hashlib
import logging
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from pydantic import AwareDatetime, BaseModel, ValidationError

from agent.evidence.picture_context import MAX_BYTES, ContextError, PictureContext
from agent.evidence.picture_files import context_beside, redacted_beside
from agent.evidence.redacted_copy import CLOSE_UP, WIDE, CopyError, copy_of
from agent.evidence.redactor import NotRedacted, NotRedactedReason
from agent.protocol.base import ClockReading
from agent.protocol.case import CaseBody
from agent.storage.case_table import has_case
from agent.storage.errors import StorageError
from agent.storage.evidence_chain import is_deleted
from agent.storage.evidence_job_table import count_try, delete_job, oldest_job, put_last
from drivers import pictures
from drivers.disk import refusal, replace_file
from wording.known_errors import words_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from agent.evidence.redactor import Redacted
    from agent.protocol.case import Picture as PictureReference
    from agent.protocol.events import Draft
    from agent.protocol.evidence import Stage
    from agent.storage.database import Database
    from agent.storage.evidence_job_table import EvidenceJob
    from drivers.cameras import Picture

DEFAULT = frozenset({"threshold.jpg", "close_up.jpg"})
"""What of a case goes to the platform by itself."""
MOST_TRIES = 5
"""So often a job is begun. What then has not come to an end is told without copies."""
MAX_PICTURE_BYTES = 64 << 20

_log = logging.getLogger(__name__)


class StoppedError(Exception):
    """The agent ends: the job is done again in its next run."""


@dataclass(frozen=True, slots=True)
class RedactedCopy:
    """A copy that may leave; ``file`` is from the folder of all pictures, ``share`` how much of it was hidden."""

    file: str
    sha256: str
    size_bytes: int
    width_px: int
    height_px: int
    share: float


@dataclass(frozen=True, slots=True)
class PacketPicture:
    """A picture of a packet, with its copy or the code of why there is none."""

    original: PictureReference
    redacted: RedactedCopy | None
    not_redacted: str | None
    default: bool


@dataclass(frozen=True, slots=True)
class Packet:
    """What is made of a stage of a case: what its event told, and its pictures."""

    case_id: str
    stage: Stage
    event_id: str
    occurred_at: datetime
    clock: ClockReading
    body: CaseBody
    test: bool
    folder: Path
    pictures: tuple[PacketPicture, ...]


class Redactor(Protocol):
    """What packets need of who redacts."""

    def redact(self, bgr: Picture, context: PictureContext | None) -> Redacted:
        """Make a copy that may leave, or raise :class:`NotRedacted`."""


class Manifests(Protocol):
    """What packets need of who signs."""

    def pack(self, connection: sqlite3.Connection, packet: Packet) -> None:
        """Sign the manifest and queue its event; within a transaction. Nothing if that was done."""

    def keep(self, case_id: str, folder: Path) -> None:
        """Write the manifests of a case beside its pictures; after the transaction."""


class Queue(Protocol):
    """What packets need of who sends pictures."""

    def add(self, connection: sqlite3.Connection, packet: Packet) -> None:
        """Queue what goes by itself; within a transaction."""


class _Told(BaseModel):
    """What is kept of an event for its packet."""

    event_id: str
    occurred_at: AwareDatetime
    clock: ClockReading
    test: bool
    body: CaseBody


def job_of(draft: Draft) -> str:
    """What is kept of a case's event until its packet is made."""
    told = _Told.model_construct(
        event_id=draft.event_id,
        occurred_at=draft.occurred_at,
        clock=draft.clock,
        test=draft.test,
        body=draft.body,
    )
    return told.model_dump_json()


class Packets:
    """Makes the packets of one device. For one thread.

    Args:
        database: Where the jobs are.
        evidence_dir: The folder of all pictures.
        redactor: Redacts; asked for when the first picture is due.
        manifests: Signs.
        queue: Sends what goes by itself.
        rest: Called after each picture with the seconds that it took, so that others have the processor; may
            raise :class:`StoppedError`.
        seconds: A clock for that.
    """

    def __init__(
        self,
        database: Database,
        evidence_dir: Path,
        *,
        redactor: Callable[[], Redactor],
        manifests: Manifests,
        queue: Queue,
        rest: Callable[[float], object],
        seconds: Callable[[], float],
    ) -> None:
        self._database, self._evidence_dir = database, evidence_dir
        self._redactor, self._manifests, self._queue = redactor, manifests, queue
        self._rest, self._seconds = rest, seconds

    def do_next(self) -> bool:
        """Do the job that has waited longest; whether there was one. As :meth:`do`."""
        with closing(self._database.read()) as connection:
            job = oldest_job(connection)
        if job is not None:
            self.do(job)
        return job is not None

    def do(self, job: EvidenceJob) -> None:
        """Do a job. May end at any moment: then it is done again, after the others where it failed.

        Raises:
            StorageError: The database did not take it.
            OSError: The disk did not take a copy, or the key cannot be read.
            StoppedError: The agent ends.
        """
        with closing(self._database.read()) as connection:
            known = has_case(connection, job.case_id) and not is_deleted(connection, job.case_id)
        told = _read(job)
        if not known or told is None:
            _log.warning("the packet of case %s (%s) is not made: it is gone", *job[1:3])
            self._database.write(lambda connection: delete_job(connection, job.number)).result()
            return
        # Counted before: what ends the process while it is redacted must not end every run after it.
        self._database.write(lambda connection: count_try(connection, job.number, 1)).result()
        try:
            packet = self._packet(job, told)
            self._finish(job, packet)
        except StoppedError:
            self._put_back(job, -1)
            raise
        except (OSError, StorageError):
            self._put_back(job, -1, last=True)
            raise
        except Exception:
            self._put_back(job, 0, last=True)
            raise

    def _put_back(self, job: EvidenceJob, tries: int, *, last: bool = False) -> None:
        def write(connection: sqlite3.Connection) -> None:
            count_try(connection, job.number, tries)
            if last:
                put_last(connection, job.number)

        try:
            self._database.write(write).result()
        except StorageError as error:
            _log.warning("%s", words_of(error))

    def _packet(self, job: EvidenceJob, told: _Told) -> Packet:
        return Packet(
            case_id=job.case_id,
            stage=job.stage,
            event_id=told.event_id,
            occurred_at=told.occurred_at,
            clock=told.clock,
            body=told.body,
            test=told.test,
            folder=self._evidence_dir / job.case_id,
            pictures=tuple(
                self._picture(each, given_up=job.tries >= MOST_TRIES) for each in told.body.pictures
            ),
        )

    def _finish(self, job: EvidenceJob, packet: Packet) -> None:
        def write(connection: sqlite3.Connection) -> None:
            self._manifests.pack(connection, packet)
            self._queue.add(connection, packet)
            delete_job(connection, job.number)

        self._database.write(write).result()
        try:
            self._manifests.keep(packet.case_id, packet.folder)
        except OSError as error:  # the database has them, too
            _log.warning("manifests of case %s: %s", packet.case_id, words_of(error))

    def _picture(self, original: PictureReference, *, given_up: bool) -> PacketPicture:
        name = original.file.rpartition("/")[2]
        default = name in DEFAULT
        if given_up:
            reason = NotRedactedReason.MODEL_REFUSED.value
            return PacketPicture(original, None, reason, default)
        began_s = self._seconds()
        try:
            copy = self._copied(original)
        except NotRedacted as error:
            return PacketPicture(original, None, error.reason.value, default)
        self._rest(self._seconds() - began_s)
        return PacketPicture(original, copy, None, default)

    def _copied(self, original: PictureReference) -> RedactedCopy:
        """Redact a picture and write its copy.

        Raises:
            NotRedacted: That cannot be done.
            OSError: The disk does not take the copy.
        """
        path = self._evidence_dir / original.file
        bgr = _decoded(path, original)
        redacted = self._redactor().redact(bgr, _context(path))
        wide = original.role in {"begin", "threshold", "after"}
        try:
            copy = copy_of(redacted.bgr, WIDE if wide else CLOSE_UP)
        except CopyError as error:
            raise NotRedacted(NotRedactedReason.PICTURE_DAMAGED) from error
        target = redacted_beside(path)
        replace_file(target, copy.jpeg)
        return RedactedCopy(
            file=str(target.relative_to(self._evidence_dir)),
            sha256=hashlib.sha256(copy.jpeg).hexdigest(),
            size_bytes=len(copy.jpeg),
            width_px=copy.width_px,
            height_px=copy.height_px,
            share=round(redacted.share_of_picture, 4),
        )


def _read(job: EvidenceJob) -> _Told | None:
    try:
        return _Told.model_validate_json(job.event)
    except ValidationError as error:
        _log.error("the job of case %s cannot be read: %s", job.case_id, type(error).__name__)
        return None


def _decoded(path: Path, original: PictureReference) -> Picture:
    """The original, if it is what its event names.

    Raises:
        NotRedacted: It is not, or not there.
    """
    try:
        with path.open("rb") as opened:
            content = opened.read(MAX_PICTURE_BYTES)
        if hashlib.sha256(content).hexdigest() != original.sha256:
            raise NotRedacted(NotRedactedReason.PICTURE_DAMAGED)
        return pictures.decoded(np.frombuffer(content, np.uint8))
    except OSError as error:
        _log.warning("%s: %s", path.name, refusal(error, path.parent))
        raise NotRedacted(NotRedactedReason.PICTURE_DAMAGED) from error
    except pictures.PictureError as error:
        raise NotRedacted(NotRedactedReason.PICTURE_DAMAGED) from error


def _context(path: Path) -> PictureContext | None:
    """What was known when a picture was taken; None: nothing is, as of a picture of an older agent."""
    try:
        with context_beside(path).open("rb") as opened:
            return PictureContext.from_json(opened.read(MAX_BYTES + 1))
    except FileNotFoundError:
        return None
    except (OSError, ContextError) as error:
        _log.warning("%s", words_of(error))
        return None
