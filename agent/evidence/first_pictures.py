"""First pictures: wide ones from the beginning of stays of which a case may come, waiting in ``pending/``."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from agent.domain.scene import WHOLE_FRAME
from agent.evidence.picture_files import (
    EvidenceError,
    context_beside,
    context_of,
    encoded_jpeg,
    write,
    write_context,
)
from agent.storage.paths import PENDING
from drivers.disk import make_folder, refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from agent.perception.surroundings import Surroundings
    from drivers.cameras import Frame

TRY_AGAIN_S = 60.0
"""After a first picture could not be written, so long none is tried: each costs an encoding."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FirstPicture:
    """A picture that waits for its case.

    Attributes:
        path: Where.
        captured_at: When it was taken, by the clock as it was then.
        moment_s: The same on the frames' clock; None if a run before this one took it.
        around: What else there was; None likewise: what is written beside it holds then.
    """

    path: Path
    captured_at: datetime
    moment_s: float | None = None
    around: Surroundings | None = None

    def time_by(self, frame: Frame) -> datetime:
        """When it was taken, by the clock of a later frame: it may have been set in between."""
        return self.captured_at if self.moment_s is None else frame.time_of(self.moment_s)

    def delete(self) -> None:
        """Delete it; what cannot be deleted is taken up again after a restart."""
        for path in (self.path, context_beside(self.path)):
            with suppress(OSError):
                path.unlink(missing_ok=True)


class FirstPictures:
    """The first pictures of one device.

    Args:
        folder: That of all pictures.
        jpeg_quality: 50 to 100.
    """

    def __init__(self, folder: Path, jpeg_quality: int) -> None:
        self._folder, self._quality = folder / PENDING, jpeg_quality
        self._tried_s: float | None = None
        try:
            make_folder(self._folder)
        except OSError as error:
            _log.error("evidence: %s", refusal(error, folder))
        # Asked at every frame, so the folder itself is read only now, after a restart.
        self._waiting = {_awaited(path): _found(path) for path in self._folder.glob("*~*@*.jpg")}

    def await_cases(
        self,
        kind: str,
        pending: Mapping[str, float],
        frame: Frame,
        around: Callable[[], Surroundings],
    ) -> None:
        """Keep a first picture of every zone where something may become a case; drop the rest.

        A disk that does not take one is logged: the case will open without it.
        """
        for zone_id, of_kind in list(self._waiting):
            if of_kind == kind and zone_id not in pending:
                self._waiting.pop((zone_id, kind)).delete()
        for zone_id in pending:
            if (zone_id, kind) not in self._waiting and self._may_try(frame):
                self._await(zone_id, kind, frame, around())

    def take(self, zone_id: str, kind: str) -> FirstPicture | None:
        """The picture that waited for a case; None if the stay began before the device did. It waits no more."""
        return self._waiting.pop((zone_id, kind), None)

    def _may_try(self, frame: Frame) -> bool:
        return self._tried_s is None or abs(frame.monotonic_s - self._tried_s) >= TRY_AGAIN_S

    def _await(self, zone_id: str, kind: str, frame: Frame, around: Surroundings) -> None:
        taken_ms = int(frame.captured_at.timestamp() * 1000)
        path = self._folder / f"{zone_id}~{kind}@{taken_ms}.jpg"
        bgr = frame.bgr()
        try:
            # Durable when a case takes it: most of them are of no case, and would wear the card.
            write(path, encoded_jpeg(bgr, self._quality, path), durable=False)
            context = context_of(around, bgr, WHOLE_FRAME, frame.captured_at, own=())
            write_context(path, context, durable=False)
        except EvidenceError as error:
            _log.error("no picture of a stay's beginning: %s", error)
            self._tried_s = frame.monotonic_s
            return
        self._tried_s = None
        first = FirstPicture(path, frame.captured_at, frame.monotonic_s, around)
        self._waiting[zone_id, kind] = first


def _awaited(path: Path) -> tuple[str, str]:
    """The zone and the kind that a waiting picture's name tells."""
    zone_id, _, rest = path.stem.partition("~")
    return zone_id, rest.rsplit("@", 1)[0]


def _found(path: Path) -> FirstPicture:
    """One that a run before this one left."""
    taken_ms = int(path.stem.rsplit("@", 1)[1])
    return FirstPicture(path, datetime.fromtimestamp(taken_ms / 1000, UTC))
