"""The pictures that prove a case: taken at the threshold, on the disk before the event.

Per case, in a folder named by its id: ``begin`` (wide, from when the stay began), ``threshold``
(wide, when it became a case), ``close_up`` (then, or of a bike that is hidden then, from when more of it was
seen), a ``plate_view`` of every bike of which there is a sharp
one, and ``after`` (wide, when it was cleared). They stay
on the device. Between a stay's beginning and its threshold the first picture waits in
``pending/``; it is deleted if no case comes of it.
"""

from __future__ import annotations

import hashlib
import logging
import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np

from agent.protocol.case import Picture as PictureReference
from agent.storage.paths import PENDING
from drivers import pictures
from drivers.disk import make_folder, refusal, replace_file, sync_folder
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from agent.domain.case_lifecycle import Change
    from agent.domain.scene import Box
    from agent.perception.best_shot import BestShot
    from drivers.cameras import Frame, Picture

Role = Literal["begin", "threshold", "close_up", "plate_view", "after"]
MAX_PLATE_VIEWS = 6


TRY_AGAIN_S = 60.0
"""After a first picture could not be written, so long none is tried: each costs an encoding."""

_log = logging.getLogger(__name__)


class EvidenceError(OSError):
    """A picture could not be written. ``kept`` are the others of the same event."""

    def __init__(self, path: Path, reason: str, kept: tuple[PictureReference, ...] = ()) -> None:
        super().__init__(said("evidence {file}: {reason}", file=path.name, reason=reason))
        self.path, self.reason, self.kept = path, reason, kept


@dataclass(frozen=True, slots=True)
class _First:
    """A picture that waits for its case.

    Attributes:
        path: Where.
        captured_at: When it was taken, by the clock as it was then.
        moment_s: The same on the frames' clock; None if a run before this one took it.
    """

    path: Path
    captured_at: datetime
    moment_s: float | None

    def time_by(self, frame: Frame) -> datetime:
        """When it was taken, by the clock of a later frame: it may have been set in between."""
        return self.captured_at if self.moment_s is None else frame.time_of(self.moment_s)


