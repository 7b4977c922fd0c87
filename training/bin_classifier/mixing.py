"""Crops that never were: one bin's rim on another's body, liners over rims, things beside containers.

A classifier of few pictures learns what bins overflow rather than what overflowing is: their colour,
their phone, the liner that careful crews hang in. So what must not count is dealt out to both states
alike. :func:`set_on` takes everything above the rim from one picture and the body from another;
:func:`liner` hangs plastic over a rim whatever lies in it; :func:`lay_beside` lays things on the
ground by a container, rubbish for one state and what may stand there for the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from training.datasets.augment import Picture, Random
from training.datasets.readers import Edges

Rim = tuple[float, float, float, float]
"""The front rim's left and right end, (left, y there, right, y there), as fractions of the picture."""

_PLASTIC = (
    ((28, 28, 28), 0.97, 0.45),
    ((34, 38, 30), 0.95, 0.35),
    ((205, 210, 212), 0.62, 0.12),
    ((228, 230, 232), 0.88, 0.1),
    ((70, 120, 60), 0.85, 0.06),
    ((150, 90, 40), 0.85, 0.06),
    ((70, 60, 190), 0.85, 0.04),
    ((110, 200, 220), 0.8, 0.04),
)
"""Colours of bin liners (BGR), how much they cover and how often they are drawn: mostly black."""


def _ends(picture: Picture, rim: Rim) -> NDArray[np.float32]:
    height, width = picture.shape[:2]
    points = [[rim[0] * width, rim[1] * height], [rim[2] * width, rim[3] * height]]
    return np.array(points, np.float32)


def _line(ends: NDArray[np.float32], columns: NDArray[Any]) -> NDArray[np.float32]:
    """The rim's row at each column, going on straight beyond its ends."""
    slope = (ends[1, 1] - ends[0, 1]) / max(float(ends[1, 0] - ends[0, 0]), 1.0)
    return np.asarray(ends[0, 1] + slope * (columns - ends[0, 0]), np.float32)


def set_on(
    upper: Picture, upper_rim: Rim, lower: Picture, lower_rim: Rim, random: Random
) -> tuple[Picture, Rim]:
    """All above the rim of ``upper`` on the body of ``lower``; the state is that of ``upper``.

    Returns:
        The new picture (h, w, 3), as wide as ``lower``, and where its rim is.
    """
    height, width = lower.shape[:2]
    there, here = _ends(upper, upper_rim), _ends(lower, lower_rim)
    scale = float((here[1, 0] - here[0, 0]) / (there[1, 0] - there[0, 0]))
    tall = scale * random.uniform(0.85, 1.2)
    head = round(float(there[:, 1].mean()) * tall)
    down = head - float(here[:, 1].mean())
    here[:, 1] += down
    rise = np.array([[0, 100.0]], np.float32)
    source = np.concatenate([there, there[:1] - rise])
    target = np.concatenate([here, here[:1] - rise * tall])
    size = (width, max(8, round(height + down)))
    above = cv2.warpAffine(
        upper,
        cv2.getAffineTransform(source, target),
        size,
        flags=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    below = cv2.warpAffine(
        lower,
        np.array([[1, 0, 0], [0, 1, down]], np.float32),
        size,
        borderMode=cv2.BORDER_REPLICATE,
    )
    rows = np.arange(size[1], dtype=np.float32)[:, None]
    line = _line(here, np.arange(width)) + random.normal(0, 0.008) * height
    soft = random.uniform(1.0, 3.0)
    cover = np.clip((line[None] - rows) / soft + 0.5, 0, 1)[..., None]
    mixed = (above * cover + below * (1 - cover)).astype(np.uint8)
    ends = here / np.array([width, size[1]], np.float32)
    return mixed, (float(ends[0, 0]), float(ends[0, 1]), float(ends[1, 0]), float(ends[1, 1]))


def _folds(width: int, height: int, random: Random) -> NDArray[np.float32]:
    """Wrinkles of hanging plastic in [-1, 1]: fine across, long down, slanted a little."""
    field = np.zeros((height, width), np.float32)
    for across, down, weight in ((7, 2, 0.4), (18, 3, 0.7), (40, 4, 0.7), (80, 8, 0.5)):
        cells = random.normal(size=(max(2, down), max(2, across))).astype(np.float32)
        field += weight * cv2.resize(cells, (width, height), interpolation=cv2.INTER_CUBIC)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    slant = random.uniform(-0.5, 0.5)
    wave = (
        width * 0.04 * np.sin(rows / max(height, 1) * random.uniform(1, 4) + random.uniform(0, 6))
    )
    field = cv2.remap(
        field,
        columns + slant * rows + wave.astype(np.float32),
        rows,
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return np.asarray(np.clip(field / 1.6, -1, 1), np.float32)


def _ragged(count: int, least: float, most: float, random: Random) -> NDArray[np.float32]:
    """A smooth random profile of ``count`` values between two bounds."""
    knots = random.uniform(least, most, size=(1, int(random.integers(5, 22)))).astype(np.float32)
    return np.asarray(cv2.resize(knots, (count, 1), interpolation=cv2.INTER_CUBIC)[0], np.float32)


def liner(picture: Picture, rim: Rim, random: Random) -> Picture:
    """A copy with plastic folded over the front rim, in the light that the body below it has."""
    height, width = picture.shape[:2]
    ends = _ends(picture, rim)
    span = float(ends[1, 0] - ends[0, 0])
    left = max(0, int(ends[0, 0] - random.uniform(-0.02, 0.05) * span))
    right = min(width, int(ends[1, 0] + random.uniform(-0.02, 0.05) * span) + 1)
    if right - left < 12:
        return picture
    columns = np.arange(left, right)
    line = _line(ends, columns)
    hang = random.uniform(0.05, 0.22) * height
    low = line + np.maximum(_ragged(len(columns), random.uniform(0.4, 0.9), 1.1, random) * hang, 2)
    high = (
        line
        - np.maximum(_ragged(len(columns), 0.0, 1.0, random), 0) * random.uniform(0, 0.04) * height
    )
    first, last = max(0, int(high.min()) - 1), min(height, int(low.max()) + 2)
    if last - first < 4:
        return picture
    rows = np.arange(first, last, dtype=np.float32)[:, None]
    colour, cover, _ = _PLASTIC[int(random.choice(len(_PLASTIC), p=_CHANCES))]
    inside = np.clip(rows - high[None] + 0.5, 0, 1) * np.clip(low[None] - rows + 0.5, 0, 1)
    result = picture.copy()
    window = result[first:last, left:right].astype(np.float32)
    lit = float(np.percentile(picture.mean(axis=2), 70)) / 140
    shade = _folds(right - left, last - first, random)
    base = np.array(colour, np.float32) * np.clip(lit, 0.25, 1.3)
    strength = random.uniform(0.15, 0.5)
    plastic = base * (1 + strength * shade[..., None])
    shine = np.clip(shade - random.uniform(0.2, 0.6), 0, 1) ** 1.5 * random.uniform(20, 170)
    plastic = plastic + (shine * np.clip(lit, 0.1, 1.3))[..., None]
    bend = 1 + 0.35 * np.exp(-(((rows - line[None]) / (0.02 * height + 1)) ** 2)) * random.uniform(
        0, 1
    )
    alpha = (inside * random.uniform(cover - 0.06, cover + 0.02))[..., None]
    shadow = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), 0.01 * height + 1)
    shadow = np.roll(shadow, int(0.012 * height) + 1, axis=0)[..., None]
    window *= 1 - random.uniform(0.1, 0.5) * shadow * (1 - alpha)
    window = window * (1 - alpha) + np.clip(plastic * bend[..., None], 0, 255) * alpha
    result[first:last, left:right] = np.clip(window, 0, 255).astype(np.uint8)
    return result


