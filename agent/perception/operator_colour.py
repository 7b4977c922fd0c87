"""Which operator a shared bike belongs to, by the colour it is painted in. Pure.

A bike is mostly holes: through its frame the street is seen, so the colours of the street around
the box are subtracted from those inside. Hue and chroma are measured in CIE L*a*b*, whose hue hardly
moves from sun to shade; what the light paints over everything (dusk, a sodium lamp) is taken off
by the grey-world assumption first. Where no colour stands out, or two do, the answer is ``unknown``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from agent.domain.picture import Picture
    from agent.domain.scene import Box

UNKNOWN: Final = "unknown"
MIN_CHROMA = 14.0
"""Below this, in L*a*b*, a pixel has no hue to speak of."""
LARGEST_CAST = 6.0
"""So much of a cast over the whole picture, in L*a*b*, is put down to the light."""
HUE_TOLERANCE = 18.0
"""Degrees from a palette's hue to a pixel's."""
MIN_SHARE = 0.015
"""Of the box's pixels, more than around it, must have the operator's hue."""
CLEARLY = 2.0
"""And so many times as many as have the next operator's."""
AROUND = 0.3
"""How far around the box the street is looked at, as a share of its size."""
MIN_SIDE_PX = 24
"""A smaller bike is too few pixels of paint."""


@dataclass(frozen=True, slots=True)
class Palette:
    """The operators' hues, in degrees of L*a*b*."""

    hues: Mapping[str, tuple[float, ...]]

    @classmethod
    def of(cls, colours: Mapping[str, Sequence[str]]) -> Palette:
        """From colours such as ``#f5c400``, by operator."""
        return cls({name: tuple(map(_hue_of, given)) for name, given in colours.items()})

    def operator_of(self, bgr: Picture, box: Box) -> str:
        """The operator of the bike in a box of a picture, or ``unknown``.

        Args:
            bgr: The whole picture, (height, width, 3), or a cut around the bike.
            box: The bike's, in fractions of that picture.
        """
        height, width = bgr.shape[:2]
        outer = box.grown(AROUND).pixels(width, height)
        inner = box.pixels(width, height)
        if min(inner.right - inner.left, inner.bottom - inner.top) < MIN_SIDE_PX:
            return UNKNOWN
        hue, chroma = _hue_and_chroma(outer.cut(bgr))
        bike = np.zeros(bgr.shape[:2], bool)
        inner.cut(bike)[:] = True
        bike = outer.cut(bike)
        shares = {
            name: _more_inside(_has_hue(hue, chroma, hues), bike)
            for name, hues in self.hues.items()
        }
        ranked = sorted(shares, key=lambda name: -shares[name])
        best = ranked[0]
        second = shares[ranked[1]] if len(ranked) > 1 else 0.0
        if shares[best] < MIN_SHARE or shares[best] < CLEARLY * second:
            return UNKNOWN
        return best


def is_coloured(colour: str) -> bool:
    """Whether a colour such as ``#f5c400`` has a hue that can be told from grey."""
    return float(np.hypot(*_lab(_swatch(colour))[0, 0, 1:])) >= MIN_CHROMA


def _swatch(colour: str) -> NDArray[np.float32]:
    red, green, blue = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return np.array([[[blue, green, red]]], np.float32)


def _lab(bgr: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2LAB), np.float32)


def _hue_of(colour: str) -> float:
    a, b = _lab(_swatch(colour))[0, 0, 1:]
    return float(np.degrees(np.arctan2(b, a)))


def _hue_and_chroma(bgr: Picture) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Hue in degrees and chroma of every pixel, each (height, width)."""
    lab = _lab(np.asarray(bgr / np.float32(255), np.float32))
    # Grey-world: the middle of all is grey, whatever the lamp; but sand and lawns are no lamps.
    a, b = (
        lab[..., index] - np.clip(np.median(lab[..., index]), -LARGEST_CAST, LARGEST_CAST)
        for index in (1, 2)
    )
    return np.degrees(np.arctan2(b, a)), np.hypot(a, b)


def _has_hue(
    hue: NDArray[np.float32], chroma: NDArray[np.float32], hues: Sequence[float]
) -> NDArray[np.bool_]:
    near = np.zeros(hue.shape, bool)
    for each in hues:
        near |= np.abs((hue - each + 180) % 360 - 180) <= HUE_TOLERANCE
    return near & (chroma >= MIN_CHROMA)


def _more_inside(painted: NDArray[np.bool_], bike: NDArray[np.bool_]) -> float:
    """How much larger the painted share is inside the box than around it."""
    around = float(painted[~bike].mean()) if (~bike).any() else 0.0
    return float(painted[bike].mean()) - around
