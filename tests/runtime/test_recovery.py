"""The recovery ladder: what hangs blinds nobody else, and nothing loops."""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent.concurrency.threads import Threads
from agent.concurrency.watchdog import Progress
from agent.delivery.uplink import Uplink
from agent.delivery.uplink_supervisor import MAX_LEFT_BEHIND, UplinkSupervisor
from agent.runtime import privileged_actions
from agent.runtime.recovery import Recovery, ask
from agent.storage.paths import RECOVERY
from drivers.clock import SystemClock
from drivers.files.requests import RefusedError
from drivers.network import cut_off
from drivers.testing import FakeClock
from tests.support.agent_process import run_agent, watched_corner
from tests.support.broker import Broker
from tests.support.delivering_device import Device
from tests.support.drafts import case_opened
from tests.support.red_bike_model import write_model
from tests.support.sites import drawn_camera, write_site
from tests.support.waiting import wait_until

DAY_S = 86_400.0


def clock_at(uptime_s: float, boot_id: str = "boot-1") -> FakeClock:
    return FakeClock(datetime(2026, 1, 1, tzinfo=UTC), monotonic_s=uptime_s, boot_id=boot_id)


def recovery(folder: Path, clock: FakeClock) -> Recovery:
    return Recovery((folder,), clock, first_s=600, most_s=21_600)


def test_a_run_knows_how_the_one_before_it_ended(tmp_path: Path) -> None:
    def begin(boot_id: str) -> Recovery:
        run = recovery(tmp_path, clock_at(0, boot_id))
        causes.append(run.begin())
        return run

    causes: list[str] = []
    begin("boot-1").end("planned")
    begin("boot-1")  # and it is killed
    begin("boot-1")  # and the power goes
    begin("boot-2").restart_for(["street"])
    last = begin("boot-2")
    assert causes == ["first", "planned", "killed", "power_cut", "camera_hang"]
    assert last.causes == dict.fromkeys(causes, 1)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": 2}', b"\xff\x00"])
def test_a_damaged_record_is_no_reason_not_to_begin(tmp_path: Path, content: bytes) -> None:
    (tmp_path / RECOVERY).write_bytes(content)
    assert recovery(tmp_path, clock_at(0)).begin() == "first"


def test_a_disk_that_takes_nothing_does_not_let_a_camera_restart_the_process_for_ever(
    tmp_path: Path,
) -> None:
    (tmp_path / "no-folder").write_text("a file is in the way")
    clock = clock_at(100)
    folders = (tmp_path / "no-folder", tmp_path / "memory")
    first = Recovery(folders, clock, first_s=600, most_s=21_600)
    first.begin()
    first.restart_for(["street"])
    second = Recovery(folders, clock, first_s=600, most_s=21_600)
    assert second.begin() == "camera_hang"
    assert not second.may_restart_for("street")


def test_each_restart_for_a_camera_is_earned_by_a_longer_wait(tmp_path: Path) -> None:
    clock = clock_at(0)
    waits_s = []
    for _ in range(8):
        run = recovery(tmp_path, clock)
        assert run.may_restart_for("street")
        assert run.may_restart_for("other")
        run.restart_for(["street"])
        began_s = clock.monotonic_s()
        while not run.may_restart_for("street"):
            clock.advance(100)
        waits_s.append(clock.monotonic_s() - began_s)
    assert waits_s == [600, 1200, 2400, 4800, 9600, 19200, 21600, 21600]
    run.well("street")
    run.restart_for(["street"])
    clock.advance(600)
    assert run.may_restart_for("street")


def test_a_disk_that_comes_and_goes_earns_restarts_ever_further_apart(tmp_path: Path) -> None:
    clock = clock_at(0)
    waits_s = []
    for _ in range(8):
        run = recovery(tmp_path, clock)
        assert run.may_restart_for_disk()
        run.restart_for_disk()
        began_s = clock.monotonic_s()
        while not run.may_restart_for_disk():
            clock.advance(100)
        waits_s.append(clock.monotonic_s() - began_s)
    assert waits_s == [600, 1200, 2400, 4800, 9600, 19200, 21600, 21600]
    assert recovery(tmp_path, clock).begin() == "disk_back"
    assert not run.wants_reboot(seeing=False, after_s=0), "no reboot is earned by it"


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["see", "blind", "hang", "kill", "power"]),
            st.floats(min_value=1, max_value=20_000),
        ),
        max_size=80,
    )
)
def test_no_reboot_is_asked_for_while_a_camera_sees_and_never_two_within_an_hour(
    tmp_path_factory: pytest.TempPathFactory, story: list[tuple[str, float]]
) -> None:
    folder = tmp_path_factory.mktemp("recovery")
    uptime_s, boots, now_s = 0.0, 0, 0.0
    reboots_s: list[float] = []
    clock = clock_at(0, "boot-0")
    run = recovery(folder, clock)
    for what, lasts_s in story:
        clock.advance(lasts_s)
        uptime_s += lasts_s
        now_s += lasts_s
        wants = run.wants_reboot(seeing=what == "see", after_s=1800)
        assert not (wants and what == "see")
        if what == "hang" and run.may_restart_for("street"):
            run.restart_for(["street"])
        if wants:
            run.note_asked("reboot")
            assert uptime_s >= 3600
            reboots_s.append(now_s)
        if wants or what == "power":
            uptime_s, boots = 0.0, boots + 1
            clock = clock_at(0, f"boot-{boots}")
        if wants or what in {"hang", "kill", "power"}:
            run = recovery(folder, clock)
            run.begin()
    assert all(later - sooner >= 3600 for sooner, later in itertools.pairwise(reboots_s))


