"""Fits the real Picamera2 to libcamera's virtual camera, before anybody imports it.

The virtual camera has no raw modes and no dma-buf heaps; nothing else is changed.
"""

from typing import Any

import picamera2
from picamera2.allocators import LibcameraAllocator


class VirtualPicamera2(picamera2.Picamera2):  # type: ignore[misc]
    """Picamera2 on a sensor that does not exist."""

    def __init__(self, camera_num: int = 0) -> None:
        allocator = LibcameraAllocator(None)
        super().__init__(camera_num, allocator=allocator)
        allocator.camera = self.camera

    def _get_raw_modes(self) -> list[dict[str, Any]]:
        return [{"format": "NV12", "size": (1280, 720)}]


picamera2.Picamera2 = VirtualPicamera2
