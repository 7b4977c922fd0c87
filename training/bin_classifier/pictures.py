"""Crops of bins as the device cuts them, straight for judging, varied for training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from training.bin_classifier.mixing import CutOut, lay_beside, liner, set_on
from training.datasets.augment import Picture, Random, feathered_paste, weather
from training.datasets.readers import STREETS_WITHOUT_BINS, BinPicture, Edges

SIZE_PX = 256
LOOK_PX = 160
"""Size at which pictures are compared for likeness; the groups depend on it."""
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
# What the device adds around a bin's box, as shares of the box: rubbish stands above the rim.
MARGIN_ABOVE, MARGIN_SIDE, MARGIN_BELOW = 0.4, 0.3, 0.1


@lru_cache(maxsize=4096)
def _read(path: Path, longest_px: int) -> Picture:
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise FileNotFoundError(path)
    scale = longest_px / max(picture.shape[:2])
    if scale < 1:
        picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(picture, dtype=np.uint8)


def read(path: Path, longest_px: int = 100_000) -> Picture:
    """A picture (h, w, 3) BGR, shrunk to ``longest_px``; kept in memory.

    Raises:
        FileNotFoundError: It is missing or cannot be read as a picture.
    """
    return _read(path, longest_px)


def cut(picture: Picture, edges: Edges) -> Picture:
    """The part of a picture inside edges in pixels, clipped to the picture."""
    height, width = picture.shape[:2]
    left, top = max(0, int(edges[0])), max(0, int(edges[1]))
    right, bottom = min(width, int(np.ceil(edges[2]))), min(height, int(np.ceil(edges[3])))
    return picture[top : max(bottom, top + 2), left : max(right, left + 2)]


def zone_edges(box: Edges, above: float, side: float, below: float) -> Edges:
    """A bin's box grown by shares of its height (above, below) and width (each side)."""
    width, height = box[2] - box[0], box[3] - box[1]
    return (
        box[0] - side * width,
        box[1] - above * height,
        box[2] + side * width,
        box[3] + below * height,
    )


def plain(item: BinPicture, size_px: int = SIZE_PX) -> Picture:
    """The crop as the device would cut it, square, BGR."""
    if item.box is None:
        crop = read(item.path)
    else:
        edges = zone_edges(item.box, MARGIN_ABOVE, MARGIN_SIDE, MARGIN_BELOW)
        crop = cut(read(item.path), edges)
    return np.asarray(cv2.resize(crop, (size_px, size_px), interpolation=cv2.INTER_AREA), np.uint8)


def _shifted(picture: Picture, random: Random, least: float) -> Picture:
    """A random window of at least ``least`` of each side."""
    height, width = picture.shape[:2]
    share = random.uniform(least, 1.0, size=2)
    left = random.uniform(0, 1 - share[0]) * width
    top = random.uniform(0, 1 - share[1]) * height
    return cut(picture, (left, top, left + share[0] * width, top + share[1] * height))


def _with_surroundings(crop: Picture, street: Picture, random: Random) -> Picture:
    """A tight crop laid on a street, because a device's zone shows more than its bin."""
    height, width = crop.shape[:2]
    size = (int(width * random.uniform(1.1, 1.8)), int(height * random.uniform(1.1, 1.6)))
    canvas: Picture = np.asarray(cv2.resize(_shifted(street, random, 0.4), size), dtype=np.uint8)
    left = int(random.integers(0, canvas.shape[1] - width + 1))
    top = int((canvas.shape[0] - height) * random.uniform(0.4, 1.0))
    feathered_paste(canvas, crop, left, top, soft_px=3)
    return canvas


CROPS = "bin_crops_shenzhen"
BESIDE = "beside_containers"
"""Containers in order with something laid beside them: rubbish, or what may stand there."""

SWAPS = 0.45
"""Share of the crops with a rim that are set on another's body."""
LINERS = 0.3
"""Share of the crops with a rim over which plastic is hung, whatever their state."""


