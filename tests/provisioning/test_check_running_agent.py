"""``kerbwatch check`` beside a real agent: what runs is what is written down and installed, and it may do what it must."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from agent.config import loading
from agent.storage.paths import COMMISSIONING
from agent.telemetry.status_file import FILE, Status
from provisioning.check import CHECKS, device_of, rights, this_device
from provisioning.check.findings import Device, Finding, carry_out
from provisioning.cli import main
from tests.support.broker import Broker
from tests.support.check_findings import of
from tests.support.paths import ROOT
from tests.support.ports import free_port
from tests.support.red_bike_model import write_model
from tests.support.sites import as_toml, site_of, write_site, zone
from tests.support.topics import DEVICE, PREFIX, TENANT
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

STRANGER = 12345
"""A user of no name, for whom the agent runs where this machine's root may start it."""
ENDLESS = {"seconds": 100000, "frames_per_s": 25, "pace": "real_time"}
ZONE = zone()


class Corner:
    """A site in a folder that anybody may reach, and the agents that are started on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        write_model(folder / "models")
        self.environment = {
            "KERBWATCH_MODELS": str(folder / "models"),
            "KERBWATCH_LANGUAGE": "en",
        }
        self._agents: list[subprocess.Popen[bytes]] = []
        self.write()
        self.draw(ZONE)

    def write(
        self, uplink: str = "", *, driver: str = "synthetic", settings: dict[str, Any] = ENDLESS
    ) -> None:
        """``uplink`` is further lines of that table."""
        site = site_of(
            cameras=[{"camera_id": "street", "driver": driver, "settings": settings}],
            scenarios={"misparked_bikes": {"allowed_s": 10}},
            uplink={"topic_prefix": PREFIX, "heartbeat_s": 10},
        )
        write_site(self.folder, as_toml(site) + uplink)

    def draw(self, *zones: dict[str, Any]) -> None:
        (self.folder / "zones.json").write_text(json.dumps({"zones": zones}), encoding="utf-8")

    def start(self, **environment: str) -> subprocess.Popen[bytes]:
        agent = subprocess.Popen(
            [sys.executable, "-m", "agent", str(self.folder)],
            env={**os.environ, **self.environment, **environment},
            cwd=ROOT,
            stderr=subprocess.DEVNULL,
        )
        self._agents.append(agent)
        wait_until(lambda: self._is_told_by(agent))
        return agent

    def _is_told_by(self, agent: subprocess.Popen[bytes]) -> bool:
        assert agent.poll() is None, "the agent ended"
        status = self.status()
        if status is None or status.software is None or status.software.pid != agent.pid:
            return False
        return all(each.analysed or each.state != "running" for each in status.cameras.values())

    def status(self) -> Status | None:
        path = self.folder / "run" / FILE
        return Status.model_validate_json(path.read_text()) if path.exists() else None

    def end(self) -> None:
        for agent in self._agents:
            if agent.poll() is None:
                agent.send_signal(signal.SIGTERM)
                try:
                    agent.wait(30)
                except subprocess.TimeoutExpired:
                    agent.kill()
                    agent.wait()
        self._agents.clear()

    def check(self, *options: str) -> tuple[int, list[dict[str, str]]]:
        # In a process of its own, for root's check goes on with the agent's rights.
        done = subprocess.run(
            [sys.executable, "-m", "provisioning.cli", "check", self.folder, "--json", *options],
            env={**os.environ, **self.environment},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            check=False,
        )
        code, found = done.returncode, json.loads(done.stdout)["findings"]
        for row in found:
            if row["severity"] in {"warning", "fault"}:
                assert row["meaning"], row
                assert row["remedy"], row
        return code, found

    def found(self, check: str) -> list[Finding]:
        """What one check finds, of all that the command carries out. Where the state is ours."""
        [chosen] = [each for each in CHECKS if each.name == check]
        return carry_out(chosen, device_of(self.folder))

    def fault(self, check: str) -> str:
        """What a check says is at fault, with what it means and what to do; empty if nothing is."""
        faults = [each for each in self.found(check) if each.severity == "fault"]
        assert all(each.meaning and each.remedy for each in faults), faults
        return "\n".join(each.what for each in faults)

    def fault_of_all(self, check: str) -> str:
        """What a check says is at fault among all checks; the command fails with it."""
        code, found = self.check()
        told = of(found, check, "fault")
        assert told, found
        assert code == 1
        return told

    def commission(self) -> None:
        done = CliRunner(env=self.environment).invoke(main, ["commission", str(self.folder)])
        assert done.exit_code == 0, done.output


@pytest.fixture
def corner(monkeypatch: pytest.MonkeyPatch) -> Iterator[Corner]:
    folder = Path(tempfile.mkdtemp(prefix="kerbwatch-corner-"))
    folder.chmod(0o755)
    made = Corner(folder)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    yield made
    made.end()
    shutil.rmtree(folder)


def faults(found: list[dict[str, str]]) -> list[dict[str, str]]:
    return [row for row in found if row["severity"] == "fault"]


def test_a_site_on_a_laptop_has_no_agent_and_that_is_no_fault(corner: Corner) -> None:
    code, found = corner.check()
    assert "no agent is meant to run here" in of(found, "agent", "note")
    assert (code, faults(found)) == (0, [])
    assert not (corner.folder / "state").exists(), "a check leaves nothing behind"


def test_an_agent_that_runs_as_it_is_written_is_in_order(corner: Corner) -> None:
    corner.commission()
    corner.start()
    code, found = corner.check()
    assert (code, faults(found)) == (0, [])
    assert "runs for" in of(found, "agent", "ok")
    assert "gives frames" in of(found, "cameras", "ok")
    assert "can read and write what it needs" in of(found, "rights", "ok")
    assert "reference image" not in of(found, "cameras", "warning")


def test_an_agent_that_was_stopped_or_killed_is_a_fault(corner: Corner) -> None:
    corner.start()
    corner.end()
    assert "does not run" in corner.fault("agent")
    agent = corner.start()
    agent.kill()
    agent.wait()
    assert "does not run" in corner.fault_of_all("agent")


def test_an_agent_that_hangs_is_a_fault(corner: Corner) -> None:
    agent = corner.start()
    agent.send_signal(signal.SIGSTOP)
    try:
        wait_until(lambda: "reports no status" in corner.fault("agent"))
        assert str(agent.pid) in corner.fault("agent")
    finally:
        agent.send_signal(signal.SIGCONT)


def test_zones_or_settings_that_were_edited_and_not_taken_up_are_a_fault(corner: Corner) -> None:
    corner.start()
    corner.draw({**ZONE, "polygon": [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]})
    assert "but the files have" in corner.fault("agent")
    corner.draw(ZONE)
    assert corner.fault("agent") == ""
    corner.write("reconnect_max_s = 7")  # nothing that a judgement goes by
    assert "but the files have" in corner.fault("agent")


def test_zones_that_have_disappeared_are_a_fault(corner: Corner) -> None:
    corner.start()
    (corner.folder / "zones.json").unlink()
    assert "zones.json is missing" in corner.fault("configuration")


def test_another_version_than_is_installed_is_a_fault(corner: Corner) -> None:
    older = corner.folder / "older" / "kerbwatch-0.0.1.dist-info"
    older.mkdir(parents=True)
    (older / "METADATA").write_text("Metadata-Version: 2.1\nName: kerbwatch\nVersion: 0.0.1\n")
    corner.start(PYTHONPATH=str(older.parent))
    assert "0.0.1 runs" in corner.fault("agent")


def test_another_model_than_is_installed_is_a_fault(corner: Corner) -> None:
    corner.start()
    shutil.rmtree(corner.folder / "models")
    write_model(corner.folder / "models", blue_hangs=True)
    assert "it runs street" in corner.fault("agent")


def test_a_camera_that_the_agent_gets_no_picture_of_is_a_fault(corner: Corner) -> None:
    url = f"rtsp://127.0.0.1:{free_port()}/1"
    corner.write(driver="rtsp", settings={"url": url})
    corner.start()
    wait_until(lambda: "no picture for" in corner.fault("cameras"))


def test_where_nothing_is_judged_that_is_a_fault(corner: Corner) -> None:
    corner.draw()
    assert "no zone is drawn" in corner.fault("configuration")
    corner.draw({**ZONE, "kind": "mask"})
    assert "no zone is drawn" in corner.fault("configuration")
    corner.draw({**ZONE, "kind": "bin"})  # and no scenario for bins
    assert "no zone is drawn" in corner.fault("configuration")
    corner.draw(ZONE)
    text = (corner.folder / "site.toml").read_text()
    (corner.folder / "site.toml").write_text(
        text.replace("[scenarios.misparked_bikes]\nallowed_s = 10\n", "")
    )
    assert "no scenario is configured" in corner.fault("configuration")


def test_without_a_commissioning_picture_the_strict_check_fails(corner: Corner) -> None:
    for run in (lambda: None, corner.start):
        run()
        code, found = corner.check("--strict")
        assert "no reference image" in of(found, "cameras", "warning")
        assert code == 1
    assert COMMISSIONING not in {path.name for path in (corner.folder / "state").iterdir()}


needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="needs root, to start the agent as another user"
)


@pytest.fixture
def strangers(corner: Corner) -> Corner:
    """A corner whose agent is somebody else than who checks it: the state is a stranger's."""
    (corner.folder / "state").mkdir(mode=0o700)
    os.chown(corner.folder / "state", STRANGER, STRANGER)
    return corner


