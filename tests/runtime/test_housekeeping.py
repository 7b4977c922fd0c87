"""What a heartbeat tells of a device's keeping: what is there, and why what is not there is null."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.audit import records, verify
from agent.identity.certificate_expiry import CertificateFile
from agent.protocol.heartbeat import Upkeep
from agent.storage import day_counters
from agent.storage.evidence_job_table import add_job
from agent.storage.picture_table import QueuedPicture, queue_picture
from agent.telemetry.maintenance_gauges import NO_CLOCK
from agent.telemetry.status_file import FILE, Status
from drivers.card import read_card
from tests.support.agent_process import run_agent
from tests.support.broker import Broker
from tests.support.certificates import Authority
from tests.support.housekeeping import hold, housekeeping_of, uplink_under
from tests.support.ordering import ordered
from tests.support.outboxes import events_in
from tests.support.red_bike_model import write_model
from tests.support.sites import drawn_camera, site_of, write_site, zone
from tests.support.state_folder import NOON, StateFolder
from tests.support.waiting import wait_until


def upkeep_of(device: StateFolder, base: Path, **uplink: str) -> Upkeep:
    return housekeeping_of(device, base, None, (), **uplink).gauges.upkeep()


def _have_pictures_wait(connection: sqlite3.Connection) -> None:
    add_job(connection, "case-1", "opened", "{}")
    for digit in "ab":
        queue_picture(connection, QueuedPicture(digit * 64, None, f"{digit}.jpg", 9), NOON)


def test_what_is_kept_held_refused_lost_and_waits_is_told(tmp_path: Path) -> None:
    device = StateFolder(tmp_path)
    device.case()
    device.case(heard=False)
    device.outbox.set_aside([3], "test").result()
    before = upkeep_of(device, tmp_path)
    assert before.kept is None
    assert "not looked yet" in before.unknown["kept"]
    device.passes()
    device.audit.append("test")
    device.database.write(_have_pictures_wait).result()
    told = upkeep_of(device, tmp_path)
    assert told.kept is not None
    assert (told.kept.cases, told.kept.held, told.kept.short_bytes) == (2, 0, 0)
    assert (told.dead_letters, told.losses_unreported) == (1, 0), "kept is not lost"
    assert (told.packets_waiting, told.pictures_waiting) == (1, 2)
    [aside] = told.set_aside
    assert (aside.epoch, aside.ranges) == (device.outbox.epoch, ((3, 3),))
    assert told.audit is not None
    assert (told.audit.number, told.audit.hash) == (1, device.audit.head().hash)
    device.database.close()


def test_what_this_machine_has_not_is_null_with_its_reason(tmp_path: Path) -> None:
    device = StateFolder(tmp_path)
    told = upkeep_of(device, tmp_path)
    assert told.certificate.not_after is None
    assert told.unknown["certificate"] == "no certificate is configured"
    assert told.unknown["temperature_c"] == "nothing can be read from /nowhere/temp"
    assert all(told.unknown.values())
    device.database.close()


def test_the_days_of_a_certificate_are_counted_by_a_trusted_clock_only(tmp_path: Path) -> None:
    certificate, key = Authority(tmp_path / "pki", "Test CA").issue("corner", days=10)
    device = StateFolder(tmp_path)
    device.clock.step(datetime.now(UTC))
    files = {"certificate_file": str(certificate), "key_file": str(key)}
    told = upkeep_of(device, tmp_path, **files)
    assert told.certificate.days_left is not None
    assert 9.9 < told.certificate.days_left < 10.1
    device.clock.step(datetime(1970, 1, 1, tzinfo=UTC), synchronised=False)
    told = upkeep_of(device, tmp_path, **files)
    assert told.certificate.days_left is None
    assert told.certificate.not_after is not None
    assert told.unknown["certificate.days_left"] == NO_CLOCK
    device.database.close()


def test_a_certificate_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "Test CA")
    path, _ = authority.issue("corner", days=1)
    watched = CertificateFile(path)
    first = watched.read()
    assert watched.read() is first, "not read twice"
    authority.issue("corner", days=20)
    second = watched.read()
    assert first.not_after is not None
    assert second.not_after is not None
    assert second.not_after - first.not_after > timedelta(days=18)
    path.write_text("no certificate")
    assert watched.read().unknown == "the file is no certificate"
    path.unlink()
    assert watched.read().unknown == "it cannot be read: No such file or directory"
    os.mkfifo(path)
    assert watched.read().unknown == "it is no ordinary file, but a pipe or a device"


def test_a_card_and_its_file_system_tell_of_themselves(tmp_path: Path) -> None:
    number = tmp_path.stat().st_dev
    disk = tmp_path / "block" / "mmcblk0"
    (disk / "mmcblk0p2").mkdir(parents=True)
    (disk / "device").mkdir()
    for name, text in (("name", "SD32G\n"), ("date", "08/2025\n"), ("pre_eol_info", "0x02\n")):
        (disk / "device" / name).write_text(text)
    devices = tmp_path / "devices"
    devices.mkdir()
    (devices / f"{os.major(number)}:{os.minor(number)}").symlink_to(disk / "mmcblk0p2")
    counts = tmp_path / "ext4" / "mmcblk0p2"
    counts.mkdir(parents=True)
    (counts / "errors_count").write_text("3\n")
    (counts / "lifetime_write_kbytes").write_text("2000\n")
    card = read_card(tmp_path, devices, tmp_path / "ext4")
    assert (card.name, card.made, card.end_of_life) == ("SD32G", "08/2025", "warning")
    assert (card.file_system_errors, card.written_ever_bytes) == (3, 2_048_000)
    assert not card.read_only
    nothing = read_card(tmp_path, tmp_path / "none", tmp_path / "none")
    assert (nothing.name, nothing.made, nothing.end_of_life) == (None, None, None)
    assert (nothing.file_system_errors, nothing.written_ever_bytes) == (None, None)


def run_site(allowed_s: int) -> dict[str, Any]:
    return site_of(
        site={"device_id": "corner"},
        cameras=[drawn_camera(width=640, height=360, seconds=100000, frames_per_s=5)],
        scenarios={"misparked_bikes": {"allowed_s": allowed_s}},
        zones=[zone()],
        retention={"every_s": 1},
    )


@pytest.mark.slow
def test_a_running_agent_records_what_it_runs_with_and_tells_the_heads_hash(
    tmp_path: Path,
) -> None:
    write_model(tmp_path / "models")

    def heartbeats() -> list[Any]:
        told = events_in(tmp_path / "state" / "kerbwatch.sqlite3")
        return [event for event in told if event["type"] == "device.heartbeat"]

    def sees(agent: subprocess.Popen[bytes]) -> bool:
        """Whether this run's camera gives pictures that are judged."""
        assert agent.poll() is None
        path = tmp_path / "run" / FILE
        if not path.exists():
            return False
        status = Status.model_validate_json(path.read_text(encoding="utf-8"))
        ours = status.software is not None and status.software.pid == agent.pid
        street = status.cameras.get("street")
        return ours and street is not None and street.state == "running" and street.analysed > 0

    for run, allowed_s in enumerate((10, 20), 1):
        write_site(tmp_path, run_site(allowed_s))
        agent = run_agent(tmp_path)
        wait_until(
            lambda run=run: (  # type: ignore[misc]
                [each.what for each in records(tmp_path / "state" / "audit")].count("agent.started")
                == run
            )
        )
        wait_until(heartbeats)
        wait_until(lambda agent=agent: sees(agent))  # type: ignore[misc]
        agent.send_signal(signal.SIGTERM)
        agent.communicate(timeout=60)
        assert agent.returncode == 0
    told = list(records(tmp_path / "state" / "audit"))
    assert [each.what for each in told] == [
        "agent.started",
        "agent.started",
        "configuration.changed",
    ]
    [change] = told[-1].facts["changes"]
    assert change == {"at": "scenarios.misparked_bikes.allowed_s", "was": "10", "now": "20"}
    assert told[0].facts["of"]["configuration"] != told[1].facts["of"]["configuration"]
    upkeep = heartbeats()[0]["body"]["upkeep"]
    assert upkeep["audit"] == {"number": 1, "hash": told[0].hash}
    assert verify(tmp_path / "state" / "audit").breaks == ()
    with closing(sqlite3.connect(tmp_path / "state" / "kerbwatch.sqlite3")) as reader:
        counted = dict(reader.execute("SELECT name, sum(value) FROM days GROUP BY name"))
    assert (counted["began.first"], counted["began.planned"]) == (1, 1)
    assert counted["uptime_s"] > 0
    assert counted["sensing_s"] > 0


