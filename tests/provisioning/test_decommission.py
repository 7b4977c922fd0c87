"""A device that is taken down keeps no key, no picture and no secret; one that is needed is not wiped."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from agent.identity.signing_key import FILE, Signer
from agent.protocol.evidence import digest_of, link_of
from drivers import programs
from drivers.files import wiping
from provisioning.card.planting import CONNECTION, HOME_OF_SITES
from provisioning.commands import last_word
from provisioning.page import access_point
from provisioning.page.on_device import STATE as PAGE_STATE
from tests.support.broker import Broker
from tests.support.command_line import kerbwatch
from tests.support.packed_cases import PackingDevice
from tests.support.paths import ROOT
from tests.support.signatures import verified
from tests.support.sites import site_of, write_site
from tests.support.state_folder import StateFolder, hold_on
from tests.support.topics import DEVICE, TENANT
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from click.testing import Result

SITE = site_of(
    site={"tenant": "city", "device_id": "corner-7"},
    cameras=[
        {
            "camera_id": "street",
            "driver": "rtsp",
            "settings": {
                "url": "rtsp://10.0.0.9/1",
                "user": "u",
                "password_file": "camera.password",
            },
        }
    ],
    uplink={
        "broker": "mqtts://broker.example:8883",
        "ca_file": "ca.crt",
        "certificate_file": "device.crt",
        "key_file": "device.key",
    },
)
SECRETS = ("camera.password", "device.crt", "device.key")


@pytest.fixture(autouse=True)
def _no_trim(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's disk is not to be trimmed: no program of that name is found."""
    monkeypatch.setattr(programs, "FOLDERS", "/nowhere")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return filled(tmp_path)


def filled(tmp_path: Path) -> Path:
    """A site whose state folder holds something of everything."""
    write_site(tmp_path, SITE)
    for name in (*SECRETS, "ca.crt"):
        (tmp_path / name).write_text(f"content of {name}")
    state = tmp_path / "state"
    device = StateFolder(state)
    for _ in range(3):
        device.case()
    device.case(heard=False)
    device.database.close()
    Signer(state / "keys")
    (state / "commissioning").mkdir()
    (state / "commissioning" / "street.png").write_bytes(b"picture")
    (state / "recovery.json").write_text("{}")
    device.audit.append("test")
    return tmp_path


def run(site: Path, *words: str, answer: str | None = None) -> Result:
    return kerbwatch("decommission", site, *words, typed=answer)


def left(site: Path) -> list[str]:
    return sorted(str(path.relative_to(site)) for path in site.rglob("*") if path.is_file())


def test_nothing_that_is_secret_stays_and_what_went_is_printed_and_signed(site: Path) -> None:
    public = Signer(site / "state" / "keys").public
    ran = run(site, "--confirm", "corner-7")
    assert ran.exit_code == 0, ran.output
    assert left(site) == ["ca.crt", "site.toml"]
    assert list((site / "state").iterdir()) == []
    record: dict[str, Any] = json.loads(ran.stdout)
    assert (record["what"], record["device_id"]) == ("device.decommissioned", "corner-7")
    assert record["wiped"]["evidence"]["files"] == 12
    assert record["wiped"]["secrets of the configuration"]["files"] == len(SECRETS)
    assert {"keys", "kerbwatch", "audit", "commissioning", "recovery"} <= record["wiped"].keys()
    assert record["waiting"] == 1
    assert record["audit"]["number"] == 2
    assert record["left"] == []
    signed = verified(record["jws"], public)
    assert signed == {name: record[name] for name in signed}
    assert "laboratory" in ran.stderr
    assert "1 event(s) are not confirmed" in ran.stderr


def test_an_identity_that_was_made_here_goes_with_its_older_pairs_and_waiting_keys(
    site: Path,
) -> None:
    identity = site / "identity"
    for name in ("pairs/1/device.key", "pairs/2/device.key", "pairs/2/device.crt", "next.key"):
        path = identity / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("secret")
    (identity / "current").symlink_to("pairs/2")
    (identity / "authority.crt").write_text("public")
    named = {**SITE["uplink"], "certificate_file": "identity/current/device.crt"}
    named["key_file"] = "identity/current/device.key"
    write_site(site, {**SITE, "uplink": named})
    ran = run(site, "--confirm", "corner-7")
    assert ran.exit_code == 0, ran.output
    kept = {"ca.crt", "site.toml", "identity/authority.crt", "device.crt", "device.key"}
    assert set(left(site)) == kept
    assert not (identity / "current").is_symlink()
    assert json.loads(ran.stdout)["wiped"]["secrets of the configuration"]["files"] == 6


def linked(folder: Path, uplink: dict[str, Any]) -> Path:
    """A device whose outbox holds four cases that the platform has not confirmed."""
    told = {name: str(value) for name, value in uplink.items()}
    site = site_of(site={"tenant": TENANT, "device_id": DEVICE}, uplink=told)
    write_site(folder, site)
    device = StateFolder(folder / "state")
    for _ in range(4):
        device.case(heard=False)
    device.database.close()
    return folder