@needs_root
def test_what_root_can_read_and_the_agent_cannot_is_a_fault(strangers: Corner) -> None:
    password = strangers.folder / "password"
    password.write_text("geheim")
    password.chmod(0o600)
    broker = f'broker = "mqtt://127.0.0.1:{free_port()}"\nconnect_timeout_s = 1'
    strangers.write(f'{broker}\nusername = "u"\npassword_file = "password"')
    assert of(strangers.check()[1], "rights", "fault") == "", "nobody runs here yet"
    (strangers.folder / "state" / "recovery.json").write_text("{}")
    os.chown(strangers.folder / "state" / "recovery.json", STRANGER, STRANGER)
    assert f"password cannot be read by {STRANGER}" in strangers.fault_of_all("rights")
    os.chown(password, STRANGER, STRANGER)
    assert of(strangers.check()[1], "rights", "fault") == ""


@needs_root
def test_a_database_that_belongs_to_root_is_a_fault(strangers: Corner) -> None:
    (strangers.folder / "state").rmdir()
    strangers.start()
    strangers.end()
    state, database = strangers.folder / "state", strangers.folder / "state" / "kerbwatch.sqlite3"
    for path in (state, *state.rglob("*"), strangers.folder / "run"):
        os.chown(path, STRANGER, STRANGER)
    assert f"{STRANGER} can read and write" in of(strangers.check()[1], "rights", "ok")
    os.chown(database, 0, 0)
    database.chmod(0o600)
    assert "kerbwatch.sqlite3" in strangers.fault_of_all("rights")
    os.chown(database, STRANGER, STRANGER)
    assert of(strangers.check()[1], "rights", "fault") == ""


