"""The YOLOv8 family (v8, v9, 11, 12): one output, a column per place, scores ready to use.

A column of the output (1, 4 + classes, places) is (centre x, centre y, width, height) in pixels of
the input, then one score a class, already through the sigmoid; there is no objectness. This is what
``yolo export format=onnx`` writes with ``nms=False`` (Ultralytics, *Export* in their documentation;
YOLOv9's and YOLOv12's exports agree). The picture is letterboxed in the middle, RGB, 0 to 1.
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

GIVES = "detections"
_BOX_ROWS = 4


def faults(manifest: Manifest) -> Iterator[str]:
    """What in the manifest a network of this family cannot be."""
    shape, classes = manifest.output.shape, len(manifest.classes)
    if len(shape) != 3 or shape[0] != 1 or shape[1] != _BOX_ROWS + classes:
        yield said(
            "output.shape: {classes} classes make [1, {rows}, places], the manifest says {found}",
            classes=classes,
            rows=_BOX_ROWS + classes,
            found=str(list(shape)),
        )
    yield from ready_scores_faults(manifest)


class Decoder:
    """Turns the output of one network into detections."""

    def __init__(self, manifest: Manifest, threshold: float | None = None) -> None:
        """Take note of the classes.

        Args:
            manifest: A manifest without :func:`faults`.
            threshold: Taken in place of every class's own, for measuring.
        """
        self._meanings = Meanings(manifest, threshold)

    def decode(self, output: NDArray[np.float32], placement: Placement) -> list[Detection]:
        """Find the things in one output.

        Each place speaks for its best class alone.

        Args:
            output: float32 (1, 4 + classes, places).
            placement: Where the picture lies in the network's input.

        Returns:
            The detections, the surest first, with boxes in fractions of the picture.
        """
        meanings = self._meanings
        best = output[0, _BOX_ROWS:].max(axis=0)
        # Nearly all places fall here, before anything is computed of them.
        places = np.flatnonzero(best >= meanings.thresholds.min())
        classes = output[0, _BOX_ROWS:, places].argmax(axis=1)
        scores = best[places].astype(np.float64)
        good = (scores >= meanings.thresholds[classes]) & ~meanings.ignored[classes]
        places, classes, scores = places[good], classes[good], scores[good]
        x, y, width, height = output[0, :_BOX_ROWS, places].astype(np.float64).T
        with np.errstate(all="ignore"):  # what is not finite becomes no box
            corners = np.stack(
                (x - width / 2, y - height / 2, x + width / 2, y + height / 2), axis=1
            )
            boxes = in_picture(corners, placement)
        return detections(boxes, classes, scores, meanings, suppress=True)