def test_the_platform_is_told_last_of_all_before_anything_is_wiped(
    broker: Broker, tmp_path: Path
) -> None:
    certificate_file, key_file = broker.device_files
    site = linked(
        tmp_path,
        {
            "broker": f"mqtts://127.0.0.1:{broker.port}",
            "ca_file": broker.authority.certificate_file,
            "certificate_file": shutil.copy(certificate_file, tmp_path),
            "key_file": shutil.copy(key_file, tmp_path),
        },
    )
    with broker.platform() as platform:
        ran = run(site, "--confirm", DEVICE, "--reason", "relocated")
        assert ran.exit_code == 0, ran.output
        wait_until(lambda: any(e.type == "device.decommissioned" for e in platform.events))
    record = json.loads(ran.stdout)
    assert (record["platform_told"], record["reason"], record["waiting"]) == (True, "relocated", 0)
    [told] = [each for each in platform.events if each.type == "device.decommissioned"]
    assert (told.body.reason, told.body.by.role) == ("relocated", "operator")
    assert told.sequence == max(each.sequence for each in platform.events), "nothing comes after it"
    assert sum(each.type == "case.opened" for each in platform.events) == 4
    assert "not confirmed" not in ran.stderr.split("confirmed that the device")[1]
    assert not list((site / "state").iterdir())


def test_a_platform_that_cannot_be_told_is_said_and_keeps_nothing_from_being_wiped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(last_word, "LINK_WITHIN_S", 0.5)
    site = linked(tmp_path, {"broker": "mqtt://127.0.0.1:1", "username": DEVICE})
    ran = run(site, "--confirm", DEVICE, "--reason", "stolen")
    assert ran.exit_code == 0, ran.output
    assert json.loads(ran.stdout)["platform_told"] is False
    assert "could not be told" in ran.stderr
    assert "report there" in ran.stderr
    assert not list((site / "state").iterdir())


def test_without_a_reason_the_platform_is_not_told_and_that_is_said(site: Path) -> None:
    ran = run(site, "--confirm", "corner-7")
    assert ran.exit_code == 0
    assert "no --reason was given" in ran.stderr
    assert json.loads(ran.stdout)["platform_told"] is False


def test_it_is_wiped_only_after_its_id_was_typed(site: Path) -> None:
    before = left(site)
    for words, answer in ((("--confirm", "corner-8"), None), ((), "\n"), ((), "yes\n")):
        ran = run(site, *words, answer=answer)
        assert ran.exit_code == 1
        assert set(before) <= set(left(site))
    assert run(site, answer="corner-7\n").exit_code == 0
    assert left(site) == ["ca.crt", "site.toml"]


def test_while_an_agent_has_the_database_nothing_is_wiped(site: Path) -> None:
    before = left(site)
    told = (
        "import sys, time; from pathlib import Path; from agent.storage.database import Database\n"
        "database = Database(Path(sys.argv[1])); print('open', flush=True); time.sleep(600)"
    )
    agent = subprocess.Popen(
        [sys.executable, "-c", told, site / "state" / "kerbwatch.sqlite3"], stdout=subprocess.PIPE
    )
    assert agent.stdout is not None
    assert agent.stdout.readline() == b"open\n"
    ran = run(site, "--confirm", "corner-7")
    agent.kill()
    agent.wait()
    agent.stdout.close()
    assert ran.exit_code == 1
    assert "systemctl disable" in ran.output
    assert set(before) <= set(left(site))
    assert run(site, "--confirm", "corner-7").exit_code == 0


def test_a_held_case_keeps_the_device_from_being_wiped(site: Path) -> None:
    device = StateFolder(site / "state")
    case_id = device.case()
    device.holds.set(hold_on(case_id))
    device.database.close()
    ran = run(site, "--confirm", "corner-7")
    assert ran.exit_code == 1
    assert case_id in ran.output
    assert len(list((site / "state" / "evidence").iterdir())) == 5


def test_a_second_time_there_is_nothing_left_to_wipe_and_that_is_no_fault(site: Path) -> None:
    assert run(site, "--confirm", "corner-7").exit_code == 0
    ran = run(site, "--confirm", "corner-7")
    assert ran.exit_code == 0, ran.output
    record = json.loads(ran.stdout)
    assert (record["wiped"], record["jws"]) == ({}, None)


def test_a_damaged_database_is_wiped_as_well(site: Path) -> None:
    (site / "state" / "kerbwatch.sqlite3").write_bytes(b"damaged" * 1000)
    assert run(site, "--confirm", "corner-7").exit_code == 0
    assert left(site) == ["ca.crt", "site.toml"]


