"""A frame of the ring on its way to a dry run."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple


class RingFrame(NamedTuple):
    """One frame as it came: JPEGs."""

    now_s: float
    at: datetime
    bgr: bytes
    luma: bytes
