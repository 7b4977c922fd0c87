"""How sharp a picture is, and how much it flickers by itself: two figures for whoever sets lens, light and gain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from agent.domain.picture import Picture

_BLOCK_PX = 8
_TO_SIGMA = 1.2533 / 2**0.5
"""From the mean of the absolute difference of two pictures to the standard deviation of the noise of one: normal
noise has a mean absolute value of σ·√(2/π), and a difference of two has √2 of the σ of one."""


def sharpness(luma: Picture) -> float:
    """The standard deviation of the Laplacian of a grey picture, in grey levels; a street in focus has 15 and more."""
    return float(np.std(cv2.Laplacian(luma, cv2.CV_64F)))


def noise(before: Picture, now: Picture) -> float | None:
    """The standard deviation of the noise, in grey levels (0 to 255), by two pictures of one scene.

    By half of all places: what moves is in the other half, however much it changes. A change of all brightness
    alike, as of the exposure, is none. None: the pictures are not of one shape, or too small.
    """
    rows, columns = (size // _BLOCK_PX for size in now.shape[:2])
    if before.shape != now.shape or not rows or not columns:
        return None
    difference = now.astype(np.float32) - before.astype(np.float32)
    difference -= np.median(difference)
    whole = np.abs(difference[: rows * _BLOCK_PX, : columns * _BLOCK_PX])
    blocks = whole.reshape(rows, _BLOCK_PX, columns, _BLOCK_PX).mean(axis=(1, 3))
    return float(np.median(blocks)) * _TO_SIGMA
