"""Drawing on pictures for people: zones, boxes, captions. ASCII only: OpenCV has no Chinese letters.

What draws on a picture changes it: give a copy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from drivers.disk import replace_file
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from agent.domain.scene import Box

STRIP_HEIGHT_PX, CAPTION_PX = 360, 28
RED, GREEN, YELLOW, CYAN, GREY = (
    (0, 0, 255),
    (80, 200, 80),
    (0, 220, 255),
    (255, 200, 0),
    (150, 150, 150),
)
"""Colours as OpenCV takes them: blue, green, red."""
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def save(path: Path, picture: Any) -> None:
    """Write a picture for its owner alone, in the format that the name says (.jpg, .png).

    Raises:
        OSError: It is not written, and why: OpenCV's own writing does not say.
    """
    try:
        done, encoded = cv2.imencode(path.suffix, picture)
    except cv2.error as error:
        raise OSError(said("{path}: pictures are written as .jpg or .png", path=path)) from error
    if not done:
        raise OSError(said("The pictures cannot be written to {path}.", path=path))
    replace_file(path, encoded.tobytes())


def outline(picture: Any, polygon: Sequence[Sequence[float]], colour: Any = CYAN) -> None:
    """Draw a zone's polygon; corners are fractions of the picture."""
    if not polygon:
        return
    height, width = picture.shape[:2]
    corners = np.array([(x * width, y * height) for x, y in polygon], np.int32)
    cv2.polylines(picture, [corners], isClosed=True, color=colour, thickness=2)


def frame(picture: Any, boxes: Iterable[Box], colour: Any, label: str = "") -> None:
    """Draw boxes, with a label above the first."""
    height, width = picture.shape[:2]
    for box in boxes:
        first = (int(box.left * width), int(box.top * height))
        last = (int(box.right * width), int(box.bottom * height))
        cv2.rectangle(picture, first, last, colour, 2)
        if label:
            write(picture, label, (first[0], max(14, first[1] - 5)), colour)


def write(picture: Any, text: str, at_px: tuple[int, int], colour: Any) -> None:
    """Write one line on a dark strip, so that it can be read on any ground."""
    ascii_text = text.encode("ascii", "replace").decode("ascii")
    (width, height), below = cv2.getTextSize(ascii_text, _FONT, 0.5, 1)
    x, y = at_px
    cv2.rectangle(picture, (x - 2, y - height - 2), (x + width + 2, y + below), (32, 32, 32), -1)
    cv2.putText(picture, ascii_text, at_px, _FONT, 0.5, colour, 1, cv2.LINE_AA)


def captioned(picture: Any, caption: str) -> Any:
    """The picture at the height of a strip, with a caption above it."""
    height, width = picture.shape[:2]
    size = (max(1, round(width * STRIP_HEIGHT_PX / height)), STRIP_HEIGHT_PX)
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    framed = cv2.copyMakeBorder(small, CAPTION_PX, 0, 0, 4, cv2.BORDER_CONSTANT, value=(32, 32, 32))
    write(framed, caption, (8, 20), (255, 255, 255))
    return framed
