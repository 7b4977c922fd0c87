"""A bike in an operator's paint on a grey street."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.domain.scene import Box

BIKE = Box(0.25, 0.25, 0.75, 0.75)
PAINTS = {"amber": (10, 180, 235), "sky": (200, 150, 50), "leaf": (80, 160, 40)}


def street(light: tuple[float, float, float] = (1, 1, 1)) -> NDArray[np.float64]:
    random = np.random.default_rng(4)
    return np.asarray((120 + random.normal(0, 6, (200, 200, 1))) * np.array(light), float)


def with_bike(ground: NDArray[np.float64], *paints: tuple[int, int, int]) -> NDArray[np.uint8]:
    """A frame of thin tubes and two black wheels, through which the ground is seen."""
    picture = np.clip(ground, 0, 255).astype(np.uint8).copy()
    for centre in ((70, 120), (130, 120)):
        cv2.circle(picture, centre, 22, (25, 25, 25), 2, cv2.LINE_AA)
    tubes = [((70, 120), (90, 80)), ((90, 80), (120, 85)), ((120, 85), (130, 120))]
    for number, (begin, end) in enumerate(tubes):
        cv2.line(picture, begin, end, paints[number % len(paints)], 5, cv2.LINE_AA)
    return picture
