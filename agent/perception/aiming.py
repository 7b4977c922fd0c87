"""Figures for whoever points a camera: is it sharp, is it too dark or too bright, does it look where it did? Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from agent.perception.picture_quality import noise, sharpness
from agent.perception.view_health.checks import fits
from agent.perception.view_health.displacement import Mover
from agent.perception.view_health.features import NOISE, STRUCTURE, look_at

if TYPE_CHECKING:
    from agent.perception.view_health.features import Luma

BLACK_BELOW = 16
"""Brightness below which nothing can be told apart."""
BURNT_FROM = 250
"""And from which on."""
MIN_CELLS = 12
"""With fewer cells that can be compared there is no share."""


@dataclass(frozen=True, slots=True)
class Aim:
    """The figures of one grey picture.

    Attributes:
        sharpness: Standard deviation of the Laplacian, in grey levels: 15 and more for a street in focus.
        sharpness_share: Fine structure against that of the commissioning picture, 1: the same; None: there is
            none, or too little of both is alike.
        noise: Standard deviation of the noise in grey levels; None: there is no picture before it.
        brightness: Mean, 0 to 255.
        black_share, burnt_share: Of the pixels in which nothing can be told apart.
        alike_share: How much of the commissioning picture is where it was, 0 to 1; None: there is none.
        moved_by: By how much of its width the picture has moved since then; None: that cannot be told.
    """

    sharpness: float
    sharpness_share: float | None
    noise: float | None
    brightness: float
    black_share: float
    burnt_share: float
    alike_share: float | None
    moved_by: float | None


class Aiming:
    """Measures the pictures of one camera, one after the other.

    Args:
        reference: Its commissioning picture, uint8 (h, w); None: there is none yet.
    """

    def __init__(self, reference: Luma | None) -> None:
        self._reference = reference
        self._mover: Mover | None = None
        self._before: Luma | None = None

    def measure(self, luma: Luma) -> Aim:
        """The figures of one picture.

        Args:
            luma: Brightness, uint8 (h, w).
        """
        before, self._before = self._before, luma
        reference = self._comparable(luma)
        share = alike = moved = None
        if reference is not None:
            share = _sharpness_share(luma, reference)
            self._mover = self._mover or Mover(reference, look_at(reference).coarse >= STRUCTURE)
            alike, moved = self._mover.share_like(luma), self._mover.moved_by(luma)
        return Aim(
            sharpness(luma),
            share,
            None if before is None else noise(before, luma),
            float(luma.mean()),
            float((luma < BLACK_BELOW).mean()),
            float((luma >= BURNT_FROM).mean()),
            alike,
            moved,
        )

    def _comparable(self, luma: Luma) -> Luma | None:
        """The commissioning picture in this one's size, if both have the same proportions."""
        reference, shape = self._reference, (luma.shape[0], luma.shape[1])
        if reference is None or not fits(reference.shape, shape):
            return None
        if reference.shape != shape:
            fitted = cv2.resize(reference, shape[::-1], interpolation=cv2.INTER_AREA)
            self._reference, self._mover = fitted.astype(np.uint8), None
        return self._reference


def _sharpness_share(luma: Luma, reference: Luma) -> float | None:
    """Fine structure for what there is of coarse structure, against the reference."""
    now, then = look_at(luma), look_at(reference)
    structured = (then.coarse >= STRUCTURE) & (now.coarse > 0.4 * then.coarse)
    if structured.sum() < MIN_CELLS:
        return None
    fine_now = np.maximum(now.fine[structured] - NOISE, 0) / now.coarse[structured]
    fine_then = np.maximum(then.fine[structured] - NOISE, 1e-3) / then.coarse[structured]
    return float(np.median(fine_now / np.maximum(fine_then, 1e-3)))
