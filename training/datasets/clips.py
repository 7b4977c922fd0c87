"""Frames of clips that only judge."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from training.datasets.augment import Picture


def frames_per_s(path: Path) -> float:
    """How many frames a second the clip says that it has."""
    clip = cv2.VideoCapture(str(path))
    rate = float(clip.get(cv2.CAP_PROP_FPS))
    clip.release()
    return rate


def frames(path: Path, every: int) -> Iterator[Picture]:
    """Each frame of a number, from the first: (h, w, 3) BGR.

    Raises:
        FileNotFoundError: The clip is missing, or no frame of it can be read.
    """
    clip = cv2.VideoCapture(str(path))
    index = 0
    while (read := clip.read())[0]:
        if index % every == 0:
            yield np.asarray(read[1], dtype=np.uint8)
        index += 1
    clip.release()
    if not index:
        raise FileNotFoundError(path)
