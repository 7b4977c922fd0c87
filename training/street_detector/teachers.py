"""Boxes for what nobody labelled: larger networks look once at every picture, and it is kept.

NanoDet-Plus-m-1.5x (Apache-2.0) says where COCO's street classes are, Open Model Zoo's
person-vehicle-bike-detection-2002 (Apache-2.0) people from above and at night, and a street model
that is there already where bins and rubbish may lie. The first looks at the whole picture and at
windows, so that what is small is seen as well. Nothing of this is a label: a box comes with its
score, and the loss believes it so far.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from training.datasets.augment import Picture, letterbox
from training.evaluate.metrics import iou_matrix
from training.model_folder import sha256_of
from training.street_detector.beliefs import Belief
from training.street_detector.classes import COCO_ROWS, STREET_CLASSES
from training.street_detector.judge import Found, StreetFile, suppress
from training.street_detector.pictures import SIZE_PX, device_windows

Array = NDArray[Any]
LOWEST_SCORE = 0.12
JOIN_IOU = 0.55
CUT_OFF_PX = 4.0
WINDOW_SHARE, LEAST_WINDOW_PX = 0.62, 416
PERSON = STREET_CLASSES.index("person")
NEW = tuple(STREET_CLASSES.index(name) for name in ("bin", "rubbish"))
OMZ_PERSON, OMZ_SURE = 1, 0.6


class NanoDetPlus:
    """NanoDet-Plus with COCO's classes, reduced to those of the street."""

    MEAN, STD = (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)
    STRIDES, BINS = (8, 16, 32, 64), 8

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        [given] = self._session.get_inputs()
        self._name, self._size = given.name, int(given.shape[2])
        points = []
        for stride in self.STRIDES:
            cells = -(-self._size // stride)
            rows, columns = np.mgrid[:cells, :cells]
            points.append(np.stack([columns, rows, np.ones_like(rows)], -1).reshape(-1, 3) * stride)
        self._points = np.concatenate(points).astype(np.float32)

    def find(self, picture: Picture) -> Found:
        """Everything above a low score; boxes in pixels of the picture (h, w, 3) BGR.

        Distances are the expectation over their bins (Li et al., 2020, arXiv:2006.04388).
        """
        height, width = picture.shape[:2]
        fed = cv2.resize(picture, (self._size, self._size)).astype(np.float32)
        fed = (fed - np.array(self.MEAN, np.float32)) / np.array(self.STD, np.float32)
        [output] = self._session.run(None, {self._name: fed.transpose(2, 0, 1)[None]})
        scores = output[0, :, [COCO_ROWS[name] for name in STREET_CLASSES if name in COCO_ROWS]].T
        rows, columns = np.nonzero(scores >= LOWEST_SCORE)
        logits = output[0, rows, 80:].reshape(-1, 4, self.BINS)
        weights = np.exp(logits - logits.max(axis=2, keepdims=True))
        weights /= weights.sum(axis=2, keepdims=True)
        away = (weights @ np.arange(self.BINS)) * self._points[rows, 2:]
        centre = self._points[rows, :2]
        boxes = np.hstack([centre - away[:, :2], centre + away[:, 2:]])
        boxes *= np.array([width, height] * 2) / self._size
        return joined([Found(boxes, scores[rows, columns], columns)])


class PeopleFromAbove:
    """Open Model Zoo's person-vehicle-bike-detection-2002, people alone; runs by OpenVINO."""

    SIZE_PX = 512

    def __init__(self, path: Path) -> None:
        import openvino  # noqa: PLC0415 - only who fills the cache needs it

        core = openvino.Core()
        limits = {"INFERENCE_NUM_THREADS": 1}
        self._network = core.compile_model(core.read_model(path), "CPU", limits)

    def find(self, picture: Picture) -> Found:
        """People; boxes in pixels of the picture (h, w, 3) BGR."""
        height, width = picture.shape[:2]
        fed = cv2.resize(picture, (self.SIZE_PX, self.SIZE_PX)).astype(np.float32)
        [rows] = self._network(fed.transpose(2, 0, 1)[None]).values()
        rows = rows.reshape(-1, 7)
        mine = rows[(rows[:, 1] == OMZ_PERSON) & (rows[:, 2] >= LOWEST_SCORE)]
        boxes = mine[:, 3:7] * np.array([width, height] * 2)
        return Found(boxes, mine[:, 2], np.full(len(mine), PERSON))


class KnownStreet:
    """A street model that is there already: where it sees a bin or rubbish, that may be one."""

    def __init__(self, path: Path) -> None:
        self._file = StreetFile(path)

    def find(self, picture: Picture) -> Found:
        """Bins and rubbish; boxes in pixels of the picture (h, w, 3) BGR."""
        square, scale = letterbox(picture, SIZE_PX)
        found = self._file.find(square)
        mine = np.isin(found.classes, NEW) & (found.scores >= LOWEST_SCORE)
        return Found(found.boxes[mine] / scale, found.scores[mine], found.classes[mine])


def joined(found: Sequence[Found]) -> Found:
    """Several looks at one picture as one: of boxes of a class that overlap the surest stays."""
    boxes = np.concatenate([each.boxes for each in found]).astype(np.float32)
    scores = np.concatenate([each.scores for each in found]).astype(np.float32)
    classes = np.concatenate([each.classes for each in found]).astype(int)
    kept: list[int] = []
    for index in np.unique(classes):
        rows = np.flatnonzero(classes == index)
        rows = rows[np.argsort(-scores[rows])[:200]]
        kept += rows[suppress(boxes[rows], scores[rows], JOIN_IOU)].tolist()
    return Found(boxes[kept], scores[kept], classes[kept])


def _looks(picture: Picture) -> Iterable[tuple[float, float, float, float]]:
    height, width = picture.shape[:2]
    yield (0.0, 0.0, float(width), float(height))
    side = max(LEAST_WINDOW_PX, round(WINDOW_SHARE * max(height, width)))
    if side < 0.85 * max(height, width):
        yield from device_windows(width, height, side)


def seen_by(find: Callable[[Picture], Found], picture: Picture) -> Found:
    """What a teacher sees in a picture from end to end and in windows of half its length.

    A box that a window's edge cuts off is left to the look that shows the thing whole.
    """
    height, width = picture.shape[:2]
    every = []
    for left, top, right, bottom in _looks(picture):
        crop = picture[int(top) : int(bottom), int(left) : int(right)]
        found = find(np.ascontiguousarray(crop))
        inner = np.array([left > 0, top > 0, right < width, bottom < height])
        gap = np.array([CUT_OFF_PX] * 2 + [crop.shape[1] - CUT_OFF_PX, crop.shape[0] - CUT_OFF_PX])
        touches = np.hstack([found.boxes[:, :2] < gap[:2], found.boxes[:, 2:] > gap[2:]])
        whole = ~(touches & inner).any(axis=1)
        boxes = found.boxes[whole] + np.array([left, top, left, top])
        every.append(Found(boxes, found.scores[whole], found.classes[whole]))
    return joined(every)


def _agreed(coco: Found, people: Found) -> Found:
    """COCO's teacher, and the people that only the other saw; where both saw one, the surer score."""
    scores = coco.scores.copy()
    mine = coco.classes == PERSON
    overlap = iou_matrix(people.boxes, coco.boxes[mine])
    for row, best in enumerate(overlap.max(axis=1, initial=0)):
        if best >= 0.5:
            place = np.flatnonzero(mine)[overlap[row].argmax()]
            # Its scores run higher: two who agree are surer than one, not as sure as it says.
            scores[place] = max(scores[place], min(0.6, float(people.scores[row]) * 0.75))
    alone = (overlap.max(axis=1, initial=0) < 0.5) & (people.scores >= 0.3)
    # Sure or not, it speaks for a class only: half believed at best.
    half = np.where(people.scores[alone] >= OMZ_SURE, 0.45, 0.2).astype(np.float32)
    return Found(
        np.concatenate([coco.boxes, people.boxes[alone]]),
        np.concatenate([scores, half]),
        np.concatenate([coco.classes, people.classes[alone]]),
    )


class Teachers:
    """All of them, and what they said so far.

    Args:
        weights: The folder with the teachers' files.
        street: A street model's ONNX file for bins and rubbish; None: nobody says where these are.
        folder: Where the answers are kept, a file for each picture.
    """

    def __init__(self, weights: Path, street: Path | None, folder: Path) -> None:
        self._weights, self._street, self._folder = weights, street, folder
        self._suffix = "" if street is None else f"~{sha256_of(street)[:8]}"
        self._said: dict[str, Belief] = {}
        self._loaded: tuple[NanoDetPlus, PeopleFromAbove, KnownStreet | None] | None = None

    def __call__(self, path: Path, picture: Picture) -> Belief:
        """What is believed of one picture.

        Args:
            path: Its file; names the answer.
            picture: (h, w, 3) BGR.
        """
        return self._remembered(f"{path.parent.name}~{path.stem}~{path.stat().st_size}", picture)

    def of(self, picture: Picture) -> Belief:
        """What is believed of a picture that has no file; it is known again by its pixels."""
        name = hashlib.sha256(picture.tobytes()).hexdigest()[:16]
        return self._remembered(f"{name}~{len(picture)}", picture)

    def _remembered(self, name: str, picture: Picture) -> Belief:
        if name not in self._said:
            kept = self._folder / f"{name}{self._suffix}.json"
            if not kept.exists():
                self._folder.mkdir(parents=True, exist_ok=True)
                kept.write_text(json.dumps(self._look(picture)), "ascii")
            rows = json.loads(kept.read_text("ascii"))
            self._said[name] = _belief(rows, closed=self._street is not None)
        return self._said[name]

    def _look(self, picture: Picture) -> list[list[float]]:
        if self._loaded is None:
            self._loaded = (
                NanoDetPlus(self._weights / "nanodet_plus/nanodet_plus_m_1.5x_416.onnx"),
                PeopleFromAbove(self._weights / "omz/person-vehicle-bike-detection-2002.xml"),
                None if self._street is None else KnownStreet(self._street),
            )
        coco, people, street = self._loaded
        every = [_agreed(seen_by(coco.find, picture), people.find(picture))]
        if street is not None:
            every.append(street.find(picture))
        height, width = picture.shape[:2]
        rows = []
        for found in every:
            shares = (found.boxes / np.array([width, height] * 2)).clip(0, 1)
            for box, kind, score in zip(shares, found.classes, found.scores, strict=True):
                rows.append(
                    [*(round(float(edge), 5) for edge in box), int(kind), round(float(score), 3)]
                )
        return rows


def _belief(rows: Sequence[Sequence[float]], closed: bool) -> Belief:
    table = np.array(rows, np.float32).reshape(-1, 6)
    table = table[np.argsort(-table[:, 5], kind="stable")]
    return Belief(table[:, :4], table[:, 4].astype(int), table[:, 5], closed)
