"""Frames to H.264 and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def write_h264(
    frames: Iterable[NDArray[np.uint8]], path: Path, size: tuple[int, int], fps: int, crf: int
) -> None:
    """Encode BGR frames (h, w, 3) into an MP4 that OpenCV's own decoder can read."""
    import av  # noqa: PLC0415 - wanted only where clips are made

    with av.open(str(path), "w") as container:
        options = {"crf": str(crf), "preset": "slow", "g": "50"}
        stream = container.add_stream("libx264", rate=fps, options=options)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for picture in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode())


def sha256_of(path: Path) -> str:
    """The file's SHA-256 in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
