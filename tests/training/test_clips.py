"""Frames of clips that only judge."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from training.datasets.clips import frames, frames_per_s

GREYS = (10, 60, 110, 160, 210)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Five even frames, each lighter than the one before, ten a second."""
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for grey in GREYS:
        writer.write(np.full((48, 64, 3), grey, np.uint8))
    writer.release()
    return path


def test_frames_are_taken_from_the_first_on(clip: Path) -> None:
    assert frames_per_s(clip) == 10
    seen = [round(float(frame.mean())) for frame in frames(clip, 2)]
    assert seen == pytest.approx(GREYS[::2], abs=3)


def test_a_clip_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.mp4"):
        list(frames(tmp_path / "none.mp4", 2))
