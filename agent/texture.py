"""Textures that no change of light touches. Pure.

Brightness is taken to its logarithm, where a change of light is a constant, and only gradients are
kept: a brighter or darker sun, a lamp or an even shadow changes none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float32]
    Luma: TypeAlias = NDArray[np.uint8]

CELL_PX = 8
"""A texture is described in cells of this size, by the gradients in each quarter of a cell."""
STRUCTURE_FLOOR = 0.045
"""Gradient (natural logarithm of brightness per pixel) below which there is only noise."""


def texture(luma: Luma) -> Floats:
    """Mean gradient of log brightness in each quarter of each cell.

    Args:
        luma: Brightness, uint8 (h, w); what does not fill a cell at its edges is left out.

    Returns:
        float32 (h // CELL_PX, w // CELL_PX, 8).
    """
    height = luma.shape[0] // CELL_PX * CELL_PX
    width = luma.shape[1] // CELL_PX * CELL_PX
    smooth = cv2.GaussianBlur(luma[:height, :width], (3, 3), 0).astype(np.float32)
    logarithm = np.log(smooth + 12.0)
    half = (width // CELL_PX * 2, height // CELL_PX * 2)
    parts = []
    for dx, dy in ((1, 0), (0, 1)):
        gradient = cv2.Sobel(logarithm, cv2.CV_32F, dx, dy, ksize=3, scale=0.125)
        small = cv2.resize(gradient, half, interpolation=cv2.INTER_AREA)
        parts.append(small.reshape(half[1] // 2, 2, half[0] // 2, 2).transpose(0, 2, 1, 3))
    stacked = np.stack(parts, axis=-1)
    return stacked.reshape(half[1] // 2, half[0] // 2, 8)


def unlikeness(a: Floats, b: Floats) -> Floats:
    """How unlike two textures are, cell by cell: 0 the same, 1 and more quite another.

    Args:
        a: float32 (rows, columns, 8).
        b: Likewise.

    Returns:
        float32 (rows, columns).
    """
    difference = np.sqrt(((a - b) ** 2).sum(-1))
    size = np.sqrt((a**2).sum(-1)) + np.sqrt((b**2).sum(-1))
    result: Floats = (difference / (0.6 * size + STRUCTURE_FLOOR)).astype(np.float32)
    return result
