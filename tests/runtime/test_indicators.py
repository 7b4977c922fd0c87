"""What the device shows and hears at the pole."""

from __future__ import annotations

import re
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import pytest
from gpiozero.pins.mock import MockFactory
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agent.concurrency.threads import Threads
from agent.concurrency.watchdog import Progress
from agent.config.loading import from_tables
from agent.config.schema import GpioSection
from agent.protocol.events import HeartbeatEvent
from agent.runtime.device import run
from agent.runtime.indicators import (
    AT_WORK,
    LONG_PRESS_S,
    PATTERNS,
    SOUNDS,
    STEP_S,
    Button,
    Indicators,
    Sign,
    Situation,
    Thermostat,
    can_warn,
    lit,
    sign_of,
    sounds,
)
from drivers.gpio import Gpio, GpioError, Settings
from tests.support.broker import Broker
from tests.support.paths import DOCS
from tests.support.red_bike_model import write_model
from tests.support.sites import site_of
from tests.support.waiting import PATIENCE_S, wait_until

situations = st.builds(
    Situation,
    running_cameras=st.integers(0, 3),
    lost_cameras=st.integers(0, 3),
    analysed_frames=st.integers(0, 3),
    hot=st.booleans(),
    online=st.sampled_from([None, True, False]),
    open_cases=st.integers(0, 3),
    brightness=st.none() | st.floats(0, 255),
    step=st.none()
    | st.sampled_from([*AT_WORK, Sign.ENROLLING, Sign.SEEDED, Sign.WAITING, Sign.PROVISIONAL]),
)


@given(situations, st.sampled_from([None, True, False]), st.booleans(), st.booleans())
def test_the_light_shows_the_most_important_of_what_is_so(
    now: Situation, opened: bool | None, identify: bool, fault: bool
) -> None:
    so = {
        Sign.IDENTIFY: identify,
        Sign.FAULT: fault,
        Sign.TAMPER: opened is True,
        Sign.CAMERA_LOST: now.lost_cameras > 0,
        Sign.HOT: now.hot,
        Sign.STARTING: now.analysed_frames == 0,
        Sign.OFFLINE: now.online is False and now.analysed_frames > 0,
        Sign.WATCHING: True,
    }
    if now.step is not None:  # STARTING and OFFLINE go before those that only wait for somebody
        so[now.step] = True
    assert sign_of(now, opened=opened, identify=identify, fault=fault) == min(
        sign for sign, holds in so.items() if holds
    )


@given(st.sampled_from(list(Sign)), st.floats(0, 1e6))
def test_a_pattern_repeats_and_is_on_for_its_share(sign: Sign, at_s: float) -> None:
    pattern = PATTERNS[sign]
    whole_s = sum(pattern)
    if len(pattern) == 1:
        assert lit(sign, at_s)
        return
    steps = 2000
    on = sum(lit(sign, at_s + whole_s * step / steps) for step in range(steps)) / steps
    assert on == pytest.approx(sum(pattern[::2]) / whole_s, abs=0.01)


def test_a_step_sounds_once_as_it_begins_and_other_signs_never() -> None:
    for sign in Sign:
        heard = [sounds(sign, step / 100) for step in range(1000)]
        begins = sum(
            now and not before for before, now in zip([False, *heard], heard, strict=False)
        )
        assert begins == len(SOUNDS.get(sign, ())[::2]), sign
    assert not sounds(Sign.TESTED, float("inf"))


def test_no_two_signs_look_alike() -> None:
    assert len(set(PATTERNS.values())) == len(Sign)


def test_the_table_for_people_is_that_of_the_code() -> None:
    text = (DOCS / "signals.md").read_text(encoding="utf-8")
    told = {
        name: tuple(float(number) for number in pattern.split(","))
        for name, pattern in re.findall(r"^\| ([A-Z_]+) \| ([\d., ]+) \|", text, re.MULTILINE)
    }
    assert told == {sign.name: PATTERNS[sign] for sign in Sign}


