"""What the models say of pictures: run and decoded by the product's own code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from agent import detectors
from agent.detectors import Classifier, Detector
from agent.detectors.manifest import load_manifest
from agent.scene import Box, Detection
from drivers.cameras import Picture

LOWEST = 0.01
"""Detections below this are not asked for."""
TILE_SHARE, TILE_STEP = 0.6, 0.4
"""Side of the windows, as a share of the picture's shorter side, and how far apart they lie."""
SAME_IOU = 0.5


class PictureError(ValueError):
    """A file is no picture."""


def read(path: Path) -> Picture:
    """A picture, (height, width, 3) BGR.

    Raises:
        PictureError: It cannot be read.
    """
    picture = cv2.imread(str(path))
    if picture is None:
        raise PictureError(f"{path}: cannot be read as a picture")
    return np.asarray(picture, np.uint8)


def windows(width: int, height: int) -> list[tuple[int, int, int, int]]:
    """The whole picture, and overlapping squares in it, in pixels (left, top, right, bottom).

    The device looks at crops around its zones, at their native size; a photograph of a street has
    none, so that it is looked at as a device with zones everywhere would.
    """
    side = round(TILE_SHARE * min(width, height))
    lefts = np.linspace(0, width - side, max(1, round((width - side) / (TILE_STEP * side))) + 1)
    tops = np.linspace(0, height - side, max(1, round((height - side) / (TILE_STEP * side))) + 1)
    tiles = [(int(x), int(y), int(x) + side, int(y) + side) for y in tops for x in lefts]
    return [(0, 0, width, height), *tiles]


@dataclass(frozen=True, slots=True)
class Sight:
    """What a detector found in one picture: in the whole at once, and with all windows."""

    whole: tuple[Detection, ...]
    everywhere: tuple[Detection, ...]

    def score(self, label: str) -> float:
        """The surest detection of a class in any window; 0 if there is none."""
        return max((each.confidence for each in self.everywhere if each.label == label), default=0)


class StreetJudge:
    """A street detector with every threshold at the lowest."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.manifest = folder, load_manifest(folder)
        self._detector = Detector(folder, threads=2, threshold=LOWEST)

    def threshold(self, label: str) -> float:
        """The least threshold of the classes of a meaning."""
        told = [each.threshold for each in self.manifest.classes if each.meaning == label]
        return min(told, default=1.0)

    def look(self, picture: Picture, *, thorough: bool) -> Sight:
        """Everything found; ``thorough`` looks at the windows as well."""
        whole = tuple(self._detector.detect(picture))
        if not thorough:
            return Sight(whole, whole)
        height, width = picture.shape[:2]
        found = list(whole)
        for left, top, right, bottom in windows(width, height)[1:]:
            crop = np.ascontiguousarray(picture[top:bottom, left:right])
            found += [
                Detection(each.label, each.confidence, _placed(each.box, left, top, crop, picture))
                for each in self._detector.detect(crop)
            ]
        return Sight(whole, tuple(found))


def _placed(box: Box, left: int, top: int, crop: Picture, picture: Picture) -> Box:
    (rows, columns), (height, width) = crop.shape[:2], picture.shape[:2]
    return Box(
        (left + box.left * columns) / width,
        (top + box.top * rows) / height,
        (left + box.right * columns) / width,
        (top + box.bottom * rows) / height,
    )


class BinJudge:
    """A bin state classifier, shown the picture as the zone's crop."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.manifest = folder, load_manifest(folder)
        self._classifier = Classifier(folder, threads=2)

    def threshold(self) -> float:
        """From which probability on a bin counts as overflowing."""
        told = (each for each in self.manifest.classes if each.meaning == "overflowing")
        return next(told).threshold

    def score(self, picture: Picture) -> float:
        """The probability that it overflows."""
        return self._classifier.probabilities(picture)["overflowing"]


def opened(names: Sequence[str]) -> tuple[list[StreetJudge], list[BinJudge]]:
    """The models named: by name, or by their folder's path."""
    streets, bins = [], []
    for name in names:
        folder = Path(name) if (Path(name) / "manifest.toml").is_file() else None
        folder = folder or detectors.find_model(name)
        gives = detectors.load_family(load_manifest(folder).family).GIVES
        if gives == "detections":
            streets.append(StreetJudge(folder))
        else:
            bins.append(BinJudge(folder))
    return streets, bins


def scores_of(judge: BinJudge, paths: Sequence[Path]) -> NDArray[np.float64]:
    """The classifier's score of each picture."""
    return np.array([judge.score(read(path)) for path in paths])
