"""Makes the copy of a picture that may leave the device, or says why there is none.

The original stays as it was taken. What is hidden in the copy: heads and plates of everything that the
detector saw, in this picture at several scales or in the seconds before at a low threshold, and what moved
against the background. The case's own things stay visible, except for a head in front of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np

from agent.domain.labels import PEOPLE
from agent.inference import RUN_FAILURES
from agent.perception.many_looks import seen_in, seen_quickly
from agent.perception.redaction import SURE, coarsened, redacted, regions_of, with_plate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from agent.domain.scene import Box, Detection
    from agent.evidence.picture_context import PictureContext
    from agent.perception.redaction import Region
    from drivers.cameras import Picture


PREVIEW_FROM_PX = 960
"""The longer side of what a preview is redacted in."""
PREVIEW_PX, POINTING_PX = 480, 240
"""The longer side of a preview; the second where nobody knows what moved, or the camera does not look where the
site's masks were drawn."""
CANOPY, NEAR_CANOPY = "umbrella", 0.1
"""The label of what stands over a stall, and how far from it, in parts of its size."""


class NotRedactedReason(StrEnum):
    """Why there is no copy that may leave."""

    MODEL_REFUSED = "model_refused"
    NO_BACKGROUND = "no_background"
    VIEW_MOVED = "view_moved"
    MASKS_NOT_APPLIED = "masks_not_applied"
    CONTEXT_MISSING = "context_missing"
    PICTURE_DAMAGED = "picture_damaged"