@given(st.lists(st.none() | st.floats(0, 100), min_size=1, max_size=100))
def test_the_fan_never_chatters(readings: list[float | None]) -> None:
    thermostat, before = Thermostat(60, 50), False
    for celsius in readings:
        on = thermostat.feel(celsius)
        if celsius is not None and 50 < celsius < 60:
            assert on == before
        elif celsius is None or celsius >= 60:
            assert on
        else:
            assert not on
        before = on


def presses(*held_s: float) -> list[str]:
    button, now_s, told = Button(), 0.0, []
    for pressed_s in held_s:
        for pressed, length_s in ((True, pressed_s), (False, 0.5)):
            for _ in range(round(length_s / STEP_S)):
                if (press := button.sample(now_s, pressed=pressed)) is not None:
                    told.append(press)
                now_s += STEP_S
    return told


def test_a_press_is_short_or_long_and_a_bounce_is_none() -> None:
    assert presses(0.05) == []
    assert presses(0.3) == ["short"]
    assert presses(LONG_PRESS_S + 1) == ["long"]
    assert presses(0.3, LONG_PRESS_S + 1, 0.3) == ["short", "long", "short"]


def test_every_fault_of_the_pins_is_told() -> None:
    with pytest.raises(ValidationError, match="used twice") as refused:
        Settings(led=4, fan=4)
    assert "led" in str(refused.value)
    with pytest.raises(ValidationError) as both:
        Settings.model_validate({"led": 99, "lamp": -1})
    assert len(both.value.errors()) == 2


def test_a_pin_library_that_is_not_there_is_named() -> None:
    if Path("/dev/gpiochip0").exists():
        pytest.skip("this machine has pins")
    with pytest.raises(GpioError, match=r"^GPIO: .+"):
        Gpio(Settings(factory="lgpio", led=4))


class Rehearsal:
    """Mock pins, and a device whose situation the test sets."""

    def __init__(self, **told: Any) -> None:
        self.section = GpioSection.model_validate({"factory": "mock", **told})
        self.gpio = Gpio(self.section)
        self.situation = Situation(1, 0, 100, False, True, 0, 120.0)
        self.celsius: float | None = 40.0
        self.asked = 0
        self.heartbeats: list[float] = []
        self.ended = threading.Event()
        self.signals = Indicators(
            self.gpio,
            self.section,
            situation=self._ask,
            temperature_c=lambda: self.celsius,
            local=lambda: datetime(2026, 6, 1, 12),  # noqa: DTZ001 - local time is meant
            soon=lambda: self.heartbeats.append(time.monotonic()),
            end=self.ended.set,
            fault=lambda: self.workers.broken,
        )
        self.workers = Threads(threading.Event(), Progress(time.monotonic))

    def _ask(self) -> Situation:
        self.asked += 1
        return self.situation

    def wait_for_looks(self, count: int) -> None:
        """Until the device has looked so often again at how it is, and at its pins at least as often."""
        wanted = self.asked + count
        wait_until(lambda: self.asked >= wanted)

    def pin(self, number: int) -> Any:
        return self.gpio._factory.pin(number)  # the mock's own pin, as a wire would reach it

    def __enter__(self) -> Self:
        self.workers.keep("signals", lambda: self.signals.run(self.workers.stop))
        return self

    def __exit__(self, *_: object) -> None:
        self.workers.stop.set()
        self.workers.join(PATIENCE_S)
        self.signals.close()


