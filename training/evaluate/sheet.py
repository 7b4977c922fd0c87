"""A contact sheet: the worst mistakes side by side, as one picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.domain.scene import Detection
from drivers.cameras import Picture
from training.evaluate.judging import read

CELL_PX = 220
HEAD_PX = 34
COLUMNS = 6
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FALSE, _MISSED = (40, 40, 220), (220, 120, 20)


@dataclass(frozen=True, slots=True)
class Mistake:
    """A picture that was judged wrongly, and how badly: 0 to 1."""

    path: Path
    title: str
    words: str
    badness: float
    box: Detection | None = None


def write(path: Path, mistakes: Sequence[Mistake], most: int = 48) -> int:
    """Write the worst mistakes of each title as one JPEG; returns how many it shows."""
    by_title: dict[str, list[Mistake]] = {}
    for each in sorted(mistakes, key=lambda each: -each.badness):
        by_title.setdefault(each.title, []).append(each)
    share = max(COLUMNS, most // max(1, len(by_title)))
    bands = [_band(title, found[:share]) for title, found in sorted(by_title.items())]
    if not bands:
        bands = [_title("no mistakes")]
    cv2.imwrite(str(path), np.concatenate(bands), [cv2.IMWRITE_JPEG_QUALITY, 85])
    return sum(len(found[:share]) for found in by_title.values())


def _title(words: str) -> NDArray[np.uint8]:
    band = np.full((HEAD_PX, COLUMNS * CELL_PX, 3), 255, np.uint8)
    cv2.putText(band, words, (6, 24), _FONT, 0.7, (0, 0, 0), 1, cv2.LINE_AA)
    return band


def _band(title: str, mistakes: Sequence[Mistake]) -> NDArray[np.uint8]:
    cells = [_cell(each) for each in mistakes]
    blank = np.full((CELL_PX + 18, CELL_PX, 3), 255, np.uint8)
    cells += [blank] * (-len(cells) % COLUMNS)
    rows = [
        np.concatenate(cells[start : start + COLUMNS], axis=1)
        for start in range(0, len(cells), COLUMNS)
    ]
    return np.concatenate([_title(title), *rows])


def _cell(mistake: Mistake) -> Picture:
    picture = read(mistake.path)
    if mistake.box is not None:
        height, width = picture.shape[:2]
        box = mistake.box.box
        corners = [(int(box.left * width), int(box.top * height))]
        corners += [(int(box.right * width), int(box.bottom * height))]
        cv2.rectangle(picture, corners[0], corners[1], _FALSE, max(2, width // 160))
    scale = (CELL_PX - 4) / max(picture.shape[:2])
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    cell = np.full((CELL_PX + 18, CELL_PX, 3), 255, np.uint8)
    cell[2 : 2 + small.shape[0], 2 : 2 + small.shape[1]] = small[: CELL_PX - 4, : CELL_PX - 4]
    colour = _FALSE if mistake.words.startswith("false") else _MISSED
    cv2.putText(cell, mistake.words, (3, CELL_PX + 12), _FONT, 0.38, colour, 1, cv2.LINE_AA)
    return cell
