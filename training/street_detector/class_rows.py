"""The rows of a COCO network's last layers that become those of the street's classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.street_detector.classes import COCO_ROWS, STREET_CLASSES

Array = NDArray[Any]

# COCO's nearest things give the new rows a direction to start from: furniture under a parasol,
# upright boxes, soft bags.
NEAREST_COCO_ROWS = {"stall": (13, 60, 25), "bin": (58, 28, 72), "rubbish": (24, 26, 28)}


def street_rows(
    weight: Array, bias: Array, new_bias: float, silent_bias: float | None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights and biases of the street's classes, one row each.

    Args:
        weight: (classes of COCO or more, ...), of a last convolution.
        bias: Its bias.
        new_bias: Of a class that COCO lacks, to be trained from.
        silent_bias: Where given, a class that COCO lacks gets a row with it that never fires.
    """

    def row(name: str) -> tuple[Array, Any]:
        if name in COCO_ROWS:
            return weight[COCO_ROWS[name]], bias[COCO_ROWS[name]]
        if silent_bias is not None:
            return np.zeros_like(weight[0]), silent_bias
        return weight[list(NEAREST_COCO_ROWS[name])].mean(axis=0) * 0.5, new_bias

    rows = [row(name) for name in STREET_CLASSES]
    weights = np.stack([each for each, _ in rows]).astype(np.float32)
    return weights, np.array([offset for _, offset in rows], dtype=np.float32)
