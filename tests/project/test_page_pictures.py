"""The pictures of the documents show the example street as the code draws it today."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import pytest

from tests.support import page_pictures
from tests.support.paths import DOCS, STREET

if TYPE_CHECKING:
    from pathlib import Path

MAX_UNLIKE = 0.005
"""Share of pixels that differ by more than :data:`PLAINLY`: JPEG alone makes 0.001 of thin red lines, the
zones left out 0.019, another moment of the street 0.09."""
PLAINLY = 80


def unlikeness(path: Path, drawn: Any) -> float:
    kept = cv2.imread(str(path))
    assert kept is not None
    return float((cv2.absdiff(kept, drawn).max(axis=2) > PLAINLY).mean())


def test_the_picture_of_zones_shows_the_zones_of_the_example() -> None:
    assert unlikeness(page_pictures.ZONES_PICTURE, page_pictures.zones()) < MAX_UNLIKE


@pytest.mark.slow
def test_the_picture_of_the_demo_shows_the_moment_at_which_vending_opens() -> None:
    assert unlikeness(page_pictures.STREET_PICTURE, page_pictures.street()) < MAX_UNLIKE


def test_a_picture_without_zones_is_found() -> None:
    film = cv2.VideoCapture(str(STREET / "clip.mp4"))
    plain = film.read()[1]
    film.release()
    assert unlikeness(page_pictures.ZONES_PICTURE, plain) > MAX_UNLIKE


def test_pictures_of_pages_are_small() -> None:
    for path in DOCS.glob("*.jpg"):
        assert path.stat().st_size <= page_pictures.MAX_BYTES, path.name
