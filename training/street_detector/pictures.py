"""What the street detector is fed in training: windows as the device cuts them, varied.

The device looks at crops of about 416 to 640 native pixels around zones, letterboxed to 416.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from training.bin_classifier.pictures import read
from training.datasets.augment import Picture, Random, feathered_paste, letterbox, light, weather
from training.datasets.readers import CROWD, Edges, Labelled
from training.street_detector.classes import STREET_CLASSES

SIZE_PX = 416
# Streets with people and cars, and with bins and rubbish that nobody boxed.
UNLABELLED_SETS = frozenset({"bins_scene_montevideo", "amsterdam_garbage"})
MIN_VISIBLE = 0.35
TURNED_SHARE = 0.2
WHOLE_SHARE = 0.2
MIN_SIDE_PX = 5.0
Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Example:
    """One training picture: (416, 416, 3) BGR, its boxes and what is not known about it.

    ``boxes`` is (n, 4) left, top, right, bottom; ``classes`` (n,); ``unsure`` (m, 4) regions where
    nothing is learned; ``exhaustive`` (10,) says for which classes a missing box means absence;
    ``rendered`` whether the picture was drawn,
    ``unlabelled`` that nobody labelled anything in it.
    """

    picture: Picture
    boxes: Array
    classes: Array
    unsure: Array
    exhaustive: Array
    rendered: bool
    unlabelled: bool = False


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture in memory with its boxes, before it is cut to a window."""

    picture: Picture
    labels: tuple[str, ...]
    boxes: Array
    exhaustive: frozenset[str]
    rendered: bool = False
    unlabelled: bool = False


@dataclass(frozen=True, slots=True)
class CutOut:
    """A thing without its background: (h, w, 3) BGR, its cover (h, w) 0 to 1 and its class.

    ``box`` holds the edges of the thing as shares of the picture: people at a stall reach beyond it.
    """

    picture: Picture
    cover: NDArray[np.float32]
    label: str
    box: Edges = (0.0, 0.0, 1.0, 1.0)


def scene_of(item: Labelled, longest_px: int = 100_000) -> Scene:
    """Read a labelled picture, shrunk to ``longest_px`` where it is larger."""
    picture = read(item.path)
    scale = min(1.0, longest_px / max(picture.shape[:2]))
    if scale < 1:
        shrunk = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        picture = np.asarray(shrunk, dtype=np.uint8)
    boxes = np.array(item.boxes, dtype=np.float32).reshape(-1, 4) * scale
    drawn, blank = item.set_name == "rendered", item.set_name in UNLABELLED_SETS
    return Scene(picture, item.labels, boxes, item.exhaustive, drawn, blank)


def _number_of(label: str) -> int:
    return -1 if label == CROWD else STREET_CLASSES.index(label)


def _inside(boxes: Array, window: Edges) -> tuple[Array, Array]:
    """Boxes clipped to a window, and the share of each that is left."""
    low = np.maximum(boxes[:, :2], window[:2])
    high = np.maximum(np.minimum(boxes[:, 2:], window[2:]), low)
    whole = np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(axis=1), 1e-6)
    return np.hstack([low, high]), (high - low).prod(axis=1) / whole


def take_window(scene: Scene, window: Edges, stretch: float = 1.0) -> Example:
    """Cut a window, letterbox it to 416 and carry the boxes along.

    Args:
        scene: The picture and its boxes.
        window: Edges in pixels; what lies outside the picture is padding.
        stretch: Width over height of the cut against the window, for sets that were squashed.
    """
    height, width = scene.picture.shape[:2]
    left, top = max(0, int(window[0])), max(0, int(window[1]))
    right, bottom = min(width, int(window[2])), min(height, int(window[3]))
    crop = np.ascontiguousarray(scene.picture[top:bottom, left:right])
    if stretch != 1.0:
        crop = np.asarray(cv2.resize(crop, None, fx=stretch, fy=1.0), dtype=np.uint8)
    square, scale = letterbox(crop, SIZE_PX)
    clipped, visible = _inside(scene.boxes, (left, top, right, bottom))
    placed = (clipped - np.array([left, top, left, top])) * scale
    placed[:, [0, 2]] *= stretch
    sides = np.minimum(placed[:, 2] - placed[:, 0], placed[:, 3] - placed[:, 1])
    crowd = np.array([label == CROWD for label in scene.labels], dtype=bool)
    seen = visible > 0.02
    good = (visible >= MIN_VISIBLE) & (sides >= MIN_SIDE_PX) & ~crowd
    classes = np.array([_number_of(label) for label in scene.labels], int)
    return Example(
        square,
        placed[good].astype(np.float32),
        classes[good],
        placed[seen & ~good].astype(np.float32),
        np.array([name in scene.exhaustive for name in STREET_CLASSES], dtype=bool),
        scene.rendered,
        scene.unlabelled,
    )


