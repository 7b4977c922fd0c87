"""Heartbeats, progress, and the clocks and gauges behind them."""

from __future__ import annotations

import json
import os
import socket
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from agent.concurrency.watchdog import Progress, notify, watchdog_interval_s
from agent.domain.ids import RandomIds
from agent.protocol.base import ClockReading
from agent.protocol.events import ChangesEvent, HeartbeatEvent
from agent.protocol.field_examples import Example, example_of
from agent.protocol.fields import Flag
from agent.protocol.heartbeat import HeartbeatBody, Reported
from agent.storage.database import Database
from agent.storage.outbox_queries import Lane, waiting
from agent.telemetry.analysis_rates import AnalysisRates, Counted
from agent.telemetry.gauges import GaugeTableError, gauge, table_of
from agent.telemetry.heartbeat import HeartbeatSender, Intervals
from agent.telemetry.machine_gauges import MachineGauges, resident_bytes
from agent.telemetry.outbox_gauges import OutboxGauges
from drivers.clock import SystemClock
from drivers.temperature import processor_c
from drivers.testing import FakeClock
from tests.support.gauges import as_in_the_example
from tests.support.outboxes import open_outbox
from tests.support.waiting import PATIENCE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

NOON = datetime(2026, 3, 1, 4, tzinfo=UTC)
NOWHERE = Path("/nowhere")
_health: TypeAdapter[HeartbeatEvent | ChangesEvent] = TypeAdapter(HeartbeatEvent | ChangesEvent)


class Device:
    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock(NOON)
        self.database = Database(folder / "kerbwatch.db")
        self.outbox = open_outbox(self.database)
        machine, waits = MachineGauges(folder, NOWHERE), OutboxGauges(self.outbox, self.clock)
        self.connection: str | None = None
        self.shows: dict[str, Any] = {"open_cases": 1}
        self.health = HeartbeatSender(
            self.database,
            self.outbox,
            clock=self.clock,
            ids=RandomIds(),
            gauges=as_in_the_example(
                uptime_s=self.clock.monotonic_s,
                cameras=lambda: {"north": "watching"},
                open_cases=lambda: self.shows["open_cases"],
                temperature_c=lambda: self.shows.get("temperature_c", 51.5),
                outbox_rows=waits.outbox_rows,
                disk_free_bytes=machine.disk_free_bytes,
                memory_rss_bytes=machine.memory_rss_bytes,
            ),
            session=lambda: self.connection,
            intervals=Intervals(look_s=0.001, full_s=3600, silence_s=600),
        )

    def told(self) -> list[HeartbeatEvent | ChangesEvent]:
        with closing(self.database.read()) as connection:
            rows = waiting(connection, Lane.HEALTH, limit=1000, limit_bytes=10**7)
        return [_health.validate_json(row.event) for row in rows]

    def heartbeats(self) -> list[HeartbeatEvent]:
        return [event for event in self.told() if isinstance(event, HeartbeatEvent)]


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    device = Device(tmp_path)
    with device.database:
        yield device


def test_a_heartbeat_tells_how_the_device_is(device: Device) -> None:
    device.clock.advance(90)
    assert device.health.beat() == 2, "after the birth"
    [event] = device.heartbeats()
    assert event.body.cameras == {"north": "watching"}
    assert (event.body.uptime_s, event.body.temperature_c) == (90, 51.5)
    assert (event.body.outbox_rows, event.body.open_cases) == (0, 1)
    assert event.body.disk_free_bytes > 0
    assert event.body.memory_rss_bytes > 1_000_000


class Lit(HeartbeatBody):
    """The heartbeat of a device that has got a lamp: one field more."""

    lamp: Annotated[Flag, Example(True)]


class Lamp:
    @gauge
    def lamp(self) -> bool:
        return True


def rest() -> object:
    """Fills everything that a heartbeat has had before."""
    gauges = {
        name: gauge(lambda _, read=read: read()) for name, read in as_in_the_example().items()
    }
    return type("Rest", (), gauges)()


def test_a_new_field_of_the_heartbeat_takes_its_declaration_and_its_gauge() -> None:
    table = table_of(rest(), Lamp(), body=Lit)
    assert Lit(**{name: read() for name, read in table.items()}) == example_of(Lit)


def test_a_field_that_nobody_fills_is_refused() -> None:
    with pytest.raises(GaugeTableError, match=r"^nobody fills lamp$"):
        table_of(rest(), body=Lit)


def test_a_field_that_two_fill_and_a_gauge_without_field_are_refused() -> None:
    with pytest.raises(GaugeTableError, match=r"^lamp is filled twice$"):
        table_of(rest(), Lamp(), Lamp(), body=Lit)
    with pytest.raises(GaugeTableError, match=r"^lamp is no field$"):
        table_of(rest(), Lamp())


@pytest.mark.parametrize("part", Reported.__subclasses__())
def test_a_part_of_the_heartbeat_cannot_be_made_without_one_of_its_fields(
    part: type[Reported],
) -> None:
    whole = dict(example_of(part))
    for name in whole:
        with pytest.raises(TypeError, match=rf"^{part.__name__} is made without {name}$"):
            part(**{each: value for each, value in whole.items() if each != name})


