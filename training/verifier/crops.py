"""Candidates as the device would cut them: plain for judging, varied for training.

A candidate is cut out once with far more around it than the network sees, and kept as a small
JPEG; every view is cut from that, so that a step costs no decoding of whole pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.domain.scene import Box
from agent.perception import candidate_crop
from training.bin_classifier.pictures import read
from training.datasets.augment import Picture, Random, noise, weather
from training.verifier.candidates import Candidate, Edges, Shares

REACH = 2.9
"""What is kept around a candidate: so many of its longer sides across."""
KEPT_PX = 460
QUALITY = 93
JITTER = 0.2
LEAST_LUMA = 70.0
"""A view whose mean is below this is not darkened any more."""
COARSE_PX = (40, 150)
"""A candidate far from the camera has so few pixels across."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A candidate with its surroundings.

    Attributes:
        jpeg: The surroundings, coded.
        box: The candidate in fractions of them.
        shares: What it is.
        night: Taken at night.
        source: Where the candidate came from.
    """

    jpeg: bytes
    box: Edges
    shares: Shares
    night: bool
    source: str


def keep(candidate: Candidate) -> Kept:
    """Cut a candidate out with its surroundings."""
    picture = read(candidate.scene.path, 1600)
    height, width = picture.shape[:2]
    left, top, right, bottom = (
        edge * side
        for edge, side in zip(candidate.box, (width, height, width, height), strict=True)
    )
    half = REACH * max(right - left, bottom - top) / 2
    x, y = (left + right) / 2, (top + bottom) / 2
    near = max(0, int(x - half)), max(0, int(y - half))
    far = min(width, int(x + half) + 1), min(height, int(y + half) + 1)
    cut = picture[near[1] : far[1], near[0] : far[0]]
    scale = min(1.0, KEPT_PX / (2 * half))
    if scale < 1:
        cut = cv2.resize(cut, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    wide, high = far[0] - near[0], far[1] - near[1]
    box = (
        (left - near[0]) / wide,
        (top - near[1]) / high,
        (right - near[0]) / wide,
        (bottom - near[1]) / high,
    )
    scene = candidate.scene
    return Kept(recoded(cut), box, candidate.shares, scene.night, candidate.source)


def recoded(picture: Picture) -> bytes:
    """A picture as it is kept."""
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()


def opened(kept: Kept) -> Picture:
    """The surroundings, (h, w, 3) BGR."""
    coded = np.frombuffer(kept.jpeg, np.uint8)
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)


def jittered(box: Edges, random: Random, share: float = JITTER) -> Edges:
    """A box whose edges moved by up to a share of its sides, kept within the picture."""
    wide, high = box[2] - box[0], box[3] - box[1]
    moved = np.array(box) + random.uniform(-share, share, 4) * (wide, high, wide, high)
    left, top, right, bottom = np.clip(moved, 0, 1).tolist()
    return left, top, right, bottom


def shown(picture: Picture, box: Edges, size_px: int, context: float | None = None) -> Picture:
    """What the verifier is shown of a box, (size_px, size_px, 3) BGR.

    Args:
        picture: The surroundings; where they end, the frame is taken to end.
        box: The candidate in fractions of them.
        size_px: The network's input.
        context: Another width of the crop than the device's, to find out which is best.
    """
    place = Box(*box)
    if context is None:
        crop = candidate_crop.candidate_crop(picture, place)
    else:
        crop = _cut_with(picture, place, context)
    shape = cv2.INTER_AREA if min(crop.shape[:2]) > size_px else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(crop, (size_px, size_px), interpolation=shape), np.uint8)


def _cut_with(picture: Picture, box: Box, context: float) -> Picture:
    usual = candidate_crop.CONTEXT
    try:
        candidate_crop.CONTEXT = context
        return candidate_crop.candidate_crop(picture, box)
    finally:
        candidate_crop.CONTEXT = usual


def lit(picture: Picture, random: Random) -> Picture:
    """A night picture as if more light fell on it: the shadows open, the lamps' colour fades."""
    gamma, gain = random.uniform(0.45, 0.75), random.uniform(1.0, 1.25)
    level = np.arange(256) / 255.0
    curve = np.clip(255 * gain * level**gamma, 0, 255).astype(np.uint8)
    bright = cv2.LUT(picture, curve).astype(np.float32)
    cast = bright.mean(axis=(0, 1), keepdims=True)
    share = random.uniform(0.3, 0.8)
    even = bright * (1 - share + share * cast.mean() / np.maximum(cast, 1))
    return np.clip(even, 0, 255).astype(np.uint8)