def device_windows(width: int, height: int, side_px: int = 600) -> list[Edges]:
    """Overlapping square windows over a picture, as a device with many zones would look."""
    side = min(side_px, width, height)
    across = max(1, int(np.ceil((width - side) / (side * 0.75))) + 1)
    down = max(1, int(np.ceil((height - side) / (side * 0.75))) + 1)
    lefts = np.linspace(0, width - side, across)
    tops = np.linspace(0, height - side, down)
    return [(float(x), float(y), float(x + side), float(y + side)) for y in tops for x in lefts]


def random_window(scene: Scene, random: Random, whole: float = WHOLE_SHARE) -> Edges:
    """A square window of 300 to 700 px, mostly around some box; ``whole`` is the share of whole pictures."""
    height, width = scene.picture.shape[:2]
    longest = max(width, height)
    if random.random() < whole:
        side = longest * random.uniform(0.8, 1.15)
    else:
        side = random.uniform(max(200, 0.3 * longest), max(320, 0.7 * longest))
    if len(scene.boxes) and random.random() < 0.85:
        box = scene.boxes[int(random.integers(len(scene.boxes)))]
        side = max(side, 1.15 * float(min(longest, max(box[2] - box[0], box[3] - box[1]))))
        slack = side / 2 - (box[2:] - box[:2]) / 2
        centre = (box[:2] + box[2:]) / 2 + random.uniform(-1, 1, size=2) * slack.clip(0) * 0.95
    else:
        centre = random.uniform(0, 1, size=2) * (width, height)
    half = min(side, longest * 1.2) / 2
    x = float(np.clip(centre[0], min(half, width / 2), max(width - half, width / 2)))
    y = float(np.clip(centre[1], min(half, height / 2), max(height - half, height / 2)))
    return (x - half, y - half, x + half, y + half)


