"""Snapshots that the platform asked for: a redacted picture of what a camera sees now.

Three threads have a part in one: the uplink's asks for it, the analysis gives the camera's next frame, and the
evidence worker redacts and queues it. Nothing of it is on the disk before it is redacted, and a restart forgets what
was asked for: what is seen then is another *now*.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
import threading
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from agent.domain.scene import WHOLE_FRAME
from agent.evidence.picture_files import context_of
from agent.evidence.redacted_copy import WIDE, CopyError, copy_of
from agent.evidence.redactor import NotRedacted, NotRedactedReason
from agent.protocol.events import Draft
from agent.protocol.picture_transfer import NotSentBody, SnapshotBody
from agent.storage.errors import StorageError
from agent.storage.paths import SNAPSHOTS
from agent.storage.picture_table import (
    QueuedPicture,
    of_no_case_before,
    queue_picture,
    queued,
    take_out,
)
from drivers.disk import make_folder, replace_file
from wording.known_errors import words_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from agent.domain.ids import Ids
    from agent.evidence.picture_context import PictureContext
    from agent.evidence.redacted_copy import Copy
    from agent.evidence.redactor import Redacted
    from agent.perception.surroundings import Surroundings
    from agent.storage.database import Database
    from agent.storage.outbox import Outbox
    from drivers.cameras import Frame, Picture
    from drivers.clock import Clock

MOST_WAITING = 4
"""Snapshots that are asked for and not yet done; each may hold one frame in memory."""
WITHIN_S = 60.0
"""A camera that gives no frame for so long has none to show."""
KEPT = timedelta(days=30)
"""A snapshot that has not arrived after so long is deleted, as the pictures of cases are by default."""
NO_FRAME, NOT_KEPT = "no_frame", "not_kept"

_log = logging.getLogger(__name__)


class Redactor(Protocol):
    """Who redacts."""

    def redact(self, bgr: Picture, context: PictureContext | None) -> Redacted:
        """Make a copy that may leave, or raise :class:`NotRedacted`."""


@dataclass(slots=True)
class _Wanted:
    """One that was asked for, and what the analysis gave for it."""

    camera_id: str
    command_id: str
    asked_s: float
    bgr: Picture | None = None
    context: PictureContext | None = None


class Snapshots:
    """The snapshots of one device.

    Args:
        database: Where the queue of pictures is.
        outbox: Takes the events that tell what became of each.
        evidence_dir: The folder of all pictures; a snapshot lies in one of its own there until it has arrived.
        clock: For how long a camera is waited for.
        ids: For the events.
    """

    def __init__(
        self, database: Database, outbox: Outbox, evidence_dir: Path, clock: Clock, ids: Ids
    ) -> None:
        self._database, self._outbox, self._evidence_dir = database, outbox, evidence_dir
        self._clock, self._ids = clock, ids
        self._lock = threading.Lock()
        self._wanted: list[_Wanted] = []

    def ask(self, camera_id: str, command_id: str) -> bool:
        """Ask for a snapshot; False: too many are waited for already. From any thread."""
        with self._lock:
            if len(self._wanted) >= MOST_WAITING:
                return False
            self._wanted.append(_Wanted(camera_id, command_id, self._clock.monotonic_s()))
            return True

    def take(self, frame: Frame, around: Callable[[], Surroundings]) -> None:
        """Keep a frame that is asked for. For the analysis: it costs nothing while none is.

        Args:
            frame: With the site's masks applied.
            around: What else there is in it.
        """
        if not self._wanted:
            return
        with self._lock:
            of_camera = [each for each in self._wanted if each.camera_id == frame.camera_id]
        for each in of_camera:
            if each.bgr is None:
                bgr = frame.bgr().copy()
                each.context = context_of(around(), bgr, WHOLE_FRAME, frame.captured_at, own=())
                each.bgr = bgr  # last: then it is whole

    def do_next(self, redactor: Callable[[], Redactor]) -> bool:
        """Redact and queue the first that was taken, or tell that there is none; whether there was one.

        Whatever becomes of it, it is not tried again: what a camera sees then is another *now*, and no snapshot keeps
        the packets of cases waiting.
        """
        try:
            self._tidy()
        except (OSError, StorageError, sqlite3.Error) as error:
            _log.warning("%s: %s", self._evidence_dir / SNAPSHOTS, words_of(error))
        now_s = self._clock.monotonic_s()
        with self._lock:
            ready = [
                each
                for each in self._wanted
                if each.bgr is not None or now_s - each.asked_s > WITHIN_S
            ]
        if not ready:
            return False
        first = ready[0]
        try:
            self._end(first, redactor)
        finally:
            with self._lock:
                self._wanted = [each for each in self._wanted if each is not first]
        return True

    def _end(self, wanted: _Wanted, redactor: Callable[[], Redactor]) -> None:
        try:
            self._finish(wanted, redactor)
        except (OSError, StorageError) as error:
            _log.error("a snapshot of %s is not kept: %s", wanted.camera_id, words_of(error))
            because = NOT_KEPT
        except Exception:  # noqa: BLE001 - a fault that one picture brings out must not end every later one
            _log.exception("a snapshot of %s was not redacted", wanted.camera_id)
            because = NotRedactedReason.MODEL_REFUSED.value
        else:
            return
        try:
            self._tell(wanted, None, because)
        except StorageError as error:
            _log.error("what became of a snapshot is not told: %s", words_of(error))

    def _finish(self, wanted: _Wanted, redactor: Callable[[], Redactor]) -> None:
        if wanted.bgr is None or wanted.context is None:
            self._tell(wanted, None, NO_FRAME)
            return
        try:
            copy = _copy(redactor().redact(wanted.bgr, wanted.context))
        except NotRedacted as error:
            self._tell(wanted, None, error.reason.value)
            return
        sha256 = hashlib.sha256(copy.jpeg).hexdigest()
        folder = self._evidence_dir / SNAPSHOTS
        make_folder(folder)
        replace_file(folder / f"{sha256}.redacted.jpg", copy.jpeg)
        self._tell(wanted, (copy, sha256), None)

    def _tell(self, wanted: _Wanted, made: tuple[Copy, str] | None, because: str | None) -> None:
        """Queue the copy, and the event that says what became of it, in one transaction."""
        at: datetime | None = None if wanted.context is None else wanted.context.captured_at
        body = SnapshotBody.model_validate(
            {
                "camera_id": wanted.camera_id,
                "command_id": wanted.command_id,
                "captured_at": at,
                "sha256": None if made is None else made[1],
                "size_bytes": None if made is None else len(made[0].jpeg),
                "because": because,
            }
        )
        draft = Draft.of_device(body, self._clock, self._ids)

        def write(connection: sqlite3.Connection) -> None:
            if made is not None:
                copy, sha256 = made
                file = f"{SNAPSHOTS}/{sha256}.redacted.jpg"
                queued_ = QueuedPicture(
                    sha256, None, file, len(copy.jpeg), command_id=wanted.command_id
                )
                queue_picture(connection, queued_, self._clock.now())
            self._outbox.add(connection, draft)

        self._database.write(write).result()

    def _tidy(self) -> None:
        """Delete the snapshots that wait for nothing any more."""
        folder = self._evidence_dir / SNAPSHOTS
        if not folder.is_dir() or not any(folder.iterdir()):
            return
        self._give_up()
        with closing(self._database.read()) as reader:
            waiting = {each.file.rpartition("/")[2] for each in queued(reader)}
        for path in folder.iterdir():
            if path.name not in waiting:
                path.unlink(missing_ok=True)

    def _give_up(self) -> None:
        """Take out of the queue, and tell, what has not arrived for so long: nothing is kept without an end."""
        with closing(self._database.read()) as reader:
            old = of_no_case_before(reader, self._clock.now() - KEPT)
        for each in old:
            body = NotSentBody(
                case_id=None, sha256=each.sha256, because="deleted", command_id=each.command_id
            )
            draft = Draft.of_device(body, self._clock, self._ids)

            def write(
                connection: sqlite3.Connection, sha256: str = each.sha256, draft: Draft = draft
            ) -> None:
                if take_out(connection, sha256) is not None:
                    self._outbox.add(connection, draft)

            self._database.write(write).result()


def _copy(redacted: Redacted) -> Copy:
    try:
        return copy_of(redacted.bgr, WIDE)
    except CopyError as error:
        raise NotRedacted(NotRedactedReason.PICTURE_DAMAGED) from error
