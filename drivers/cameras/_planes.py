"""Converts a camera's raw buffers to pictures, for the memory layouts of libcamera.

libcamera names formats by the order of bits in a word, so that on a little-endian machine its
``RGB888`` lies in memory as blue, green, red, which is what OpenCV takes. Rows are padded to a
stride; in the planar ``YUV420`` the chroma rows have half that stride.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from drivers.cameras import Picture


@dataclass(frozen=True, slots=True)
class Layout:
    """How a picture lies in its buffer.

    Attributes:
        format: libcamera's name of it.
        width: Of the picture, in pixels.
        height: Of the picture, in pixels.
        stride: Bytes from the beginning of one row (of the first plane) to that of the next.
    """

    format: str
    width: int
    height: int
    stride: int

    @property
    def size_bytes(self) -> int:
        """How many bytes of the buffer belong to the picture, padding included."""
        rows = self.height * 3 // 2 if self.format in PLANAR else self.height
        return rows * self.stride

    @property
    def least_stride(self) -> int:
        """How many bytes a row takes without padding; of a planar format, one of brightness."""
        return self.width * _BYTES_PER_PX.get(self.format, 1)


def bgr_of(buffer: Picture, layout: Layout) -> Picture:
    """The colour picture.

    Args:
        buffer: uint8 (n,), n at least the layout's ``size_bytes``.
        layout: How the picture lies in it.

    Returns:
        uint8 (height, width, 3): blue, green, red. It may share the buffer's memory.

    Raises:
        KeyError: No such format is known here; :data:`FORMATS` are.
    """
    return _BGR[layout.format](buffer, layout)


def brightness_of(buffer: Picture, layout: Layout) -> Picture:
    """The plane of brightness of a planar format, as the camera gives it.

    Args:
        buffer: uint8 (n,), n at least the layout's ``size_bytes``.
        layout: How the picture lies in it; one of :data:`PLANAR`.

    Returns:
        uint8 (height, width), a copy without padding.
    """
    return _rows(buffer, layout.height, layout.stride, layout.width).copy()


def _rows(buffer: Picture, rows: int, stride: int, used: int) -> Picture:
    return buffer[: rows * stride].reshape(rows, stride)[:, :used]


def _packed(channels: int, *, blue_first: bool) -> Callable[[Picture, Layout], Picture]:
    def unpack(buffer: Picture, layout: Layout) -> Picture:
        rows = _rows(buffer, layout.height, layout.stride, channels * layout.width)
        picture = rows.reshape(layout.height, layout.width, channels)[:, :, :3]
        return picture if blue_first else picture[:, :, ::-1]

    return unpack


def _yuv420(buffer: Picture, layout: Layout) -> Picture:
    """Y, then U, then V; a quarter of the pixels have chroma."""
    width, height, stride = layout.width, layout.height, layout.stride
    whole = np.empty((height * 3 // 2, width), np.uint8)
    whole[:height] = _rows(buffer, height, stride, width)
    chroma = _rows(buffer[height * stride :], height, stride // 2, width // 2)
    whole[height:] = chroma.reshape(height // 2, width)
    return np.asarray(cv2.cvtColor(whole, cv2.COLOR_YUV2BGR_I420), np.uint8)


def _nv12(buffer: Picture, layout: Layout) -> Picture:
    """Y, then U and V by turns."""
    rows = _rows(buffer, layout.height * 3 // 2, layout.stride, layout.width)
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(rows), cv2.COLOR_YUV2BGR_NV12), np.uint8)


_BGR: Mapping[str, Callable[[Picture, Layout], Picture]] = {
    "RGB888": _packed(3, blue_first=True),
    "BGR888": _packed(3, blue_first=False),
    "XRGB8888": _packed(4, blue_first=True),
    "XBGR8888": _packed(4, blue_first=False),
    "YUV420": _yuv420,
    "NV12": _nv12,
}
_BYTES_PER_PX = {"RGB888": 3, "BGR888": 3, "XRGB8888": 4, "XBGR8888": 4}
FORMATS = tuple(_BGR)
PLANAR = frozenset({"YUV420", "NV12"})
"""Formats with a plane of brightness of its own."""
