"""What a text in the database is known by, so that a flipped bit is found before it is believed.

SQLite's own check sees damage of the file's structure, not of what a row says.
"""

from __future__ import annotations

import json
import zlib


def crc_of(text: str) -> int:
    """The CRC-32 of a text: no flipped bit leaves it as it was."""
    return zlib.crc32(text.encode())


def is_whole(text: object, crc: object) -> bool:
    """Whether a row's text is what was written; without a checksum: whether it can be, as JSON.

    Args:
        text: What the row holds now; in a damaged file that may be anything.
        crc: What it was known by; None: an older agent wrote it.
    """
    if not isinstance(text, str):
        return False
    if crc is not None:
        return crc_of(text) == crc
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
