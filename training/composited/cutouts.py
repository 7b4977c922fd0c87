"""Real things cut out of the picture sets: stalls, bikes, bags, people, cars, racks, bins.

What is cut out, and where it lies in which picture, stands in ``training/labels/cutouts.json``; no
pixel of it is part of the project. Mattes are made when they are wanted: from an outline drawn by eye,
from the set's own outline, from what moves in a clip, or by GrabCut within a box (Rother, Kolmogorov,
Blake: GrabCut, 2004).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Matte = NDArray[np.float32]
LABELS = Path(__file__).parents[1] / "labels" / "cutouts.json"

LONGEST_PX = 260
"""A cut-out is not kept larger than this: clips are small."""
_GROWN = 0.12
"""GrabCut learns what the ground looks like from so much around the box."""
_GRABS = 4
_MOVES_ABOVE = 28
"""Grey levels from the clip's median above which something moves."""
_MEDIAN_OF = 41
"""Frames of a clip by which its ground is known."""
_SPECK = 0.04
"""Of a matte in pieces, those smaller than so much of the largest are noise."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the list.

    Attributes:
        name: Its name, once in the list.
        kind: stall, bike, bag, person, car, rack, goods, cafe, umbrella, bin_in_order, bin_overflowing.
        file: Set and file, below the folder of the sets.
        box: left, top, right, bottom in fractions of the picture.
        height_m: How tall the box's contents are taken to be.
        light: day, dusk or night; what is lit at night stays lit.
        outline: What is cut out, in fractions of the picture.
        coco_annotation: The annotation in the set's COCO file whose outline is used.
        at_s: For a clip: the second in which it is taken.
    """

    name: str
    kind: str
    file: str
    box: tuple[float, float, float, float]
    height_m: float
    light: str
    outline: tuple[tuple[float, float], ...] = ()
    coco_annotation: int | None = None
    at_s: float | None = None

    @property
    def set_name(self) -> str:
        """The set that its picture belongs to."""
        return self.file.split("/", 1)[0]


@dataclass(frozen=True, slots=True, eq=False)
class Cutout:
    """Pixels, (h, w, 3) BGR, and how much of each belongs to the thing, (h, w) from 0 to 1."""

    entry: Entry
    picture: Picture
    matte: Matte


def entries(path: Path = LABELS) -> dict[str, Entry]:
    """The list, by name."""
    told = json.loads(path.read_text(encoding="utf-8"))["cutouts"]
    return {each["name"]: _entry(each) for each in told}


def _entry(told: Mapping[str, Any]) -> Entry:
    plain = {key: value for key, value in told.items() if key not in ("box", "outline")}
    outline = tuple((x, y) for x, y in told.get("outline", ()))
    return Entry(**plain, box=tuple(told["box"]), outline=outline)


def of_kind(kind: str, listed: Mapping[str, Entry]) -> list[Entry]:
    """The entries of one kind, in the list's order."""
    return [each for each in listed.values() if each.kind == kind]


def cut(entry: Entry, data: Path) -> Cutout:
    """Cut one thing out of its picture.

    Args:
        entry: What and where.
        data: The folder of the picture sets.

    Raises:
        FileNotFoundError: The picture is not there.
        ValueError: Nothing is left to cut out within the box.
    """
    return _cut(entry, data)


@cache
def _cut(entry: Entry, data: Path) -> Cutout:
    picture, moving = _picture(entry, data)
    height, width = picture.shape[:2]
    left, top, right, bottom = entry.box
    scale = min(1.0, LONGEST_PX / max((right - left) * width, (bottom - top) * height))
    if scale < 1:
        size = (round(width * scale), round(height * scale))
        picture = _resized(picture, size)
        moving = None if moving is None else _resized(moving, size)
        width, height = size
    x0, y0 = max(0, round(left * width)), max(0, round(top * height))
    x1, y1 = min(width, round(right * width)), min(height, round(bottom * height))
    whole = _matte(entry, data, picture, moving, (x0, y0, x1, y1))
    part = _without_specks(whole[y0:y1, x0:x1])
    if not part.any():
        raise ValueError(f"{entry.name}: nothing is left within {entry.box}")
    soft = cv2.GaussianBlur(part.astype(np.float32) / 255, (0, 0), 0.8)
    return Cutout(entry, picture[y0:y1, x0:x1].copy(), np.asarray(soft, np.float32))


