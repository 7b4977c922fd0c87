"""What light, weather, lenses and compression do to a street picture. BGR uint8 in and out."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Random = np.random.Generator


def _lookup(picture: Picture, curve: NDArray[Any]) -> Picture:
    table = np.clip(curve, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(picture, table), dtype=np.uint8)


def light(picture: Picture, random: Random) -> Picture:
    """Another exposure, contrast and colour of light."""
    gain, gamma = random.uniform(0.65, 1.35), random.uniform(0.65, 1.6)
    tint = random.uniform(0.9, 1.1, size=3)
    level = np.arange(256) / 255.0
    curve = 255 * gain * level[:, None] ** gamma * tint[None, :]
    return _lookup(picture, curve.reshape(256, 1, 3))


def night(picture: Picture, random: Random) -> Picture:
    """Street lamps: dark, warm, with the sensor's noise."""
    gain, gamma = random.uniform(0.35, 0.7), random.uniform(1.2, 2.0)
    tint = np.array([random.uniform(0.5, 0.9), random.uniform(0.8, 1.0), 1.1])
    level = np.arange(256) / 255.0
    curve = 255 * gain * level[:, None] ** gamma * tint[None, :]
    return noise(_lookup(picture, curve.reshape(256, 1, 3)), random, strongest=14)


def noise(picture: Picture, random: Random, strongest: float = 8) -> Picture:
    """Sensor noise with a standard deviation of up to ``strongest`` grey levels."""
    grain = random.normal(0, random.uniform(1, strongest), size=picture.shape)
    return np.clip(picture + grain, 0, 255).astype(np.uint8)


def blur(picture: Picture, random: Random) -> Picture:
    """Out of focus, moving, or simply few pixels."""
    kind = random.integers(3)
    if kind == 0:
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), random.uniform(0.5, 1.6)), np.uint8)
    height, width = picture.shape[:2]
    if kind == 1:
        length = int(random.integers(3, 8))
        kernel = np.zeros((length, length), np.float32)
        kernel[length // 2] = 1 / length
        return np.asarray(cv2.filter2D(picture, -1, kernel), dtype=np.uint8)
    share = random.uniform(0.35, 0.8)
    small = (max(8, int(width * share)), max(8, int(height * share)))
    coarse = cv2.resize(picture, small, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(coarse, (width, height)), dtype=np.uint8)


def jpeg(picture: Picture, random: Random) -> Picture:
    """Blocks and ringing of a JPEG of quality 30 to 90."""
    _, coded = cv2.imencode(
        ".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(30, 91))]
    )
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), dtype=np.uint8)


def weather(picture: Picture, random: Random, nights: float = 0.08) -> Picture:
    """A random mixture of all of the above; ``nights`` is the share of night pictures."""
    if random.random() < nights:
        picture = night(picture, random)
    elif random.random() < 0.8:
        picture = light(picture, random)
    if random.random() < 0.08:
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        picture = np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), dtype=np.uint8)
    for change, chance in ((blur, 0.3), (noise, 0.25), (jpeg, 0.4)):
        if random.random() < chance:
            picture = change(picture, random)
    return picture


def letterbox(picture: Picture, size_px: int, pad: int = 114) -> tuple[Picture, float]:
    """The picture in the top left of a padded square, as the device feeds it, and its scale."""
    height, width = picture.shape[:2]
    scale = min(size_px / height, size_px / width)
    shrunk = cv2.resize(picture, (max(1, round(width * scale)), max(1, round(height * scale))))
    square = np.full((size_px, size_px, 3), pad, dtype=np.uint8)
    square[: shrunk.shape[0], : shrunk.shape[1]] = shrunk
    return square, scale


def feathered_paste(canvas: Picture, patch: Picture, left: int, top: int, soft_px: int) -> None:
    """Lay a rectangle onto a picture in place, its rim fading over ``soft_px``."""
    height, width = patch.shape[:2]
    rows = np.minimum(np.arange(height), np.arange(height)[::-1]) + 1
    columns = np.minimum(np.arange(width), np.arange(width)[::-1]) + 1
    near = np.minimum(rows[:, None], columns[None, :]) / (soft_px + 1)
    cover = np.clip(near, 0, 1)[..., None]
    place = canvas[top : top + height, left : left + width]
    place[:] = (patch * cover + place * (1 - cover)).astype(np.uint8)
