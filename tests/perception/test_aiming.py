"""Promises about the figures for whoever points a camera: they go where the picture goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from agent.perception.aiming import Aiming
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from numpy.typing import NDArray


@pytest.fixture(scope="module")
def street() -> NDArray[np.uint8]:
    clip = cv2.VideoCapture(str(ROOT / "examples" / "street" / "clip.mp4"))
    read, bgr = clip.read()
    clip.release()
    assert read
    grey = cv2.cvtColor(
        cv2.resize(bgr, (320, 180), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY
    )
    return np.asarray(grey, np.uint8)


def test_the_same_picture_is_as_sharp_and_where_it_was(street: NDArray[np.uint8]) -> None:
    aim = Aiming(street).measure(street)
    assert aim.sharpness_share == pytest.approx(1.0, abs=0.01)
    assert (aim.alike_share, aim.moved_by) == (1.0, 0.0)


def test_out_of_focus_the_share_falls_step_by_step(street: NDArray[np.uint8]) -> None:
    aiming = Aiming(street)
    shares = [
        aiming.measure(
            np.asarray(cv2.GaussianBlur(street, (0, 0), sigma), np.uint8)
        ).sharpness_share
        for sigma in (0.5, 1.0, 2.0)
    ]
    assert None not in shares
    assert 1 > shares[0] > shares[1] > shares[2]  # type: ignore[operator]
    assert shares[2] < 0.5  # type: ignore[operator]


def test_turned_aside_it_says_by_how_much(street: NDArray[np.uint8]) -> None:
    aside = np.roll(street, 32, axis=1)
    aim = Aiming(street).measure(aside)
    assert aim.moved_by == pytest.approx(0.1, abs=0.02)
    assert aim.alike_share is not None
    assert aim.alike_share < 0.6


@pytest.mark.parametrize(("gain", "what"), [(0.02, "black_share"), (8.0, "burnt_share")])
def test_what_is_too_dark_or_too_bright_is_counted(
    street: NDArray[np.uint8], gain: float, what: str
) -> None:
    aim = Aiming(None).measure(np.clip(street * gain, 0, 255).astype(np.uint8))
    assert getattr(aim, what) > 0.5
    assert (aim.sharpness_share, aim.alike_share, aim.moved_by) == (None, None, None)


def test_a_commissioning_picture_of_another_size_is_compared_all_the_same(
    street: NDArray[np.uint8],
) -> None:
    larger = np.asarray(cv2.resize(street, (640, 360)), np.uint8)
    assert Aiming(larger).measure(street).alike_share == pytest.approx(1.0, abs=0.1)
    assert Aiming(larger[:, :300]).measure(street).alike_share is None
