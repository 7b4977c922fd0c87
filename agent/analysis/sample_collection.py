"""Collection mode: redacted crops of doubtful judgements, for people to label.

Off until the operator's consent is in the configuration. Then, of what a scenario was not sure of,
the crop is kept with heads and plates blotted out, beside a JSON file that says what was judged
and with what consent. A quota, a number a day and a time between two crops of one zone bound
it; what is too old goes with :mod:`agent.retention`. Nothing of it is sent: a technician takes it along with
``kerbwatch collected``.
"""

from __future__ import annotations

import hashlib
import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import cv2

from agent.domain.scene import crop
from agent.perception.redaction import blotted, sensitive_regions
from drivers.disk import refusal, replace_file
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from agent.config.schema import CollectionSection
    from agent.domain.scene import Detection, Doubt
    from agent.protocol.base import ModelUsed
    from drivers.cameras import Frame, Picture

log = logging.getLogger(__name__)

NAME_TIME = "%Y%m%dT%H%M%S%fZ"
JPEG_QUALITY = 92
MIN_SIDE_PX = 24
"""Nobody can label less."""


class SampleCollection:
    """The doubtful crops of one device. For the analysis thread.

    Args:
        folder: Where they lie, by the kind of case they are about.
        settings: Consent and bounds.
        detect: Finds people and vehicles in a crop, faint sights too.
        models: The models that judge.
    """

    def __init__(
        self,
        folder: Path,
        settings: CollectionSection,
        detect: Callable[[Picture], list[Detection]],
        models: Sequence[ModelUsed],
    ) -> None:
        self._folder = folder
        self._settings = settings
        self._detect = detect
        self._models = [model.model_dump() for model in models]
        self._kept_bytes = sum(_size(path) for path in _pictures(folder))
        self._last: dict[tuple[str, str], datetime] = {}
        self._day: tuple[str, int] = ("", 0)

    def consider(self, kind: str, doubts: Iterable[Doubt], frame: Frame) -> None:
        """Keep what is doubtful in a frame, as far as consent and bounds go.

        A disk that does not take a crop is logged: collecting never stands in the way of cases.
        """
        if self._settings.consent is None:
            return
        for doubt in doubts:
            if not self._has_room(doubt, kind, frame.captured_at):
                continue
            try:
                self._keep(kind, doubt, frame)
            except OSError as error:
                log.warning(
                    said(
                        "a doubtful crop was not stored: {reason}",
                        reason=refusal(error, self._folder),
                    )
                )

    def _has_room(self, doubt: Doubt, kind: str, at: datetime) -> bool:
        settings = self._settings
        day = f"{at.astimezone(UTC):%Y%m%d}"
        if self._day[0] != day:
            self._begin_day(day)
        last = self._last.get((kind, doubt.zone_id))
        waited = last is None or abs((at - last).total_seconds()) >= settings.min_gap_s
        in_bounds = self._day[1] < settings.per_day and self._kept_bytes < settings.quota_bytes
        return waited and in_bounds

    def _begin_day(self, day: str) -> None:
        """Count what a run before this one kept today, and what is left of all."""
        pictures = list(_pictures(self._folder))
        self._kept_bytes = sum(_size(path) for path in pictures)
        self._day = (day, sum(path.name.startswith(day) for path in pictures))

    def _keep(self, kind: str, doubt: Doubt, frame: Frame) -> None:
        shown = crop(frame.bgr(), doubt.box)
        if min(shown.shape[:2]) < MIN_SIDE_PX:
            return
        regions = sensitive_regions(self._detect(shown), shown.shape[1] / shown.shape[0])
        done, encoded = cv2.imencode(
            ".jpg", blotted(shown, regions), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        )
        if not done:
            return
        folder = self._folder / kind
        at = frame.captured_at.astimezone(UTC)
        path = folder / f"{at:{NAME_TIME}}~{doubt.zone_id}~{doubt.label}.jpg"
        content = bytes(encoded)
        facts = self._facts(kind, doubt, frame, content, len(regions))
        # The facts first: a picture without them could not be traced to its consent.
        replace_file(path.with_suffix(".json"), json.dumps(facts, ensure_ascii=False, indent=1))
        replace_file(path, content)
        self._kept_bytes += len(content) + _size(path.with_suffix(".json"))
        self._last[kind, doubt.zone_id] = frame.captured_at
        self._day = (self._day[0], self._day[1] + 1)

    def _facts(
        self, kind: str, doubt: Doubt, frame: Frame, content: bytes, redacted: int
    ) -> dict[str, Any]:
        box = doubt.box
        return {
            "kind": kind,
            "zone_id": doubt.zone_id,
            "label": doubt.label,
            "score": round(doubt.score, 4),
            "camera_id": frame.camera_id,
            "captured_at": frame.captured_at.isoformat(),
            "box": [round(edge, 5) for edge in (box.left, box.top, box.right, box.bottom)],
            "redacted_regions": redacted,
            "sha256": hashlib.sha256(content).hexdigest(),
            "models": self._models,
            "consent": self._settings.consent,
        }


def _pictures(folder: Path) -> Iterator[Path]:
    return folder.glob("*/*.jpg")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
