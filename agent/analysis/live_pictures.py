"""Live pictures for whoever stands at the device: redacted, made only while somebody asks for them.

Two threads have a part in one: the analysis gives a camera's next frame, and the worker redacts it. Who asks gets
the newest that is made, and never waits for one. Nothing of it is on the disk.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from agent.domain.scene import WHOLE_FRAME
from agent.evidence.picture_files import context_of
from agent.evidence.redacted_copy import WIDE, Bounds, CopyError, copy_of
from agent.evidence.redactor import PREVIEW_PX, NotRedacted, NotRedactedReason
from agent.perception.aiming import Aiming

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from agent.analysis.camera_pipeline import Pipeline
    from agent.analysis.reference_image import ReferenceImage
    from agent.domain.scene import Detection
    from agent.evidence.picture_context import PictureContext
    from agent.evidence.redactor import Redactor
    from agent.perception.aiming import Aim
    from agent.perception.surroundings import View
    from drivers.cameras import Frame, Picture

Kind = Literal["whole", "preview"]
"""``whole``: redacted as what leaves for the platform. ``preview``: small, and at once."""
ASKED_S = 10.0
"""After nobody has asked for so long none is made."""
FRESH_S = 20.0
"""One that is older is not shown as live."""
NO_FRAME_S = 10.0
"""A camera that gives no frame for so long has none to show."""
SHOWN_FROM = 0.3
"""Score from which on what is seen is named."""
SAME_IOU = 0.5
PREVIEW = Bounds(PREVIEW_PX, 40_000)


@dataclass(frozen=True, slots=True)
class LivePicture:
    """One that may be shown.

    Attributes:
        jpeg: The redacted picture.
        size_px: Its width and height.
        camera_size_px: The camera's.
        captured_at: When it was taken.
        why_small: Why it is no whole one, where that was wanted.
        seen: What is seen in it, in fractions of it.
        aim: Figures of the frame as it was taken.
        view: Whether the camera looks where it was commissioned.
    """

    kind: Kind
    jpeg: bytes
    size_px: tuple[int, int]
    camera_size_px: tuple[int, int]
    captured_at: datetime
    why_small: NotRedactedReason | None
    seen: tuple[Detection, ...]
    aim: Aim
    view: View


@dataclass(frozen=True, slots=True)
class _Taken:
    """A frame that waits to be redacted."""

    bgr: Picture
    luma: Picture
    context: PictureContext
    seen: tuple[Detection, ...]


@dataclass(slots=True)
class _Wanted:
    """One kind of picture of one camera."""

    first_s: float
    asked_s: float
    taken: _Taken | None = None
    made: LivePicture | NotRedactedReason | None = None
    made_s: float = 0.0


@dataclass(slots=True)
class LivePictures:
    """The live pictures of one device.

    Attributes:
        references: The commissioning pictures of the cameras that have one.
        now_s: The monotonic clock.
    """

    references: Mapping[str, ReferenceImage]
    now_s: Callable[[], float]
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _wanted: dict[tuple[str, Kind], _Wanted] = field(default_factory=dict)
    _aiming: dict[str, Aiming] = field(default_factory=dict)

    def newest(self, camera_id: str, kind: Kind) -> LivePicture | NotRedactedReason | None:
        """The newest picture, or why there is none; None: not yet. From any thread.

        Whoever asks keeps them coming.

        Raises:
            TimeoutError: The camera gives no frame.
        """
        now_s = self.now_s()
        with self._lock:
            one = self._wanted.get((camera_id, kind))
            if one is None or now_s - one.asked_s > ASKED_S:
                one = self._wanted[camera_id, kind] = _Wanted(now_s, now_s)
            one.asked_s = now_s
            if one.made is not None and now_s - one.made_s <= FRESH_S:
                return one.made
            if one.taken is None and now_s - max(one.first_s, one.made_s) > NO_FRAME_S:
                raise TimeoutError
            return None

    def aim_anew(self, camera_id: str) -> None:
        """Go by another commissioning picture from the next one on; from any thread."""
        self._aiming.pop(camera_id, None)

    def take(self, frame: Frame, pipeline: Pipeline, view: View) -> None:
        """Keep a frame that is asked for. For the analysis: it costs nothing while none is.

        Args:
            frame: With the site's masks applied.
            pipeline: What was made of it.
            view: Whether the camera looks where it was commissioned.
        """
        if not self._wanted:
            return
        now_s = self.now_s()
        with self._lock:
            due = [
                one
                for (camera_id, _), one in self._wanted.items()
                if camera_id == frame.camera_id
                and one.taken is None
                and now_s - one.asked_s <= ASKED_S
            ]
        if not due:
            return
        bgr = frame.bgr().copy()
        around = pipeline.surroundings(frame, view)
        context = context_of(around, bgr, WHOLE_FRAME, frame.captured_at, own=())
        seen = () if pipeline.observation is None else pipeline.observation.detections
        for one in due:
            one.taken = _Taken(bgr, frame.luma, context, seen)

    def do_next(self, redactor: Callable[[], Redactor]) -> bool:
        """Redact the first that was taken; whether there was one."""
        now_s = self.now_s()
        with self._lock:
            for key, each in list(self._wanted.items()):
                if now_s - each.asked_s > ASKED_S and now_s - each.asked_s > FRESH_S:
                    del self._wanted[key]
            ready = [(key, one) for key, one in self._wanted.items() if one.taken is not None]
        if not ready:
            return False
        (camera_id, kind), one = min(ready, key=lambda each: each[1].made_s)
        assert one.taken is not None
        try:
            made: LivePicture | NotRedactedReason = self._made(camera_id, kind, one.taken, redactor)
        except NotRedacted as error:
            made = error.reason
        with self._lock:
            one.made, one.made_s, one.taken = made, self.now_s(), None
        return True

    def _made(
        self, camera_id: str, kind: Kind, taken: _Taken, redactor: Callable[[], Redactor]
    ) -> LivePicture:
        context, why_small, seen = taken.context, None, list(taken.seen)
        shown: Picture | None = None
        if kind == "whole":
            try:
                shown = redactor().redact(taken.bgr, context).bgr
            except NotRedacted as error:
                why_small = error.reason
        bounds = WIDE
        if shown is None:
            shown, sights = redactor().preview(taken.bgr, context)
            seen += [each for each in sights if each.confidence >= SHOWN_FROM]
            bounds = PREVIEW
        try:
            copy = copy_of(shown, bounds)
        except CopyError as error:
            raise NotRedacted(NotRedactedReason.PICTURE_DAMAGED) from error
        reference = self.references.get(camera_id)
        aiming = self._aiming.setdefault(
            camera_id, Aiming(None if reference is None else reference.luma)
        )
        return LivePicture(
            "whole" if bounds is WIDE else "preview",
            copy.jpeg,
            (copy.width_px, copy.height_px),
            (taken.bgr.shape[1], taken.bgr.shape[0]),
            context.captured_at,
            why_small,
            tuple(_each_once(seen)),
            aiming.measure(taken.luma),
            context.view,
        )


def _each_once(seen: Sequence[Detection]) -> list[Detection]:
    """Every thing once, by its surest sight."""
    kept: list[Detection] = []
    for each in sorted(seen, key=lambda each: -each.confidence):
        if not any(one.label == each.label and one.box.iou(each.box) >= SAME_IOU for one in kept):
            kept.append(each)
    return kept
