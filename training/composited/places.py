"""Real clips, and stills made clips, in which things are set down: where the ground is, and how large people are.

The scale is that of a pinhole camera over flat ground: a height in the picture grows linearly with
the foot's distance from the horizon (Hartley, Zisserman: Multiple View Geometry, 2004, chapter 8).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from training.composited.cutouts import Picture

PERSON_M = 1.75
FRAMES_PER_S = 5
WIDTH_PX = 640


@dataclass(frozen=True, slots=True)
class Place:
    """One background.

    Attributes:
        name: Its name.
        file: A clip or a still, below the folder of the sets.
        person: How tall a person is whose foot is at the picture's lower edge, in picture heights.
        horizon: Where, down the picture, a foot is so far that nobody has a height; may be negative.
        ground: The zone: corners in fractions of the picture.
        spots: Where things may stand, the foot's middle, apart from each other.
        noise: Standard deviation of the camera's noise in grey levels.
        night: It was taken in the dark.
        top: The part of a still, from 0 to 1, that is cut off above.
    """

    name: str
    file: str
    person: float
    horizon: float
    ground: tuple[tuple[float, float], ...]
    spots: tuple[tuple[float, float], ...]
    noise: float = 2.0
    night: bool = False
    top: float = 0.0

    def height(self, y: float, height_m: float) -> float:
        """How tall something of so many metres is, in picture heights, whose foot is at ``y``."""
        scale = (y - self.horizon) / (1 - self.horizon)
        return max(0.0, self.person * scale * height_m / PERSON_M)


_LOWER = ((0.0, 0.3), (1.0, 0.3), (1.0, 1.0), (0.0, 1.0))
_STREET = ((0.0, 0.56), (1.0, 0.56), (1.0, 1.0), (0.0, 1.0))
_FORECOURT = ((0.15, 0.62), (0.66, 0.62), (0.66, 1.0), (0.15, 1.0))
"""Without the scooters that are parked before the shop."""
_PAVED = ((0.0, 0.22), (0.72, 0.22), (0.72, 1.0), (0.0, 1.0))

PLACES = {
    each.name: each
    for each in (
        Place("campus", "videos/dev_pedestrians_vtest.mp4", 0.28, -0.02, _LOWER,
              ((0.22, 0.52), (0.46, 0.86), (0.82, 0.72)), noise=3.0),
        Place("ramp", "videos_more/walker_1.mp4", 0.34, -0.4, _PAVED,
              ((0.30, 0.52), (0.52, 0.88), (0.24, 0.92)), noise=2.5),
        Place("car-park", "videos/dev_parking_cars_intel.mp4", 0.34, -0.6, _LOWER,
              ((0.24, 0.62), (0.62, 0.92), (0.80, 0.55)), noise=1.5),
        Place("kerb", "videos_more/shared_bikes_ridden_china.mp4", 0.66, 0.25, _STREET,
              ((0.42, 0.88), (0.66, 0.74), (0.13, 0.90)), noise=2.0),
        Place("avenue", "streets_us_gsv/02835.jpg", 0.40, 0.42, _STREET,
              ((0.30, 0.74), (0.58, 0.90), (0.80, 0.72)), top=0.12),
        Place("crossing", "streets_us_gsv/03026.jpg", 0.40, 0.42, _STREET,
              ((0.25, 0.86), (0.55, 0.74), (0.80, 0.92)), top=0.12),
        Place("corner", "streets_us_gsv/02873.jpg", 0.42, 0.40, _STREET,
              ((0.28, 0.84), (0.58, 0.92), (0.80, 0.76)), top=0.12),
        Place("wall", "streets_us_gsv/02936.jpg", 0.42, 0.40, _STREET,
              ((0.35, 0.80), (0.62, 0.92), (0.82, 0.80)), top=0.12),
        Place("night-kerb", "llvip_night/{012}", 0.26, -0.25, _LOWER,
              ((0.30, 0.62), (0.55, 0.84), (0.78, 0.62)), noise=3.0, night=True),
        Place("shopfront", "vending_streets/no_stall_01936.jpg", 0.52, 0.25, _FORECOURT,
              ((0.45, 0.90), (0.56, 0.96), (0.25, 0.92))),
        Place("arcade", "vending_streets/no_stall_03623.jpg", 0.44, 0.35, _STREET,
              ((0.30, 0.82), (0.55, 0.92), (0.75, 0.86))),
        Place("traffic", "videos/dev_traffic_intersection_opendatacam.mp4", 0.20, 0.0, _LOWER, (),
              noise=2.0),
    )
}  # fmt: skip


def pictures(place: Place, data: Path, seconds: float, seed: int) -> Iterator[Picture]:
    """The empty place, ``FRAMES_PER_S`` pictures (H, 640, 3) BGR a second.

    A clip that is too short runs back and forth; a still has the noise and the slow drift of a camera.
    """
    frames = _frames(_file(place, data), place.top)
    count = round(seconds * FRAMES_PER_S)
    if len(frames) == 1:
        yield from _living(frames[0], count, place.noise, seed)
        return
    last = len(frames) - 1
    for index in range(count):
        around = index % (2 * last)
        yield frames[around if around <= last else 2 * last - around]


def _file(place: Place, data: Path) -> Path:
    """``{012}`` is the twelfth picture of its set."""
    folder, _, name = place.file.rpartition("/")
    if not name.startswith("{"):
        return data / place.file
    return sorted((data / folder).glob("*.jpg"))[int(name.strip("{}")) - 1]


_LONGEST_S = 48.0
"""No more of a clip is read."""


@lru_cache(maxsize=2)
def _frames(path: Path, top: float) -> list[Picture]:
    if path.suffix == ".jpg":
        still = cv2.imread(str(path))
        if still is None:
            raise FileNotFoundError(path)
        return [_sized(np.asarray(still, np.uint8)[round(top * still.shape[0]) :])]
    capture = cv2.VideoCapture(str(path))
    step = max(1, round(capture.get(cv2.CAP_PROP_FPS) / FRAMES_PER_S))
    found, index = [], 0
    while len(found) < _LONGEST_S * FRAMES_PER_S and capture.grab():
        if index % step == 0:
            _, picture = capture.retrieve()
            found.append(_sized(np.asarray(picture, np.uint8)))
        index += 1
    capture.release()
    if not found:
        raise FileNotFoundError(path)
    return found


def _sized(picture: Picture) -> Picture:
    height = round(picture.shape[0] * WIDTH_PX / picture.shape[1] / 2) * 2
    way = cv2.INTER_AREA if picture.shape[1] >= WIDTH_PX else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, (WIDTH_PX, height), interpolation=way), np.uint8)


def _living(still: Picture, count: int, noise: float, seed: int) -> Iterator[Picture]:
    grains = Grains(still.shape[:2], noise, seed)
    for index in range(count):
        drift = 1 + 0.015 * np.sin(2 * np.pi * index / FRAMES_PER_S / 23)
        shown = still.astype(np.float32) * np.float32(drift) + grains.next()[..., None]
        yield np.clip(shown, 0, 255).astype(np.uint8)


class Grains:
    """Fields of noise (h, w), drawn once and shifted at random: every picture's are its own."""

    def __init__(self, shape: tuple[int, int], deviation: float, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        field = self._random.normal(0, deviation, (shape[0], shape[1]))
        self._field = np.asarray(cv2.GaussianBlur(field.astype(np.float32), (0, 0), 0.5)) * 1.6

    def next(self) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        """Another field of the same noise."""
        down, across = self._random.integers(0, self._field.shape)
        return np.roll(self._field, (int(down), int(across)), axis=(0, 1))