def test_a_heartbeat_of_an_older_agent_with_fewer_fields_can_be_read() -> None:
    told = example_of(HeartbeatBody).model_dump(mode="json")
    del told["uplink"], told["disk"]["free_inodes"]
    read = HeartbeatBody.model_validate_json(json.dumps(told))
    assert read.uplink is None
    assert read.disk is not None
    assert read.disk.free_inodes is None


def test_what_the_analysis_does_is_told_since_the_last_heartbeat() -> None:
    clock = FakeClock(NOON)
    rates = AnalysisRates(clock)
    clock.advance(10)
    first = rates.since_last(Counted(frames=50, runs=20, gated=30), 1.0)
    assert (first.frames_per_s, first.network_runs_per_s, first.gated_share) == (5, 2, 0.6)
    clock.advance(100)
    then = rates.since_last(Counted(frames=150, runs=20, gated=130), 0.5)
    assert (then.frames_per_s, then.network_runs_per_s, then.gated_share) == (1, 0, 1)
    assert then.rate_factor == 0.5
    clock.advance(100)
    assert rates.since_last(Counted(150, 20, 130), 0.5).gated_share is None


def test_without_a_connection_one_waits_and_the_ones_left_out_leave_no_gap(device: Device) -> None:
    first = device.health.beat()
    assert first == 2, "after the birth"
    for _ in range(100):
        device.clock.advance(3600)
        assert device.health.beat() is None
    device.outbox.confirm([first]).result()
    assert device.health.beat() == 3
    assert [event.body.uptime_s for event in device.heartbeats()] == [360_000]


def test_a_platform_that_confirms_late_is_told_all_the_same(device: Device) -> None:
    device.connection = "first"
    for _ in range(5):
        device.health.beat()
        device.clock.advance(3600)
    assert [event.body.uptime_s for event in device.heartbeats()] == [0, 3600, 7200, 10_800, 14_400]


def test_between_full_ones_only_news_is_told_and_a_sign_of_life(device: Device) -> None:
    device.connection = "first"
    device.health.beat()
    for _ in range(20):
        device.clock.advance(60)
        device.health.beat()
    [full, *silent] = device.told()
    assert [dict(event.body)["of"] for event in silent] == [full.event_id] * 2
    assert [dict(event.body)["changed"] for event in silent] == [{}, {}]

    for shown in (51.0, 58.0, 57.0, 50.0):
        device.shows["temperature_c"] = shown
        device.clock.advance(60)
        device.health.beat()
    news = [dict(event.body)["changed"] for event in device.told()[3:]]
    assert news == [{"temperature_c": 58.0}, {}], "it wavers; it has got warm; it is as it was"


def test_a_connection_begins_with_a_full_heartbeat(device: Device) -> None:
    device.connection = "first"
    device.health.beat()
    device.connection = None
    device.clock.advance(600)
    assert device.health.beat() is None, "one waits"
    device.connection = "second"
    device.health.beat()
    assert [event.type for event in device.told()] == ["device.heartbeat"] * 2


def rebuilt(told: list[HeartbeatEvent | ChangesEvent]) -> HeartbeatBody | None:
    """What a platform knows that has seen these, in whatever order they came."""
    full = max((e for e in told if isinstance(e, HeartbeatEvent)), key=_number, default=None)
    if full is None:
        return None
    since = [e for e in told if isinstance(e, ChangesEvent) and e.body.of == full.event_id]
    changed = max(since, key=_number).body.changed if since else {}
    return full.body.model_copy(update=changed)


def _number(event: HeartbeatEvent | ChangesEvent) -> int:
    return event.sequence


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(20, 90), st.floats(1, 2000)), min_size=1))
def test_the_newest_changes_and_their_full_heartbeat_say_how_the_device_is(
    shown: list[tuple[int, float, float]],
) -> None:
    with TemporaryDirectory() as folder:
        device = Device(Path(folder))
        device.connection = "first"
        with device.database:
            for cases, temperature_c, passed_s in shown:
                device.shows |= {"open_cases": cases, "temperature_c": temperature_c}
                device.clock.advance(passed_s)
                device.health.beat()
                [*_, newest] = told = device.told()
                kept = [e for e in told if isinstance(e, HeartbeatEvent) or e == newest]
                known = rebuilt(kept)
                assert known == rebuilt(told), "no event between those two is needed"
                assert known is not None
                assert known.open_cases == cases
                assert known.temperature_c is not None
                assert abs(known.temperature_c - temperature_c) < 5


def test_it_beats_until_it_is_told_to_stop(device: Device) -> None:
    device.connection = "first"
    stop = threading.Event()
    thread = threading.Thread(target=device.health.run, args=(stop,))
    thread.start()
    for expected in (1, 2, 3):
        wait_until(lambda: len(device.told()) >= expected)  # noqa: B023
        device.shows["open_cases"] += 1
    stop.set()
    thread.join(PATIENCE_S)
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
