"""The pictures that prove a case: taken at the threshold, on the disk before the event.

Per case, in a folder named by its id: ``begin`` (wide, from when the stay began), ``threshold``
(wide, when it became a case), ``close_up`` (all its things, then; or one of them from when more of it could be
seen), ``close_up-<member>`` (the best view of each of several things, the one that people and vehicles hide
least), ``plate_view-<member>`` (of a bike of which another view is sharper), and ``after`` (wide, when it was
cleared). They stay on the device. Beside each lies ``<name>.context.json``: what else there was, by which it
can be redacted. What is the matter with a picture is told with it (:mod:`agent.perception.picture_faults`).

Between a stay's beginning and its threshold the first picture waits in ``pending/``
(:mod:`agent.evidence.first_pictures`); it is deleted if no case comes of it.
"""

from __future__ import annotations

import hashlib
import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from agent.domain.scene import WHOLE_FRAME, Box
from agent.evidence.first_pictures import FirstPicture, FirstPictures
from agent.evidence.picture_files import (
    EvidenceError,
    context_beside,
    context_of,
    encoded_jpeg,
    write,
    write_context,
)
from agent.perception.best_shot import BestShot, Shown
from agent.perception.picture_faults import (
    APART_S,
    faults_of_close_up,
    faults_of_wide,
    longer_side_px,
)
from agent.perception.surroundings import Surroundings
from agent.protocol.case import Picture as PictureReference
from drivers import pictures
from drivers.disk import make_folder, refusal, sync_folder
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from agent.domain.case_lifecycle import Change
    from agent.domain.picture import PictureFault
    from drivers.cameras import Frame, Picture

Role = Literal["begin", "threshold", "close_up", "plate_view", "after"]
MAX_CLOSE_UPS, MAX_PLATE_VIEWS = 12, 6
"""Of one case, one a member; those that came first."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Taken:
    """A picture that is to be kept, with what is told of it."""

    name: str
    role: Role
    bgr: Picture
    captured_at: datetime
    crop: Box
    own: tuple[Box, ...]
    around: Surroundings
    faults: tuple[PictureFault, ...]


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
        self._first = FirstPictures(folder, jpeg_quality)

    def await_cases(
        self,
        kind: str,
        pending: dict[str, float],
        frame: Frame,
        around: Callable[[], Surroundings] = Surroundings,
    ) -> None:
        """Keep a first picture of every zone where something may become a case; drop the rest."""
        self._first.await_cases(kind, pending, frame, around)

    def pictures_of(
        self, change: Change, frame: Frame, shown: Shown | None = None
    ) -> tuple[PictureReference, ...]:
        """Take the pictures that a change of a case asks for; fsynced when this returns.

        Args:
            change: What happened.
            frame: When it did.
            shown: What can be shown of the case's things.

        Raises:
            EvidenceError: The disk did not take all of them.
        """
        if change.type not in {"case.opened", "case.cleared"}:
            return ()
        folder = self._folder / change.case.case_id
        kept: list[PictureReference] = []
        fault: EvidenceError | None = None
        for take in self._pictures(change, frame, shown or Shown(), folder):
            try:
                kept += take()
            except EvidenceError as error:  # the others are tried all the same
                fault = fault or error
        told = tuple(_apart(kept) if change.type == "case.opened" else kept)
        if fault is not None:
            raise EvidenceError(fault.path, fault.reason, told) from fault
        return told

    def _pictures(
        self, change: Change, frame: Frame, shown: Shown, folder: Path
    ) -> Iterator[Callable[[], list[PictureReference]]]:
        """What to take, in order, each when it is called."""
        if change.type == "case.opened":
            yield lambda: self._take_begin(folder, change, frame)
            pictures_now = self._at_threshold(change, frame, shown)
        else:
            pictures_now = iter((_wide("after", frame, (), shown),))
        for taken in pictures_now:
            yield lambda taken=taken: [self._keep(folder, taken)]  # type: ignore[misc]

    def _at_threshold(self, change: Change, frame: Frame, shown: Shown) -> Iterator[_Taken]:
        own = tuple(member.box for member in change.case.members)
        yield _wide("threshold", frame, own, shown)
        if shown.instead is None:
            yield self._close_up(frame, own, shown)
        else:
            yield _view("close_up", "close_up", shown.instead, own, frame)
        several = len(own) > 1
        for member, view in list(shown.best.items())[: MAX_CLOSE_UPS if several else 0]:
            if view is not shown.instead:
                yield _view(f"close_up-{member}", "close_up", view, own, frame)
        for member, view in list(shown.sharpest.items())[:MAX_PLATE_VIEWS]:
            yield _view(f"plate_view-{member}", "plate_view", view, own, frame)

    def _close_up(self, frame: Frame, own: tuple[Box, ...], shown: Shown) -> _Taken:
        """All of the case's things, as they can be seen now."""
        subject = own[0]
        for box in own[1:]:
            subject = subject.union(box)
        bgr = frame.bgr()
        height, width = bgr.shape[:2]
        edges = subject.grown(self._margin).cut_pixels(width, height)
        crop = Box(
            edges.left / width, edges.top / height, edges.right / width, edges.bottom / height
        )
        cut = edges.cut(bgr)
        longest_px = max(longer_side_px(box, bgr) for box in own)
        faults = faults_of_close_up(cut, own, shown.hidden.values(), longest_px)
        return _Taken(
            "close_up",
            "close_up",
            cut,
            frame.captured_at,
            crop,
            own,
            shown.around,
            tuple(faults),
        )

    def _take_begin(self, folder: Path, change: Change, frame: Frame) -> list[PictureReference]:
        """The picture that waited for this case; none if the stay began before the device did."""
        waiting = self._first.take(change.case.zone_id, change.case.kind)
        if waiting is None:
            return []
        path = folder / "begin.jpg"
        encoded = _moved(waiting.path, path)
        try:
            decoded = pictures.decoded(np.frombuffer(encoded, np.uint8))
        except pictures.PictureError as error:
            _log.warning("%s: %s", path.name, error)
            return []
        at, own = waiting.time_by(frame), tuple(member.box for member in change.case.members)
        self._take_context(waiting, path, decoded, at, own)
        faults = tuple(faults_of_wide(decoded, own, ()))
        return [self._reference("begin", path, encoded, decoded, at, faults)]

    def _take_context(
        self, waiting: FirstPicture, path: Path, bgr: Picture, at: datetime, own: tuple[Box, ...]
    ) -> None:
        """Keep what was around the first picture: as this run knows it, else as it is written down."""
        if waiting.around is None:
            try:
                _moved(context_beside(waiting.path), context_beside(path))
            except EvidenceError as error:
                _log.warning("%s", error)  # as of an agent that wrote none: it stays on the device
            return
        context_beside(waiting.path).unlink(missing_ok=True)
        write_context(path, context_of(waiting.around, bgr, WHOLE_FRAME, at, own))

    def _keep(self, folder: Path, taken: _Taken) -> PictureReference:
        path = folder / f"{taken.name}.jpg"
        encoded = encoded_jpeg(taken.bgr, self._quality, path)
        write(path, encoded)
        context = context_of(taken.around, taken.bgr, taken.crop, taken.captured_at, taken.own)
        write_context(path, context)
        return self._reference(
            taken.role, path, encoded, taken.bgr, taken.captured_at, taken.faults
        )

    def _reference(
        self,
        role: Role,
        path: Path,
        encoded: bytes,
        bgr: Picture,
        captured_at: datetime,
        faults: tuple[PictureFault, ...],
    ) -> PictureReference:
        return PictureReference(
            role=role,
            file=str(path.relative_to(self._folder)),
            sha256=hashlib.sha256(encoded).hexdigest(),
            size_bytes=len(encoded),
            width_px=bgr.shape[1],
            height_px=bgr.shape[0],
            captured_at=captured_at,
            faults=faults,
        )