@pytest.mark.slow
def test_the_pins_follow_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.runtime.indicators.LOOK_EVERY_S", 0.05)
    pins = {"led": 17, "button": 27, "tamper": 22, "fan": 12, "lamp": 23, "buzzer": 24}
    lamp = {"darker_than": 50, "hold_s": 0}
    with Rehearsal(**pins, lamp_is_on=lamp) as device:
        device.pin(22).drive_low()  # the housing is closed
        wait_until(lambda: device.signals.inputs == {"tamper": False})
        wait_until(lambda: device.pin(17).state)
        wait_until(lambda: not device.pin(17).state)
        assert not device.pin(12).state
        device.celsius = 70.0
        wait_until(lambda: device.pin(12).state)
        device.celsius = 45.0
        wait_until(lambda: not device.pin(12).state)
        device.situation = Situation(1, 0, 100, False, True, 1, 20.0)
        wait_until(lambda: device.pin(24).state)  # a case has opened
        wait_until(lambda: device.pin(23).state)  # and it is dark
        wait_until(lambda: not device.pin(24).state)
        told = len(device.heartbeats)
        device.pin(22).drive_high()
        wait_until(lambda: device.signals.inputs == {"tamper": True})
        wait_until(lambda: len(device.heartbeats) == told + 1)
        monkeypatch.setattr("agent.runtime.indicators.LONG_PRESS_S", 3600.0)
        device.pin(27).drive_low()
        device.wait_for_looks(4)  # a press that is seen twice is no bounce
        device.pin(27).drive_high()
        wait_until(lambda: len(device.heartbeats) == told + 2)
        assert not device.ended.is_set()
        monkeypatch.setattr("agent.runtime.indicators.LONG_PRESS_S", 0.4)
        device.pin(27).drive_low()
        wait_until(device.ended.is_set)


@pytest.mark.slow
def test_in_quiet_times_nothing_sounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.runtime.indicators.LOOK_EVERY_S", 0.02)
    quiet = [{"from": "11:00", "to": "13:00"}]
    with Rehearsal(buzzer=24, led=17, quiet=quiet) as device:
        device.situation = Situation(1, 0, 100, False, True, 1, None)
        for _ in range(20):
            device.wait_for_looks(1)
            assert not device.pin(24).state


@pytest.mark.slow
def test_a_warning_flashes_and_sounds_and_the_lamp_is_as_before_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("agent.runtime.indicators.LOOK_EVERY_S", 0.02)
    monkeypatch.setattr("agent.runtime.indicators.WARN_PATTERN", (0.1, 0.1))
    monkeypatch.setattr("agent.runtime.indicators.WARN_S", 3600.0)
    monkeypatch.setattr("agent.runtime.indicators.WARN_BEEPS_S", 3600.0)
    noon = datetime(2026, 6, 1, 12)  # noqa: DTZ001 - local time is meant
    with Rehearsal(lamp=23, buzzer=24, lamp_is_on={"darker_than": 0}) as device:
        device.wait_for_looks(2)
        assert not device.pin(23).state
        assert device.signals.warn(noon)
        for number in (23, 24):
            wait_until(lambda number=number: device.pin(number).state)  # type: ignore[misc]
            wait_until(lambda number=number: not device.pin(number).state)  # type: ignore[misc]
        monkeypatch.setattr("agent.runtime.indicators.WARN_S", 0.0)
        monkeypatch.setattr("agent.runtime.indicators.WARN_BEEPS_S", 0.0)
        device.wait_for_looks(4)
        assert not device.pin(23).state
        assert not device.pin(24).state


@pytest.mark.parametrize(
    ("pins", "quiet", "noticed"),
    [
        ({"lamp": 23, "buzzer": 24}, False, True),
        ({"buzzer": 24}, False, True),
        ({"buzzer": 24}, True, False),
        ({"lamp": 23}, True, True),
        ({"led": 17, "fan": 12}, False, False),
        ({}, False, False),
    ],
)
def test_a_warning_counts_only_where_somebody_could_notice_it(
    pins: dict[str, int], quiet: bool, noticed: bool
) -> None:
    times = [{"from": "11:00", "to": "13:00"}] if quiet else []
    section = GpioSection.model_validate({"factory": "mock", "quiet": times, **pins})
    assert can_warn(section, datetime(2026, 6, 1, 12)) is noticed  # noqa: DTZ001 - local time is meant


@pytest.mark.slow
def test_when_it_ends_everything_is_switched_off() -> None:
    with Rehearsal(fan=12, led=17) as device:
        device.celsius = 90.0
        fan = device.pin(12)
        wait_until(lambda: fan.state)
    assert not fan.state


