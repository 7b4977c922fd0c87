"""A street on which everything red is a bicycle: a whole site in seconds, without a trained model.

The network is a real one, run by the real runtime: it averages redness over the cells of the
coarsest YOLOX grid and calls a red cell a bicycle of three cells' width.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import cv2
import numpy as np

from tests.support.sites import CLIP_SITE, write_site, zone

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

COMES_S, GOES_S, ENDS_S = 1.0, 5.0, 8.0
FRAMES_PER_S = 5
_RED_BGR, _DARK_BGR = (20, 20, 220), (10, 10, 90)


def write_red_site(folder: Path, *, later_s: float = 0.0) -> None:
    """Write a site whose clip shows one red thing that comes, stands and goes.

    Args:
        folder: Where.
        later_s: By so much later than :data:`COMES_S`: a background takes some seconds to learn.
    """
    folder.mkdir(parents=True, exist_ok=True)
    site = CLIP_SITE | {
        "site": {"tenant": "example", "device_id": "red-corner", "address": "Example Road 1"},
        "scenarios": {"misparked_bikes": {"allowed_s": 2, "clear_after_s": 1}},
    }
    write_site(folder, site, {"zones": [zone()]})
    problem = {
        "kind": "misparked_bike",
        "zone_id": "kerb",
        "object": "red",
        "begins_s": COMES_S + later_s,
        "ends_s": GOES_S + later_s,
    }
    truth = {"clip": {"seconds": ENDS_S + later_s}, "problems": [problem], "distractors": []}
    (folder / "truth.json").write_text(json.dumps(truth), encoding="utf-8")
    _write_clip(folder / "clip.mp4", later_s)


def _write_clip(path: Path, later_s: float) -> None:
    width, height = 640, 360
    writer = cv2.VideoWriter(
        str(path), cv2.VideoWriter.fourcc(*"mp4v"), FRAMES_PER_S, (width, height)
    )
    assert writer.isOpened()
    paving = _paving(width, height)
    for index in range(int((ENDS_S + later_s) * FRAMES_PER_S)):
        picture = paving.copy()
        if COMES_S <= index / FRAMES_PER_S - later_s < GOES_S:
            cv2.rectangle(picture, (280, 150), (380, 250), _RED_BGR, thickness=-1)
            for left in range(290, 380, 20):  # what stands is known by its texture
                cv2.rectangle(picture, (left, 150), (left + 4, 250), _DARK_BGR, thickness=-1)
        writer.write(picture)
    writer.release()


def _paving(width: int, height: int) -> NDArray[np.uint8]:
    """Slabs of different greys, uint8 (height, width, 3)."""
    greys = np.random.default_rng(7).integers(80, 170, (height // 20, width // 20), np.uint8)
    slabs = cv2.resize(greys, (width, height), interpolation=cv2.INTER_NEAREST)
    return np.repeat(slabs[:, :, None], 3, axis=2).astype(np.uint8)
