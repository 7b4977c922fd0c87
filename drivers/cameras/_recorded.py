"""What camera drivers share: grey pictures, pictures made when asked for, and recordings' times."""

from __future__ import annotations

import hashlib
import threading
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import cv2
import numpy as np

from drivers.cameras import LUMA_WIDTH_PX, Picture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

DEFAULT_STARTS_AT = datetime(2026, 1, 1, 10, 0, tzinfo=timezone(timedelta(hours=8)))
"""When a recording began if nobody says: a fixed moment, so that two replays agree."""


def luma_of(bgr: Picture) -> Picture:
    """The grey picture of a frame, at most :data:`LUMA_WIDTH_PX` wide.

    Args:
        bgr: uint8 (H, W, 3).

    Returns:
        uint8 (h, w) of the same aspect; a picture narrower than that keeps its size.
    """
    grey = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
    height, width = grey.shape
    if width > LUMA_WIDTH_PX:
        size = (LUMA_WIDTH_PX, max(1, round(height * LUMA_WIDTH_PX / width)))
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    return np.asarray(grey, dtype=np.uint8)


def shared(bgr: Picture) -> Picture:
    """The same array, read-only: frames hand it out without copying it."""
    bgr.flags.writeable = False
    return bgr


def once(make: Callable[[], Picture]) -> Callable[[], Picture]:
    """Make a picture when it is first asked for, by whatever thread, and only once."""
    lock = threading.Lock()
    made: list[Picture] = []

    def give() -> Picture:
        with lock:
            if not made:
                made.append(shared(make()))
        return made[0]

    return give


def content_hash(paths: Iterable[Path], also: str = "") -> str:
    """The first 12 hex digits of the SHA-256 over the files' contents, in order, and a text."""
    whole = hashlib.sha256(also.encode())
    for path in paths:
        with path.open("rb") as opened:
            whole.update(hashlib.file_digest(opened, "sha256").digest())
    return whole.hexdigest()[:12]
