"""The Debian packages: built by one command, installed from a folder without a network, booted, emulated."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.first_hour.booted import whole_way
from benchmarks.first_hour.steps import Steps
from deb.environment import UNUSED, locked_for_device
from deb.targets import RELEASES, ROOT, Target, committed_s
from provisioning.card.contents import stamp_of
from provisioning.card.image import Partitions
from provisioning.card.network import Wireless
from provisioning.card.planting import CONNECTION
from provisioning.card.prepare import Plan, prepare
from provisioning.commands.units import JOURNAL
from provisioning.page.from_card import made
from tests.faults.booted_container import Booted
from tests.faults.booted_corner import write_site, write_site_folder
from tests.faults.suite import wait_for
from tests.support.cards import IMAGES
from tests.support.debian_roots import debian_root, inside
from tests.support.emulated_pi import EMULATOR, arm64_root, judgement
from tests.support.packages import STICK, Chroot, bare_root, build
from tests.support.red_bike_model import write_model
from tests.support.red_bike_site import write_red_site

SUITES = sorted(RELEASES)
each_suite = pytest.mark.parametrize("suite", SUITES)
HOUR_S = 3600
OFFLINE = f"""
echo "deb [signed-by={STICK}/kerbwatch.gpg] file:{STICK} $(. /etc/os-release; echo $VERSION_CODENAME) main" \\
  > /etc/apt/sources.list
rm -rf /etc/apt/sources.list.d
apt-get update -q >&2
"""


@pytest.fixture(scope="module")
def stick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Packages of both releases for this processor, and the repository's folder as on a USB stick."""
    if os.geteuid():
        pytest.skip("needs root: the packages are installed")
    folder = tmp_path_factory.mktemp("deb")
    repository = folder / "stick"
    signed = ("--repository", str(repository), "--keys", str(folder / "keys"))
    build(folder / "dist", "--arch", "amd64", *signed)
    return repository


def package_of(stick: Path, suite: str) -> Path:
    [found] = (stick / "pool" / suite).glob("kerbwatch_*.deb")
    return found


def test_a_device_gets_what_the_lock_names_without_pip() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    names = set(re.findall(r"^([\w.-]+)==", lock, re.MULTILINE))
    found = set(re.findall(r"^([\w.-]+)==", locked_for_device(("simplejpeg",)), re.MULTILINE))
    assert found == (names - set(UNUSED)) | {"simplejpeg"}
    assert set(UNUSED) <= names


def test_a_newer_release_s_package_is_the_newer_one() -> None:
    versions = [Target(RELEASES[suite], "arm64", "1.2.0", 0).debian_version for suite in SUITES]
    assert versions == ["1.2.0+deb12", "1.2.0+deb13"]
    for later in (versions[1], "1.2.1+deb12"):
        subprocess.run(["dpkg", "--compare-versions", versions[0], "lt", later], check=True)


@pytest.mark.booted
@each_suite
def test_a_package_installs_from_a_stick_where_systemd_does_not_run(
    suite: str, stick: Path, tmp_path: Path
) -> None:
    """As the builder of an image does; apt checks the signature, and without it installs nothing."""
    said = Chroot(bare_root(suite), stick, tmp_path / "root").run(
        OFFLINE
        + """
apt-get install -q -y kerbwatch >&2
kerbwatch --version
readlink /opt/kerbwatch/active
systemctl is-enabled kerbwatch.service kerbwatch-recovery.path kerbwatch-report.timer
stat -c "%U %G %a" /etc/kerbwatch
KERBWATCH_LANGUAGE=en kerbwatch models verify | wc -l
kerbwatch units install >/dev/null 2>&1 || echo "units: only where systemd runs"
"""
    )
    version = f"0.2.0+deb{RELEASES[suite].number}"
    assert said.splitlines() == [
        "kerbwatch 0.2.0",
        f"versions/{version}",
        *["enabled"] * 3,
        "root kerbwatch 750",
        "6",
        "units: only where systemd runs",
    ]


@pytest.mark.booted
def test_a_removal_leaves_site_keys_and_evidence_and_a_purge_leaves_nothing(
    stick: Path, tmp_path: Path
) -> None:
    said = Chroot(bare_root("trixie"), stick, tmp_path / "root").run(
        f"""
dpkg -i {STICK}/pool/trixie/kerbwatch_*.deb >&2
mkdir -p /etc/kerbwatch/identity /var/lib/kerbwatch/evidence
touch /etc/kerbwatch/identity/device.key /var/lib/kerbwatch/evidence/case.jpg
dpkg --remove kerbwatch >&2
find /etc/kerbwatch /var/lib/kerbwatch /opt/kerbwatch /usr/lib/kerbwatch -type f 2>/dev/null || true
dpkg -i {STICK}/pool/trixie/kerbwatch_*.deb >&2
dpkg --purge kerbwatch >&2
find / -xdev -path "*kerbwatch*" -not -path "/proc/*" -not -path "{STICK}*" | sort
"""
    )
    assert said.splitlines() == [
        "/etc/kerbwatch/identity/device.key",
        "/var/lib/kerbwatch/evidence/case.jpg",
    ]


