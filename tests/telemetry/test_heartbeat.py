"""Heartbeats, progress, and the clocks and gauges behind them."""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agent.concurrency.watchdog import Progress, notify, watchdog_interval_s
from agent.domain.ids import RandomIds
from agent.protocol.base import ClockReading
from agent.protocol.events import HeartbeatEvent
from agent.storage.database import Database
from agent.storage.outbox_queries import Lane, waiting
from agent.telemetry.heartbeat import Activity, Health, resident_bytes
from drivers.clock import SystemClock
from drivers.disk import free_bytes
from drivers.temperature import processor_c
from drivers.testing import FakeClock
from tests.support.outboxes import open_outbox

if TYPE_CHECKING:
    from collections.abc import Iterator

NOON = datetime(2026, 3, 1, 4, tzinfo=UTC)


class Device:
    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock(NOON)
        self.database = Database(folder / "kerbwatch.db")
        self.outbox = open_outbox(self.database)
        self.health = Health(
            self.database,
            self.outbox,
            clock=self.clock,
            ids=RandomIds(),
            activity=lambda: Activity({"north": "watching"}, 500, 2, 60, 1),
            temperature_c=lambda: 51.5,
            disk_free_bytes=lambda: free_bytes(folder),
            agent_version="0.1.0",
            configuration_sha256="0" * 64,
        )

    def heartbeats(self) -> list[HeartbeatEvent]:
        with closing(self.database.read()) as connection:
            rows = waiting(connection, Lane.HEALTH, limit=100, limit_bytes=10**6)
        return [HeartbeatEvent.model_validate_json(row.event) for row in rows]


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    device = Device(tmp_path)
    with device.database:
        yield device


def test_a_heartbeat_tells_how_the_device_is(device: Device) -> None:
    device.clock.advance(90)
    assert device.health.beat() == 1
    [event] = device.heartbeats()
    assert event.body.cameras == {"north": "watching"}
    assert (event.body.uptime_s, event.body.temperature_c) == (90, 51.5)
    assert (event.body.frames, event.body.frames_dropped, event.body.inferences) == (500, 2, 60)
    assert (event.body.outbox_rows, event.body.open_cases) == (0, 1)
    assert event.body.disk_free_bytes > 0
    assert event.body.memory_rss_bytes > 1_000_000


def test_one_heartbeat_waits_and_the_ones_left_out_leave_no_gap(device: Device) -> None:
    first = device.health.beat()
    assert first == 1
    for _ in range(100):
        device.clock.advance(60)
        assert device.health.beat() is None
    device.outbox.confirm([first]).result()
    assert device.health.beat() == 2
    assert [event.body.uptime_s for event in device.heartbeats()] == [6000]


def test_it_beats_until_it_is_told_to_stop(device: Device) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=device.health.run, args=(stop, 0.001))
    thread.start()
    for expected in (1, 2, 3):
        while not (heartbeats := device.heartbeats()):
            time.sleep(0.001)
        assert heartbeats[0].sequence == expected
        device.outbox.confirm([expected]).result()
    stop.set()
    thread.join(10)
    assert not thread.is_alive()


def test_a_worker_that_stands_still_is_named() -> None:
    clock = FakeClock(NOON)
    progress = Progress(clock.monotonic_s)
    progress.expect("analysis", 10)
    progress.expect("uplink", 60)
    clock.advance(10)
    assert progress.stalled(clock.monotonic_s()) == []
    progress.mark("uplink")
    clock.advance(1)
    assert progress.stalled(clock.monotonic_s()) == ["analysis"]
    progress.mark("analysis")
    assert progress.stalled(clock.monotonic_s()) == []
    clock.advance(61)
    assert progress.stalled(clock.monotonic_s()) == ["analysis", "uplink"]
    progress.forget("analysis")
    assert progress.stalled(clock.monotonic_s()) == ["uplink"]


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_hears_what_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, abstract: bool
) -> None:
    name = f"@kerbwatch-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(name.replace("@", "\0", 1))
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        assert notify("READY=1", "STATUS=watching\nnorth")
        assert systemd.recv(100) == b"READY=1\nSTATUS=watching north"


def test_without_systemd_nothing_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    assert not notify("READY=1")


def test_the_watchdog_is_fed_twice_within_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    assert watchdog_interval_s() is None
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    assert watchdog_interval_s() == 15
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid() + 1))
    assert watchdog_interval_s() is None


def test_a_temperature_is_read_where_there_is_one(tmp_path: Path) -> None:
    sensor = tmp_path / "temp"
    assert processor_c(sensor) is None
    sensor.write_text("51540\n")
    assert processor_c(sensor) == 51.54
    sensor.write_text("?\n")
    assert processor_c(sensor) is None


def test_memory_is_counted_in_bytes(tmp_path: Path) -> None:
    statm = tmp_path / "statm"
    statm.write_text("9000 300 100 1 0 200 0\n")
    assert resident_bytes(statm) == 300 * os.sysconf("SC_PAGE_SIZE")


def test_the_system_clock_goes_on_and_knows_its_boot() -> None:
    clock = SystemClock()
    reading = ClockReading.of(clock)
    assert clock.monotonic_s() >= reading.monotonic_s > 0
    assert reading.boot_id == SystemClock().boot_id
    assert abs((clock.now() - datetime.now(UTC)).total_seconds()) < 5


def test_a_stepped_clock_says_so_and_steady_time_does_not_step() -> None:
    clock = FakeClock(NOON, synchronised=False)
    assert ClockReading.of(clock).state == "unsynchronised"
    clock.step(NOON.replace(year=2027))
    assert ClockReading.of(clock).state == "synchronised"
    assert clock.monotonic_s() == 0
    with pytest.raises(ValueError, match="go back"):
        clock.advance(-1)
