"""Day and night: profiles change by schedule and light, and never flicker."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.capture.camera_profiles import MARGIN, CameraProfile, ProfileSwitcher, Switch
from agent.capture.camera_reader import CameraActivity, CameraReader
from agent.capture.mailbox import Mailbox
from agent.config.faults import ConfigError
from agent.config.loading import from_tables
from agent.domain.schedule import Window
from drivers.cameras import Frame
from tests.support.sites import site_of

WUHU = ZoneInfo("Asia/Shanghai")
NOON = datetime(2026, 6, 1, 12, tzinfo=WUHU)
EVERY_DAY = (1, 2, 3, 4, 5, 6, 7)
NIGHT = Window(EVERY_DAY, time(20), time(6))


def chosen(profile: CameraProfile, *lumas: float, step_s: float = 1.0) -> list[str | None]:
    daylight = ProfileSwitcher([profile])
    return [daylight.choose(NOON, luma, index * step_s) for index, luma in enumerate(lumas)]


@given(st.lists(st.tuples(st.floats(0.1, 20), st.floats(0, 255)), max_size=200), st.floats(1, 60))
def test_the_light_changes_nothing_more_often_than_its_hold(
    readings: list[tuple[float, float]], hold_s: float
) -> None:
    daylight = ProfileSwitcher([CameraProfile("night", darker_than=60, hold_s=hold_s)])
    now_s, before, changed_s = 0.0, daylight.choose(NOON, 128, 0.0), 0.0
    for step_s, luma in readings:
        now_s += step_s
        profile = daylight.choose(NOON, luma, now_s)
        if profile != before:
            assert now_s - changed_s >= hold_s
            before, changed_s = profile, now_s


def test_it_is_night_when_it_has_been_dark_for_long_enough() -> None:
    night = CameraProfile("night", darker_than=60, hold_s=3)
    assert chosen(night, 128, 40, 40, 40, 40, 40) == [None, None, None, None, "night", "night"]


def test_a_picture_that_the_night_s_exposure_made_brighter_is_night_still() -> None:
    night = CameraProfile("night", darker_than=60, hold_s=0)
    lumas = [40, 60 + MARGIN - 1, 60 + MARGIN - 1, 60 + MARGIN + 1, 60 + MARGIN + 1]
    assert chosen(night, *lumas) == ["night", "night", "night", "night", None]


def test_a_schedule_switches_at_its_edge() -> None:
    daylight = ProfileSwitcher([CameraProfile("night", windows=(NIGHT,))])
    at = datetime(2026, 6, 1, 19, 59, 59, tzinfo=WUHU)
    assert daylight.choose(at, 128, 0) is None
    assert daylight.choose(at + timedelta(seconds=1), 128, 1) == "night"
    assert daylight.choose(at + timedelta(hours=10, seconds=1), 128, 2) is None


def test_of_several_the_first_that_holds_is_taken_and_both_conditions_must_hold() -> None:
    lit = CameraProfile("lit night", windows=(NIGHT,), brighter_than=50, hold_s=0)
    dark = CameraProfile("dark night", windows=(NIGHT,))
    late = datetime(2026, 6, 1, 23, tzinfo=WUHU)
    assert ProfileSwitcher([lit, dark]).choose(late, 80, 0) == "lit night"
    assert ProfileSwitcher([lit, dark]).choose(late, 20, 0) == "dark night"
    assert ProfileSwitcher([lit, dark]).choose(NOON, 80, 0) is None


class Adjustable:
    """A camera that remembers how it was adjusted."""

    size_px = (64, 36)
    live = True
    source = "a test"

    def __init__(self, lumas: list[int]) -> None:
        self._lumas = lumas
        self._sequence = 0
        self.adjusted: list[Any] = []

    def read(self) -> Frame | None:
        if self._sequence >= len(self._lumas):
            return None
        luma = np.full((36, 64), self._lumas[self._sequence], np.uint8)
        self._sequence += 1
        now_s = float(self._sequence)
        picture = np.zeros((36, 64, 3), np.uint8)
        return Frame("gate", self._sequence, luma, lambda: picture, now_s, datetime.now(UTC))

    def adjust(self, settings: Any) -> None:
        self.adjusted.append(settings)

    def close(self) -> None:
        pass


def watched(camera: Adjustable, switch: Switch, activity: CameraActivity) -> None:
    mailbox = Mailbox(["gate"])
    capture = CameraReader("gate", lambda: camera, mailbox, lambda: 30, lambda: None)
    capture.activity, capture.look_at = activity, switch.look_at
    capture.run(threading.Event())


def test_a_camera_is_adjusted_when_the_light_changes_and_after_a_reopening() -> None:
    activity = CameraActivity()
    daylight = ProfileSwitcher([CameraProfile("night", darker_than=60, hold_s=2)])
    switch = Switch(daylight, {None: "plain", "night": "long"}, WUHU, lambda: activity)
    first = Adjustable([128] * 3 + [20] * 6)
    watched(first, switch, activity)
    assert first.adjusted == ["long"]
    assert activity.profile == "night"
    second = Adjustable([20] * 3)  # opened anew, with the plain settings
    watched(second, switch, activity)
    assert second.adjusted == ["long"]


def test_every_fault_of_a_profile_is_told_with_its_place() -> None:
    profiles: list[dict[str, Any]] = [
        {"name": "night", "darker_than": 300},
        {"name": "night", "settings": {"nonsense": 1}},
    ]
    site = site_of(cameras=[{"camera_id": "gate", "driver": "picamera2", "profiles": profiles}])
    with pytest.raises(ConfigError) as refused:
        from_tables(site)
    assert "cameras.0.profiles.0.darker_than" in "\n".join(refused.value.faults)
    del profiles[0]["darker_than"]
    with pytest.raises(ConfigError) as refused:
        from_tables(site)
    faults = "\n".join(refused.value.faults)
    assert "profiles.1.name" in faults
    assert "nonsense" in faults
    assert len(refused.value.faults) == 2


def test_a_profile_changes_what_it_names_and_leaves_the_rest() -> None:
    camera = {
        "camera_id": "gate",
        "driver": "picamera2",
        "settings": {"width": 1920, "height": 1080},
        "profiles": [
            {
                "name": "night",
                "when": [{"from": "20:00", "to": "06:00"}],
                "settings": {"exposure_us": 60000, "gain": 8},
            }
        ],
    }
    [section] = from_tables(site_of(cameras=[camera])).cameras
    night = section.driver_settings(Path(), "night").model_dump()
    day = section.driver_settings(Path()).model_dump()
    assert (night["exposure_us"], night["gain"], night["width"]) == (60000, 8, 1920)
    assert (day["exposure_us"], day["gain"], day["width"]) == (None, None, 1920)
