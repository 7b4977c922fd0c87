"""Texture features that do not depend on the light. Pure.

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
_LOGARITHM = np.log(np.arange(256, dtype=np.float32) + 12.0)
"""Of every brightness; the 12 keeps the noise of the dark small."""


def texture(luma: Luma) -> Floats:
    """Mean gradient of log brightness in each quarter of each cell.

    Args:
        luma: Brightness, uint8 (h, w); what does not fill a cell at its edges is left out.

    Returns:
        float32 (h // CELL_PX, w // CELL_PX, 8).
    """
    rows, columns = luma.shape[0] // CELL_PX, luma.shape[1] // CELL_PX
    smooth = cv2.GaussianBlur(luma[: rows * CELL_PX, : columns * CELL_PX], (3, 3), 0)
    logarithm = cv2.LUT(smooth, _LOGARITHM)
    result = np.empty((rows, columns, 8), np.float32)
    for axis, (dx, dy) in enumerate(((1, 0), (0, 1))):
        gradient = cv2.Sobel(logarithm, cv2.CV_32F, dx, dy, ksize=3, scale=0.125)
        quarters = cv2.resize(gradient, (2 * columns, 2 * rows), interpolation=cv2.INTER_AREA)
        for quarter in range(4):
            result[..., 2 * quarter + axis] = quarters[quarter // 2 :: 2, quarter % 2 :: 2]
    return result


def unlikeness(a: Floats, b: Floats) -> Floats:
    """How unlike two textures are, cell by cell: 0 the same, 1 and more quite another.

    Args:
        a: float32 (rows, columns, 8).
        b: Likewise.

    Returns:
        float32 (rows, columns).
    """
    result: Floats = _length(a - b) / (0.6 * (_length(a) + _length(b)) + STRUCTURE_FLOOR)
    return result


def amount(textures: Floats) -> float:
    """How much structure there is in some cells, float32 (cells, 8), on average; never quite nothing."""
    return float(np.linalg.norm(textures, axis=-1).mean()) + STRUCTURE_FLOOR


def structured(texture_: Floats) -> NDArray[np.bool_]:
    """In which cells there is more than noise: bool (rows, columns)."""
    return np.asarray(_length(texture_) > STRUCTURE_FLOOR)


def _length(vectors: Floats) -> Floats:
    result: Floats = np.sqrt(np.einsum("ijk,ijk->ij", vectors, vectors))
    return result