def _picture(entry: Entry, data: Path) -> tuple[Picture, Picture | None]:
    """The picture, and for a clip what moves in it, (h, w), 255 where it does."""
    path = data / entry.file
    if entry.at_s is None:
        read = cv2.imread(str(path))
        if read is None:
            raise FileNotFoundError(path)
        return np.asarray(read, np.uint8), None
    picture, ground = _frame_at(path, entry.at_s), _median(path)
    apart = cv2.absdiff(picture, ground).max(axis=2)
    moving = (cv2.GaussianBlur(apart, (3, 3), 0) > _MOVES_ABOVE).astype(np.uint8) * 255
    closed = cv2.morphologyEx(moving, cv2.MORPH_CLOSE, np.ones((7, 5), np.uint8))
    return picture, np.asarray(closed, np.uint8)


def _frame_at(path: Path, at_s: float) -> Picture:
    capture = cv2.VideoCapture(str(path))
    for _ in range(int(at_s * capture.get(cv2.CAP_PROP_FPS))):
        capture.grab()
    read, picture = capture.read()
    capture.release()
    if not read:
        raise FileNotFoundError(f"{path} at {at_s} s")
    return np.asarray(picture, np.uint8)


@cache
def _median(path: Path) -> Picture:
    """The clip's ground: its median over time."""
    capture = cv2.VideoCapture(str(path))
    step = max(1, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) // _MEDIAN_OF)
    frames, index = [], 0
    while capture.grab():
        if index % step == 0:
            frames.append(capture.retrieve()[1])
        index += 1
    capture.release()
    if not frames:
        raise FileNotFoundError(path)
    return np.median(np.stack(frames), axis=0).astype(np.uint8)


def _matte(
    entry: Entry,
    data: Path,
    picture: Picture,
    moving: Picture | None,
    edges: tuple[int, int, int, int],
) -> Picture:
    """(h, w), 255 where the thing is."""
    height, width = picture.shape[:2]
    if moving is not None:
        return moving
    if entry.outline:
        return _filled([entry.outline], width, height)
    if entry.coco_annotation is not None:
        return _filled(_coco_outlines(data / entry.set_name, entry.coco_annotation), width, height)
    if entry.kind.startswith("bin"):
        x0, y0, x1, y1 = edges
        matte = np.zeros((height, width), np.uint8)
        matte[y0 + 2 : y1 - 2, x0 + 2 : x1 - 2] = 255
        return matte
    return _grabbed(picture, edges)


def _filled(outlines: Iterable[Sequence[tuple[float, float]]], width: int, height: int) -> Picture:
    matte = np.zeros((height, width), np.uint8)
    for outline in outlines:
        points = np.array([(x * width, y * height) for x, y in outline])
        cv2.fillPoly(matte, [points.round().astype(np.int32)], (255,))
    return matte


@cache
def _coco_outlines(folder: Path, annotation: int) -> tuple[tuple[tuple[float, float], ...], ...]:
    for path in sorted(folder.glob("*.json")):
        told = json.loads(path.read_text(encoding="utf-8"))
        for each in told.get("annotations", ()):
            if each["id"] == annotation:
                image = next(one for one in told["images"] if one["id"] == each["image_id"])
                size = np.array([image["width"], image["height"]])
                outlines = (np.array(one).reshape(-1, 2) / size for one in each["segmentation"])
                return tuple(tuple((float(x), float(y)) for x, y in one) for one in outlines)
    raise FileNotFoundError(f"{folder}: annotation {annotation}")


def _grabbed(picture: Picture, edges: tuple[int, int, int, int]) -> Picture:
    height, width = picture.shape[:2]
    x0, y0, x1, y1 = edges
    grow_x, grow_y = round(_GROWN * (x1 - x0)), round(_GROWN * (y1 - y0))
    left, top = max(0, x0 - grow_x), max(0, y0 - grow_y)
    right, bottom = min(width, x1 + grow_x), min(height, y1 + grow_y)
    around = np.ascontiguousarray(picture[top:bottom, left:right])
    marks = np.full(around.shape[:2], cv2.GC_BGD, np.uint8)
    marks[y0 - top : y1 - top, x0 - left : x1 - left] = cv2.GC_PR_FGD
    cv2.setRNGSeed(1)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(around, marks, None, *models, _GRABS, cv2.GC_INIT_WITH_MASK)  # type: ignore[call-overload]
    inside = np.isin(marks, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8) * 255
    opened = cv2.morphologyEx(inside, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    matte = np.zeros((height, width), np.uint8)
    matte[top:bottom, left:right] = opened
    return matte


def _without_specks(matte: Picture) -> Picture:
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(matte)
    if count <= 1:
        return matte
    areas = stats[:, cv2.CC_STAT_AREA]
    small = [n for n in range(1, count) if areas[n] < _SPECK * areas[1:].max()]
    return np.where(np.isin(pieces, small), 0, matte).astype(np.uint8)


def _resized(picture: Picture, size: tuple[int, int]) -> Picture:
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
