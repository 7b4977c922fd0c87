"""A picture on the disk, and what is known of the moment in which it was taken beside it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import cv2

from agent.evidence.picture_context import MAX_MOVED, MAX_OWN, ContextError, PictureContext
from drivers.disk import refusal, replace_file
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from agent.domain.scene import Box
    from agent.perception.surroundings import Surroundings
    from agent.protocol.case import Picture as PictureReference
    from drivers.cameras import Picture

_log = logging.getLogger(__name__)


class EvidenceError(OSError):
    """A picture could not be written. ``kept`` are the others of the same event."""

    def __init__(self, path: Path, reason: str, kept: tuple[PictureReference, ...] = ()) -> None:
        super().__init__(said("evidence {file}: {reason}", file=path.name, reason=reason))
        self.path, self.reason, self.kept = path, reason, kept


def context_beside(path: Path) -> Path:
    """Where the context of a picture is kept."""
    return path.with_suffix(".context.json")


def redacted_beside(path: Path) -> Path:
    """Where the copy of a picture is kept that may leave the device."""
    return path.with_suffix(".redacted.jpg")


def context_of(
    around: Surroundings, bgr: Picture, crop: Box, captured_at: datetime, own: Sequence[Box]
) -> PictureContext:
    """The context of a picture.

    Args:
        around: What else there was when it was taken.
        bgr: The picture.
        crop: What of the frame it shows.
        captured_at: When it was taken.
        own: The case's things in the frame.
    """
    height, width = bgr.shape[:2]
    moved = tuple(box for box in around.moved(own, MAX_MOVED) if crop.overlap(box) > 0)
    # More boxes than can be kept are no background: the picture stays here, and nobody is left out.
    known = around.difference is not None and len(moved) <= MAX_MOVED
    return PictureContext(
        width_px=width,
        height_px=height,
        crop=crop,
        captured_at=captured_at,
        seen=tuple(each for each in around.seen if crop.overlap(each.box) > 0),
        moved=moved if known else (),
        own=tuple(own[:MAX_OWN]),
        masks_applied=around.masks_applied,
        view=around.view,
        background=known,
    )


def write_context(path: Path, context: PictureContext, *, durable: bool = True) -> None:
    """Keep the context of a picture beside it.

    One that the disk does not take, or that cannot be told, is left out: the picture is kept all the same, and its
    packet says that it cannot be redacted.
    """
    try:
        write(context_beside(path), context.to_json(), durable=durable)
    except (EvidenceError, ContextError) as error:
        _log.error("%s: %s", path.name, error)


def encoded_jpeg(bgr: Picture, quality: int, path: Path) -> bytes:
    """A picture as JPEG.

    Args:
        bgr: uint8 (h, w, 3).
        quality: 50 to 100.
        path: What an error names.

    Raises:
        EvidenceError: It cannot be encoded.
    """
    done, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise EvidenceError(path, said("the picture cannot be encoded as JPEG"))
    return bytes(encoded)


def write(path: Path, content: bytes | str, *, durable: bool = True) -> None:
    """Write a file as a whole.

    Raises:
        EvidenceError: The disk does not take it.
    """
    try:
        replace_file(path, content, durable=durable)
    except OSError as error:
        raise EvidenceError(path, refusal(error, path.parent)) from error
