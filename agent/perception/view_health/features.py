"""The features of one small grey picture, cell by cell. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import cv2
import numpy as np

from agent.perception.texture import CELL_PX, texture, unlikeness

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Luma: TypeAlias = NDArray[np.uint8]
    Floats: TypeAlias = NDArray[np.float32]
    Mask: TypeAlias = NDArray[np.bool_]
else:
    Luma = np.ndarray

STRUCTURE = 0.04
"""Root mean square of log-brightness gradients from which on a cell has something to be known by."""
NOISE = 0.008
"""What sensor noise and coding make of nothing, in the same measure."""
_LOGARITHM = np.log(np.arange(256, dtype=np.float32) + 12.0)
LIKE_BELOW = 0.7


@dataclass(frozen=True, slots=True)
class Features:
    """One picture; every array is (rows, columns) of cells of ``CELL_PX``.

    ``clipped`` is the share of burnt-out pixels. ``coarse`` and ``fine`` are the strength of structure at the scale of four pixels and of one,
    on the logarithm of brightness, where a change of light is a constant.
    """

    luma: Luma
    mean: Floats
    highest: Floats
    clipped: Floats
    coarse: Floats
    fine: Floats

    @property
    def shape(self) -> tuple[int, int]:
        return self.mean.shape[0], self.mean.shape[1]


def look_at(luma: Luma, clips_at: float = 250.0) -> Features:
    """Measure a picture.

    Args:
        luma: Brightness, uint8 (h, w); what fills no cell at its edges is left out.
        clips_at: Brightness from which on nothing can be told apart.
    """
    rows, columns = max(1, luma.shape[0] // CELL_PX), max(1, luma.shape[1] // CELL_PX)
    whole = np.ascontiguousarray(luma[: rows * CELL_PX, : columns * CELL_PX])
    blocks = whole.reshape(rows, whole.shape[0] // rows, columns, -1)
    logarithm = cv2.LUT(whole, _LOGARITHM).astype(np.float32, copy=False)
    small = cv2.resize(
        logarithm, (whole.shape[1] // 2, whole.shape[0] // 2), interpolation=cv2.INTER_AREA
    )
    return Features(
        luma=luma,
        mean=_cells(whole.astype(np.float32), rows, columns),
        highest=blocks.max(axis=(1, 3)).astype(np.float32),
        clipped=_cells((whole >= clips_at).astype(np.float32), rows, columns),
        coarse=_strength(small, rows, columns),
        fine=np.sqrt(_cells(cv2.Laplacian(logarithm, cv2.CV_32F) ** 2, rows, columns)),
    )


def _strength(logarithm: NDArray[Any], rows: int, columns: int) -> Floats:
    logarithm = cv2.GaussianBlur(logarithm, (3, 3), 0)
    dx = cv2.Sobel(logarithm, cv2.CV_32F, 1, 0, ksize=3, scale=0.125)
    dy = cv2.Sobel(logarithm, cv2.CV_32F, 0, 1, ksize=3, scale=0.125)
    result: Floats = np.sqrt(_cells(dx * dx + dy * dy, rows, columns))
    return result


def _cells(values: NDArray[Any], rows: int, columns: int) -> Floats:
    return cv2.resize(values, (columns, rows), interpolation=cv2.INTER_AREA).astype(np.float32)


def like(a: Luma, b: Luma) -> Mask:
    """Which cells of two pictures show the same structure, whatever the light."""
    result: Mask = unlikeness(texture(a), texture(b)) < LIKE_BELOW
    return result
