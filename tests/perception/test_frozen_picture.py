"""A picture that hangs is known though its clock runs; a street that is quiet is not taken for one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, cycle, islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from agent.domain.scene import Zone
from agent.perception.view_health import Settings, ViewMonitor
from agent.perception.view_health.frozen_picture import Still
from drivers.cameras import Picture
from drivers.cameras._recorded import luma_of
from tests.support import view_faults
from tests.support.paths import SHARED, SUPPORT
from tests.support.scenes import zone
from tests.support.staged_clips import BUNDLED
from tests.support.view_faults import CORNERS, Overlay

SHARED = SHARED / "data"
REAL = [
    path for folder in ("videos", "videos_more") for path in sorted((SHARED / folder).glob("*.mp4"))
]
DRAWN = [BUNDLED / "clip.mp4", *sorted((SUPPORT / "clips").glob("*/clip.mp4"))]
SIZE_PX = (640, 360)
AFTER_S = 20


def rectangle(
    name: str, kind: str, *, left: float, top: float, right: float, bottom: float
) -> Zone:
    corners = ((left, top), (right, top), (right, bottom), (left, bottom))
    return zone(kind, corners, zone_id=name)


KERB = rectangle("kerb", "no_parking", left=0.1, top=0.4, right=0.9, bottom=0.9)


def first_of(clip: Path, number: int = 3) -> Picture:
    video = cv2.VideoCapture(str(clip))
    video.set(cv2.CAP_PROP_POS_FRAMES, number)
    return cv2.resize(video.read()[1], SIZE_PX).astype(np.uint8)


def told_of(pictures: Iterable[Picture], *zones: Zone, **settings: float) -> int | None:
    """The second at which the guard says that the view hangs; None: it never does."""
    guard = ViewMonitor([KERB, *zones], Settings(**({"frozen_after_s": AFTER_S} | settings)))  # type: ignore[arg-type]
    for second, bgr in enumerate(pictures):
        guard.take(luma_of(bgr), float(second))
        if guard.state == "view_frozen":
            return second
    return None


def hanging(overlay: Overlay, seconds: int = 60) -> Iterator[Picture]:
    still = first_of(BUNDLED / "clip.mp4")
    return (overlay(still, second) for second in range(seconds))


def living(still: Picture, sigma: float, seconds: int = 60) -> Iterator[Picture]:
    """A street on which nothing happens, by a sensor with that much noise."""
    random = np.random.default_rng(1)
    for _ in range(seconds):
        noise = random.normal(0, sigma, still.shape[:2])[..., None]
        yield np.clip(still + noise, 0, 255).astype(np.uint8)


def coded(pictures: Iterable[Picture], folder: Path, code: str = "mp4v") -> Iterator[Picture]:
    """The same through a lossy codec, five frames a second."""
    path = folder / "coded.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), 5, SIZE_PX)
    assert writer.isOpened()
    for bgr in pictures:
        for _ in range(5):
            writer.write(bgr)
    writer.release()
    video = cv2.VideoCapture(str(path))
    number = 0
    while video.grab():
        if number % 5 == 2:
            yield video.retrieve()[1].astype(np.uint8)
        number += 1


OVERLAYS: dict[str, Callable[[], Overlay]] = {
    **{f"clock, {corner}": lambda corner=corner: view_faults.clock(corner) for corner in CORNERS},  # type: ignore[misc]
    "two lines": lambda: view_faults.clock("top left", lines=2),
    "two lines below": lambda: view_faults.clock("bottom right", lines=2),
    "a clock without seconds": lambda: view_faults.clock("top right", seconds=False),
    "a dot": view_faults.recording_dot,
    "a ticker": view_faults.ticker,
    "clock and ticker": lambda: both(view_faults.clock("top right"), view_faults.ticker()),
    "clock and dot": lambda: both(view_faults.clock("bottom left"), view_faults.recording_dot()),
}  # fmt: skip


def both(one: Overlay, other: Overlay) -> Overlay:
    return lambda bgr, second: other(one(bgr, second), second)


@pytest.mark.parametrize("name", OVERLAYS)
def test_a_picture_that_hangs_is_known_though_something_is_written_into_it(name: str) -> None:
    told = told_of(hanging(OVERLAYS[name]()))
    assert told is not None
    assert told <= AFTER_S + 2


@pytest.mark.slow
@pytest.mark.parametrize("code", ["mp4v", "MJPG"])
@pytest.mark.parametrize("name", ["clock, top left", "clock, bottom right", "clock and dot"])
def test_so_is_one_that_was_coded_anew(name: str, code: str, tmp_path: Path) -> None:
    told = told_of(coded(hanging(OVERLAYS[name]()), tmp_path, code))
    assert told is not None


@pytest.mark.slow
@pytest.mark.parametrize("name", OVERLAYS)
def test_a_quiet_street_with_the_same_text_is_not_frozen(name: str) -> None:
    still, overlay = first_of(BUNDLED / "clip.mp4"), OVERLAYS[name]()
    shown = (overlay(bgr, second) for second, bgr in enumerate(living(still, 1.0)))
    assert told_of(shown) is None


@pytest.mark.slow
@pytest.mark.parametrize("dark", [1.0, 0.15])
@pytest.mark.parametrize("sigma", [1.0, 2.5])
def test_nor_is_one_that_was_coded_coarsely(sigma: float, dark: float, tmp_path: Path) -> None:
    still = (first_of(BUNDLED / "clip.mp4") * dark).astype(np.uint8)
    overlay = view_faults.clock()
    shown = (overlay(bgr, second) for second, bgr in enumerate(living(still, sigma)))
    assert told_of(coded(shown, tmp_path)) is None


@pytest.mark.slow
@pytest.mark.parametrize("clip", DRAWN, ids=lambda path: path.parent.name)
def test_a_drawn_street_with_a_clock_is_not_frozen(clip: Path) -> None:
    overlay = view_faults.clock("bottom left")
    shown = (overlay(bgr, second) for second, bgr in enumerate(seconds_of(clip)))
    assert told_of(shown, frozen_after_s=10) is None


@pytest.mark.slow
@pytest.mark.skipif(not REAL, reason="no ../shared/data/videos: the real clips are there")
@pytest.mark.parametrize("clip", REAL, ids=lambda path: path.name)
@pytest.mark.parametrize("with_clock", [True, False])
def test_a_real_street_is_not_frozen_and_is_when_it_hangs(clip: Path, with_clock: bool) -> None:
    overlay = view_faults.clock("top right") if with_clock else (lambda bgr, _: bgr)
    street = list(seconds_of(clip))
    alive = list(islice(cycle([*street, *street[-2:0:-1]]), 60))
    shown = chain(alive, [alive[-1]] * 60)
    told = told_of(overlay(bgr, second) for second, bgr in enumerate(shown))
    assert told is not None
    assert 60 + AFTER_S - 2 <= told <= 60 + AFTER_S + 2


def seconds_of(clip: Path) -> Iterator[Picture]:
    video = cv2.VideoCapture(str(clip))
    every, number = max(1, round(video.get(cv2.CAP_PROP_FPS))), 0
    while video.grab():
        if number % every == 0:
            yield cv2.resize(video.retrieve()[1], SIZE_PX).astype(np.uint8)
        number += 1


def test_what_moves_in_a_drawing_without_noise_is_no_text() -> None:
    """A cart that goes along the upper edge, and a small thing that comes near the middle."""
    still = first_of(BUNDLED / "clip.mp4")

    def cart(bgr: Picture, second: int) -> Picture:
        result = bgr.copy()
        left = second * 10
        cv2.rectangle(result, (left, 30), (left + 100, 115), (20, 30, 160), -1)
        return result

    def small(bgr: Picture, second: int) -> Picture:
        result = bgr.copy()
        cv2.circle(result, (300 + second % 7 * 2, 180), 6, (20, 30, 160), -1)
        return result

    assert told_of(cart(still, second) for second in range(50)) is None
    assert told_of(small(still, second) for second in range(50)) is None


def test_a_text_in_the_middle_is_named_by_a_mask() -> None:
    still = first_of(BUNDLED / "clip.mp4")

    def text(second: int) -> Picture:
        result = still.copy()
        cv2.putText(
            result, f"{second:05d}", (280, 190), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (255,) * 3, 2
        )
        return result

    masked = rectangle("clock", "mask", left=0.4, top=0.4, right=0.65, bottom=0.6)
    assert told_of(text(second) for second in range(50)) is None
    told = told_of((text(second) for second in range(50)), masked)
    assert told is not None


def test_a_picture_that_lives_again_is_believed_again() -> None:
    still, overlay = first_of(BUNDLED / "clip.mp4"), view_faults.clock()
    guard = ViewMonitor([KERB], Settings(frozen_after_s=AFTER_S, return_after_s=3))
    for second in range(40):
        guard.take(luma_of(overlay(still, second)), float(second))
    assert guard.abstaining["kerb"].because == "view_frozen"
    assert guard.abstaining["kerb"].since_s <= 1
    for second, bgr in enumerate(living(still, 1.5, 10), 40):
        verdict = guard.take(luma_of(overlay(bgr, second)), float(second))
    assert (guard.state, verdict.resting) == ("good", {})


def test_a_picture_of_another_size_begins_anew() -> None:
    still = Still()
    assert still.take(np.full((180, 320), 90, np.uint8), 0.0) == 0.0
    assert still.take(np.full((180, 320), 90, np.uint8), 5.0) == 0.0
    assert still.take(np.full((183, 321), 90, np.uint8), 6.0) == 6.0