def dusk(picture: Picture, random: Random) -> Picture:
    """A day picture as if by lamps: darker, warmer, grainy, but not blind."""
    gain, gamma = random.uniform(0.5, 0.9), random.uniform(1.1, 1.7)
    tint = np.array([random.uniform(0.55, 0.9), random.uniform(0.8, 1.0), 1.1])
    curve = 255 * gain * (np.arange(256) / 255.0)[:, None] ** gamma * tint[None, :]
    table = np.clip(curve, 0, 255).astype(np.uint8).reshape(256, 1, 3)
    return noise(np.asarray(cv2.LUT(picture, table), np.uint8), random, strongest=10)


def darkened(picture: Picture, random: Random) -> Picture:
    """The same place at night, unless it is dark already."""
    return dusk(picture, random) if picture.mean() > LEAST_LUMA else picture


def _lettered(picture: Picture, random: Random) -> Picture:
    """A publisher's mark or a clock in a corner: letters must say nothing of what stands there."""
    marked = picture.copy()
    height, width = marked.shape[:2]
    letters = "".join(random.choice(list("abcdefgstpx.:/0123456789-"), int(random.integers(6, 20))))
    place = int(random.uniform(0, 0.5) * width), int(random.choice((0.08, 0.97)) * height)
    tone = tuple(int(each) for each in random.choice((30, 255, 220)) * np.ones(3))
    cv2.putText(
        marked, letters, place, int(random.integers(0, 4)), random.uniform(0.3, 0.6), tone, 1
    )
    return marked


def varied(kept: Kept, size_px: int, random: Random) -> Picture:
    """A training view: another box, side, light, lens and resolution, (size_px, size_px, 3) BGR.

    Night is turned into day and day into night, for stalls and all else alike: most stalls that
    we have stand at night, most other things by day, and darkness must not speak for either.
    """
    picture = opened(kept)
    crop = shown(picture, jittered(kept.box, random), size_px)
    if random.random() < 0.5:
        crop = np.ascontiguousarray(crop[:, ::-1])
    if random.random() < 0.25:
        turn = cv2.getRotationMatrix2D((size_px / 2,) * 2, random.uniform(-8, 8), 1.06)
        crop = cv2.warpAffine(crop, turn, (size_px, size_px), borderMode=cv2.BORDER_REFLECT_101)
    if random.random() < 0.35:
        few = int(random.uniform(*COARSE_PX))
        small = cv2.resize(crop, (few, few), interpolation=cv2.INTER_AREA)
        crop = cv2.resize(small, (size_px, size_px), interpolation=cv2.INTER_LINEAR)
    crop = np.asarray(crop, np.uint8)
    if random.random() < 0.35:
        crop = lit(crop, random) if kept.night else darkened(crop, random)
    if random.random() < 0.08:
        crop = _lettered(crop, random)
    return weather(crop, random, nights=0.0)


def plain(kept: Kept, size_px: int, context: float | None = None) -> Picture:
    """What the device would see, (size_px, size_px, 3) BGR."""
    return shown(opened(kept), kept.box, size_px, context)


def batch_of(pictures: Sequence[Picture]) -> NDArray[np.uint8]:
    """Pictures side by side, (n, h, w, 3) RGB."""
    return np.ascontiguousarray(np.stack(pictures)[..., ::-1])
