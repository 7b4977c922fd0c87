"""The whole way on a booted Debian: the card, its first boot, the platform beside it, and the visit at the pole."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.first_hour.at_the_pole import Visit, visit
from benchmarks.first_hour.phone import Phone
from provisioning.page.setup import CABLE_ADDRESS
from tests.faults.booted_container import Booted
from tests.faults.suite import wait_for
from tests.support.cards import IMAGES
from tests.support.certificates import Authority
from tests.support.example_platform import PLATFORM
from tests.support.offline_authority import Office
from tests.support.packages import bare_root
from tests.support.paths import ROOT
from tests.support.programs import program

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.first_hour.steps import Steps

SUITE = "trixie"
FIRST_BOOT = "first boot: installed from the card, set up, the agent runs"
STREET = ROOT / "examples" / "street"
TENANT, DEVICE = "example-city", "example-corner"
_PORT = 8883
_HOUR_S = 3600
_CASE_WITHIN_S = 240
_SITE = f"""
[site]
tenant = "{TENANT}"
device_id = "{DEVICE}"
address = "示例地址（渲染街景，非真实地点）"
timezone = "Asia/Shanghai"

[[cameras]]
camera_id = "street"
driver = "video_file"
settings = {{ path = "clip.mp4", pace = "real_time", loop = true }}

[scenarios.misparked_bikes]
allowed_s = 10
clear_after_s = 3

[scenarios.street_vending]
allowed_s = 10
clear_after_s = 3

[scenarios.overflowing_bins]
allowed_s = 10
clear_after_s = 3
every_s = 1
smooth_s = 3

[uplink]
broker = "mqtts://127.0.0.1:{_PORT}"
confirm = "platform"
reconnect_max_s = 2
ca_file = "identity/authority.crt"
certificate_file = "identity/current/device.crt"
key_file = "identity/current/device.key"
"""
"""A site as the workshop prepares it, without zones: they are drawn at the pole. Seconds where a street has minutes,
because the clip is short."""


def whole_way(steps: Steps, folder: Path, repository: Path) -> None:
    """From the card to the first case at the platform.

    Args:
        steps: What is measured.
        folder: New; for what comes of it.
        repository: Of the packages, as ``deb/build --repository`` writes it.
    """
    office = Office(folder / "office")
    site = _site(folder / "site", office)
    device = Booted(bare_root(SUITE), folder / "device", uptime_s=_HOUR_S)
    try:
        _first_boot(steps, device, site, repository)
        with device.network():
            subprocess.run(["ip", "address", "add", f"{CABLE_ADDRESS}/24", "dev", "lo"], check=True)
        with _platform(device, office, folder / "platform") as database:
            with steps.step("code for the label", commands=("sudo kerbwatch page code",)):
                code = json.loads(device.run("kerbwatch", "page", "code", "--json"))["code"]
            with steps.step("page on, as by the button"):
                device.run("kerbwatch", "page", "on")
            label = json.loads(device.run("kerbwatch", "page", "identity", "--json"))
            phone = Phone(
                f"https://{CABLE_ADDRESS}/",
                fingerprint=label["page_fingerprint"],
                network=device.network,
            )
            told = Visit(
                code=code,
                zones=json.loads((STREET / "zones.json").read_bytes())["zones"],
                name="示例姓名",
                form=folder / "acceptance.pdf",
                signs=_Signing(office, folder / "stick"),
            )
            visit(phone, steps, told)
            with steps.step("first case of the street at the platform") as step:
                before = len(_cases(database))
                wait_for(lambda: len(_cases(database)) > before, "a case", _CASE_WITHIN_S)
                step.notes = _cases(database)[-1]
    finally:
        (folder / "agent.log").write_text(device.journal("kerbwatch"), encoding="utf-8")
        device.end()


def _site(folder: Path, office: Office) -> Path:
    (folder / "identity").mkdir(parents=True)
    (folder / "site.toml").write_text(_SITE, encoding="utf-8")
    shutil.copyfile(STREET / "clip.mp4", folder / "clip.mp4")
    shutil.copyfile(office.certificate_file, folder / "identity/authority.crt")
    return folder


def _first_boot(steps: Steps, device: Booted, site: Path, repository: Path) -> None:
    """The card lies in the device, which is then called as the kernel's command line does it."""
    boot = device.path("/boot/firmware")
    boot.mkdir(parents=True)
    for name, text in IMAGES["raspberry-pi-os"].boot.items():
        (boot / name).write_text(text, encoding="utf-8")
    options = ["--by", "Workshop 3", "--site", str(site), "--repository", str(repository)]
    options += ["--suite", SUITE, "--arch", "amd64"]
    with steps.step(
        "card prepared",
        commands=("kerbwatch card prepare",),
        typed=("device_id in site.toml", "address in site.toml", "who prepares the card"),
    ):
        kerbwatch = Path(sys.executable).with_name("kerbwatch")
        subprocess.run([kerbwatch, "card", "prepare", str(boot), *options], check=True)
    with steps.step(FIRST_BOOT):
        device.run("sh", "/boot/firmware/kerbwatch/seed.sh")
        leader = device.leader
        device.run("systemctl", "--no-block", "reboot")
        device.wait_until_up(not_leader=leader)
        wait_for(lambda: device.shown("ActiveState", "kerbwatch") == "active", "the agent runs")