def broken() -> None:
    raise OSError("example")


@pytest.mark.slow
def test_the_light_is_steady_while_a_part_that_failed_waits_to_be_started_again() -> None:
    mended = threading.Event()

    def work() -> None:
        if not mended.is_set():
            broken()

    with Rehearsal(led=17) as device:
        light = device.pin(17)
        device.workers.keep("part", work)
        wait_until(lambda: light.state and time.monotonic() - light._last_change > 0.5)
        mended.set()
        known = len(light.states)
        wait_until(lambda: len(light.states) > known + 2)  # it flashes again


@pytest.mark.slow
def test_the_light_stays_on_when_a_fault_ends_the_run_until_the_pins_are_released() -> None:
    with Rehearsal(led=17, fan=12) as device:
        device.celsius = 90.0
        light, fan = device.pin(17), device.pin(12)
        wait_until(lambda: fan.state)
        device.workers.start("part", broken)
        device.workers.join(PATIENCE_S)
        assert not device.workers.running("signals")
        assert (light.state, fan.state) == (True, False)
    assert not light.state


@pytest.mark.slow
def test_a_run_that_ends_as_planned_leaves_the_light_off() -> None:
    with Rehearsal(led=17) as device:
        light = device.pin(17)
        wait_until(lambda: light.state)
        device.workers.stop.set()
        device.workers.join(PATIENCE_S)
        assert not light.state


def test_a_running_agent_shows_that_a_fault_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_model(tmp_path / "models")
    monkeypatch.setenv("KERBWATCH_MODELS", str(tmp_path / "models"))
    pins = MockFactory()
    monkeypatch.setattr("drivers.gpio._factory", lambda _: pins)
    configuration = from_tables(
        site_of(
            gpio={"factory": "mock", "led": 17},
            storage={"state_dir": str(tmp_path), "run_dir": str(tmp_path / "run")},
        )
    )
    shown = []

    def fail_while_dark(camera_id: str, now_s: float) -> None:
        """A fault in the analysis, at a moment at which the light has just gone out."""
        light = pins.pin(17)
        known = len(light.states)
        wait_until(lambda: len(light.states) > known and not light.state)
        shown.append(len(light.states))
        raise OSError("example")

    ended = run(configuration, base=tmp_path, stop=threading.Event(), on_progress=fail_while_dark)
    assert ended == 1
    [dark] = shown
    assert [phase.state for phase in pins.pin(17).states[dark:]] == [True, False]


def test_whoever_asks_is_shown_which_device_it_is() -> None:
    with Rehearsal(led=17, buzzer=24) as device:
        device.wait_for_looks(2)
        device.signals.identify(3600)
        wait_until(lambda: device.pin(24).state)
        wait_until(lambda: not device.pin(24).state)  # once
        device.situation = Situation(1, 0, 100, False, True, 0, None, Sign.TESTED)
        device.signals.identify(0)
        wait_until(lambda: device.pin(24).state)  # and the step that goes on is heard as it begins


@pytest.mark.slow
def test_a_running_agent_reports_its_open_housing(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_model(tmp_path / "models")
    monkeypatch.setenv("KERBWATCH_MODELS", str(tmp_path / "models"))
    configuration = from_tables(
        site_of(
            gpio={"factory": "mock", "led": 17, "tamper": 22},
            storage={"state_dir": str(tmp_path), "run_dir": str(tmp_path / "run")},
        )
    ).model_copy(update={"uplink": broker.settings(heartbeat_s=0.2)})
    stop = threading.Event()
    arguments = {"base": tmp_path, "stop": stop}
    with broker.platform() as platform:
        thread = threading.Thread(target=run, args=(configuration,), kwargs=arguments)
        thread.start()
        try:
            wait_until(
                lambda: any(
                    isinstance(event, HeartbeatEvent) and event.body.inputs == {"tamper": True}
                    for event in platform.events  # nothing holds the mock's pin down
                )
            )
        finally:
            stop.set()
            thread.join(30)
