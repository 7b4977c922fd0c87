"""Rendered things put into real footage and real stills, at a known time and place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
SPRITES = Path(__file__).parent / "sprites"


@dataclass(frozen=True, slots=True)
class Standing:
    """A sprite that stands with the middle of its foot at (x, y), fractions of the picture.

    ``width`` is a fraction of the picture's width.
    """

    sprite: str
    x: float
    y: float
    width: float
    from_s: float = 0.0
    until_s: float = float("inf")


def put(picture: Picture, things: list[Standing], now_s: float = 0.0) -> Picture:
    """The picture (H, W, 3) BGR with the things that stand in it now, the farthest first."""
    result = picture.copy()
    for thing in sorted(things, key=lambda thing: thing.y):
        if thing.from_s <= now_s < thing.until_s:
            _paste(result, thing)
    return result


def _paste(picture: Picture, thing: Standing) -> None:
    sprite = cv2.imread(str(SPRITES / f"{thing.sprite}.png"), cv2.IMREAD_UNCHANGED)
    assert sprite is not None, thing.sprite
    assert sprite.shape[2] == 4
    height, width = picture.shape[:2]
    scale = thing.width * width / sprite.shape[1]
    sprite = cv2.resize(sprite, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    left = round(thing.x * width - sprite.shape[1] / 2)
    top = round(thing.y * height - sprite.shape[0])
    x0, y0 = max(0, left), max(0, top)
    x1, y1 = min(width, left + sprite.shape[1]), min(height, top + sprite.shape[0])
    part = sprite[y0 - top : y1 - top, x0 - left : x1 - left]
    alpha = part[..., 3:].astype(np.float32) / 255
    below = picture[y0:y1, x0:x1]
    below[:] = (alpha * part[..., :3] + (1 - alpha) * below).astype(np.uint8)


def film(
    source: Path,
    target: Path,
    things: list[Standing],
    frames_per_s: float = 10.0,
    ends_s: float = float("inf"),
) -> None:
    """Copy a video, or its beginning, with things put into it; it is thinned to about ``frames_per_s``."""
    capture = cv2.VideoCapture(str(source))
    rate = capture.get(cv2.CAP_PROP_FPS)
    step = max(1, round(rate / frames_per_s))
    size = (int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)))
    writer = cv2.VideoWriter(str(target), cv2.VideoWriter.fourcc(*"MJPG"), rate / step, size)
    assert writer.isOpened()
    index = 0
    while True:
        read, picture = capture.read()
        if not read or index / rate >= ends_s:
            break
        if index % step == 0:
            writer.write(put(np.asarray(picture, np.uint8), things, index / rate))
        index += 1
    writer.release()
    capture.release()
    assert index > 0