@dataclass(frozen=True, slots=True)
class Material:
    """What training views are mixed from; all of it from the part that trains.

    ``bodies`` are crops with a rim, by state; ``things`` are cut-outs, True for rubbish.
    """

    streets: Sequence[Path]
    bodies: Mapping[bool, Sequence[BinPicture]]
    things: Mapping[bool, Sequence[CutOut]]
    swaps: float = SWAPS
    liners: float = LINERS


def mixed(item: BinPicture, material: Material, random: Random) -> Picture:
    """A tight crop: as it is, or on another bin's body, or with a liner over its rim, or both."""
    picture, rim = read(item.path), item.rim
    if rim is None:
        return picture
    # Mostly the other state's bodies: no colour, lettering or phone may speak for a state.
    bodies = material.bodies[(not item.overflowing) if random.random() < 0.7 else item.overflowing]
    bodies = [each for each in bodies if item.overflowing or not each.litter]
    if bodies and random.random() < material.swaps:
        body = bodies[int(random.integers(len(bodies)))]
        assert body.rim is not None
        picture, rim = set_on(picture, rim, read(body.path), body.rim, random)
    if random.random() < material.liners:
        picture = liner(picture, rim, random)
    return picture


def _laid(item: BinPicture, material: Material, random: Random) -> Picture:
    """A container with something beside it, cut out with more room than a device's zone leaves."""
    assert item.box is not None
    picture = read(item.path)
    things = material.things[item.overflowing]
    for _ in range(int(random.integers(1, 4))) if things else ():
        thing = things[int(random.integers(len(things)))]
        share = random.uniform(0.25, 0.9) if item.overflowing else random.uniform(0.4, 1.3)
        picture = lay_beside(picture, item.box, thing, share, random)
    margins = random.uniform((0.1, 0.3, 0.05), (0.8, 1.2, 0.4))
    return cut(picture, zone_edges(item.box, *margins))


def varied(item: BinPicture, material: Material, random: Random) -> Picture:
    """A training view of a bin: another crop, light, lens and side, (256, 256, 3) BGR."""
    if item.set_name == BESIDE:
        crop = _laid(item, material, random)
    elif item.box is not None:
        margins = random.uniform((-0.02, 0.0, -0.02), (0.6, 0.6, 0.3))
        crop = cut(read(item.path), zone_edges(item.box, *margins))
    elif item.set_name in (*STREETS_WITHOUT_BINS, "rendered"):
        # Sharp and soft alike: where every street were sharp, softness would speak for rubbish.
        longest_px = int(random.choice((400, 640, 1280)))
        crop = _shifted(read(item.path, longest_px), random, float(random.choice((0.3, 0.6, 0.9))))
    elif item.set_name == CROPS:
        crop = _shifted(mixed(item, material, random), random, 0.92)
        if material.streets and random.random() < 0.5:
            street = read(material.streets[int(random.integers(len(material.streets)))], 400)
            crop = _with_surroundings(crop, street, random)
    else:
        crop = _shifted(read(item.path), random, 0.7)
    if random.random() < 0.5:
        crop = crop[:, ::-1]
    if random.random() < 0.3:
        crop = _turned(np.ascontiguousarray(crop), random)
    small = cv2.resize(crop, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_AREA)
    return weather(np.asarray(small, dtype=np.uint8), random, nights=0.14)


def _turned(crop: Picture, random: Random) -> Picture:
    """A camera that hangs a little askew."""
    height, width = crop.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), random.uniform(-8, 8), 1.05)
    turned = cv2.warpAffine(crop, turn, (width, height), borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(turned, dtype=np.uint8)


def normalised(pictures: Sequence[Picture]) -> NDArray[np.float32]:
    """BGR pictures as the network's input: (n, 3, h, w) RGB, ImageNet mean and spread."""
    batch: NDArray[Any] = np.stack(pictures)[..., ::-1].astype(np.float32) / 255.0
    batch = (batch - np.array(MEAN, np.float32)) / np.array(STD, np.float32)
    return np.ascontiguousarray(batch.transpose(0, 3, 1, 2), dtype=np.float32)
