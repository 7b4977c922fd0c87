"""What the street detector is fed in training: windows as the device cuts them, varied.

The device looks at crops of about 416 to 640 native pixels around zones, letterboxed to 416.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from training.bin_classifier.pictures import read
from training.datasets.augment import Picture, Random, feathered_paste, letterbox, light, weather
from training.datasets.readers import CROWD, Edges, Labelled
from training.street_detector.beliefs import DOUBTED, NOTHING, Belief
from training.street_detector.classes import STREET_CLASSES

SIZE_PX = 416
# Streets with people and cars, and with bins and rubbish that nobody boxed.
UNLABELLED_SETS = frozenset({"bins_scene_montevideo", "amsterdam_garbage"})
MIN_VISIBLE = 0.35
TURNED_SHARE = 0.2
WHOLE_SHARE = 0.2
MIN_SIDE_PX = 5.0
PATCH_PX = 480
Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Example:
    """One training picture: (416, 416, 3) BGR, its boxes and what is not known about it.

    ``boxes`` is (n, 4) left, top, right, bottom; ``classes`` (n,); ``unsure`` (m, 4) regions where
    nothing is learned; ``exhaustive`` (10,) says for which classes a missing box means absence;
    ``rendered`` whether the picture was drawn,
    ``unlabelled`` that nobody labelled anything in it. ``worth`` (n,) is 1 for a label and less
    for what a teacher is less than sure of, ``doubted`` (k, 4) what a teacher may have seen, and
    ``closed`` says that somebody, or some teacher, looked for every class.
    """

    picture: Picture
    boxes: Array
    classes: Array
    unsure: Array
    exhaustive: Array
    rendered: bool
    unlabelled: bool = False
    worth: Array = field(default_factory=lambda: np.zeros(0, np.float32))
    doubted: Array = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    closed: bool = True


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture in memory with its boxes, before it is cut to a window.

    ``labels`` may be CROWD and DOUBTED beside classes; ``worth`` is 1 for each where it is empty.
    """

    picture: Picture
    labels: tuple[str, ...]
    boxes: Array
    exhaustive: frozenset[str]
    rendered: bool = False
    unlabelled: bool = False
    worth: Array = field(default_factory=lambda: np.zeros(0, np.float32))
    closed: bool = True

    def worths(self) -> Array:
        """What each box is worth, (n,)."""
        return self.worth if len(self.worth) == len(self.labels) else np.ones(len(self.labels))


@dataclass(frozen=True, slots=True)
class CutOut:
    """A thing without its background: (h, w, 3) BGR, its cover (h, w) 0 to 1 and its class.

    ``box`` holds the edges of the thing as shares of the picture: people at a stall reach beyond it.
    ``beside`` is what else is to be seen in it: (class, edges as shares, worth). A patch of a
    street that shows nothing to be found has the label NOTHING.
    """

    picture: Picture
    cover: NDArray[np.float32]
    label: str
    box: Edges = (0.0, 0.0, 1.0, 1.0)
    beside: tuple[tuple[str, Edges, float], ...] = ()


