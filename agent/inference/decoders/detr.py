"""DETR and its kin (RT-DETR, RF-DETR, D-FINE): a fixed number of queries, scores and boxes apart.

The main output holds one logit a query and class, ``also.boxes`` one box a query: centre x, centre
y, width, height as fractions of the input. With ``activation = "sigmoid"`` (Deformable DETR,
RT-DETR, RF-DETR, D-FINE) every pair of query and class is a candidate of its own; with
``"softmax"`` (Carion et al., "End-to-End Object Detection with Transformers", arXiv:2005.12872) the
last column means *no object* and each query speaks for its best class. There are no doubles to
suppress: the training matches one query to one thing.
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

    Floats = NDArray[np.float64]

GIVES = "detections"
MAX_PAIRS = 300
"""Maximum number of pairs of query and class considered, the best, as in RT-DETR's own code."""


def faults(manifest: Manifest) -> Iterator[str]:
    """What in the manifest a network of this family cannot be."""
    shape, boxes = manifest.output.shape, manifest.also.get("boxes")
    columns = len(manifest.classes) + (manifest.output.activation == "softmax")
    if len(shape) != 3 or shape[0] != 1 or shape[2] != columns:
        yield said(
            "output.shape: {classes} classes make [1, queries, {columns}], the manifest says {found}",
            classes=len(manifest.classes),
            columns=columns,
            found=str(list(shape)),
        )
    if boxes is None or set(manifest.also) != {"boxes"}:
        yield said("also: this family has one further output, also.boxes")
    elif len(shape) == 3 and boxes.shape != (1, shape[1], 4):
        yield said(
            "also.boxes.shape: must be {expected}, the manifest says {found}",
            expected=str([1, shape[1], 4]),
            found=str(list(boxes.shape)),
        )
    if manifest.output.activation == "none":
        yield said("output.activation: sigmoid (RT-DETR, RF-DETR, D-FINE) or softmax (DETR)")
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
        self._softmax = manifest.output.activation == "softmax"
        self._size_px = (manifest.input.width, manifest.input.height)

    def decode(
        self, logits: NDArray[np.float32], boxes: NDArray[np.float32], placement: Placement
    ) -> list[Detection]:
        """Find the things in one pair of outputs.

        Args:
            logits: float32 (1, queries, classes), with one column more for softmax.
            boxes: float32 (1, queries, 4), fractions of the input.
            placement: Where the picture lies in the network's input.

        Returns:
            The detections, the surest first, with boxes in fractions of the picture.
        """
        meanings = self._meanings
        with np.errstate(all="ignore"):  # what is not finite becomes no detection
            chosen = self._of_queries if self._softmax else self._of_pairs
            queries, classes, scores = chosen(logits[0].astype(np.float64))
            good = (scores >= meanings.thresholds[classes]) & ~meanings.ignored[classes]
            queries, classes, scores = queries[good], classes[good], scores[good]
            x, y, width, height = boxes[0, queries].astype(np.float64).T
            corners = np.stack(
                (x - width / 2, y - height / 2, x + width / 2, y + height / 2), axis=1
            )
            inside = in_picture(corners * (self._size_px * 2), placement)
        return detections(inside, classes, scores, meanings, suppress=False)

    def _of_pairs(self, logits: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats]:
        """The best pairs of query and class."""
        flat = np.nan_to_num(logits.ravel(), nan=-np.inf, posinf=-np.inf, neginf=-np.inf)
        count = min(MAX_PAIRS, flat.size)
        best = np.argpartition(-flat, count - 1)[:count]
        queries, classes = np.divmod(best, logits.shape[1])
        return queries, classes, 1.0 / (1.0 + np.exp(-flat[best]))

    def _of_queries(self, logits: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats]:
        """Every query with its best class that is a thing."""
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares = powers / powers.sum(axis=1, keepdims=True)
        classes = shares[:, :-1].argmax(axis=1)
        queries = np.arange(len(logits))
        return queries, classes, shares[queries, classes]
