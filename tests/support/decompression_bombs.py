"""Pictures that claim, or really have, more pixels than anybody wants to decode."""

from __future__ import annotations

import struct
import zlib

SOF0 = b"\xff\xc0"


def claiming(jpeg: bytes, width: int, height: int) -> bytes:
    """A baseline JPEG with another size in its header; what follows is as it was."""
    at = jpeg.index(SOF0) + 5
    return jpeg[:at] + struct.pack(">HH", height, width) + jpeg[at + 4 :]


def png_bomb(side: int) -> bytes:
    """A black PNG: some kilobytes that are side × side grey pixels."""
    rows = zlib.compress((b"\0" * (side + 1)) * side, 9)
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", rows), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in parts)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )
