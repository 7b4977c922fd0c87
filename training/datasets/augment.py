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
    grain = random.standard_normal(picture.shape, np.float32)
    grain *= np.float32(random.uniform(1, strongest))
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


def rain(picture: Picture, random: Random) -> Picture:
    """Rain before the lens: a veil, and slanted streaks."""
    height, width = picture.shape[:2]
    streaks = np.zeros((height, width), np.float32)
    slant, longest = random.uniform(-0.4, 0.4), random.uniform(0.03, 0.09) * height
    for x, y, share in random.random((int(width * height / random.uniform(500, 2500)), 3)):
        begin = int(x * width), int(y * height)
        length = (0.3 + 0.7 * share) * longest
        end = int(begin[0] + slant * length), int(begin[1] + length)
        cv2.line(streaks, begin, end, float(15 + 60 * share), 1, cv2.LINE_AA)
    veiled = picture * random.uniform(0.7, 0.95) + random.uniform(5, 35) + streaks[..., None]
    return np.clip(veiled, 0, 255).astype(np.uint8)


def glare(picture: Picture, random: Random) -> Picture:
    """A headlight or a low sun in the picture, and the light that it scatters over all of it."""
    height, width = picture.shape[:2]
    rows, columns = np.mgrid[:height, :width]
    centre = random.uniform(0, width), random.uniform(0, height)
    radius = random.uniform(0.04, 0.3) * max(height, width)
    away = np.hypot(columns - centre[0], rows - centre[1]) / radius
    spot = random.uniform(90, 255) * np.exp(-(away**2)) + random.uniform(0, 30)
    lit = picture + spot[..., None] * np.array([0.9, 0.97, 1.0])
    return np.clip(lit, 0, 255).astype(np.uint8)


def dirty_lens(picture: Picture, random: Random) -> Picture:
    """Drops and dust on the glass: places that are blurred and a little grey."""
    height, width = picture.shape[:2]
    cells = int(random.integers(4, 12))
    dirt = cv2.resize(random.random((cells, cells)).astype(np.float32), (width, height))
    cover = np.clip((dirt - random.uniform(0.6, 0.8)) * 4, 0, 1)[..., None]
    soft = cv2.GaussianBlur(picture, (0, 0), 0.02 * max(height, width)).astype(np.float32)
    greyed = 0.75 * soft + 0.25 * random.uniform(60, 160)
    return np.clip(picture * (1 - cover) + greyed * cover, 0, 255).astype(np.uint8)


def weather(picture: Picture, random: Random, nights: float = 0.08) -> Picture:
    """A random mixture of all of the above; ``nights`` is the share of night pictures."""
    if random.random() < nights:
        picture = night(picture, random)
    elif random.random() < 0.8:
        picture = light(picture, random)
    if random.random() < 0.08:
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        picture = np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), dtype=np.uint8)
    before_the_sensor = ((rain, 0.06), (glare, 0.06), (dirty_lens, 0.06), (blur, 0.3))
    for change, chance in (*before_the_sensor, (noise, 0.25), (jpeg, 0.4)):
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