@pytest.mark.booted
def test_a_repository_that_was_tampered_with_is_refused(stick: Path, tmp_path: Path) -> None:
    copy = tmp_path / "stick"
    shutil.copytree(stick, copy, ignore=shutil.ignore_patterns("pool"))
    for listed in (copy / "dists/trixie/main/binary-amd64").iterdir():
        listed.write_bytes(listed.read_bytes().replace(b"kerbwatch", b"kerbwatcH"))
    said = Chroot(bare_root("trixie"), copy, tmp_path / "root").run(
        OFFLINE.replace("apt-get update -q >&2", "! apt-get update -q 2>&1")
    )
    assert "Hash Sum mismatch" in said


BRIEF = """
[Unit]
StartLimitIntervalSec=0

[Service]
Type=oneshot
ExecStart=true
LogNamespace=kerbwatch
"""


def start_often(device: Booted) -> None:
    """A unit that ends at once, with the agent's journal: no start of it is refused."""
    device.path("/run/systemd/system/brief.service").write_text(BRIEF, encoding="utf-8")
    device.run("systemctl", "daemon-reload")
    device.run("sh", "-ec", "for each in $(seq 30); do systemctl start brief; done")
    assert device.shown("ActiveState", *JOURNAL).split() == ["active"] * 2, "they stay"


@pytest.mark.booted
@each_suite
def test_a_booted_device_runs_what_the_package_brought(
    suite: str, stick: Path, tmp_path: Path
) -> None:
    device = Booted(bare_root(suite), tmp_path / "device", uptime_s=HOUR_S)
    try:
        package = package_of(stick, suite)
        shutil.copyfile(package, device.path(f"/srv/{package.name}"))
        device.run("dpkg", "-i", f"/srv/{package.name}")
        assert device.shown("ActiveState", "kerbwatch") == "inactive", "there is no site yet"
        assert device.shown("ActiveState", "kerbwatch-recovery.path") == "active"
        write_site(device)
        start_often(device)
        device.run("systemctl", "start", "kerbwatch")
        assert device.shown("ActiveState", "kerbwatch") == "active", device.journal("kerbwatch")
        before = device.shown("MainPID", "kerbwatch")
        told = device.run("kerbwatch", "check", "/etc/kerbwatch", "--json", check=False)
        found = {row["check"]: row["severity"] for row in json.loads(told)["findings"]}
        assert (found["installation"], found["units"], found["imports"]) == ("ok",) * 3
        device.run("dpkg", "-i", f"/srv/{package.name}")  # as an update does
        wait_for(lambda: device.shown("MainPID", "kerbwatch") not in {before, "0"}, "it runs again")
        device.run("dpkg", "--remove", "kerbwatch")
        assert device.shown("ActiveState", "kerbwatch") == "inactive"
        assert device.path("/var/lib/kerbwatch/kerbwatch.sqlite3").is_file()
        assert [device.shown("ActiveState", each) for each in JOURNAL] == ["inactive"] * 2
    finally:
        device.end()


@pytest.mark.booted
@each_suite
def test_a_device_installs_and_sets_itself_up_from_its_card(
    suite: str, stick: Path, tmp_path: Path
) -> None:
    """Without a network: called as the kernel's command line does it, and finished after the reboot."""
    write_site_folder(tmp_path / "site")
    device = Booted(bare_root(suite), tmp_path / "device", uptime_s=HOUR_S)
    try:
        boot = device.path("/boot/firmware")
        boot.mkdir(parents=True)
        device.run("mkdir", "/etc/NetworkManager")  # as where it is installed
        image = IMAGES["raspberry-pi-os"].boot
        for name, text in image.items():
            (boot / name).write_text(text, encoding="utf-8")
        wireless = Wireless("street", "only the street knows")
        site, page = tmp_path / "site", made()[0]
        plan = Plan("Workshop 3", "0.2.0", site, stick, wireless, None, suite, "amd64", page)
        prepare(Partitions(boot, None), plan, datetime.now(UTC))
        boot.chmod(0o700)  # as a boot partition that is mounted for root alone
        device.run("sh", "/boot/firmware/kerbwatch/seed.sh")
        assert (boot / "cmdline.txt").read_text() == image["cmdline.txt"], "it is called once"
        assert device.run("grep", "-rl", "only the street knows", "/boot", check=False) == ""
        leader = device.leader
        device.run("systemctl", "--no-block", "reboot")
        device.wait_until_up(not_leader=leader)
        wait_for(lambda: device.shown("ActiveState", "kerbwatch") == "active", "the agent runs")
        stamp = stamp_of(device.path("/"))
        assert stamp is not None
        assert (stamp.by, stamp.faults) == ("Workshop 3", ())
        assert stamp.done == ("network", "page", "site")
        assert device.run("stat", "-c", "%U %a", f"/{CONNECTION}") == "root 600"
        assert device.run("ls", "/boot/firmware/kerbwatch").split() == [
            "card.json",
            "install.sh",
            "seed.sh",
        ]
        assert not device.path("/etc/systemd/system/kerbwatch-install.service").exists()
    finally:
        device.end()


