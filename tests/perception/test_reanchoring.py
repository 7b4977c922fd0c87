"""Zones are moved onto a new picture only where it shows the place of the old one, and then to where they belong."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from agent.domain.polygons import share_within
from agent.perception.view_health.reanchoring import NotAnchored, anchored
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from drivers.cameras import Picture

ZONE = ((0.3, 0.5), (0.6, 0.5), (0.65, 0.8), (0.25, 0.8))
WITHIN = 0.012
"""Of the picture: 15 pixels of 1280."""


def frame(clip: str, at_s: float) -> Picture:
    opened = cv2.VideoCapture(str(ROOT / clip))
    opened.set(cv2.CAP_PROP_POS_MSEC, at_s * 1000)
    read, bgr = opened.read()
    opened.release()
    assert read
    return np.asarray(bgr, np.uint8)


STREET = "examples/street/clip.mp4"


@pytest.fixture(scope="module")
def street() -> Picture:
    return frame(STREET, 1)


def turned(degrees: float, scale: float, right: float, down: float) -> np.ndarray:
    """From fractions of a picture to fractions of what a camera that moved sees; pixels of 1280 × 720."""
    matrix = np.vstack([cv2.getRotationMatrix2D((640, 360), degrees, scale), [0, 0, 1]])
    matrix[:2, 2] += (right * 1280, down * 720)
    return matrix


def seen_by(street: Picture, matrix: np.ndarray) -> Picture:
    moved = cv2.warpPerspective(street, matrix, (1280, 720), borderMode=cv2.BORDER_REFLECT)
    noise = np.random.default_rng(1).normal(0, 4, moved.shape)
    return np.asarray(np.clip(moved * 0.8 + noise, 0, 255), np.uint8)


def belongs(matrix: np.ndarray) -> np.ndarray:
    points = np.array([[(x * 1280, y * 720) for x, y in ZONE]])
    return np.asarray(cv2.perspectiveTransform(points, matrix)[0] / (1280, 720))


@pytest.mark.parametrize(
    "matrix",
    [
        turned(0, 1, 0, 0),
        turned(0, 1, 0.08, -0.05),
        turned(6, 1.1, 0.03, 0.02),
        turned(-4, 0.85, 0, 0),
        np.array([[1.02, 0.05, -20], [0.01, 1.05, -10], [4e-5, 2e-5, 1]]),
    ],
    ids=["same", "aside", "turned", "wider", "perspective"],
)
def test_a_zone_lies_where_it_belongs_after_the_camera_has_moved(
    street: Picture, matrix: np.ndarray
) -> None:
    found = anchored(street, seen_by(street, matrix))
    moved = np.array(found.moved(ZONE))
    assert moved == pytest.approx(belongs(matrix), abs=WITHIN)
    assert found.certainty > 0.6
    assert found.knows(found.moved(ZONE))


def test_other_people_and_another_light_do_not_matter(street: Picture) -> None:
    later = frame(STREET, 60)
    found = anchored(street, later)
    assert np.array(found.moved(ZONE)) == pytest.approx(np.array(ZONE), abs=WITHIN)
    assert found.moved_by < WITHIN


def test_what_lies_beyond_the_new_picture_is_cut_or_gone(street: Picture) -> None:
    found = anchored(street, seen_by(street, turned(0, 1, -0.4, 0)))
    moved = found.moved(ZONE)
    assert min(x for x, _ in moved) == 0.0
    assert max(x for x, _ in moved) < 0.3
    assert found.moved([(0.0, 0.4), (0.2, 0.4), (0.2, 0.6)]) == []


def bay_of(folder: str) -> list[tuple[float, float]]:
    zones = json.loads((ROOT / folder / "zones.json").read_text(encoding="utf-8"))["zones"]
    [bay] = [each["polygon"] for each in zones if each["kind"] == "bay"]
    return [(x, y) for x, y in bay]


def test_a_sister_unit_on_a_street_that_is_built_alike_gets_its_zones(street: Picture) -> None:
    sister = "tests/support/clips/seed-606"
    found = anchored(street, frame(f"{sister}/clip.mp4", 1))
    moved, drawn = found.moved(bay_of("examples/street")), bay_of(sister)
    assert share_within(drawn, [moved]) > 0.85
    assert share_within(moved, [drawn]) > 0.85


@pytest.mark.parametrize("other", ["seed-505", "seed-707", "noise", "grey", "mirrored"])
def test_another_place_is_refused(street: Picture, other: str) -> None:
    if other.startswith("seed"):
        picture = frame(f"tests/support/clips/{other}/clip.mp4", 1)
    elif other == "noise":
        picture = np.random.default_rng(3).integers(0, 255, street.shape, np.uint8)
    elif other == "grey":
        picture = np.full_like(street, 90)
    else:
        picture = np.ascontiguousarray(street[:, ::-1])
    with pytest.raises(NotAnchored):
        anchored(street, picture)
