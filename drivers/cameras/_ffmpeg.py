"""The FFmpeg inside OpenCV: setting its options, and reading a stream's announced size.

OpenCV passes options to FFmpeg through one environment variable of the process.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import cv2

if TYPE_CHECKING:
    from collections.abc import Mapping

os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # its complaints could show a password
FORMATS = (
    "mov,matroska,avi,mpegts,mpeg,mpegvideo,flv,h264,hevc,m4v,mjpeg,mpjpeg,jpeg_pipe,ogg,asf,ivf"
    ",obu,av1,dv,nut,mxf,yuv4mpegpipe,gif,rm,wtv,png_pipe,webp_pipe,bmp_pipe"
)
"""FFmpeg's formats that hold pictures themselves, and no address of anything else, as playlists do."""
_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
_opening = threading.Lock()  # the variable is the whole process's


def open_stream(
    source: str, options: Mapping[str, str], properties: Mapping[int, int] | None = None
) -> cv2.VideoCapture:
    """Open a file or an address with FFmpeg; ``isOpened`` says whether that worked.

    Args:
        source: The file's path, or the address.
        options: FFmpeg's own, by name; they hold neither ``;`` nor ``|``.
        properties: OpenCV's, by number.
    """
    pairs = (properties or {}).items()
    with _opening:
        before = os.environ.get(_OPTIONS)
        os.environ[_OPTIONS] = "|".join(f"{name};{value}" for name, value in options.items())
        try:
            numbers = [number for pair in pairs for number in pair]
            return cv2.VideoCapture(source, cv2.CAP_FFMPEG, numbers)
        finally:
            if before is None:
                del os.environ[_OPTIONS]
            else:
                os.environ[_OPTIONS] = before


def announced_size_px(stream: cv2.VideoCapture) -> tuple[int, int] | None:
    """Width and height that an open stream announces, before a frame is decoded.

    Every frame comes out in this size: OpenCV scales one of another size to it.

    Returns:
        None if it announces none.
    """
    width = int(stream.get(cv2.CAP_PROP_FRAME_WIDTH))
    height = int(stream.get(cv2.CAP_PROP_FRAME_HEIGHT))
    return (width, height) if width > 0 and height > 0 else None
