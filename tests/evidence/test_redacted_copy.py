"""Promises about the file of a redacted picture."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from agent.evidence.redacted_copy import (
    CLOSE_UP,
    LEAST_SIDE_PX,
    WIDE,
    Bounds,
    CopyError,
    copy_of,
)
from tests.support.paths import ROOT


def noise(width: int, height: int) -> NDArray[np.uint8]:
    """Nothing is harder to compress."""
    return np.random.default_rng(2).integers(0, 256, (height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize("bounds", [WIDE, CLOSE_UP])
def test_even_what_cannot_be_compressed_fits(bounds: Bounds) -> None:
    copy = copy_of(noise(1920, 1080), bounds)
    assert len(copy.jpeg) <= bounds.most_bytes
    assert max(copy.width_px, copy.height_px) >= LEAST_SIDE_PX
    assert copy.width_px / copy.height_px == pytest.approx(1920 / 1080, rel=0.02)


def test_the_two_that_leave_by_default_are_120_kb_at_most() -> None:
    assert WIDE.most_bytes + CLOSE_UP.most_bytes <= 120_000


def test_a_streets_picture_keeps_its_size_and_says_it() -> None:
    clip = cv2.VideoCapture(str(ROOT / "examples" / "street" / "clip.mp4"))
    read, bgr = clip.read()
    clip.release()
    assert read
    copy = copy_of(np.asarray(bgr, np.uint8), WIDE)
    shown = cv2.imdecode(np.frombuffer(copy.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    assert shown.shape[1::-1] == (copy.width_px, copy.height_px) == (1280, 720)
    assert copy.jpeg.startswith(b"\xff\xd8\xff\xe0"), "JFIF, no EXIF"


def test_a_small_picture_is_never_enlarged() -> None:
    copy = copy_of(noise(64, 48), CLOSE_UP)
    assert (copy.width_px, copy.height_px) == (64, 48)


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(CopyError):
        copy_of(np.zeros((10, 10, 2), np.uint8), WIDE)
