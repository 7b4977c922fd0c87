"""Shared by the detector families: non-maximum suppression, and arrays to detections."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from agent.domain.labels import LABELS
from agent.domain.scene import Box, Detection
from agent.inference.manifest import IGNORED
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from agent.inference.manifest import Manifest
    from agent.inference.preprocess import Placement

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

SAME_THING_IOU = 0.45
"""Two boxes of one meaning that overlap more than this are one thing; YOLOX's own value."""
MAX_CANDIDATES = 1000
"""Maximum number of boxes compared with each other, the best, so that noise costs little time."""
SCORE_FLOOR = 0.01
"""No threshold goes below this: at 0, every cell of a grid would be a detection."""


class Meanings:
    """The classes of a model as the street knows them.

    Attributes:
        labels: Meaning by class.
        thresholds: float64 (classes,): the score that a class must reach.
        groups: (classes,): the same number for classes of one meaning.
        ignored: (classes,): whether nobody asks for the class.
    """

    def __init__(self, manifest: Manifest, threshold: float | None) -> None:
        told = [each.threshold if threshold is None else threshold for each in manifest.classes]
        self.labels = manifest.labels
        self.thresholds = np.maximum(told, SCORE_FLOOR)
        meanings = sorted(set(self.labels))
        self.groups = np.array([meanings.index(label) for label in self.labels])
        self.ignored = np.array([label == IGNORED for label in self.labels])


def ready_scores_faults(manifest: Manifest) -> Iterator[str]:
    """What cannot be of a family with one output, whose scores need nothing done to them."""
    if manifest.output.activation != "none":
        yield said("output.activation: the scores of this family need none")
    if manifest.also:
        yield said("also: this family has one output")
    yield from meaning_faults(manifest)


def meaning_faults(manifest: Manifest) -> Iterator[str]:
    """Classes whose meaning is nothing that a detector can find."""
    for each in manifest.classes:
        if each.meaning not in LABELS and each.meaning != IGNORED:
            yield said(
                "classes: {name!r} means {meaning!r}, which is no thing to detect",
                name=each.name,
                meaning=each.meaning,
            )


def in_picture(corners: Floats, placement: Placement) -> Floats:
    """Corners (n, 4) in pixels of the input, as fractions of the picture, cut at its edge."""
    moved = corners - (placement.left_px, placement.top_px) * 2
    return np.clip(moved / ((placement.width_px, placement.height_px) * 2), 0.0, 1.0)


def detections(
    boxes: Floats, classes: Indices, scores: Floats, meanings: Meanings, *, suppress: bool
) -> list[Detection]:
    """Turn candidates into detections, the surest first.

    Args:
        boxes: float64 (n, 4) in fractions of the picture; empty ones are left out.
        classes: (n,)
        scores: float64 (n,); what is not finite is no detection, nothing is surer than 1.
        meanings: Of the model.
        suppress: Whether a box that a better one of the same meaning covers is left out.
    """
    real = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1]) & np.isfinite(scores)
    boxes, classes, scores = boxes[real], classes[real], np.minimum(scores[real], 1.0)
    order = np.argsort(-scores, kind="stable")[:MAX_CANDIDATES]
    boxes, classes, scores = boxes[order], classes[order], scores[order]
    if suppress:
        kept = unlike(boxes, meanings.groups[classes])
        boxes, classes, scores = boxes[kept], classes[kept], scores[kept]
    return [
        Detection(meanings.labels[class_], score, Box(*box))
        for class_, score, box in zip(
            classes.tolist(), scores.tolist(), boxes.tolist(), strict=True
        )
    ]


def unlike(boxes: Floats, meanings: Indices) -> Indices:
    """Indices of the boxes that no better box of the same meaning covers (greedy suppression).

    Args:
        boxes: float64 (n, 4), the best first.
        meanings: (n,)
    """
    overlaps = _iou(boxes) > SAME_THING_IOU
    overlaps &= meanings[:, None] == meanings[None, :]
    standing = np.ones(len(boxes), dtype=bool)
    for index in range(len(boxes)):
        if standing[index]:
            standing[index + 1 :] &= ~overlaps[index, index + 1 :]
    return np.flatnonzero(standing)


def _iou(boxes: Floats) -> Floats:
    """Intersection over union of every box with every other, (n, n)."""
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    sides = np.maximum(high - low, 0.0)
    shared = sides[..., 0] * sides[..., 1]
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    union = area[:, None] + area[None, :] - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0))
