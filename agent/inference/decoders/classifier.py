"""A classifier: one score for each state a thing can be in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from agent.domain.labels import CLASSIFIED
from agent.inference.manifest import IGNORED
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from agent.inference.manifest import Manifest

GIVES = "probabilities"


def faults(manifest: Manifest) -> Iterator[str]:
    """What in the manifest a classifier cannot be."""
    expected = (1, len(manifest.classes))
    if manifest.output.shape != expected:
        yield said(
            "output.shape: {classes} classes make {expected}, the manifest says {found}",
            classes=len(manifest.classes),
            expected=str(list(expected)),
            found=str(list(manifest.output.shape)),
        )
    if manifest.output.activation == "sigmoid":
        yield said("output.activation: a classifier's states exclude each other: softmax or none")
    if manifest.also:
        yield said("also: this family has one output")
    yield from _strange_meanings(manifest)


def _strange_meanings(manifest: Manifest) -> Iterator[str]:
    """Classes that answer no question, or another than the rest."""
    meant = {each.meaning for each in manifest.classes} - {IGNORED}
    question = max(CLASSIFIED, key=lambda answers: len(meant & set(answers)))
    for each in manifest.classes:
        if each.meaning not in (*question, IGNORED):
            yield said(
                "classes: {name!r} means {meaning!r}, which is none of {answers}",
                name=each.name,
                meaning=each.meaning,
                answers=list(question),
            )


class Decoder:
    """Turns the output of one classifier into probabilities."""

    def __init__(self, manifest: Manifest) -> None:
        self._labels = manifest.labels
        self._softmax = manifest.output.activation == "softmax"

    def decode(self, output: NDArray[np.float32]) -> dict[str, float]:
        """Give each meaning's probability; classes of one meaning are added up.

        Args:
            output: float32 (1, classes).
        """
        scores = output[0].astype(np.float64)
        if self._softmax:
            powers = np.exp(scores - scores.max())
            scores = powers / powers.sum()
        probabilities = dict.fromkeys((label for label in self._labels if label != IGNORED), 0.0)
        for label, score in zip(self._labels, scores.tolist(), strict=True):
            if label != IGNORED:
                probabilities[label] += score
        return {label: min(1.0, max(0.0, value)) for label, value in probabilities.items()}
