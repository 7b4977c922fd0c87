"""How far teachers are believed where a set does not label a class."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.evaluate.metrics import iou_matrix
from training.street_detector.classes import COCO_CLASSES, STREET_CLASSES

Array = NDArray[Any]
DOUBTED = "doubted"
"""The label of a box that a teacher may have seen: neither found nor absent."""
NOTHING = ""
# A box of a score of 0.3 is right in more than half of all cases; from 0.6 on nearly always.
LEAST_BELIEVED, SURE, LEAST_DOUBTED = 0.3, 0.6, 0.15
SAME_IOU = 0.5
ALIKE = (
    {"bicycle", "motorcycle"},
    {"car", "bus", "truck", "stall"},
    {"bin", "rubbish"},
    {"umbrella", "stall"},
)
"""Classes of which a thing is only one: where a label says stall, a teacher's truck is that stall."""


@dataclass(frozen=True, slots=True)
class Belief:
    """What teachers said of one picture.

    Attributes:
        boxes: (n, 4) left, top, right, bottom as shares of the picture.
        classes: (n,) numbers of street classes.
        scores: (n,).
        closed: Whether they looked for every class that a set may leave unlabelled.
    """

    boxes: Array
    classes: Array
    scores: Array
    closed: bool

    def only(self, names: Collection[str]) -> Belief:
        """What was said of some classes."""
        numbers = [STREET_CLASSES.index(name) for name in names]
        mine = np.isin(self.classes, numbers)
        return replace(
            self, boxes=self.boxes[mine], classes=self.classes[mine], scores=self.scores[mine]
        )

    def opened(self) -> Belief:
        """The same of a picture in which there may be more than teachers know."""
        return replace(self, closed=False)

    def renamed(self, name: str, to: str) -> Belief:
        """What was said to be one class is another."""
        numbers = np.where(
            self.classes == STREET_CLASSES.index(name), STREET_CLASSES.index(to), self.classes
        )
        return replace(self, classes=numbers)

    def beside(
        self, labels: Sequence[str], shares: Array, exhaustive: frozenset[str]
    ) -> tuple[tuple[str, ...], Array, Array]:
        """What is believed beside a picture's own labels.

        Bins and rubbish are never more than doubted: a network would only teach itself its mistakes.

        Args:
            labels: Of the picture's own boxes.
            shares: These boxes (m, 4) as shares of the picture.
            exhaustive: The classes for which the labels are the whole truth.

        Returns:
            Labels (or DOUBTED), boxes (k, 4) as shares, and what each is worth (k,).
        """
        names = [STREET_CLASSES[index] for index in self.classes]
        overlap = iou_matrix(self.boxes, shares)
        found: list[str] = []
        kept: list[int] = []
        for row, (name, score) in enumerate(zip(names, self.scores, strict=True)):
            rival = {name}.union(*(group for group in ALIKE if name in group))
            same = [
                overlap[row, column] > SAME_IOU
                for column, label in enumerate(labels)
                if label in rival
            ]
            if name in exhaustive or score < LEAST_DOUBTED or any(same):
                continue
            sure = score >= LEAST_BELIEVED and name in COCO_CLASSES
            found.append(name if sure else DOUBTED)
            kept.append(row)
        worth = np.minimum(1.0, self.scores[kept] / SURE)
        return tuple(found), self.boxes[kept].reshape(-1, 4), worth.astype(np.float32)


UNHEARD = Belief(np.zeros((0, 4), np.float32), np.zeros(0, int), np.zeros(0, np.float32), True)
"""No teacher: the labels are the whole truth, as in drawn streets."""
