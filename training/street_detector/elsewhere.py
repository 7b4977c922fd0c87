"""Sets that only judge: raised cameras by night and day, and streets without a stall or a bicycle at all.

Nobody boxed the people there. Two larger networks looked; whoever both saw, and is tall enough to be
watched, should be found.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.bin_classifier.pictures import read
from training.datasets.augment import Picture, letterbox
from training.datasets.clips import frames, frames_per_s
from training.evaluate.metrics import iou_matrix
from training.street_detector.classes import STREET_CLASSES
from training.street_detector.judge import StreetFile
from training.street_detector.pictures import SIZE_PX, device_windows
from training.street_detector.teachers import NanoDetPlus, seen_by

Array = NDArray[Any]
LEAST_HEIGHT_PX = 60
BOTH_SEE = {"machine_boxes_omz2002": 0.5, "machine_boxes_nanodet15x": 0.3}
WINDOW_PX = 600
SAME_IOU = 0.5
WALKERS = "walker_1.mp4"
SURE_IN_CLIP, SECONDS_BETWEEN = 0.5, 1.0
PERSON = STREET_CLASSES.index("person")


@dataclass(frozen=True, slots=True)
class Seen:
    """How many people there are, and how many of them a network finds."""

    people: int
    found: int


def people_in(
    detector: StreetFile, picture: Picture, threshold: float, side_px: int = WINDOW_PX
) -> Array:
    """Boxes (n, 4) of people in a picture that is looked at in windows, as the device does."""
    height, width = picture.shape[:2]
    every = [np.zeros((0, 4))]
    for left, top, right, bottom in device_windows(width, height, side_px):
        crop = np.ascontiguousarray(picture[int(top) : int(bottom), int(left) : int(right)])
        square, scale = letterbox(crop, SIZE_PX)
        found = detector.find(square)
        mine = (found.classes == PERSON) & (found.scores >= threshold)
        every.append(found.boxes[mine] / scale + np.array([left, top] * 2))
    return np.concatenate(every)


def at_night(data: Path) -> Iterator[tuple[Picture, Array]]:
    """Each picture of llvip_night with the people that both networks saw, 60 px tall or more."""
    folder = data / "llvip_night"
    for item in json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["items"]:
        first, second = (
            np.array(
                [
                    box["xyxy"]
                    for box in item[name]
                    if box["cls"] == "person" and box["score"] >= least
                ]
            ).reshape(-1, 4)
            for name, least in BOTH_SEE.items()
        )
        agreed = first[iou_matrix(first, second).max(axis=1, initial=0) >= SAME_IOU]
        tall = agreed[:, 3] - agreed[:, 1] >= LEAST_HEIGHT_PX
        yield read(folder / item["file"]), agreed[tall]


def from_above(data: Path, teacher: NanoDetPlus) -> Iterator[tuple[Picture, Array]]:
    """A frame a second of the clip of walkers, with the people that the teacher is sure of."""
    clip = data / "videos_more" / WALKERS
    for picture in frames(clip, max(1, round(frames_per_s(clip) * SECONDS_BETWEEN))):
        found = seen_by(teacher.find, picture)
        sure = (found.classes == PERSON) & (found.scores >= SURE_IN_CLIP)
        boxes = found.boxes[sure]
        yield picture, boxes[boxes[:, 3] - boxes[:, 1] >= LEAST_HEIGHT_PX]


def recall(detector: StreetFile, scenes: list[tuple[Picture, Array]], threshold: float) -> Seen:
    """How many of the people in pictures a network finds at a threshold."""
    people = found = 0
    for picture, truths in scenes:
        boxes = people_in(detector, picture, threshold)
        people += len(truths)
        found += int((iou_matrix(truths, boxes).max(axis=1, initial=0) >= SAME_IOU).sum())
    return Seen(people, found)


def false_streets(
    detector: StreetFile, data: Path, thresholds: Mapping[str, float]
) -> tuple[int, int]:
    """How many of the ordinary streets of streets_us_gsv seem to hold a stall, and of how many."""
    folder = data / "streets_us_gsv"
    stall = STREET_CLASSES.index("stall")
    pictures = [read(path) for path in sorted(folder.glob("*.jpg"))]
    false = 0
    for picture in pictures:
        found = detector.find(letterbox(picture, SIZE_PX)[0])
        false += bool((found.scores[found.classes == stall] >= thresholds["stall"]).any())
    return false, len(pictures)
