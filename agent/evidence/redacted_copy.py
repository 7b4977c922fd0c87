"""Encodes a redacted picture so that the two of a case that leave by default fit into 120 kB.

A wide one shows the place, a close-up the thing; neither gains by the camera's full size. First the quality goes
down, by steps that were seen to cost no legibility, then the size. A redacted picture has few details where it was
hidden, and is smaller for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2

if TYPE_CHECKING:
    from drivers.cameras import Picture

QUALITIES = (70, 60, 50, 40)
"""JPEG qualities, tried in this order. Below the last, blocks hide the edges of what is shown."""
SHRINK = 0.85
"""By so much the sides shrink if the last quality is still too large."""
LEAST_SIDE_PX = 160
"""A picture is not shrunk further, and then is as large as it is."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How large a copy may be: its longer side, and its bytes."""

    longer_px: int
    most_bytes: int


WIDE = Bounds(1280, 82_000)
CLOSE_UP = Bounds(640, 38_000)
"""Together 120 kB."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A JPEG file that may leave the device, without any metadata."""

    jpeg: bytes
    width_px: int
    height_px: int


class CopyError(ValueError):
    """A picture cannot be encoded."""


def copy_of(bgr: Picture, bounds: Bounds) -> Copy:
    """Encode a redacted picture within bounds.

    Args:
        bgr: uint8 (H, W, 3), redacted.
        bounds: ``WIDE`` or ``CLOSE_UP``.

    Raises:
        CopyError: It cannot be encoded.
    """
    scale = min(1.0, bounds.longer_px / max(bgr.shape[:2]))
    while True:
        shown = _scaled(bgr, scale)
        for quality in QUALITIES:
            jpeg = _encoded(shown, quality)
            if len(jpeg) <= bounds.most_bytes:
                break
        else:
            if max(shown.shape[:2]) * SHRINK >= LEAST_SIDE_PX:
                scale *= SHRINK
                continue
        return Copy(jpeg, shown.shape[1], shown.shape[0])


def _scaled(bgr: Picture, scale: float) -> Picture:
    if scale == 1.0:
        return bgr
    size = tuple(max(1, round(side * scale)) for side in bgr.shape[1::-1])
    shown: Picture = cv2.resize(bgr, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    return shown


def _encoded(bgr: Picture, quality: int) -> bytes:
    try:
        done, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    except cv2.error as error:
        raise CopyError(str(error)) from error
    if not done:
        raise CopyError("JPEG")
    return bytes(encoded)