@dataclass(frozen=True, slots=True)
class _Signing:
    """The office with its authority: gets a request by stick, and gives the certificate."""

    office: Office
    stick: Path

    def __call__(self, name: str, request: str) -> str:
        self.stick.mkdir()
        (self.stick / name).write_text(request, encoding="ascii")
        signed = self.office.run("sign", self.stick / name, "--device", f"{TENANT}/{DEVICE}")
        assert signed.exit_code == 0, signed.output
        return (self.stick / f"{TENANT}.{DEVICE}.crt").read_text(encoding="ascii")


@contextmanager
def _platform(device: Booted, office: Office, folder: Path) -> Iterator[Path]:
    """Mosquitto with TLS, client certificates and rights, and the example platform; gives its database."""
    folder.mkdir()
    own = Authority(folder / "pki", "Platform CA")
    certificate, key = own.issue("platform")
    server_certificate, server_key = office.server(folder)
    both = folder / "authorities.crt"
    both.write_bytes(office.certificate_file.read_bytes() + own.certificate_file.read_bytes())
    configuration = folder / "mosquitto.conf"
    configuration.write_text(
        f"listener {_PORT} 127.0.0.1\ncafile {both}\ncertfile {server_certificate}\nkeyfile {server_key}\n"
        "require_certificate true\nuse_identity_as_username true\nallow_anonymous false\nuser root\n"
        f"acl_file {ROOT / 'examples/brokers/mosquitto.acl'}\nmax_queued_messages 1000000\n",
        encoding="utf-8",
    )
    database = folder / "platform.db"
    files = f"ca={office.certificate_file}&certificate={certificate}&key={key}"
    consumer = [sys.executable, str(PLATFORM / "consumer.py")]
    consumer += [f"mqtts://127.0.0.1:{_PORT}?{files}", str(database)]
    running: list[subprocess.Popen[bytes]] = []
    with (folder / "log").open("wb") as log:
        try:
            with device.network():
                broker = [program("mosquitto"), "-c", str(configuration)]
                running += [subprocess.Popen(broker, stdout=log, stderr=log)]
                running += [subprocess.Popen(consumer, stdout=log, stderr=log)]
            yield database
        finally:
            for each in reversed(running):
                each.terminate()
                each.wait(60)


def _cases(database: Path) -> list[str]:
    """Kinds of the cases that the street has opened, in the order of their numbers."""
    with closing(sqlite3.connect(database, timeout=30)) as connection:
        rows = connection.execute(
            "SELECT raw FROM event WHERE type = 'case.opened' AND NOT test ORDER BY event_id"
        )
        return [str(json.loads(raw)["body"]["kind"]) for (raw,) in rows]
