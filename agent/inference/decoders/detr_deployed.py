"""DETR's kin as RT-DETR's and D-FINE's own ``export_onnx`` writes them, with the last step inside.

Three outputs: the scores (the main one), ``also.boxes`` with corners in pixels of the size that the
network was told (``input.sizes``; it is told its own input's size), and ``also.labels`` with class
numbers (their ``orig_target_sizes``, ``labels``, ``boxes`` and ``scores``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from agent.inference.decoders._boxes import Meanings, detections, in_picture, meaning_faults
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from agent.domain.scene import Detection
    from agent.inference.manifest import Manifest
    from agent.inference.preprocess import Placement

GIVES = "detections"


def faults(manifest: Manifest) -> Iterator[str]:
    """What in the manifest a network of this family cannot be."""
    shape = manifest.output.shape
    if len(shape) != 2 or shape[0] != 1:
        found = str(list(shape))
        yield said("output.shape: must be [1, queries], the manifest says {found}", found=found)
        return
    if list(manifest.also) != ["boxes", "labels"]:
        yield said("also: this family has also.boxes and also.labels, in this order")
        return
    if manifest.also["boxes"].shape != (1, shape[1], 4):
        yield said(
            "also.boxes.shape: must be {expected}, the manifest says {found}",
            expected=str([1, shape[1], 4]),
            found=str(list(manifest.also["boxes"].shape)),
        )
    if manifest.also["labels"].kind != "int64":
        yield said('also.labels.kind: must be "int64"')
    if manifest.input.sizes is None:
        yield said("input.sizes: name the network's second input")
    yield from meaning_faults(manifest)


class Decoder:
    """Turns the outputs of one network into detections."""

    def __init__(self, manifest: Manifest, threshold: float | None = None) -> None:
        """Take note of the classes.

        Args:
            manifest: A manifest without :func:`faults`.
            threshold: Taken in place of every class's own, for measuring.
        """
        self._meanings = Meanings(manifest, threshold)

    def decode(
        self,
        scores: NDArray[np.float32],
        boxes: NDArray[np.float32],
        labels: NDArray[np.float32],
        placement: Placement,
    ) -> list[Detection]:
        """Find the things in one triple of outputs.

        Args:
            scores: float32 (1, queries), 0 to 1.
            boxes: float32 (1, queries, 4): left, top, right, bottom in pixels of the input.
            labels: float32 (1, queries): class numbers; others than the manifest's are left out.
            placement: Where the picture lies in the network's input.

        Returns:
            The detections, the surest first, with boxes in fractions of the picture.
        """
        meanings = self._meanings
        with np.errstate(all="ignore"):  # what is not finite becomes no detection
            numbers, found = labels[0], scores[0].astype(np.float64)
            known = (numbers >= 0) & (numbers < len(meanings.labels))
            rows = np.flatnonzero(known & (found >= meanings.thresholds.min()))
            classes = numbers[rows].astype(np.intp)
            good = (found[rows] >= meanings.thresholds[classes]) & ~meanings.ignored[classes]
            rows, classes = rows[good], classes[good]
            inside = in_picture(boxes[0, rows].astype(np.float64), placement)
        return detections(inside, classes, found[rows], meanings, suppress=False)