class Evidence:
    """The pictures of one device.

    Args:
        folder: Where they are kept.
        jpeg_quality: 50 to 100.
        close_up_margin: What is shown around the thing, in parts of its size.
    """

    def __init__(self, folder: Path, jpeg_quality: int, close_up_margin: float) -> None:
        self._folder = folder
        self._quality = jpeg_quality
        self._margin = close_up_margin
        self._waiting = folder / PENDING
        self._tried_s: float | None = None
        try:
            make_folder(self._waiting)
        except OSError as error:
            _log.error("evidence: %s", refusal(error, folder))
        # Asked at every frame, so the folder itself is read only now, after a restart.
        self._first = {_awaited(path): _found(path) for path in self._waiting.glob("*~*@*.jpg")}

    def await_cases(self, kind: str, pending: dict[str, float], frame: Frame) -> None:
        """Keep a first picture of every zone where something may become a case; drop the rest.

        A disk that does not take one is logged: the case will open without it.
        """
        for zone_id, of_kind in list(self._first):
            if of_kind == kind and zone_id not in pending:
                with suppress(OSError):  # what cannot be deleted is taken up again after a restart
                    self._first.pop((zone_id, kind)).path.unlink(missing_ok=True)
        for zone_id in pending:
            if (zone_id, kind) not in self._first and self._may_try(frame):
                self._await(zone_id, kind, frame)

    def _may_try(self, frame: Frame) -> bool:
        return self._tried_s is None or abs(frame.monotonic_s - self._tried_s) >= TRY_AGAIN_S

    def _await(self, zone_id: str, kind: str, frame: Frame) -> None:
        taken_ms = int(frame.captured_at.timestamp() * 1000)
        path = self._waiting / f"{zone_id}~{kind}@{taken_ms}.jpg"
        try:
            # Durable when a case takes it: most of them are of no case, and would wear the card.
            _write(path, self._encode(frame.bgr(), path), durable=False)
        except EvidenceError as error:
            _log.error("no picture of a stay's beginning: %s", error)
            self._tried_s = frame.monotonic_s
            return
        self._tried_s = None
        self._first[zone_id, kind] = _First(path, frame.captured_at, frame.monotonic_s)

    def pictures_of(
        self,
        change: Change,
        frame: Frame,
        views: Mapping[str, BestShot] = MappingProxyType({}),
        close_up: BestShot | None = None,
    ) -> tuple[PictureReference, ...]:
        """Take the pictures that a change of a case asks for; fsynced when this returns.

        Args:
            change: What happened.
            frame: When it did.
            views: The best view of each member of which there is one.
            close_up: A view that shows more than the frame does, if there is one.

        Raises:
            EvidenceError: The disk did not take all of them.
        """
        if change.type not in {"case.opened", "case.cleared"}:
            return ()
        folder = self._folder / change.case.case_id
        kept: list[PictureReference] = []
        fault: EvidenceError | None = None
        for take in self._pictures(change, frame, views, close_up, folder):
            try:
                kept += take()
            except EvidenceError as error:  # the others are tried all the same
                fault = fault or error
        if fault is not None:
            raise EvidenceError(fault.path, fault.reason, tuple(kept)) from fault
        return tuple(kept)

    def _pictures(
        self,
        change: Change,
        frame: Frame,
        views: Mapping[str, BestShot],
        close_up: BestShot | None,
        folder: Path,
    ) -> Iterator[Callable[[], list[PictureReference]]]:
        """What to take, in order, each when it is called."""

        def keep(
            role: Role, bgr: Picture, moment_s: float, name: str | None = None
        ) -> Callable[[], list[PictureReference]]:
            at = frame.time_of(moment_s)
            return lambda: [self._keep(folder, role, bgr, at, name)]

        if change.type == "case.cleared":
            yield keep("after", frame.bgr(), frame.monotonic_s)
            return
        yield lambda: self._take_begin(folder, change, frame)
        yield keep("threshold", frame.bgr(), frame.monotonic_s)
        if close_up is None:
            yield keep("close_up", _cut(frame.bgr(), self._subject(change)), frame.monotonic_s)
        else:
            yield keep("close_up", close_up.bgr, close_up.moment_s)
        for member, view in list(views.items())[:MAX_PLATE_VIEWS]:
            yield keep("plate_view", view.bgr, view.moment_s, f"plate_view-{member}")

    def _subject(self, change: Change) -> Box:
        boxes = [member.box for member in change.case.members]
        subject = boxes[0]
        for box in boxes[1:]:
            subject = subject.union(box)
        return subject.grown(self._margin)

    def _take_begin(self, folder: Path, change: Change, frame: Frame) -> list[PictureReference]:
        """The picture that waited for this case; none if the stay began before the device did."""
        waiting = self._first.pop((change.case.zone_id, change.case.kind), None)
        if waiting is None:
            return []
        path = folder / "begin.jpg"
        try:
            make_folder(folder)
            waiting.path.replace(path)  # a full disk has no room for a copy
            with path.open("rb") as opened:
                os.fsync(opened.fileno())
                encoded = opened.read()
            sync_folder(folder)
        except FileNotFoundError as error:
            gone = said("the picture of the stay's beginning is missing")
            raise EvidenceError(path, gone) from error
        except OSError as error:
            raise EvidenceError(path, refusal(error, folder)) from error
        try:
            decoded = pictures.decoded(np.frombuffer(encoded, np.uint8))
        except pictures.PictureError as error:
            _log.warning("%s: %s", path.name, error)
            return []
        at = waiting.time_by(frame)
        return [self._reference("begin", path, encoded, decoded, at)]

    def _keep(
        self, folder: Path, role: Role, bgr: Picture, captured_at: datetime, name: str | None = None
    ) -> PictureReference:
        path = folder / f"{name or role}.jpg"
        encoded = self._encode(bgr, path)
        _write(path, encoded)
        return self._reference(role, path, encoded, bgr, captured_at)

    def _reference(
        self, role: Role, path: Path, encoded: bytes, bgr: Picture, captured_at: datetime
    ) -> PictureReference:
        return PictureReference(
            role=role,
            file=str(path.relative_to(self._folder)),
            sha256=hashlib.sha256(encoded).hexdigest(),
            size_bytes=len(encoded),
            width_px=bgr.shape[1],
            height_px=bgr.shape[0],
            captured_at=captured_at,
        )

    def _encode(self, bgr: Picture, path: Path) -> bytes:
        done, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, self._quality])
        if not done:
            raise EvidenceError(path, said("the picture cannot be encoded as JPEG"))
        return bytes(encoded)


def _awaited(path: Path) -> tuple[str, str]:
    """The zone and the kind that a waiting picture's name tells."""
    zone_id, _, rest = path.stem.partition("~")
    return zone_id, rest.rsplit("@", 1)[0]


def _found(path: Path) -> _First:
    """One that a run before this one left."""
    taken_ms = int(path.stem.rsplit("@", 1)[1])
    return _First(path, datetime.fromtimestamp(taken_ms / 1000, UTC), None)


def _cut(bgr: Picture, box: Box) -> Picture:
    return box.cut_pixels(bgr.shape[1], bgr.shape[0]).cut(bgr)


def _write(path: Path, content: bytes, *, durable: bool = True) -> None:
    try:
        replace_file(path, content, durable=durable)
    except OSError as error:
        raise EvidenceError(path, refusal(error, path.parent)) from error
