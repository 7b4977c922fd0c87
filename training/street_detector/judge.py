"""Judging a street detector's ONNX file on labelled pictures, as the device runs it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from training.datasets.augment import Picture
from training.evaluate.metrics import (
    Scored,
    average_precision,
    iou_matrix,
    mean_average_precision,
    recall_and_precision,
)
from training.street_detector.classes import COCO_CLASSES, STREET_CLASSES
from training.street_detector.pictures import SIZE_PX, Example

Array = NDArray[Any]
LOWEST_SCORE = 0.02
NMS_IOU = 0.6
STRIDES = (8, 16, 32)
SMALL_PX, MEDIUM_PX = 32.0, 96.0
MAX_FALSE = 0.05
"""One street in twenty may be called one with a stall."""
RECALL_WEIGHS = {"person": 2.0}
"""How many times as much recall weighs as precision; once where nothing is said.

Whoever is not seen is not blurred, and a stall that they stand at seems to be left alone."""


@dataclass(frozen=True, slots=True)
class Found:
    """Detections in one picture: corner boxes (n, 4) in 416 px, scores (n,), classes (n,)."""

    boxes: Array
    scores: Array
    classes: Array


def suppress(boxes: Array, scores: Array, iou: float) -> Array:
    """Greedy non-maximum suppression; the indices that stay, by falling score."""
    order = np.argsort(-scores, kind="stable")
    overlap = iou_matrix(boxes, boxes)
    kept: list[int] = []
    for index in order:
        if all(overlap[index, other] <= iou for other in kept):
            kept.append(int(index))
    return np.array(kept, dtype=int)


def decode(output: Array) -> tuple[Array, Array]:
    """Corner boxes (3549, 4) and class scores (3549, classes) of one output (3549, 5 + classes)."""
    corners, strides = [], []
    for stride in STRIDES:
        cells = SIZE_PX // stride
        rows, columns = np.mgrid[:cells, :cells]
        corners.append(np.stack([columns, rows], axis=-1).reshape(-1, 2))
        strides.append(np.full((cells * cells, 1), stride))
    grid, step = np.concatenate(corners), np.concatenate(strides)
    centre = (output[:, :2] + grid) * step
    half = np.exp(output[:, 2:4]) * step / 2
    return np.hstack([centre - half, centre + half]), output[:, 4:5] * output[:, 5:]


class StreetFile:
    """A detector's ONNX file, one thread."""

    def __init__(self, path: Path | bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        source = path if isinstance(path, bytes) else str(path)
        self._session = onnxruntime.InferenceSession(
            source, options, providers=["CPUExecutionProvider"]
        )

    def find(self, picture: Picture) -> Found:
        """Everything above a very low score in a (416, 416, 3) BGR picture."""
        batch = picture.astype(np.float32).transpose(2, 0, 1)[None]
        [output] = self._session.run(None, {"images": batch})
        boxes, scores = decode(output[0])
        kept: list[tuple[Array, Array, Array]] = []
        for index in range(scores.shape[1]):
            rows = np.flatnonzero(scores[:, index] >= LOWEST_SCORE)
            rows = rows[np.argsort(-scores[rows, index])[:150]]
            rows = rows[suppress(boxes[rows], scores[rows, index], NMS_IOU)]
            kept.append((boxes[rows], scores[rows, index], np.full(len(rows), index)))
        return Found(*(np.concatenate([each[i] for each in kept]) for i in range(3)))


@dataclass(frozen=True, slots=True)
class Judged:
    """A part's pictures with what one file found in them."""

    examples: Sequence[Example]
    found: Sequence[Found]

    def of_class(
        self, name: str, size: tuple[float, float] | None = None, everywhere: bool = False
    ) -> list[Scored]:
        """The pictures that label a class exhaustively, for that class.

        Args:
            name: The class.
            size: Only truths whose root area lies in this range of 416-px pixels are wanted;
                the others excuse detections, and lone detections outside the range do not count.
            everywhere: Take the pictures that do not label the class, too, as holding none.
        """
        index = STREET_CLASSES.index(name)
        rows = []
        for example, found in zip(self.examples, self.found, strict=True):
            if not (everywhere or example.exhaustive[index]):
                continue
            mine, theirs = found.classes == index, example.classes == index
            boxes, scores, truths = found.boxes[mine], found.scores[mine], example.boxes[theirs]
            unsure = example.unsure
            if size is not None:
                wanted = _within(truths, size)
                unsure = np.concatenate([unsure, truths[~wanted]])
                truths = truths[wanted]
                usable = _within(boxes, size) | (
                    iou_matrix(boxes, truths).max(axis=1, initial=0) >= 0.5
                )
                boxes, scores = boxes[usable], scores[usable]
            rows.append(Scored(boxes, scores, truths, unsure))
        return rows


def _within(boxes: Array, size: tuple[float, float]) -> Array:
    side = np.sqrt(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1))
    return np.asarray((side >= size[0]) & (side < size[1]))