def _smaller(scene: Scene, random: Random) -> Scene:
    """The same picture from further away, on a grey card: close-ups lack small things."""
    scale = random.uniform(0.35, 0.9)
    height, width = scene.picture.shape[:2]
    small = cv2.resize(scene.picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    canvas = np.full_like(scene.picture, 114)
    x = int(random.integers(0, width - small.shape[1] + 1))
    y = int(random.integers(0, height - small.shape[0] + 1))
    canvas[y : y + small.shape[0], x : x + small.shape[1]] = small
    boxes = scene.boxes * scale + np.array([x, y, x, y])
    return replace(scene, picture=canvas, boxes=boxes)


def _turned(scene: Scene, quarters: int) -> Scene:
    """The picture turned by quarters, against the clock: phones lose which side was up."""
    boxes = scene.boxes
    height, width = scene.picture.shape[:2]
    for _ in range(quarters):
        left, top, right, bottom = boxes.T
        boxes = np.stack([top, width - right, bottom, width - left], axis=1)
        height, width = width, height
    picture = np.ascontiguousarray(np.rot90(scene.picture, quarters))
    return replace(scene, picture=picture, boxes=boxes)


def varied(scene: Scene, random: Random, whole: float = WHOLE_SHARE) -> Example:
    """A training view of a scene; in ``whole`` of them the scene is seen from end to end."""
    if "bicycle" in scene.labels and not scene.rendered and random.random() < TURNED_SHARE:
        scene = _turned(scene, int(random.integers(1, 4)))
    if not scene.rendered and random.random() < 0.3:
        scene = _smaller(scene, random)
    stretch = float(np.exp(random.uniform(-0.22, 0.22))) if not scene.rendered else 1.0
    example = take_window(scene, random_window(scene, random, whole), stretch)
    picture, boxes, unsure = example.picture, example.boxes, example.unsure
    if random.random() < 0.5:
        picture = np.ascontiguousarray(picture[:, ::-1])
        boxes, unsure = (_mirrored(each) for each in (boxes, unsure))
    if random.random() < 0.65:
        picture = weather(picture, random, nights=0.05)
    return replace(example, picture=picture, boxes=boxes, unsure=unsure)


def _mirrored(boxes: Array) -> Array:
    turned = boxes.copy()
    turned[:, 0], turned[:, 2] = SIZE_PX - boxes[:, 2], SIZE_PX - boxes[:, 0]
    return turned


def _room(boxes: Array, edges: Edges, limit: float = 0.1) -> bool:
    """Whether a new thing would hide no more than ``limit`` of any thing that is there."""
    if not len(boxes):
        return True
    _, hidden = _inside(boxes, edges)
    return bool(hidden.max() <= limit)


def _lay(canvas: Picture, thing: CutOut, left: int, top: int) -> None:
    height, width = thing.picture.shape[:2]
    place = canvas[top : top + height, left : left + width]
    cover = thing.cover[..., None]
    place[:] = (thing.picture * cover + place * (1 - cover)).astype(np.uint8)


def _resized(thing: CutOut, longest_px: float, random: Random) -> CutOut:
    scale = longest_px / max(thing.picture.shape[:2])
    size = (
        max(4, round(thing.picture.shape[1] * scale)),
        max(4, round(thing.picture.shape[0] * scale)),
    )
    picture = cv2.resize(thing.picture, size, interpolation=cv2.INTER_AREA)
    cover = cv2.resize(thing.cover, size, interpolation=cv2.INTER_AREA)
    left, top, right, bottom = thing.box
    if random.random() < 0.5:
        picture, cover = picture[:, ::-1], cover[:, ::-1]
        left, right = 1 - right, 1 - left
    return replace(
        thing,
        picture=np.asarray(picture, np.uint8),
        cover=np.asarray(cover, np.float32),
        box=(left, top, right, bottom),
    )


def composed(background: Scene, things: Sequence[CutOut], random: Random, most: int = 4) -> Scene:
    """Lay a few cut-outs on a real street, lower things larger, none hiding another.

    Args:
        background: A street; its own boxes stay.
        things: What may be laid.
        random: Of choice, size and place.
        most: At most this many.
    """
    canvas = background.picture.copy()
    height, width = canvas.shape[:2]
    labels, boxes = list(background.labels), [*background.boxes]
    for _ in range(int(random.integers(1, most + 1))):
        thing = things[int(random.integers(len(things)))]
        foot = random.uniform(0.35, 1.0)
        reach = {"rubbish": 0.3, "bin": 0.5, "stall": 0.75}[thing.label]
        longest = max(14.0, width * reach * random.uniform(0.25, 1.0) * foot)
        if thing.label == "rubbish" and random.random() < 0.35:
            longest = width * random.uniform(0.3, 0.6)
        thing = _resized(thing, min(longest, 0.9 * min(height, width)), random)
        tall, wide = thing.picture.shape[:2]
        left = int(random.integers(0, max(1, width - wide)))
        top = int(np.clip(foot * height - tall, 0, height - tall))
        edges = (left, top, left + wide, top + tall)
        if _room(np.array(boxes).reshape(-1, 4), edges):
            _lay(canvas, thing, left, top)
            labels.append(thing.label)
            box = np.array([left, top, left, top]) + np.array([wide, tall] * 2) * thing.box
            boxes.append(box.astype(np.float32))
    known = {"stall"} if background.unlabelled else {"stall", "bin", "rubbish"}
    return replace(
        background,
        picture=canvas,
        labels=tuple(labels),
        boxes=np.array(boxes, dtype=np.float32).reshape(-1, 4),
        exhaustive=background.exhaustive | known,
    )


def relit(thing: CutOut, random: Random) -> CutOut:
    """The thing in another light and a little softer or harder at its rim."""
    picture = light(thing.picture, random)
    soft = random.uniform(0.3, 1.5)
    cover = cv2.GaussianBlur(thing.cover, (0, 0), soft) * (thing.cover > 0)
    return replace(thing, picture=picture, cover=np.asarray(cover, np.float32))


def bin_cut_outs(paths: Sequence[Path]) -> list[CutOut]:
    """Tight crops of bins as cut-outs whose rim fades."""
    found = []
    for path in paths:
        picture = read(path, 300)
        cover = np.zeros(picture.shape, np.uint8)
        full = np.full(picture.shape, 255, np.uint8)
        feathered_paste(cover, full, 0, 0, soft_px=max(2, min(picture.shape[:2]) // 20))
        found.append(CutOut(picture, (cover[..., 0] / 255).astype(np.float32), "bin"))
    return found


def polygon_cut_outs(
    picture: Picture, polygons: Sequence[Sequence[tuple[float, float]]], label: str
) -> list[CutOut]:
    """Things cut out along polygons in pixels; crumbs are left out."""
    found = []
    for polygon in polygons:
        outline = np.round(np.array(polygon)).astype(np.int32)
        left, top = outline.min(axis=0).clip(0)
        right, bottom = outline.max(axis=0) + 1
        if min(right - left, bottom - top) < 24:
            continue
        mask = np.zeros(picture.shape[:2], np.uint8)
        cv2.fillPoly(mask, [outline], 255)
        soft = cv2.GaussianBlur(mask, (0, 0), 1.2)[top:bottom, left:right]
        cover = (soft / 255).astype(np.float32)
        found.append(CutOut(picture[top:bottom, left:right].copy(), cover, label))
    return found
