"""The size of a JPEG by its headers alone: nothing of a stranger's file is decoded (ITU-T T.81, B.2.2)."""

from __future__ import annotations

from typing import Final

_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE: Final = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers without a length behind them."""


def size_px(content: bytes) -> tuple[int, int] | None:
    """Width and height in pixels; None: it is no JPEG."""
    if content[:2] != b"\xff\xd8":
        return None
    at = 2
    while at + 4 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in _ALONE:
            at += 2
        elif marker in _FRAMES:
            frame = content[at + 5 : at + 9]
            if len(frame) < 4:
                return None
            return int.from_bytes(frame[2:], "big"), int.from_bytes(frame[:2], "big")
        else:
            at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return None