def test_what_restarts_do_not_mend_earns_reboots_ever_further_apart(tmp_path: Path) -> None:
    asked_at_uptime_s = []
    for boot in range(7):
        clock = clock_at(0, f"boot-{boot}")
        run = recovery(tmp_path, clock)
        while not run.wants_reboot(seeing=False, after_s=1800):
            if run.may_restart_for("street"):
                run.restart_for(["street"])
            clock.advance(60)
            assert clock.monotonic_s() <= 2 * DAY_S
        run.note_asked("reboot")
        assert not run.wants_reboot(seeing=False, after_s=1800), "one is under way"
        asked_at_uptime_s.append(clock.monotonic_s())
    assert asked_at_uptime_s[0] >= 3600
    assert asked_at_uptime_s[-1] >= DAY_S
    assert asked_at_uptime_s == sorted(asked_at_uptime_s)


def test_a_broker_that_is_away_earns_nothing(tmp_path: Path) -> None:
    clock = clock_at(0)
    run = recovery(tmp_path, clock)
    for _ in range(7 * 24 * 6):
        clock.advance(600)
        assert not run.wants_network(online=False, cut_off=False, after_s=600)
        assert not run.wants_reboot(seeing=True, after_s=1800)


def test_a_host_that_is_cut_off_earns_network_restarts_ever_further_apart(tmp_path: Path) -> None:
    clock = clock_at(0)
    run = recovery(tmp_path, clock)
    asked_s = []
    while clock.monotonic_s() < DAY_S:
        if run.wants_network(online=False, cut_off=True, after_s=600):
            run.note_asked("network")
            asked_s.append(clock.monotonic_s())
        clock.advance(60)
    gaps_s = [later - sooner for sooner, later in itertools.pairwise(asked_s)]
    assert asked_s[0] == 600
    assert gaps_s == sorted(gaps_s)
    assert len(asked_s) <= 10


def test_a_host_with_a_route_over_a_live_interface_is_not_cut_off(tmp_path: Path) -> None:
    proc, sys_ = tmp_path / "proc", tmp_path / "sys"
    proc.mkdir()
    head = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
    route = "eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
    (sys_ / "eth0").mkdir(parents=True)
    (proc / "route").write_text(head + route)
    (sys_ / "eth0" / "carrier").write_text("1\n")
    assert not cut_off(proc, sys_)
    (sys_ / "eth0" / "carrier").write_text("0\n")
    assert cut_off(proc, sys_)
    (proc / "route").write_text(head)
    assert cut_off(proc, sys_)


