"""YOLOX: boxes on three grids, undecoded in the network's output.

Ge et al., "YOLOX: Exceeding YOLO Series in 2021", arXiv:2107.08430. A row of the output is
(x, y, w, h, objectness, class scores); with the grid cell it belongs to,
``cx = (x + column) * stride``, ``w = exp(w) * stride``, ``score = objectness * class score``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from agent.inference.decoders._boxes import Meanings, detections, in_picture, ready_scores_faults
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from agent.domain.scene import Detection
    from agent.inference.manifest import Manifest
    from agent.inference.preprocess import Placement

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

GIVES = "detections"
STRIDES_PX = (8, 16, 32)
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
        yield said(
            "output.shape: {classes} classes on {width} × {height} make {expected}, the manifest says"
            " {found}",
            classes=len(manifest.classes),
            width=spec.width,
            height=spec.height,
            expected=str(list(expected)),
            found=str(list(manifest.output.shape)),
        )
    yield from ready_scores_faults(manifest)


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
        self._meanings = Meanings(manifest, threshold)

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
        return detections(boxes, classes, scores, self._meanings, suppress=True)

    def _candidates(self, cells: NDArray[np.float32]) -> tuple[Indices, Indices, Floats]:
        """Row, class and score of the cells whose best class reaches its threshold."""
        # A score is at most the objectness: nearly all cells fall here, unmultiplied.
        rows = np.flatnonzero(cells[:, 4] >= self._meanings.thresholds.min())
        scores = cells[rows, _BOX_COLUMNS:].astype(np.float64) * cells[rows, 4:5]
        classes = scores.argmax(axis=1)
        best = scores[np.arange(len(rows)), classes]
        good = (best >= self._meanings.thresholds[classes]) & ~self._meanings.ignored[classes]
        return rows[good], classes[good], best[good]

    def _boxes(self, cells: NDArray[np.float32], rows: Indices, placement: Placement) -> Floats:
        """Boxes (left, top, right, bottom) in fractions of the picture, cut at its edge."""
        stride = self._strides[rows]
        x = (cells[:, 0] + self._columns[rows]) * stride
        y = (cells[:, 1] + self._rows[rows]) * stride
        half = np.exp(np.minimum(cells[:, 2:4], _LARGEST_LOGIT).astype(np.float64)) / 2
        width, height = half[:, 0] * stride, half[:, 1] * stride
        corners = np.stack((x - width, y - height, x + width, y + height), axis=1)
        return in_picture(corners, placement)


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
