"""Preprocessing: from a picture to a model's input tensor, without Python loops over pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from agent.inference.manifest import InputSpec
    from drivers.cameras import Picture

_CHANNELS = {"BGR": (0, 1, 2), "RGB": (2, 1, 0)}


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the picture lies in the network's input: this large, so far from the top left.

    A point of the input, in pixels, is at ((x - left_px) / width_px, (y - top_px) / height_px) of
    the picture.
    """

    width_px: int
    height_px: int
    left_px: int = 0
    top_px: int = 0


class Preparation:
    """Turns pictures into the input of one network. Keeps its buffers: for one thread at a time."""

    def __init__(self, spec: InputSpec) -> None:
        self._spec = spec
        self._canvas = np.full((spec.height, spec.width, 3), spec.pad, dtype=np.uint8)
        self._placed = Placement(0, 0)
        self._channels = _CHANNELS[spec.colour]
        self._values = _value_tables(spec)
        # Kept, because what OpenCV would allocate anew for every picture costs more than the copy.
        self._planes = [np.empty((spec.height, spec.width), np.uint8) for _ in range(3)]
        self.tensor: NDArray[np.float32] = np.empty(spec.shape, dtype=np.float32)
        """float32 (1, 3, height, width); overwritten by every picture."""

    def take(self, bgr: Picture) -> Placement:
        """Put a picture into :attr:`tensor`.

        Args:
            bgr: uint8 (H, W, 3), of any size.

        Returns:
            Where the picture lies in the input.

        Raises:
            ValueError: The picture is empty.
        """
        if bgr.size == 0:
            raise ValueError(f"a picture of {bgr.shape[1]} × {bgr.shape[0]} pixels is empty")
        placement = self._place(bgr.shape[1], bgr.shape[0])
        self._draw(bgr, placement)
        cv2.split(self._canvas, self._planes)
        for channel, plane in zip(self._channels, self._planes, strict=True):
            self._fill(channel, plane)
        return placement

    def _place(self, width_px: int, height_px: int) -> Placement:
        spec = self._spec
        if spec.resize == "stretch":
            return Placement(spec.width, spec.height)
        scale = min(spec.width / width_px, spec.height / height_px)
        width, height = max(1, round(width_px * scale)), max(1, round(height_px * scale))
        if spec.resize == "letterbox":
            return Placement(width, height)
        return Placement(width, height, (spec.width - width) // 2, (spec.height - height) // 2)

    def _draw(self, bgr: Picture, placement: Placement) -> None:
        if placement != self._placed:
            self._canvas[:] = self._spec.pad  # the last picture may show beside this one
            self._placed = placement
        view = self._canvas[
            placement.top_px : placement.top_px + placement.height_px,
            placement.left_px : placement.left_px + placement.width_px,
        ]
        # As the networks were trained: a letterbox interpolates, a stretched crop averages.
        way = cv2.INTER_AREA if self._spec.resize == "stretch" else cv2.INTER_LINEAR
        cv2.resize(bgr, (placement.width_px, placement.height_px), dst=view, interpolation=way)

    def _fill(self, channel: int, plane: Picture) -> None:
        target = self.tensor[0, channel]
        if self._values is None:
            np.copyto(target, plane)
        else:
            cv2.LUT(plane, self._values[channel], dst=target)


def _value_tables(spec: InputSpec) -> NDArray[np.float32] | None:
    """The network's value for each of the 256 brightnesses, by channel; None if they are equal."""
    pixel = np.arange(256, dtype=np.float64)
    mean = np.array(spec.mean)[:, None]
    std = np.array(spec.std)[:, None]
    values = ((pixel * spec.scale - mean) / std).astype(np.float32)
    return None if (values == pixel.astype(np.float32)).all() else values
