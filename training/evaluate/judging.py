"""What the models say of pictures: run and decoded by the product's own code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agent import inference
from agent.domain.labels import CANDIDATE_KINDS
from agent.domain.scene import Box, Detection
from agent.inference import Classifier, Detector
from agent.inference.manifest import load_manifest, read_model
from agent.perception.candidate_crop import candidate_crop
from drivers import pictures
from drivers.pictures import Picture

LOWEST = 0.01
"""Detections below this are not asked for."""


class PictureError(ValueError):
    """A file is no picture."""


def read(path: Path) -> Picture:
    """A picture, (height, width, 3) BGR.

    Raises:
        PictureError: It cannot be read.
    """
    try:
        return pictures.read(path, most_px=pictures.MAX_PHOTO_PX)
    except pictures.PictureError as error:
        raise PictureError(f"{path}: cannot be read as a picture: {error}") from error


@dataclass(frozen=True, slots=True)
class Sight:
    """What a detector found in one picture, looked at as a whole."""

    found: tuple[Detection, ...]

    def score(self, label: str) -> float:
        """The surest detection of a class; 0 if there is none."""
        return max((each.confidence for each in self.found if each.label == label), default=0)


class StreetJudge:
    """A street detector with every threshold at the lowest."""

    def __init__(self, folder: Path) -> None:
        self.folder, stored = folder, read_model(folder)
        self.manifest = stored.manifest
        self._detector = Detector(stored, threads=2, threshold=LOWEST)

    def threshold(self, label: str) -> float:
        """The least threshold of the classes of a meaning."""
        told = [each.threshold for each in self.manifest.classes if each.meaning == label]
        return min(told, default=1.0)

    def look(self, picture: Picture) -> Sight:
        """Everything found in a picture."""
        return Sight(tuple(self._detector.detect(picture)))


class BinJudge:
    """A bin state classifier, shown the picture as the zone's crop."""

    def __init__(self, folder: Path) -> None:
        self.folder, stored = folder, read_model(folder)
        self.manifest = stored.manifest
        self._classifier = Classifier(stored, threads=2)

    def threshold(self) -> float:
        """From which probability on a bin counts as overflowing."""
        told = (each for each in self.manifest.classes if each.meaning == "overflowing")
        return next(told).threshold

    def score(self, picture: Picture) -> float:
        """The probability that it overflows."""
        return self._classifier.probabilities(picture)["overflowing"]


class VerifierJudge:
    """A verifier, shown a candidate's crop as the device cuts it."""

    def __init__(self, folder: Path) -> None:
        self.folder, stored = folder, read_model(folder)
        self.manifest = stored.manifest
        self._classifier = Classifier(stored, threads=2)

    def threshold(self) -> float:
        """From which probability on a candidate counts as a stall."""
        told = (each for each in self.manifest.classes if each.meaning == "stall")
        return next(told).threshold

    def look(self, picture: Picture, box: Box) -> dict[str, float]:
        """The probability of each kind of candidate.

        Args:
            picture: The whole picture, (height, width, 3) BGR.
            box: The candidate, in fractions of it.
        """
        return self._classifier.probabilities(candidate_crop(picture, box))


def opened(
    names: Sequence[str],
) -> tuple[list[StreetJudge], list[BinJudge], list[VerifierJudge]]:
    """The models named: by name, or by their folder's path."""
    streets: list[StreetJudge] = []
    bins: list[BinJudge] = []
    verifiers: list[VerifierJudge] = []
    for name in names:
        folder = Path(name) if (Path(name) / "manifest.toml").is_file() else None
        folder = folder or inference.find_model(name)
        manifest = load_manifest(folder)
        if inference.load_family(manifest.family).GIVES == "detections":
            streets.append(StreetJudge(folder))
        elif {each.meaning for each in manifest.classes} & set(CANDIDATE_KINDS):
            verifiers.append(VerifierJudge(folder))
        else:
            bins.append(BinJudge(folder))
    return streets, bins, verifiers


def scores_of(judge: BinJudge, paths: Sequence[Path]) -> NDArray[np.float64]:
    """The classifier's score of each picture."""
    return np.array([judge.score(read(path)) for path in paths])
