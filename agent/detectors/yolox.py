"""YOLOX: boxes on three grids, undecoded in the network's output.

Ge et al., "YOLOX: Exceeding YOLO Series in 2021", arXiv:2107.08430. A row of the output is
(x, y, w, h, objectness, class scores); with the grid cell it belongs to,
``cx = (x + column) * stride``, ``w = exp(w) * stride``, ``score = objectness * class score``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import numpy as np

from agent.detectors.manifest import IGNORED, Manifest, Thing
from agent.scene import Box, Detection
from drivers.wording import said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from agent.detectors.preprocess import Placement

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

GIVES = "detections"
STRIDES_PX = (8, 16, 32)
SCORE_FLOOR = 0.01
"""No threshold goes below this: at 0, every cell of the grids would be a detection."""
SAME_THING_IOU = 0.45
"""Two boxes of one meaning that overlap more than this are one thing; YOLOX's own value."""
MOST_CANDIDATES = 1000
"""Only the best so many boxes are compared with each other, so that noise costs no second."""

_BOX_COLUMNS = 5
_LARGEST_LOGIT = 50.0
"""exp(50) strides are far beyond any picture; more would overflow to no use."""


def faults(manifest: Manifest) -> Iterator[str]:
    """What in the manifest a YOLOX network cannot be."""
    spec = manifest.input
    if spec.width % STRIDES_PX[-1] or spec.height % STRIDES_PX[-1]:
        yield said(
            "input: width and height must be multiples of {stride_px}", stride_px=STRIDES_PX[-1]
        )
    cells = sum((spec.width // each) * (spec.height // each) for each in STRIDES_PX)
    expected = (1, cells, _BOX_COLUMNS + len(manifest.classes))
    if manifest.output.shape != expected:
        yield (
            f"output.shape: {len(manifest.classes)} classes on {spec.width} × {spec.height}"
            f" make {list(expected)}, the manifest says {list(manifest.output.shape)}"
        )
    if manifest.output.activation != "none":
        yield said("output.activation: a YOLOX network's scores need none")
    for each in manifest.classes:
        if each.meaning not in (*get_args(Thing), IGNORED):
            yield said(
                "classes: {name!r} means {meaning!r}, which is no thing to detect",
                name=each.name,
                meaning=each.meaning,
            )


class Decoder:
    """Turns the output of one YOLOX network into detections."""

    def __init__(self, manifest: Manifest, threshold: float | None = None) -> None:
        """Lay out the grids.

        Args:
            manifest: A manifest without :func:`faults`.
            threshold: Taken in place of every class's own, for measuring.
        """
        self._columns, self._rows, self._strides = _grids(
            manifest.input.width, manifest.input.height
        )
        told = [each.threshold if threshold is None else threshold for each in manifest.classes]
        self._thresholds = np.maximum(told, SCORE_FLOOR)
        self._labels = manifest.labels
        meanings = sorted(set(self._labels))
        self._meaning_of = np.array([meanings.index(label) for label in self._labels])
        self._ignored = np.array([label == IGNORED for label in self._labels])

    def decode(self, output: NDArray[np.float32], placement: Placement) -> list[Detection]:
        """Find the things in one output.

        Each cell speaks for its best class alone, and only if that reaches its threshold. Boxes
        are cut at the picture's edge; what lies outside is no thing.

        Args:
            output: float32 (1, cells, 5 + classes).
            placement: Where the picture lies in the network's input.

        Returns:
            The detections, the surest first, with boxes in fractions of the picture.
        """
        rows, classes, scores = self._candidates(output[0])
        boxes = self._boxes(output[0, rows], rows, placement)
        real = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        boxes, classes, scores = boxes[real], classes[real], scores[real]
        order = np.argsort(-scores, kind="stable")[:MOST_CANDIDATES]
        boxes, classes, scores = boxes[order], classes[order], scores[order]
        kept = _unlike(boxes, self._meaning_of[classes])
        return [
            Detection(self._labels[class_], score, Box(*box))
            for class_, score, box in zip(
                classes[kept].tolist(), scores[kept].tolist(), boxes[kept].tolist(), strict=True
            )
        ]

    def _candidates(self, cells: NDArray[np.float32]) -> tuple[Indices, Indices, Floats]:
        """Row, class and score of the cells whose best class reaches its threshold."""
        # A score is at most the objectness: nearly all cells fall here, unmultiplied.
        rows = np.flatnonzero(cells[:, 4] >= self._thresholds.min())
        scores = cells[rows, _BOX_COLUMNS:].astype(np.float64) * cells[rows, 4:5]
        classes = scores.argmax(axis=1)
        best = scores[np.arange(len(rows)), classes]
        good = (best >= self._thresholds[classes]) & ~self._ignored[classes]
        return rows[good], classes[good], best[good]

    def _boxes(self, cells: NDArray[np.float32], rows: Indices, placement: Placement) -> Floats:
        """Boxes (left, top, right, bottom) in fractions of the picture, cut at its edge."""
        stride = self._strides[rows]
        x = (cells[:, 0] + self._columns[rows]) * stride
        y = (cells[:, 1] + self._rows[rows]) * stride
        half = np.exp(np.minimum(cells[:, 2:4], _LARGEST_LOGIT).astype(np.float64)) / 2
        width, height = half[:, 0] * stride, half[:, 1] * stride
        corners = np.stack((x - width, y - height, x + width, y + height), axis=1)
        size_px = (placement.width_px, placement.height_px) * 2
        return np.clip(corners / size_px, 0.0, 1.0)


def _grids(width_px: int, height_px: int) -> tuple[Floats, Floats, Floats]:
    """Column, row and stride of every cell, in the order of the network's output."""
    columns, rows, strides = [], [], []
    for stride in STRIDES_PX:
        row, column = np.mgrid[: height_px // stride, : width_px // stride]
        columns.append(column.ravel())
        rows.append(row.ravel())
        strides.append(np.full(row.size, stride))
    return (
        np.concatenate(columns).astype(np.float64),
        np.concatenate(rows).astype(np.float64),
        np.concatenate(strides).astype(np.float64),
    )


def _unlike(boxes: Floats, meanings: Indices) -> Indices:
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
