"""Checksums of texts in the database, so that flipped bits are found.

SQLite's own check finds damage of the file's structure, not of a row's content.
"""

from __future__ import annotations

import json
import zlib


def crc_of(text: str) -> int:
    """The CRC-32 of a text; any single flipped bit changes it."""
    return zlib.crc32(text.encode())


def is_whole(text: object, crc: object) -> bool:
    """Whether a row's text is as written; without a checksum: whether it is valid JSON.

    Args:
        text: What the row holds now; in a damaged file that may be anything.
        crc: Its checksum; None: written by an older version.
    """
    if not isinstance(text, str):
        return False
    if crc is not None:
        return crc_of(text) == crc
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
