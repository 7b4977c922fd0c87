"""The commands ``picture`` and ``snapshot``: redacted pictures that the platform asks for."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent.config.upload_url import UploadUrlError, target_of
from agent.delivery.commands.table import AnyHandler, Change, Done, SignedHandler
from agent.evidence.redacted_copies import NoCopy, RedactedCopy, copy_of
from agent.evidence.snapshots import MOST_WAITING, WITHIN_S
from agent.protocol.commands import MAX_AHEAD_S, Refusal, SendPicture, Snapshot, Upload
from agent.storage.case_table import has_case
from agent.storage.evidence_chain import records_of
from agent.storage.picture_table import Put, QueuedPicture, count_asked_for, queue_picture

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from agent.evidence.snapshots import Snapshots
    from agent.identity.authorities import Signature
    from agent.storage.database import Database
    from drivers.clock import Clock

MAX_ASKED_FOR, AGAIN_S = 200, 600.0
"""So many pictures that were asked for wait at most."""


@dataclass(frozen=True, slots=True)
class PictureCommands:
    """Queues the pictures that are asked for. For the uplink's thread.

    Attributes:
        database: Where the queue is.
        evidence_dir: Where the pictures lie.
        clock: For when it was asked, and what has expired.
        camera_ids: The cameras that there are.
        snapshots: Takes what cameras see now; None: nothing is analysed.
        upload_hosts: Where pictures may be put; in the spelling of :mod:`agent.config.upload_url`.
    """

    database: Database
    evidence_dir: Path
    clock: Clock
    camera_ids: Collection[str]
    upload_hosts: Collection[str] = ()
    snapshots: Snapshots | None = None

    @property
    def handlers(self) -> tuple[AnyHandler, ...]:
        """For the table."""
        return SignedHandler(Snapshot, self._snapshot), SignedHandler(SendPicture, self._picture)

    def _snapshot(self, command: Snapshot, _: Signature) -> Done:
        if command.camera_id not in self.camera_ids:
            known = tuple(sorted(self.camera_ids))
            raise Refusal("not_found", "there is no such camera", field="camera_id", one_of=known)
        if self.snapshots is None:
            raise Refusal("not_available", "this device analyses nothing now")
        self._refuse_too_many()
        if not self.snapshots.ask(command.camera_id, command.command_id):
            raise Refusal(
                "allowance_spent",
                f"{MOST_WAITING} snapshots are waited for already",
                most=MOST_WAITING,
                wait_s=WITHIN_S,
            )
        facts = {"camera_id": command.camera_id, "reason": command.reason}
        return Done(change=Change("snapshot.asked", facts))

    def _picture(self, command: SendPicture, _: Signature) -> Done:
        self._refuse_unknown(command.case_id)
        facts: dict[str, Any] = {"case_id": command.case_id, "reason": command.reason}
        facts |= {"file": command.file} if command.sha256 is None else {"sha256": command.sha256}
        try:
            put, host = (None, None) if command.put is None else self._put(command.put)
            copy = self._copy(command)
            self._queue(command, copy, put)
        except Refusal as refusal:
            return Done(change=Change("picture.asked", facts), refusal=refusal)
        facts |= {"sha256": copy.sha256, **({} if host is None else {"host": host})}
        return Done(change=Change("picture.queued", facts))

    def _copy(self, command: SendPicture) -> RedactedCopy:
        with closing(self.database.read()) as reader:
            records = records_of(reader, command.case_id)
        manifests = [each.jws for each in reversed(records) if each.jws is not None]
        copy = copy_of(
            self.evidence_dir,
            command.case_id,
            manifests,
            sha256=command.sha256,
            file=command.file,
        )
        asked_by = "sha256" if command.file is None else "file"
        if copy is None:
            raise Refusal("not_found", "the case has no such redacted picture", field=asked_by)
        if not isinstance(copy, NoCopy):
            _refuse_more(copy.size_bytes, command.put)
            return copy
        if copy.because is None:
            raise Refusal("not_ready", "the picture is still to be redacted", wait_s=AGAIN_S)
        raise Refusal(
            "not_redacted", f"not redacted: {copy.because}", field=asked_by, one_of=(copy.because,)
        )

    def _put(self, put: Upload) -> tuple[Put, str]:
        """Where a picture is put, and its host; no words of a refusal repeat the URL."""
        try:
            host = target_of(put.url).host
        except UploadUrlError as error:
            raise Refusal("invalid_value", f"put.url: {error}", field="put.url") from None
        if host not in self.upload_hosts:
            named = tuple(sorted(self.upload_hosts)) or None
            raise Refusal(
                "host_not_named", "the site does not name this host", field="put.url", one_of=named
            )
        left_s = (put.until - self.clock.now()).total_seconds()
        if left_s <= 0:
            raise Refusal("expired", "put.until is over", field="put.until")
        if left_s > MAX_AHEAD_S:
            raise Refusal(
                "expires_too_late",
                f"put.until: at most {MAX_AHEAD_S // 86_400} days ahead",
                field="put.until",
                most=MAX_AHEAD_S,
            )
        return Put(put.url, put.until.timestamp()), host

    def _queue(self, command: SendPicture, copy: RedactedCopy, put: Put | None) -> None:
        self._refuse_too_many()
        queued = QueuedPicture(
            copy.sha256,
            command.case_id,
            copy.file,
            copy.size_bytes,
            command_id=command.command_id,
            put=put,
        )
        at = self.clock.now()
        self.database.write(lambda connection: queue_picture(connection, queued, at)).result()

    def _refuse_too_many(self) -> None:
        with closing(self.database.read()) as reader:
            if count_asked_for(reader) >= MAX_ASKED_FOR:
                raise Refusal(
                    "allowance_spent",
                    f"{MAX_ASKED_FOR} pictures that were asked for wait already",
                    most=MAX_ASKED_FOR,
                    wait_s=AGAIN_S,
                )

    def _refuse_unknown(self, case_id: str) -> None:
        with closing(self.database.read()) as connection:
            if not has_case(connection, case_id):
                raise Refusal("not_found", "nothing is kept of this case", field="case_id")


def _refuse_more(size_bytes: int, put: Upload | None) -> None:
    if put is not None and size_bytes > put.most_bytes:
        text = f"the picture has {size_bytes} bytes"
        raise Refusal("too_large", text, field="put.most_bytes", most=put.most_bytes)
