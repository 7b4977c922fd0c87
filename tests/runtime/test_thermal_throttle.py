"""Heat and power: the device slows down in an orderly way, and says so."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config.loading import from_tables
from agent.config.schema import Configuration
from agent.protocol.events import HeartbeatEvent
from agent.protocol.heartbeat import HeartbeatBody
from agent.runtime.device import run
from agent.runtime.thermal_throttle import FALL_PER_S, RISE_PER_S, AnalysisRate, ThermalThrottle
from drivers.disk import life_used_percent, total_bytes, written_bytes
from drivers.power import Power, read_power
from tests.support.broker import Broker
from tests.support.red_bike_model import write_model
from tests.support.sites import drawn_camera, site_of
from tests.support.waiting import wait_until

COOLING = ThermalThrottle(from_c=70.0, full_c=80.0, least=0.3)
readings = st.lists(
    st.tuples(st.floats(0.1, 120), st.none() | st.floats(-20, 120), st.booleans()), min_size=1
)


@given(readings)
def test_the_rate_stays_within_its_bounds_and_never_jumps(
    readings: list[tuple[float, float | None, bool]],
) -> None:
    pace, now_s, before = AnalysisRate(COOLING), 0.0, 1.0
    pace.feel(None, 0.0)
    for step_s, temperature_c, throttled in readings:
        now_s += step_s
        factor = pace.feel(temperature_c, now_s, throttled=throttled)
        assert COOLING.least <= factor <= 1.0
        assert before - FALL_PER_S * step_s - 1e-9 <= factor <= before + RISE_PER_S * step_s + 1e-9
        if temperature_c is None and not throttled:
            assert factor == before
        before = factor


@given(st.floats(-20, 120), st.floats(-20, 120))
def test_hotter_never_asks_for_more(first_c: float, second_c: float) -> None:
    cool, hot = sorted((first_c, second_c))
    wanted_cool = COOLING.wanted(cool, throttled=False)
    wanted_hot = COOLING.wanted(hot, throttled=False)
    assert wanted_cool is not None
    assert wanted_hot is not None
    assert wanted_hot <= wanted_cool


def settled(temperature_c: float, *, throttled: bool = False) -> float:
    pace = AnalysisRate(COOLING)
    for now_s in range(0, 3600, 5):
        pace.feel(temperature_c, float(now_s), throttled=throttled)
    return pace.factor


def test_a_cool_device_looks_at_its_full_rate_and_a_hot_one_at_its_least() -> None:
    assert settled(55) == 1.0
    assert settled(75) == pytest.approx(0.65)
    assert settled(95) == pytest.approx(0.3)
    assert settled(55, throttled=True) == pytest.approx(0.3)


def test_the_firmwares_flags_are_read_where_there_are_any(tmp_path: Path) -> None:
    flags = tmp_path / "get_throttled"
    assert read_power(flags) is None
    flags.write_text("50005\n")
    assert read_power(flags) == Power(
        under_voltage=True,
        throttled=True,
        under_voltage_since_boot=True,
        throttled_since_boot=True,
    )
    flags.write_text("80000\n")
    power = read_power(flags)
    assert power is not None
    assert (power.throttled, power.throttled_since_boot) == (False, True)
    flags.write_text("nonsense\n")
    assert read_power(flags) is None


def test_wear_is_read_where_a_disk_tells_it(tmp_path: Path) -> None:
    number = tmp_path.stat().st_dev
    device = tmp_path / f"{os.major(number)}:{os.minor(number)}" / "device"
    assert life_used_percent(tmp_path, tmp_path) is None
    device.mkdir(parents=True)
    (device / "life_time").write_text("0x01 0x03\n")
    assert life_used_percent(tmp_path, tmp_path) == 30
    (device / "life_time").write_text("0x00 0x00\n")
    assert life_used_percent(tmp_path, tmp_path) is None
    assert total_bytes(tmp_path) > 0
    assert written_bytes(tmp_path / "nowhere") is None


def site(folder: Path, broker: Broker) -> Configuration:
    configuration = from_tables(
        site_of(
            cameras=[drawn_camera(seconds=30_000, width=160, height=90)],
            cooling={"sensor": str(folder / "temp")},
            storage={"state_dir": str(folder / "state"), "run_dir": str(folder / "run")},
        )
    )
    uplink = broker.settings(heartbeat_s=0.2)
    return configuration.model_copy(update={"uplink": uplink})


@pytest.mark.slow
def test_a_running_device_that_gets_hot_slows_down_and_comes_back(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.runtime.cooling.FEEL_EVERY_S", 0.02)
    monkeypatch.setattr("agent.runtime.thermal_throttle.FALL_PER_S", 10.0)
    monkeypatch.setattr("agent.runtime.thermal_throttle.RISE_PER_S", 10.0)
    write_model(tmp_path / "models")
    monkeypatch.setenv("KERBWATCH_MODELS", str(tmp_path / "models"))
    sensor = tmp_path / "temp"
    sensor.write_text("51000\n")
    stop = threading.Event()
    arguments = {"base": tmp_path, "stop": stop}
    configuration = site(tmp_path, broker)
    with broker.platform() as platform:
        thread = threading.Thread(target=run, args=(configuration,), kwargs=arguments)
        thread.start()

        def latest() -> HeartbeatBody | None:
            found = [each for each in platform.events if isinstance(each, HeartbeatEvent)]
            return found[-1].body if found else None

        def factor() -> float | None:
            body = latest()
            return None if body is None or body.looking is None else body.looking.rate_factor

        try:
            wait_until(lambda: factor() == 1.0)
            sensor.write_text("91000\n")
            wait_until(lambda: factor() == 0.3)
            hot = latest()
            sensor.write_text("51000\n")
            wait_until(lambda: factor() == 1.0)
        finally:
            stop.set()
            thread.join(30)
    assert hot is not None
    assert hot.temperature_c == 91.0
    assert hot.camera_health["street"].state == "running"
    assert hot.disk is not None
    assert hot.disk.total_bytes > 0
    assert hot.models[0].name == "street"