def believed_scene(item: Labelled, picture: Picture, scale: float, belief: Belief) -> Scene:
    """A labelled picture with what teachers believe of the classes that its set does not label.

    Args:
        item: The picture's labels, in pixels of its file.
        picture: It, perhaps smaller than the file.
        scale: How much smaller.
        belief: What teachers said; boxes as shares of the picture.
    """
    height, width = picture.shape[:2]
    own = np.array(item.boxes, dtype=np.float32).reshape(-1, 4) * scale
    labels, shares, worth = belief.beside(
        item.labels, own / np.array([width, height] * 2), item.exhaustive
    )
    return Scene(
        picture,
        (*item.labels, *labels),
        np.concatenate([own, shares * np.array([width, height] * 2)]).astype(np.float32),
        item.exhaustive,
        item.set_name == "rendered",
        item.set_name in UNLABELLED_SETS,
        np.concatenate([np.ones(len(own)), worth]).astype(np.float32),
        belief.closed,
    )


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
    return -1 if label in (CROWD, DOUBTED) else STREET_CLASSES.index(label)


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
    doubted = np.array([label == DOUBTED for label in scene.labels], dtype=bool)
    seen = visible > 0.02
    good = (visible >= MIN_VISIBLE) & (sides >= MIN_SIDE_PX) & ~crowd & ~doubted
    classes = np.array([_number_of(label) for label in scene.labels], int)
    return Example(
        square,
        placed[good].astype(np.float32),
        classes[good],
        placed[seen & ~good & ~doubted].astype(np.float32),
        np.array([name in scene.exhaustive for name in STREET_CLASSES], dtype=bool),
        scene.rendered,
        scene.unlabelled,
        scene.worths()[good].astype(np.float32),
        placed[seen & doubted].astype(np.float32),
        scene.closed,
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
    sure = np.flatnonzero([label not in (CROWD, DOUBTED) for label in scene.labels])
    if len(sure) and random.random() < 0.85:
        box = scene.boxes[sure[int(random.integers(len(sure)))]]
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
    if random.random() < 0.5:
        example = replace(
            example,
            picture=np.ascontiguousarray(example.picture[:, ::-1]),
            boxes=_mirrored(example.boxes),
            unsure=_mirrored(example.unsure),
            doubted=_mirrored(example.doubted),
        )
    if random.random() < 0.65:
        example = replace(example, picture=weather(example.picture, random, nights=0.05))
    return example


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
    box, beside = thing.box, thing.beside
    if random.random() < 0.5:
        picture, cover = picture[:, ::-1], cover[:, ::-1]
        box = _turned_round(box)
        beside = tuple((label, _turned_round(edges), worth) for label, edges, worth in beside)
    return replace(
        thing,
        picture=np.asarray(picture, np.uint8),
        cover=np.asarray(cover, np.float32),
        box=box,
        beside=beside,
    )


def _turned_round(box: Edges) -> Edges:
    return (1 - box[2], box[1], 1 - box[0], box[3])


REACH = {"rubbish": 0.3, "bin": 0.5, "stall": 0.75, NOTHING: 0.7}
HIDDEN = 0.5


def composed(background: Scene, things: Sequence[CutOut], random: Random, most: int = 4) -> Scene:
    """Lay a few cut-outs on a real street, lower things larger, none hiding another.

    Args:
        background: A street; its own boxes stay, but for what is hidden of what teachers believed.
        things: What may be laid.
        random: Of choice, size and place.
        most: At most this many.
    """
    scene = replace(background, picture=background.picture.copy(), worth=background.worths())
    height, width = scene.picture.shape[:2]
    for _ in range(int(random.integers(1, most + 1))):
        thing = things[int(random.integers(len(things)))]
        foot = random.uniform(0.35, 1.0)
        longest = max(14.0, width * REACH[thing.label] * random.uniform(0.25, 1.0) * foot)
        if thing.label == "rubbish" and random.random() < 0.35:
            longest = width * random.uniform(0.3, 0.6)
        thing = _resized(thing, min(longest, 0.9 * min(height, width)), random)
        tall, wide = thing.picture.shape[:2]
        left = int(random.integers(0, max(1, width - wide)))
        top = int(np.clip(foot * height - tall, 0, height - tall))
        edges = (left, top, left + wide, top + tall)
        if _room(scene.boxes[scene.worth == 1], edges):
            _lay(scene.picture, thing, left, top)
            scene = _with(scene, thing, edges)
    known = {"stall"} if background.unlabelled else {"stall", "bin", "rubbish"}
    return replace(scene, exhaustive=background.exhaustive | known)


def _with(scene: Scene, thing: CutOut, edges: Edges) -> Scene:
    """The boxes of a scene after a thing was laid at ``edges``."""
    kept = np.flatnonzero(_inside(scene.boxes, edges)[1] <= HIDDEN)
    new = [*thing.beside]
    if thing.label != NOTHING:
        new.insert(0, (thing.label, thing.box, 1.0))
    corner = np.array([edges[0], edges[1]] * 2)
    size = np.array([edges[2] - edges[0], edges[3] - edges[1]] * 2)
    boxes = np.array([box for _, box, _ in new]).reshape(-1, 4) * size + corner
    return replace(
        scene,
        labels=(*(scene.labels[row] for row in kept), *(label for label, _, _ in new)),
        boxes=np.concatenate([scene.boxes[kept], boxes]).astype(np.float32),
        worth=np.concatenate([scene.worth[kept], [worth for _, _, worth in new]]),
    )


def patch_of(scene: Scene, edges: Edges, label: str, margin: float = 0.06) -> CutOut:
    """A rectangle of a street, its rim fading, with what else is to be seen in it.

    Args:
        scene: The street.
        edges: Of the thing, in pixels.
        label: What it is; NOTHING where it is a piece of street to tell by the seam nothing at all.
        margin: How much ground is taken with it, as a share of its sides.
    """
    height, width = scene.picture.shape[:2]
    across, down = margin * (edges[2] - edges[0]), margin * (edges[3] - edges[1])
    left, top = int(max(0, edges[0] - across)), int(max(0, edges[1] - down))
    right, bottom = int(min(width, edges[2] + across)), int(min(height, edges[3] + down))
    crop = scene.picture[top:bottom, left:right]
    scale = min(1.0, PATCH_PX / max(crop.shape[:2]))
    size = (max(8, round(crop.shape[1] * scale)), max(8, round(crop.shape[0] * scale)))
    crop = np.asarray(cv2.resize(crop, size, interpolation=cv2.INTER_AREA), np.uint8)
    rows = np.minimum(np.arange(size[1]) + 1, size[1] - np.arange(size[1])) / size[1]
    columns = np.minimum(np.arange(size[0]) + 1, size[0] - np.arange(size[0])) / size[0]
    cover = np.minimum(np.minimum(rows[:, None], columns[None]) / max(margin, 0.03), 1)
    corner, sides = np.array([left, top] * 2), np.array([right - left, bottom - top] * 2)
    clipped, visible = _inside(scene.boxes, (left, top, right, bottom))
    beside = [
        (name, edges_of((box - corner) / sides), float(worth))
        for name, box, share, worth, own in zip(
            scene.labels, clipped, visible, scene.worths(), scene.boxes, strict=True
        )
        if share > HIDDEN and not np.allclose(own, edges)
    ]
    box = edges_of(((np.array(edges) - corner) / sides).clip(0, 1))
    return CutOut(crop, cover.astype(np.float32), label, box, tuple(beside))


def edges_of(row: Array) -> Edges:
    """Four numbers as plain ones."""
    left, top, right, bottom = (float(edge) for edge in row)
    return (left, top, right, bottom)


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