@pytest.mark.booted
def test_a_device_comes_from_its_card_to_an_accepted_case_with_few_commands(
    stick: Path, tmp_path: Path
) -> None:
    """All of it: first boot, certificate, zones, dry run, trial, test ticket, check, acceptance, a case."""
    steps, folder = Steps(), tmp_path / "hour"
    folder.mkdir()
    whole_way(steps, folder, stick)
    assert (folder / "acceptance.pdf").read_bytes().startswith(b"%PDF-")
    assert len(steps.commands) <= 3
    assert len(steps.typed) <= 6


@pytest.mark.booted
def test_two_builds_give_the_same_bytes_and_a_bill_of_what_is_inside(
    stick: Path, tmp_path: Path
) -> None:
    again = build(tmp_path / "again", "--suite", "trixie", "--arch", "amd64")
    first = package_of(stick, "trixie")
    [second] = again.glob("*.deb")
    assert (
        hashlib.sha256(second.read_bytes()).digest() == hashlib.sha256(first.read_bytes()).digest()
    )
    [bill] = again.glob("*.cdx.json")
    told = json.loads(bill.read_bytes())
    inside = {each["name"]: each for each in told["components"]}
    assert told["bomFormat"] == "CycloneDX"
    assert {"numpy", "onnxruntime", "opencv-python-headless", "street", "verifier"} <= set(inside)
    assert not {"pip", "setuptools"} & set(inside)
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    [wheel] = inside["numpy"]["hashes"]
    assert f"--hash=sha256:{wheel['content']}" in lock
    text = bill.read_text(encoding="utf-8").replace(told["$schema"], "")
    assert "://" not in text, "where packages come from is the builder's business"
    assert told["metadata"]["timestamp"].startswith(
        subprocess.check_output(
            ["date", "-u", "-d", f"@{committed_s()}", "+%FT%T"], text=True
        ).strip()
    )


@pytest.mark.arm64
def test_the_package_for_a_pi_runs_on_an_emulated_one(tmp_path: Path) -> None:
    """Unpacked as dpkg does it, placed by its own Python, and a replay judges as on this machine."""
    if os.geteuid():
        pytest.skip("needs root, for a root of its own")
    [package] = build(tmp_path / "dist", "--suite", "trixie", "--arch", "arm64").glob("*.deb")
    root = tmp_path / "root"
    subprocess.run(["cp", "-a", str(arm64_root("3.13")), str(root)], check=True)
    subprocess.run(["dpkg-deb", "-x", str(package), str(root)], check=True)
    shutil.copyfile(debian_root(EMULATOR) / "usr/bin/qemu-aarch64", root / "qemu")
    (root / "qemu").chmod(0o755)
    write_red_site(root / "srv/site")
    write_model(root / "srv/models")
    [payload] = (root / "usr/lib/kerbwatch").iterdir()
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "QEMU_CPU": "cortex-a72",
        "KERBWATCH_MODELS": "/srv/models",
        "LC_ALL": "C.UTF-8",
    }

    def run(python: str, *arguments: str) -> None:
        subprocess.run(
            inside(root, ["/qemu", python, "-P", *arguments]),
            check=True,
            env=environment,
            timeout=600,
        )

    placed = f"/usr/lib/kerbwatch/{payload.name}"
    run(f"{placed}/bin/python", "-m", "provisioning.versions", "place", placed)
    replay = ("-m", "provisioning.cli", "replay", "/srv/site", "--out", "/srv/there")
    run("/opt/kerbwatch/active/bin/python", *replay)
    here = ("replay", str(root / "srv/site"), "--out", str(tmp_path / "here"))
    subprocess.run(
        [sys.executable, "-P", "-m", "provisioning.cli", *here],
        cwd=ROOT,
        check=True,
        env=os.environ | {"KERBWATCH_MODELS": str(root / "srv/models"), "PYTHONPATH": str(ROOT)},
        capture_output=True,
    )
    assert judgement(root / "srv/there") == judgement(tmp_path / "here")
