"""Decodes pictures safely: the size is read from the header first.

A file of a few kilobytes may claim ten thousand million pixels, and a decoder believes it. Only
formats whose header is understood here are decoded at all: JPEG, PNG, WebP and BMP.
"""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from wording.known_errors import reason_of
from wording.messages import said

if TYPE_CHECKING:
    from pathlib import Path

Picture: TypeAlias = NDArray[np.uint8]

MIN_SIDE_PX = 40
"""What is shown by fewer rows or columns is no street."""
MAX_SIDE_PX = 8192
MAX_PX = 4096 * 4096
"""Decoded that is 50 MB; a camera of 12 million pixels gives 37."""
MAX_PHOTO_PX = 64_000_000
"""Of a photograph that somebody hands in to be judged on their own machine."""
MAX_ASPECT = 16
"""Maximum ratio of a frame's longer side to the shorter one."""
MAX_ENCODED_BYTES = 64 << 20
"""An encoded picture that is longer is not read."""

_SOI, _SOS, _EOI = 0xD8, 0xDA, 0xD9
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG's markers of a frame (ITU-T T.81, table B.1): the size stands in them."""


class PictureError(ValueError):
    """What should be a picture is none, or none of a size that is decoded."""


class PictureSizeError(PictureError):
    """A picture is of a size that is not decoded, or not judged."""


def frame_fault(width: int, height: int) -> str | None:
    """Why frames of this size are not judged; None if they are.

    Args:
        width: In pixels.
        height: In pixels.
    """
    if too_large := _excess(width, height, MAX_PX):
        return too_large
    least, most = sorted((width, height))
    if least >= MIN_SIDE_PX and most <= MAX_ASPECT * least:
        return None
    return said(
        "a picture of {width} × {height} pixels shows too little: each side has at least {least},"
        " and the longer one is at most {aspect} times the other",
        width=width,
        height=height,
        least=MIN_SIDE_PX,
        aspect=MAX_ASPECT,
    )


def decoded(encoded: Picture, flags: int = cv2.IMREAD_COLOR, *, most_px: int = MAX_PX) -> Picture:
    """Decode a picture whose header claims no more than is wanted.

    Args:
        encoded: uint8 (n,): a JPEG, PNG, WebP or BMP.
        flags: As ``cv2.imdecode`` takes them; grey and colour pictures have 8 bits.
        most_px: How many pixels it may have, before any reduction that the flags ask for.

    Returns:
        uint8 (H, W, 3), or (H, W) if grey was asked for, turned as its EXIF says.

    Raises:
        PictureSizeError: It is larger than that.
        PictureError: It is damaged, or of another format.
    """
    size = size_of(encoded[:MAX_ENCODED_BYTES].tobytes())
    if size is None or 0 in size:
        raise PictureError(said("it is no JPEG, PNG, WebP or BMP, or its beginning is damaged"))
    if too_large := _excess(*size, most_px):
        raise PictureSizeError(too_large)
    try:
        picture = cv2.imdecode(encoded, flags)
    except cv2.error:
        picture = None
    if picture is None or picture.size == 0:
        raise PictureError(said("it cannot be decoded: it is damaged"))
    return np.asarray(picture, np.uint8)


def read(path: Path, flags: int = cv2.IMREAD_COLOR, *, most_px: int = MAX_PX) -> Picture:
    """Decode a picture file as :func:`decoded` does.

    Raises:
        PictureError: It cannot be read, or is no picture that is decoded.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise PictureError(said("it is no ordinary file, but a pipe or a device"))
        if status.st_size > MAX_ENCODED_BYTES:
            raise PictureSizeError(
                said("the file is larger than {most} MiB", most=MAX_ENCODED_BYTES >> 20)
            )
        encoded = np.fromfile(path, np.uint8)
    except OSError as error:
        raise PictureError(reason_of(error)) from error
    return decoded(encoded, flags, most_px=most_px)


def size_of(encoded: bytes) -> tuple[int, int] | None:
    """Width and height that a picture's header claims, before EXIF turns it.

    Returns:
        None if it is none of the formats that are read here, or its header is cut off.
    """
    if encoded.startswith(b"\xff\xd8\xff"):
        return _jpeg_size(encoded)
    if encoded.startswith(b"\x89PNG\r\n\x1a\n") and encoded[12:16] == b"IHDR":
        return _pair(encoded, 16, 4, "big")
    if encoded.startswith(b"BM"):
        return _bmp_size(encoded)
    if encoded.startswith(b"RIFF") and encoded[8:12] == b"WEBP":
        return _webp_size(encoded)
    return None


def _excess(width: int, height: int, most_px: int) -> str | None:
    if max(width, height) <= MAX_SIDE_PX and width * height <= most_px:
        return None
    return said(
        "a picture of {width} × {height} pixels is too large: up to {side} a side and {most:.1f}"
        " million in all are decoded",
        width=width,
        height=height,
        side=MAX_SIDE_PX,
        most=most_px / 1e6,
    )


def _jpeg_size(encoded: bytes) -> tuple[int, int] | None:
    """Go from marker to marker, as a decoder does, up to the first frame's."""
    at = 2
    while (at := encoded.find(b"\xff", at)) >= 0:
        while encoded[at : at + 1] == b"\xff":  # any number of them fill up
            at += 1
        marker, length = encoded[at : at + 1], encoded[at + 1 : at + 3]
        at += 1
        if not marker or marker[0] in {0, *_WITHOUT_LENGTH}:
            continue
        if marker[0] in {_SOI, _SOS, _EOI} or len(length) < 2:
            return None
        if marker[0] in _SOF:
            size = _pair(encoded, at + 3, 2, "big")
            return None if size is None else (size[1], size[0])
        at += max(2, int.from_bytes(length, "big"))
    return None


def _bmp_size(encoded: bytes) -> tuple[int, int] | None:
    if int.from_bytes(encoded[14:18], "little") == 12:  # OS/2's, with short numbers
        return _pair(encoded, 18, 2, "little")
    size = _pair(encoded, 18, 4, "little", signed=True)
    return None if size is None else (abs(size[0]), abs(size[1]))  # below 0: upside down


def _webp_size(encoded: bytes) -> tuple[int, int] | None:
    """A lossy, a lossless or an extended file (RFC 9649)."""
    kind = encoded[12:16]
    if kind == b"VP8 ":
        size = _pair(encoded, 26, 2, "little")
        return None if size is None else (size[0] & 0x3FFF, size[1] & 0x3FFF)
    if kind == b"VP8L" and len(encoded) >= 25:
        bits = int.from_bytes(encoded[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8X":
        size = _pair(encoded, 24, 3, "little")
        return None if size is None else (size[0] + 1, size[1] + 1)
    return None


def _pair(
    encoded: bytes, at: int, length: int, order: Literal["big", "little"], *, signed: bool = False
) -> tuple[int, int] | None:
    """Two numbers that follow each other; None if the bytes end before."""
    if len(encoded) < at + 2 * length:
        return None
    first, second = encoded[at : at + length], encoded[at + length : at + 2 * length]
    return int.from_bytes(first, order, signed=signed), int.from_bytes(second, order, signed=signed)