Start = Callable[..., Broker]


def connected(corner: Corner, broker: Broker, more: str = "") -> str:
    certificate, key = broker.authority.issue(DEVICE, days=100)
    return "\n".join(
        [
            f'broker = "mqtts://127.0.0.1:{broker.port}"',
            f'ca_file = "{broker.authority.certificate_file}"',
            f'certificate_file = "{certificate}"',
            f'key_file = "{key}"',
            "reconnect_max_s = 1",
            more,
        ]
    )


def acl(folder: Path, *lines: str) -> str:
    file = folder / "acl"
    file.write_text("\n".join([f"user {DEVICE}", *lines, "user platform", "topic readwrite #"]))
    file.chmod(0o600)
    return f"acl_file {file}"


BASE = f"{PREFIX}/{TENANT}/{DEVICE}"


def test_what_is_taken_is_well_and_what_never_came_is_not_known(
    corner: Corner, start_broker: Start
) -> None:
    broker = start_broker()
    corner.write(connected(corner, broker))
    corner.start()
    wait_until(lambda: is_answered(corner))
    _, found = corner.check()
    assert faults(found) == []
    well, unknown = of(found, "delivery", "ok"), of(found, "delivery", "note")
    assert all(f"publishing to {BASE}/{channel}" in well for channel in ("events", "state"))
    for channel in ("receipts", "commands", "answers"):
        assert f"{BASE}/{channel} is unknown" in unknown
        assert channel not in well
    with broker.platform() as platform:
        platform.say("receipts", "{}")  # whatever it says: that it comes is what counts
        wait_until(lambda: "receipts" in heard(corner))
    told = [each.what for each in corner.found("delivery") if each.severity == "ok"]
    assert any(f"last message on {BASE}/receipts:" in each for each in told)


