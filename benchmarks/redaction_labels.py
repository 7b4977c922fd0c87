"""Heads and plates that were labelled by eye, the pictures they are in, and what is known of these pictures.

The labels (``labels/heads.json``) are ours; the pictures are not part of the project.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import click
import cv2
import numpy as np
from numpy.typing import NDArray

from agent.domain.scene import WHOLE_FRAME, Box, Detection
from agent.evidence.picture_context import PictureContext
from drivers import pictures
from drivers.cameras import Picture
from training.datasets import readers

LABELS = Path(__file__).parent / "labels" / "heads.json"
BEFORE_S, LOOKS_A_S = 3.0, 4.0
"""How long before a picture the device has looked, and how often a second."""
BACKGROUND_FRAMES = 30
"""Spread over a clip; their median is taken for its background."""
MOVED_BY, MOVED_CELL_PX = 24, 8
"""Difference of brightness from the background from which a cell moved, and a cell's side."""
TAKEN_AT = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Labelled:
    """A picture with its labels in pixels: left, top, right, bottom.

    Attributes:
        path: The picture, or the clip it is a frame of.
        frame: Which one; None: it is a picture.
    """

    name: str
    path: Path
    frame: int | None
    light: str
    part: str
    heads: tuple[tuple[float, float, float, float], ...]
    plates: tuple[tuple[float, float, float, float], ...]


def labelled(data: Path) -> list[Labelled]:
    """All of them; a file that is not the one that was labelled ends the run."""
    found = []
    for name, told in json.loads(LABELS.read_text(encoding="utf-8"))["pictures"].items():
        file, _, frame = name.partition("#")
        path = data / file
        if hashlib.sha256(path.read_bytes()).hexdigest() != told["sha256"]:
            raise click.ClickException(f"{file} is not the file that was labelled")
        number = int(frame) if frame else None
        boxes = [tuple(tuple(box) for box in told[thing]) for thing in ("heads", "plates")]
        found.append(Labelled(name, path, number, told["light"], told["part"], *boxes))
    return found


def context_alone(bgr: Picture) -> PictureContext:
    """What is known of a picture that stands alone: nothing but itself. The worst case."""
    return PictureContext(
        width_px=bgr.shape[1],
        height_px=bgr.shape[0],
        crop=WHOLE_FRAME,
        captured_at=TAKEN_AT,
        seen=(),
        moved=(),
        own=(),
        masks_applied=True,
        view="steady",
        background=True,
    )


def shown(item: Labelled) -> Picture:
    """The picture itself."""
    if item.frame is None:
        return pictures.read(item.path, most_px=pictures.MAX_PHOTO_PX)
    [(_, bgr)] = frames(item.path, {item.frame})
    return bgr


def frames(path: Path, wanted: set[int]) -> Iterator[tuple[int, Picture]]:
    """Some frames of a clip by their numbers; read from its beginning, as seeking is not exact."""
    clip = cv2.VideoCapture(str(path))
    for number in range(max(wanted) + 1):
        read, bgr = clip.read()
        if read and number in wanted:
            yield number, np.asarray(bgr, np.uint8)
    clip.release()


def context_in_clip(
    item: Labelled, detect: Callable[[Picture], list[Detection]], bgr: Picture
) -> PictureContext:
    """What the device would have known of a frame: sights of the seconds before, and what moved.

    Each look is one run over the whole frame. What moved is told by cells, against the clip's median.
    """
    assert item.frame is not None
    clip = cv2.VideoCapture(str(item.path))
    per_s, count = clip.get(cv2.CAP_PROP_FPS), int(clip.get(cv2.CAP_PROP_FRAME_COUNT))
    clip.release()
    step = max(1, round(per_s / LOOKS_A_S))
    before = range(max(0, item.frame - round(BEFORE_S * per_s)), item.frame + 1, step)
    spread = {round(each) for each in np.linspace(0, count - 2, BACKGROUND_FRAMES)}
    every = dict(frames(item.path, {*before, *spread}))
    seen = [found for number in before if number in every for found in detect(every[number])]
    background = np.median([_luma(every[each]) for each in spread if each in every], axis=0)
    moved = _moved(_luma(bgr), background)
    return replace(context_alone(bgr), seen=tuple(seen[:4000]), moved=moved)


def _luma(bgr: Picture) -> NDArray[np.float32]:
    height, width = bgr.shape[:2]
    cells = width // MOVED_CELL_PX, height // MOVED_CELL_PX
    grey = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
    return np.asarray(cv2.resize(grey, cells, interpolation=cv2.INTER_AREA), np.float32)


def _moved(luma: NDArray[np.float32], background: NDArray[np.float32]) -> tuple[Box, ...]:
    rows, columns = luma.shape
    unlike = np.argwhere(abs(luma - background) > MOVED_BY)
    return tuple(
        Box(column / columns, row / rows, (column + 1) / columns, (row + 1) / rows)
        for row, column in unlike[:1000]
    )


def own_things(data: Path) -> dict[str, list[tuple[Path, list[Box]]]]:
    """Pictures with the things that a case may be about, and these, in fractions."""
    found: dict[str, list[tuple[Path, list[Box]]]] = {}
    boxed = {
        "bicycles": readers.streets_calgary(data),
        "bicycles in traffic": readers.boxed_set(data, "bicycles_mixed", {"bicycle": "bicycle"}),
        "bags": readers.bags_malta(data),
    }
    for name, items in boxed.items():
        found[name] = []
        for item in items:
            height, width = cv2.imread(str(item.path)).shape[:2]
            boxes = [
                Box(b[0] / width, b[1] / height, b[2] / width, b[3] / height) for b in item.boxes
            ]
            found[name].append((item.path, boxes))
    bins = json.loads((readers.LABELS / "bins_closed_sandiego.json").read_text(encoding="utf-8"))
    found["bins"] = [
        (data / "bins_closed_sandiego" / file, [Box(*box) for box in boxes])
        for file, boxes in bins.items()
    ]
    found["stalls"] = [(path, list(boxes)) for path, boxes in stalls(data).items()]
    return found


def stalls(data: Path) -> dict[Path, tuple[Box, ...]]:
    """Pictures of real stalls and their boxes; people are not part of them, but may stand in front."""
    folder = data / "vending_streets"
    told = json.loads((folder / "boxes.json").read_text(encoding="utf-8"))["pictures"]
    return {
        folder / file: tuple(
            Box(*each["xyxy_fraction"]).grown(0)
            for each in one["boxes"]
            if each["flag"] != "ignore"
        )
        for file, one in told.items()
        if one["usable"]
    }
