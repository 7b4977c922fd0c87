"""Shared by the camera drivers: grey pictures, lazy colour pictures, times of recordings."""

from __future__ import annotations

import hashlib
import threading
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Annotated

import cv2
import numpy as np
from pydantic import AfterValidator, AwareDatetime

from drivers.cameras import LUMA_WIDTH_PX, CameraError, Picture
from drivers.pictures import frame_fault
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

DEFAULT_STARTS_AT = datetime(2026, 1, 1, 10, 0, tzinfo=timezone(timedelta(hours=8)))
"""When a recording began if nobody says: a fixed moment, so that two replays agree."""
_FIRST_YEAR, _LAST_YEAR = 1970, 2199


def _possible(moment: datetime) -> datetime:
    """Refuse a time that no recording has, and with which no clock could continue."""
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise ValueError(
            said("give a year from {first} to {last}", first=_FIRST_YEAR, last=_LAST_YEAR)
        )
    return moment


StartsAt = Annotated[AwareDatetime, AfterValidator(_possible)]
"""The wall-clock time of a recording's first frame."""


def luma_of(bgr: Picture) -> Picture:
    """The grey picture of a frame, at most :data:`LUMA_WIDTH_PX` wide.

    Args:
        bgr: uint8 (H, W, 3).

    Returns:
        uint8 (h, w) of the same aspect; a picture narrower than that keeps its size.
    """
    grey = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
    small = luma_size_px((grey.shape[1], grey.shape[0]))
    return fitted(np.asarray(grey, dtype=np.uint8), small)


def assert_shows_a_street(camera_id: str, width: int, height: int) -> None:
    """Refuse a camera whose frames are of a size that is not judged.

    Raises:
        CameraError: With what is judged.
    """
    if fault := frame_fault(width, height):
        raise CameraError(camera_id, fault)


def fitted(picture: Picture, size_px: tuple[int, int]) -> Picture:
    """A picture of the size its camera was opened with: another is stretched to it.

    Zones are fractions of the frame, so they stay where they are in the scene.

    Args:
        picture: uint8 (H, W, 3) or (H, W).
        size_px: Width and height.
    """
    height, width = picture.shape[:2]
    if (width, height) == size_px:
        return picture
    way = cv2.INTER_AREA if height > size_px[1] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, size_px, interpolation=way), np.uint8)


def luma_size_px(size_px: tuple[int, int]) -> tuple[int, int]:
    """Width and height of the grey picture of frames of this size."""
    width, height = size_px
    if width <= LUMA_WIDTH_PX:
        return size_px
    return LUMA_WIDTH_PX, max(1, round(height * LUMA_WIDTH_PX / width))


def shared(bgr: Picture) -> Picture:
    """The same array, read-only: frames hand it out without copying it."""
    bgr.flags.writeable = False
    return bgr


def once(make: Callable[[], Picture]) -> Callable[[], Picture]:
    """Make a picture at its first use, in whatever thread, and only once."""
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