class NotRedacted(Exception):  # noqa: N818 - it is an answer, not a fault of the program
    """A picture could not be redacted, and so does not leave."""

    def __init__(self, reason: NotRedactedReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Redacted:
    """A picture that may leave the device.

    Attributes:
        bgr: uint8 (H, W, 3), of the original's size.
        hidden: bool (H, W): where it was hidden.
        share_of_picture: How much of it was hidden, 0 to 1.
        share_of_case: How much of the case's own things was hidden, 0 to 1; 0 if it shows none of them.
    """

    bgr: Picture
    hidden: NDArray[np.bool_]
    share_of_picture: float
    share_of_case: float


class Detector(Protocol):
    """What redaction needs of a detector (:class:`agent.inference.Detector`)."""

    @property
    def input_size_px(self) -> tuple[int, int]:
        """Width and height of what it takes."""

    def detect_faint(self, bgr: Picture) -> list[Detection]:
        """Whatever may be there in a picture, in fractions of it."""


class Redactor:
    """Redacts pictures, in the one thread that calls it.

    Args:
        detector: One of its own; None: it could not be opened, and no picture is redacted.
    """

    def __init__(self, detector: Detector | None) -> None:
        self._detector = detector

    def redact(self, bgr: Picture, context: PictureContext | None) -> Redacted:
        """Make the copy of a picture that may leave.

        Args:
            bgr: The original, uint8 (H, W, 3).
            context: What was known when it was taken; None: nothing is.

        Raises:
            NotRedacted: It could not be done.
        """
        context = _usable(bgr, context)
        sights = self._sights(bgr)
        context = replace(context, own=(*context.own, *_canopies(sights, context)))
        own = [box for box in map(context.shown, context.own) if box is not None]
        regions = _regions(sights, context)
        copy, hidden = redacted(bgr, regions, own)
        coarsened(copy, [found.box for found in sights if with_plate(found, own)])
        return Redacted(copy, hidden, float(hidden.mean()), _share_hidden(hidden, own))

    def preview(
        self, bgr: Picture, context: PictureContext | None
    ) -> tuple[Picture, list[Detection]]:
        """Make a small picture for whoever stands at the camera and points it; no case's picture is made so.

        Five looks instead of some dozens, so that there can be one a second; and none is refused because there
        is no background yet, or the camera moves: that is when it is pointed. What is missed so is covered by
        its size: in :data:`PREVIEW_PX` a head of somebody who is half as tall as the picture has 18 pixels at
        most, in :data:`POINTING_PX`, where nobody knows what moved, 9.

        Args:
            bgr: The original, uint8 (H, W, 3).
            context: What was known when it was taken; None: nothing is.

        Returns:
            The picture, and what was seen in it, in fractions of it.

        Raises:
            NotRedacted: There is no detector, or what the site masks was not blackened.
        """
        if context is None:
            raise NotRedacted(NotRedactedReason.CONTEXT_MISSING)
        if not context.masks_applied:
            raise NotRedacted(NotRedactedReason.MASKS_NOT_APPLIED)
        if self._detector is None:
            raise NotRedacted(NotRedactedReason.MODEL_REFUSED)
        small = shrunk(bgr, PREVIEW_FROM_PX)
        try:
            sights = seen_quickly(small, self._detector.detect_faint)
        except RUN_FAILURES as error:
            raise NotRedacted(NotRedactedReason.MODEL_REFUSED) from error
        # However faint: who may be somebody is covered.
        sure = [
            replace(each, confidence=max(SURE, each.confidence)) if each.label in PEOPLE else each
            for each in (*sights, *context.seen)
        ]
        regions = regions_of(sure, (), context.moved, (), context.frame_aspect)
        covered, _ = redacted(small, regions, ())
        known = context.background and context.view != "moved"
        return shrunk(covered, PREVIEW_PX if known else POINTING_PX), sights

    def _sights(self, bgr: Picture) -> list[Detection]:
        if self._detector is None:
            raise NotRedacted(NotRedactedReason.MODEL_REFUSED)
        try:
            return seen_in(bgr, self._detector.detect_faint, max(self._detector.input_size_px))
        except RUN_FAILURES as error:
            raise NotRedacted(NotRedactedReason.MODEL_REFUSED) from error


def _usable(bgr: Picture, context: PictureContext | None) -> PictureContext:
    """The context, if the picture can be redacted by it.

    Raises:
        NotRedacted: It cannot.
    """
    if context is None:
        raise NotRedacted(NotRedactedReason.CONTEXT_MISSING)
    if bgr.ndim != 3 or bgr.shape != (context.height_px, context.width_px, 3):
        raise NotRedacted(NotRedactedReason.PICTURE_DAMAGED)
    if not context.masks_applied:
        raise NotRedacted(NotRedactedReason.MASKS_NOT_APPLIED)
    if context.view == "moved":
        raise NotRedacted(NotRedactedReason.VIEW_MOVED)
    if not context.background:
        raise NotRedacted(NotRedactedReason.NO_BACKGROUND)
    return context


def _canopies(sights: Sequence[Detection], context: PictureContext) -> list[Box]:
    """Umbrellas over the case's own things, in fractions of the frame: a stall's belongs to it."""
    found = [
        context.in_frame(each.box)
        for each in sights
        if each.label == CANOPY and each.confidence >= SURE
    ]
    near = [box.grown(NEAR_CANOPY) for box in context.own]
    return [box for box in found if any(box.overlap(own) > 0 for own in near)]


def _regions(sights: Sequence[Detection], context: PictureContext) -> list[Region]:
    """What is hidden in the picture.

    It is worked out for the whole frame: of somebody whom the picture cuts, it may show the head alone.
    """
    now = [replace(each, box=context.in_frame(each.box)) for each in sights]
    found = regions_of(now, context.seen, context.moved, context.own, context.frame_aspect)
    return [shown for region in found if (shown := region.shown_by(context.shown)) is not None]


def _share_hidden(hidden: NDArray[np.bool_], own: Sequence[Box]) -> float:
    height, width = hidden.shape
    mine = np.zeros_like(hidden)
    for box in own:
        box.pixels(width, height).cut(mine)[:] = True
    return float(hidden[mine].mean()) if mine.any() else 0.0


def shrunk(bgr: Picture, longer_px: int) -> Picture:
    """A picture whose longer side is so long at most."""
    scale = longer_px / max(bgr.shape[:2])
    if scale >= 1.0:
        return bgr
    size = tuple(max(1, round(side * scale)) for side in bgr.shape[1::-1])
    return np.asarray(cv2.resize(bgr, size, interpolation=cv2.INTER_AREA), np.uint8)