def is_answered(corner: Corner) -> bool:
    """Whether the broker has said of an event and of the state if it takes them."""
    status = corner.status()
    answered = {} if status is None or status.uplink is None else status.uplink.codes
    return {"events", "state"} <= answered.keys()


def heard(corner: Corner) -> dict[str, Any]:
    status = corner.status()
    return {} if status is None or status.uplink is None else dict(status.uplink.heard)


@pytest.mark.parametrize("denied", ["events", "state"])
def test_a_channel_on_which_it_may_not_publish_is_a_fault(
    corner: Corner, start_broker: Start, tmp_path: Path, denied: str
) -> None:
    allowed = {"events", "state", "answers"} - {denied}
    rights = [f"topic write {BASE}/{channel}" for channel in sorted(allowed)]
    broker = start_broker(acl(tmp_path, *rights, f"topic read {BASE}/#"))
    corner.write(connected(corner, broker))
    corner.start()
    wait_until(lambda: is_answered(corner))
    told = corner.fault("delivery")
    assert f"publishing to {BASE}/{denied} is refused: Not authorized" in told
    assert all(f"{BASE}/{channel} is refused" not in told for channel in allowed)


def test_receipts_that_it_may_not_hear_are_never_called_well_and_then_a_fault(
    corner: Corner, start_broker: Start, tmp_path: Path
) -> None:
    rights = [f"topic write {BASE}/#", f"topic read {BASE}/commands"]
    broker = start_broker(acl(tmp_path, *rights))
    more = 'confirm = "platform"\nreceipt_timeout_s = 3'
    corner.write(connected(corner, broker, more))
    corner.start()
    well = [each.what for each in corner.found("delivery") if each.severity == "ok"]
    assert not any("receipts" in each for each in well)
    wait_until(lambda: "no receipt has come" in corner.fault("delivery"))


def test_an_agent_that_is_not_connected_is_a_fault(corner: Corner, start_broker: Start) -> None:
    broker = start_broker()
    corner.write(connected(corner, broker))
    corner.start()
    broker.stop()
    wait_until(lambda: "not connected" in corner.fault("delivery"))


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_every_finding_has_words(corner: Corner, language: str) -> None:
    corner.start()
    corner.draw({**ZONE, "zone_id": "other"})
    environment = {**corner.environment, "KERBWATCH_LANGUAGE": language}
    done = CliRunner(env=environment).invoke(main, ["check", str(corner.folder)])
    assert done.exit_code == 1
    words = "but the files have" if language == "en" else "尚未生效"
    assert words in done.output


def test_the_units_user_is_who_the_agent_is(tmp_path: Path) -> None:
    units = tmp_path / "etc" / "systemd" / "system"
    units.mkdir(parents=True)
    assert this_device.installed_unit(tmp_path) is None
    shutil.copy(ROOT / "systemd" / this_device.UNIT, units / this_device.UNIT)
    shutil.copytree(ROOT / "systemd" / f"{this_device.UNIT}.d", units / f"{this_device.UNIT}.d")
    unit = this_device.installed_unit(tmp_path)
    assert unit is not None
    assert (unit.user, unit.site) == ("kerbwatch", Path("/etc/kerbwatch"))
    (units / f"{this_device.UNIT}.d" / "zz.conf").write_text("[Service]\nUser=somebody\n")
    changed = this_device.installed_unit(tmp_path)
    assert changed is not None
    assert changed.user == "somebody"


@needs_root
def test_a_state_of_neither_the_units_user_nor_root_is_a_fault(corner: Corner) -> None:
    (corner.folder / "state").mkdir(mode=0o700)
    os.chown(corner.folder / "state", STRANGER, STRANGER)
    configuration = loading.load(corner.folder)
    found = this_device.look(corner.folder, corner.folder, configuration)
    runs_as_me = replace(
        found, meant=True, user=this_device.ServiceUser("me", os.geteuid() + 7, 0, ())
    )
    device = Device(corner.folder, corner.folder, configuration, runs_as_me)
    [told] = rights.rights(device)
    assert told.severity == "fault"
    assert f"belongs to {STRANGER}, and the agent runs as me" in told.what