_CHANCES = np.array([each[2] for each in _PLASTIC]) / sum(each[2] for each in _PLASTIC)


@dataclass(frozen=True, slots=True)
class CutOut:
    """A thing without its surroundings: pixels (h, w, 3) and how much each is of it (h, w)."""

    pixels: Picture
    cover: NDArray[np.float32]


def cut_out(picture: Picture, outline: Sequence[tuple[float, float]]) -> CutOut:
    """What lies in an outline in pixels."""
    points = np.array(outline, np.float32)
    left, top = np.maximum(points.min(axis=0).astype(int), 0)
    right, bottom = np.ceil(points.max(axis=0)).astype(int) + 1
    pixels = np.asarray(picture[top:bottom, left:right], np.uint8)
    mask = np.zeros(pixels.shape[:2], np.uint8)
    cv2.fillPoly(mask, [(points - [left, top]).astype(np.int32)], 255)
    soft = cv2.GaussianBlur(mask, (0, 0), 1.0).astype(np.float32) / 255
    return CutOut(pixels, soft)


def lay_beside(
    picture: Picture, box: Edges, thing: CutOut, share: float, random: Random
) -> Picture:
    """A copy with a thing standing by a container.

    Args:
        picture: A street, (h, w, 3).
        box: The container in it, in pixels.
        thing: What is laid; its foot comes to about that of the container.
        share: Its height as a share of the container's.
        random: Decides side, distance, mirror and light.
    """
    height, width = picture.shape[:2]
    tall = share * (box[3] - box[1])
    scale = tall / thing.pixels.shape[0]
    size = (max(3, round(thing.pixels.shape[1] * scale)), max(3, round(tall)))
    pixels = cv2.resize(thing.pixels, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    cover = cv2.resize(thing.cover, size, interpolation=cv2.INTER_AREA)
    if random.random() < 0.5:
        pixels, cover = pixels[:, ::-1], cover[:, ::-1]
    across = box[2] - box[0]
    side = random.uniform(-0.35, 0.25) * across
    centre = box[0] + side if random.random() < 0.5 else box[2] - side
    left = int(centre - size[0] / 2)
    top = int(box[3] + random.uniform(-0.03, 0.12) * (box[3] - box[1]) - size[1])
    inner = (max(0, left), max(0, top), min(width, left + size[0]), min(height, top + size[1]))
    if inner[2] - inner[0] < 3 or inner[3] - inner[1] < 3:
        return picture
    part = np.s_[inner[1] - top : inner[3] - top, inner[0] - left : inner[2] - left]
    place = np.s_[inner[1] : inner[3], inner[0] : inner[2]]
    result = picture.copy()
    light = float(picture.mean()) / max(
        float(pixels[cover > 0.5].mean()) if (cover > 0.5).any() else 1, 1
    )
    lit = pixels[part] * np.clip(light * random.uniform(0.75, 1.2), 0.4, 1.5)
    alpha = cover[part][..., None]
    result[place] = np.clip(lit * alpha + result[place] * (1 - alpha), 0, 255).astype(np.uint8)
    return result