def _wide(role: Role, frame: Frame, own: tuple[Box, ...], shown: Shown) -> _Taken:
    """All of the frame."""
    bgr = frame.bgr()
    faults = tuple(faults_of_wide(bgr, own, shown.hidden.values() if own else ()))
    return _Taken(role, role, bgr, frame.captured_at, WHOLE_FRAME, own, shown.around, faults)


def _view(name: str, role: Role, view: BestShot, own: tuple[Box, ...], frame: Frame) -> _Taken:
    """A view that was kept, by the clock of a later frame."""
    faults = faults_of_close_up(view.bgr, [view.thing], [view.hidden], view.longest_px)
    at = frame.time_of(view.moment_s)
    things = (view.thing, *own)
    return _Taken(name, role, view.bgr, at, view.crop, things, view.around, tuple(faults))


def _apart(kept: Iterable[PictureReference]) -> list[PictureReference]:
    """The pictures of a case that opens; where the two wide ones prove no ten seconds, they say so."""
    told = list(kept)
    wide = {each.role: each.captured_at for each in told if each.role in {"begin", "threshold"}}
    if len(wide) == 2:
        apart_s = (wide["threshold"] - wide["begin"]).total_seconds()
        if apart_s >= APART_S:
            return told
    return [
        each.model_copy(update={"faults": (*each.faults, "no_ten_seconds")})
        if each.role in wide
        else each
        for each in told
    ]


def _moved(source: Path, target: Path) -> bytes:
    """Move a file that waited into its case's folder, fsynced; gives what is in it.

    Raises:
        EvidenceError: It is missing, or the disk refuses.
    """
    try:
        make_folder(target.parent)
        source.replace(target)  # a full disk has no room for a copy
        with target.open("rb") as opened:
            os.fsync(opened.fileno())
            content = opened.read()
        sync_folder(target.parent)
    except FileNotFoundError as error:
        gone = said("the picture of the stay's beginning is missing")
        raise EvidenceError(target, gone) from error
    except OSError as error:
        raise EvidenceError(target, refusal(error, target.parent)) from error
    return content