def judge(detector: StreetFile, examples: Iterable[Example]) -> Judged:
    """Run a file over a part."""
    kept = list(examples)
    return Judged(kept, [detector.find(each.picture) for each in kept])


@dataclass(frozen=True, slots=True)
class Figure:
    """One class on one part: counts, and AP of a file; NaN where there is no truth."""

    pictures: int
    truths: int
    ap50: float
    ap: float
    recall: float
    precision: float


def figure(
    judged: Judged, name: str, threshold: float, size: tuple[float, float] | None = None
) -> Figure:
    """AP50, AP over 0.50 to 0.95, and recall and precision at a threshold."""
    rows = judged.of_class(name, size)
    recall, precision = recall_and_precision(rows, threshold)
    return Figure(
        len(rows),
        sum(len(each.truths) for each in rows),
        average_precision(rows, 0.5),
        mean_average_precision(rows),
        recall,
        precision,
    )


def without(part: Judged, name: str) -> Judged:
    """The pictures of a part that are known to hold none of a class."""
    index = STREET_CLASSES.index(name)
    rows = [
        (example, found)
        for example, found in zip(part.examples, part.found, strict=True)
        if not len(example.unsure) and not (example.classes == index).any()
    ]
    return Judged([example for example, _ in rows], [found for _, found in rows])


def quiet_threshold(streets: Sequence[Judged], name: str, most: float = MAX_FALSE) -> float:
    """The lowest threshold that finds a class in no more than ``most`` of the pictures without one.

    Args:
        streets: Pictures that hold none of the class.
        name: The class.
        most: Share of the pictures that may be false.

    Returns:
        0.2 to 0.9 in steps of 0.05; 0.9, too, where none is quiet enough.
    """
    pictures = Judged(
        [each for part in streets for each in part.examples],
        [each for part in streets for each in part.found],
    )
    steps = np.arange(0.2, 0.86, 0.05).round(2)
    quiet = (step for step in steps if false_picture_share(pictures, name, step) <= most)
    return float(next(quiet, 0.9))


def best_threshold(judged: Sequence[Judged], name: str, least_truths: int = 12) -> float | None:
    """The threshold with the best F score over several parts, or None where truths are too few.

    F1, or the F of van Rijsbergen (1979) with the weight of recall that ``RECALL_WEIGHS`` gives.
    For classes that COCO lacks the other sets count as holding none: a false bin on a real street
    costs more than the odd bag nobody boxed.
    """
    everywhere = name not in COCO_CLASSES
    rows = [row for each in judged for row in each.of_class(name, everywhere=everywhere)]
    if sum(len(row.truths) for row in rows) < least_truths:
        return None
    beta = RECALL_WEIGHS.get(name, 1.0)
    best, chosen = -1.0, None
    for threshold in np.arange(0.25, 0.66, 0.05):
        recall, precision = recall_and_precision(rows, float(threshold))
        if np.isnan(precision) or recall + precision == 0:
            continue
        score = (1 + beta**2) * recall * precision / (recall + beta**2 * precision)
        if score > best:
            best, chosen = score, float(threshold)
    return chosen


def false_picture_share(judged: Judged, name: str, threshold: float) -> float:
    """The share of pictures with at least one detection of a class, where none should be."""
    index = STREET_CLASSES.index(name)
    hits = [
        bool((found.scores[found.classes == index] >= threshold).any()) for found in judged.found
    ]
    return float(np.mean(hits)) if hits else float("nan")