def test_a_link_leads_nobody_astray_and_the_key_behind_one_goes(site: Path) -> None:
    (site / "elsewhere").mkdir()
    (site / "elsewhere" / "kept.txt").write_text("not the device's")
    (site / "state" / "evidence" / "link.jpg").symlink_to(site / "elsewhere" / "kept.txt")
    (site / "state" / "evidence" / "folder").symlink_to(site / "elsewhere")
    (site / "device.key").rename(site / "elsewhere" / "device.key")
    (site / "device.key").symlink_to(site / "elsewhere" / "device.key")
    assert run(site, "--confirm", "corner-7").exit_code == 0
    assert left(site) == ["ca.crt", "elsewhere/kept.txt", "site.toml"]
    assert (site / "elsewhere" / "kept.txt").read_text() == "not the device's"


def test_what_a_file_held_is_overwritten_before_its_name_goes(tmp_path: Path) -> None:
    path, other = tmp_path / FILE, tmp_path / "another name"
    path.write_bytes(b"geheim" * 100_000)
    os.link(path, other)  # the same blocks, to be looked at afterwards
    wiping.wipe(path)
    assert not path.exists()
    assert other.stat().st_size == 600_000
    assert b"geheim" not in other.read_bytes()
    wiping.wipe(path)  # what is not there is wiped


@pytest.mark.slow
def test_killed_in_the_middle_a_second_run_finishes_and_the_keys_were_first(site: Path) -> None:
    device = StateFolder(site / "state")
    for _ in range(60):
        device.case()
    device.database.close()
    process = subprocess.Popen(
        [sys.executable, "-m", "provisioning.cli", "decommission", site, "--confirm", "corner-7"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until_s = time.monotonic() + 60
    while len(list((site / "state" / "evidence").glob("*/*.jpg"))) == 64 * 3:
        assert time.monotonic() < until_s
    process.send_signal(signal.SIGKILL)
    process.wait()
    found = left(site)
    assert not [name for name in found if name in SECRETS or name.startswith("state/keys")]
    assert run(site, "--confirm", "corner-7").exit_code == 0
    assert left(site) == ["ca.crt", "site.toml"]


def test_the_last_record_says_where_the_chain_of_evidence_ended(tmp_path: Path) -> None:
    device = PackingDevice(tmp_path)
    device.packed()
    link = None
    for each in device.events():
        link = link_of(link, digest_of(each.body.jws))
    device.database.close()
    done = kerbwatch("decommission", tmp_path, "--confirm", DEVICE)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["evidence"] == {"number": 2, "link": link}


@pytest.fixture
def device_root(tmp_path: Path) -> Path:
    """A device with a site, a page that was signed in to, and a wireless network."""
    (tmp_path / HOME_OF_SITES).mkdir(parents=True)
    filled(tmp_path / HOME_OF_SITES)
    made = kerbwatch("page", "code", "--root", str(tmp_path))
    assert made.exit_code == 0, made.output
    (tmp_path / PAGE_STATE / "audit").mkdir()
    (tmp_path / PAGE_STATE / "audit" / "1.jsonl").write_text("{}\n")
    (tmp_path / CONNECTION).write_text("psk=only the street knows\n")
    return tmp_path


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="the page's state is wiped by root")


@as_root
def test_code_certificate_and_passwords_of_the_device_go_as_well(device_root: Path) -> None:
    profile = device_root / access_point.PROFILE
    others = profile.with_name("depot.nmconnection")
    others.write_text("psk=of somebody else\n")
    there = [path for path in (device_root / PAGE_STATE).rglob("*") if path.is_file()]
    assert {path.name for path in there} >= {"code.json", "page.crt", "page.key", "1.jsonl"}
    site = device_root / HOME_OF_SITES
    ran = run(site, "--confirm", "corner-7", "--root", str(device_root))
    assert ran.exit_code == 0, ran.output
    assert list((device_root / PAGE_STATE).iterdir()) == []
    assert list(profile.parent.iterdir()) == [others]
    wiped = json.loads(ran.stdout)["wiped"]
    assert wiped["page"]["files"] == len(there) + 1
    assert wiped["network"]["files"] == 1
    assert left(site) == ["ca.crt", "site.toml"]


@as_root
def test_a_site_that_is_not_the_device_s_own_leaves_the_page_alone(
    device_root: Path, tmp_path: Path
) -> None:
    other = tmp_path / "tried"
    other.mkdir()
    ran = run(filled(other), "--confirm", "corner-7", "--root", str(device_root))
    assert ran.exit_code == 0, ran.output
    assert (device_root / PAGE_STATE / "code.json").exists()
    assert (device_root / access_point.PROFILE).exists()


@as_root
def test_while_the_page_is_on_nothing_is_wiped(device_root: Path) -> None:
    (device_root / "run/kerbwatch-page").mkdir(parents=True)
    site = device_root / HOME_OF_SITES
    before = left(device_root)
    ran = run(site, "--confirm", "corner-7", "--root", str(device_root))
    assert ran.exit_code != 0
    assert "kerbwatch page off" in ran.stderr
    assert left(device_root) == before