# --- the part that may do it


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What would have been done to this machine."""
    actions: list[str] = []
    monkeypatch.setattr(privileged_actions, "act", actions.append)
    return actions


def up_for(monkeypatch: pytest.MonkeyPatch, folder: Path, uptime_s: float) -> None:
    (folder / "uptime").write_text(f"{uptime_s} 1.0\n")
    monkeypatch.setattr(privileged_actions, "UPTIME", folder / "uptime")


def test_a_request_is_followed_once_and_counted(
    tmp_path: Path, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    up_for(monkeypatch, tmp_path, 4000)
    for _ in range(2):
        ask(tmp_path / "requests", "reboot", "no camera sees anything")
        assert privileged_actions.main(str(tmp_path / "requests"), str(tmp_path)) == 0
    assert done == ["reboot"], "the second needs two hours of uptime"
    assert not list((tmp_path / "requests").iterdir())
    up_for(monkeypatch, tmp_path, 7300)
    ask(tmp_path / "requests", "reboot", "again")
    privileged_actions.main(str(tmp_path / "requests"), str(tmp_path))
    assert done == ["reboot", "reboot"]


def test_a_reboot_that_cannot_be_counted_is_not_made(
    tmp_path: Path, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    up_for(monkeypatch, tmp_path, 4000)
    ask(tmp_path / "requests", "reboot", "no camera sees anything")
    (tmp_path / "counts" / "actions.json.part").mkdir(parents=True)
    assert privileged_actions.main(str(tmp_path / "requests"), str(tmp_path / "counts")) == 1
    assert done == []


def test_the_network_is_not_restarted_twice_within_ten_minutes(
    tmp_path: Path, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for uptime_s in (100, 600, 701):
        up_for(monkeypatch, tmp_path, uptime_s)
        ask(tmp_path / "requests", "network", "no route")
        privileged_actions.main(str(tmp_path / "requests"), str(tmp_path))
    assert done == ["network", "network"]


@given(
    st.one_of(
        st.binary(max_size=300),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=20),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["version", "action", "x"]), inner)
            ),
        ).map(lambda value: json.dumps(value).encode()),
    )
)
@example(b'{"action": [], "version": 1}')
@example(b'{"action": "reboot", "version": true}')
def test_no_garbage_is_followed(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("requests") / "request.json"
    path.write_bytes(content)
    with pytest.raises(RefusedError):
        privileged_actions.take(path)
    assert not path.exists(), "or the path unit would go round for ever"


def test_a_link_is_not_followed_to_what_it_names(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere.json"
    target.write_text('{"version": 1, "action": "reboot", "reason": ""}')
    (tmp_path / "request.json").symlink_to(target)
    with pytest.raises(RefusedError):
        privileged_actions.take(tmp_path / "request.json")
    assert target.exists()


@given(st.binary(max_size=100))
def test_a_damaged_count_never_allows_a_young_host_to_reboot(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("counts") / "actions.json"
    path.write_bytes(content)
    with pytest.raises(RefusedError):
        privileged_actions.allow("reboot", privileged_actions.remembered(path), "boot", 3599.0)


# --- real threads, real processes


@pytest.mark.slow
def test_a_fault_beside_the_seeing_is_tried_again_and_ends_nobody() -> None:
    workers = Threads(threading.Event(), Progress(SystemClock().monotonic_s))
    rounds = []

    def falls_once() -> None:
        rounds.append(1)
        if len(rounds) == 1:
            raise RuntimeError("a gauge that fails")

    workers.keep("gauge", falls_once)
    wait_until(lambda: not workers.running("gauge"))
    assert len(rounds) == 2
    assert workers.restarted == {"gauge": 1}
    assert not workers.stop.is_set()
    assert workers.fault is None


def test_an_uplink_that_stands_still_is_left_behind_and_a_fresh_one_delivers(
    broker: Broker, tmp_path: Path
) -> None:
    loose = threading.Event()
    made: list[Uplink] = []
    with (
        broker.platform() as platform,
        Device(tmp_path, broker.settings(), alive=loose.wait) as device,
    ):

        def make(alive: Callable[[], None]) -> Uplink:
            made.append(device.another_uplink(alive) if made else device.uplink)
            return made[-1]

        kept = UplinkSupervisor(make, lambda: None)
        kept.start()
        [sequence] = device.add([case_opened(device.clock)])
        assert kept.replace()
        wait_until(lambda: sequence in platform.sequences())
        assert kept.left_behind == 1
        loose.set()
        for _ in range(MAX_LEFT_BEHIND - 1):
            assert kept.replace()
        assert not kept.replace(), "then the process has to end"
        kept.end(10)


@contextmanager
def agent_with_two_cameras(
    broker: Broker, folder: Path, hangs_in: str
) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    write_model(folder / "models")
    site = watched_corner(broker, recovery={"camera_hang_s": 5})
    other = drawn_camera("other", width=320, height=180, seconds=300, hangs_in=hangs_in)
    write_site(folder, {**site, "cameras": [*site["cameras"], other]})
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        started.append(run_agent(folder))
        return started[-1]

    yield start
    for each in started:
        if each.poll() is None:
            each.kill()
        each.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("hangs_in", ["open", "read"])
def test_a_camera_that_hangs_earns_one_restart_and_is_then_left_out_while_the_other_goes_on(
    broker: Broker, tmp_path: Path, hangs_in: str
) -> None:
    with (
        broker.platform(lasting=True) as platform,
        agent_with_two_cameras(broker, tmp_path, hangs_in) as start,
    ):
        first = start()
        _, log = first.communicate(timeout=90)
        assert first.returncode == 1, log
        assert "hanging cameras: other" in log
        second = start()

        def left_out() -> bool:
            beats = [e.body for e in platform.events if e.type == "device.heartbeat"]
            return any(b.recovery and b.recovery.left_out == ("other",) for b in beats)

        wait_until(left_out)
        wait_until(lambda: platform.sequences("case.opened"))
        beats = [e.body for e in platform.events if e.type == "device.heartbeat"]
        assert beats[-1].recovery is not None
        assert beats[-1].recovery.began_after == "camera_hang"
        second.send_signal(signal.SIGTERM)
        second.communicate(timeout=60)
        assert second.returncode == 0
        assert len(platform.sequences("case.opened")) == 1
        assert json.loads((tmp_path / "state" / RECOVERY).read_text())["ended"] == "planned"


@pytest.mark.slow
def test_a_camera_that_hangs_in_closing_does_not_keep_the_device_from_ending(
    broker: Broker, tmp_path: Path
) -> None:
    with (
        broker.platform() as platform,
        agent_with_two_cameras(broker, tmp_path, "close") as start,
    ):
        agent = start()
        wait_until(lambda: platform.sequences("case.opened"))
        agent.send_signal(signal.SIGTERM)
        agent.communicate(timeout=60)
        assert agent.returncode == 0
