"""NanoDet-Plus: a score for each class, and how far each side of the box lies from a point.

Lyu, RangiLyu/nanodet (``nanodet/model/head/nanodet_plus_head.py``). A row of the output is the
scores, after the sigmoid, then for left, top, right and bottom the logits of eight distances, 0 to 7
strides. The side lies at their mean under the softmax (Li et al., "Generalized Focal Loss",
arXiv:2006.04388), from the point (column, row) × stride. The grids of 8, 16, 32 and 64 pixels follow one
another, each rounded up at the right and the bottom.
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

GIVES = "detections"
STRIDES_PX = (8, 16, 32, 64)
_SIDES, _DISTANCES = 4, 8
_COLUMNS = _SIDES * _DISTANCES
_STEPS = np.arange(_DISTANCES, dtype=np.float64)


def faults(manifest: Manifest) -> Iterator[str]:
    """What in the manifest a NanoDet-Plus network cannot be."""
    spec, classes = manifest.input, len(manifest.classes)
    places = sum(
        rows * columns
        for rows, columns in (_cells(spec.width, spec.height, each) for each in STRIDES_PX)
    )
    expected = (1, places, classes + _COLUMNS)
    if manifest.output.shape != expected:
        yield said(
            "output.shape: {classes} classes on {width} × {height} make {expected}, the manifest says"
            " {found}",
            classes=classes,
            width=spec.width,
            height=spec.height,
            expected=str(list(expected)),
            found=str(list(manifest.output.shape)),
        )
    yield from ready_scores_faults(manifest)


class Decoder:
    """Turns the output of one NanoDet-Plus network into detections."""

    def __init__(self, manifest: Manifest, threshold: float | None = None) -> None:
        """Lay out the grids.

        Args:
            manifest: A manifest without :func:`faults`.
            threshold: Taken in place of every class's own, for measuring.
        """
        self._points, self._strides = _grids(manifest.input.width, manifest.input.height)
        self._meanings = Meanings(manifest, threshold)
        self._classes = len(manifest.classes)

    def decode(self, output: NDArray[np.float32], placement: Placement) -> list[Detection]:
        """Find the things in one output.

        Each place speaks for its best class alone, and only if that reaches its threshold. Boxes
        are cut at the picture's edge; what lies outside is no thing.

        Args:
            output: float32 (1, places, classes + 32).
            placement: Where the picture lies in the network's input.

        Returns:
            The detections, the surest first, with boxes in fractions of the picture.
        """
        meanings, scores = self._meanings, output[0, :, : self._classes]
        # Nearly all places fall here, before anything is computed of them.
        places = np.flatnonzero(scores.max(axis=1) >= meanings.thresholds.min())
        classes = scores[places].argmax(axis=1)
        best = scores[places, classes].astype(np.float64)
        good = (best >= meanings.thresholds[classes]) & ~meanings.ignored[classes]
        places, classes, best = places[good], classes[good], best[good]
        with np.errstate(all="ignore"):  # what is not finite becomes no box
            reach = _distances(output[0, places, self._classes :]) * self._strides[places, None]
            corners = np.hstack([self._points[places]] * 2) + reach * (-1, -1, 1, 1)
            boxes = in_picture(corners, placement)
        return detections(boxes, classes, best, meanings, suppress=True)


def _distances(logits: NDArray[np.float32]) -> Floats:
    """The mean distances of left, top, right and bottom, in strides; (n, 32) to (n, 4)."""
    each = logits.astype(np.float64).reshape(-1, _SIDES, _DISTANCES)
    powers = np.exp(each - each.max(axis=2, keepdims=True))
    return np.asarray((powers @ _STEPS) / powers.sum(axis=2))


def _cells(width_px: int, height_px: int, stride_px: int) -> tuple[int, int]:
    """Rows and columns of one grid."""
    return -(-height_px // stride_px), -(-width_px // stride_px)


def _grids(width_px: int, height_px: int) -> tuple[Floats, Floats]:
    """Point (places, 2) as x, y in pixels, and stride (places,), in the order of the output."""
    points, strides = [], []
    for stride in STRIDES_PX:
        rows, columns = _cells(width_px, height_px, stride)
        row, column = np.mgrid[:rows, :columns]
        points.append(np.stack([column.ravel(), row.ravel()], axis=1) * float(stride))
        strides.append(np.full(rows * columns, float(stride)))
    return np.concatenate(points), np.concatenate(strides)