def test_the_platform_holds_a_case_and_lets_it_go_and_both_are_recorded(tmp_path: Path) -> None:
    device = StateFolder(tmp_path)
    case_id = device.case()
    housekeeping = housekeeping_of(device, tmp_path)
    assert ordered(device, housekeeping, hold(case_id)) is None
    assert ordered(device, housekeeping, hold(case_id)) is None, "it may come twice"
    assert device.holds.names() == {case_id}
    assert ordered(device, housekeeping, hold(case_id, held=False)) is None
    assert device.holds.names() == set()
    assert ordered(device, housekeeping, hold("0197-unknown")) == "nothing is kept of this case"
    noted = records(tmp_path / "audit" / "platform")
    told = [(each.what, each.facts["reason"]) for each in noted]
    assert told == [("hold.set", "复议")] * 2 + [("hold.lifted", "复议")], "each order by itself"
    device.database.close()


def test_a_hold_is_ordered_over_the_broker_and_answered(broker: Broker, tmp_path: Path) -> None:
    device = StateFolder(tmp_path)
    case_id = device.case(heard=False)
    housekeeping = housekeeping_of(device, tmp_path)
    uplink = uplink_under(broker, device, housekeeping)
    stop = threading.Event()
    thread = threading.Thread(target=uplink.run, args=(stop,))
    with broker.platform() as platform:
        thread.start()
        wait_until(lambda: platform.events)
        platform.say("commands", hold(case_id))
        platform.say("commands", hold("0197-unknown", command_id="h-2"))
        wait_until(lambda: len(platform.answers()) == 2)
        answers = {each.command_id: each for each in platform.answers()}
        stop.set()
        thread.join(30)
    assert answers["h-1"].status == "done"
    assert answers["h-2"].reason == "nothing is kept of this case"
    assert device.holds.names() == {case_id}
    device.database.close()


def test_what_was_written_on_a_day_is_told(tmp_path: Path) -> None:
    device = StateFolder(tmp_path)
    assert "written" in upkeep_of(device, tmp_path).unknown
    place = (day_counters.DEVICE, day_counters.DEVICE, "written_bytes")
    for day, size in (("2026-03-01", 7.0), ("2026-02-28", 9.0)):
        device.database.write(
            lambda connection, day=day, size=size: day_counters.count(
                connection, day, {place: size}
            )  # type: ignore[misc]
        ).result()
    told = upkeep_of(device, tmp_path)
    assert (told.written_today_bytes, told.written_yesterday_bytes) == (7, 9)
    device.database.close()
