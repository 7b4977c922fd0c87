"""``kerbwatch check``: what is well is said to be well, and every fault is found where it is."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from agent.config import last_known_good, loading
from drivers.clock import SystemClock
from provisioning.check import CHECKS, check_in_words
from provisioning.check.broker import broker as check_broker
from provisioning.check.findings import Check, Device, Finding, carry_out, worst
from provisioning.check.machine import file_system
from provisioning.cli import main
from tests.support.broker import Broker
from tests.support.certificates import Authority
from tests.support.check_findings import findings, of
from tests.support.command_line import kerbwatch
from tests.support.openssl import MOSQUITTOS_MANUAL, openssl, shows
from tests.support.ports import free_port
from tests.support.red_bike_model import write_model
from tests.support.sites import write_site, write_uplink_site
from tests.support.topics import DEVICE, TENANT


@pytest.fixture
def models(tmp_path: Path) -> dict[str, str]:
    write_model(tmp_path / "models")
    return {"KERBWATCH_MODELS": str(tmp_path / "models"), "KERBWATCH_LANGUAGE": "en"}


@pytest.mark.slow
def test_a_device_that_is_in_order_is_told_so(
    broker: Broker, tmp_path: Path, models: dict[str, str]
) -> None:
    identity = broker.authority.issue(DEVICE, days=100)
    site = write_uplink_site(tmp_path, broker.port, authority=broker.authority, identity=identity)
    code, found = findings(site, models)
    faults = [row for row in found if row["severity"] == "fault"]
    assert faults == []
    assert code == 0
    assert "connected to mqtts://127.0.0.1" in of(found, "broker", "ok")
    assert "publishing to" in of(found, "broker", "ok")
    assert "days left" in of(found, "broker", "ok")
    assert "runs" in of(found, "models", "ok")
    assert "10 frames" in of(found, "cameras", "ok")
    assert "load together" in of(found, "imports", "ok")
    if not Path("/run/systemd/system").is_dir():
        assert "nothing starts the agent" in of(found, "units", "note")
    assert not (tmp_path / "state" / ".check").exists()


@pytest.mark.slow
def test_every_fault_says_what_it_means_and_what_to_do(
    tmp_path: Path, models: dict[str, str]
) -> None:
    site = write_uplink_site(tmp_path, free_port(), scheme="mqtt")
    (tmp_path / "models" / "street" / "model.onnx").write_bytes(b"not a network")
    code, found = findings(site, models)
    assert code == 1
    assert "not encrypted" in of(found, "broker", "warning")
    assert "cannot be reached" in of(found, "broker", "fault")
    assert "sha256" in of(found, "models", "fault")
    for row in found:
        if row["severity"] in {"warning", "fault"}:
            assert row["meaning"], row
            assert row["remedy"], row


@pytest.mark.slow
def test_a_refused_configuration_is_checked_on_with_the_last_good_one(
    broker: Broker, tmp_path: Path, models: dict[str, str]
) -> None:
    identity = broker.authority.issue(DEVICE, days=100)
    site = write_uplink_site(tmp_path, broker.port, authority=broker.authority, identity=identity)
    clock = SystemClock()
    assert last_known_good.keep(site, loading.load(site), tmp_path / "state", clock)
    file = site / "site.toml" if site.is_dir() else site
    file.write_text(file.read_text(encoding="utf-8") + "\n[nonsense]\n", encoding="utf-8")
    code, found = findings(site, models)
    assert code == 1
    assert "nonsense" in of(found, "configuration", "fault")
    [fault] = [row for row in found if row["severity"] == "fault"]
    assert "continues with the last valid configuration" in fault["meaning"]
    assert "connected to mqtts://127.0.0.1" in of(found, "broker", "ok")


@pytest.mark.slow
def test_zones_that_can_hardly_be_meant_are_warnings(
    tmp_path: Path, models: dict[str, str]
) -> None:
    site = write_uplink_site(tmp_path, 1)
    file = site / "site.toml"
    star = "[[0.5, 0.1], [0.8, 0.9], [0.1, 0.4], [0.9, 0.4], [0.2, 0.9]]"
    text = file.read_text(encoding="utf-8")
    square = text[text.index("polygon = ") :].splitlines()[0]
    file.write_text(text.replace(square, f"polygon = {star}"), encoding="utf-8")
    _, found = findings(site, models)
    assert "zones.0.polygon (zone 'kerb'): edges cross" in of(found, "configuration", "warning")


@pytest.mark.slow
def test_a_configuration_that_is_refused_leaves_the_rest_to_be_checked(
    tmp_path: Path, models: dict[str, str]
) -> None:
    (tmp_path / "site.toml").write_text("[site]\nnonsense = 1\n", encoding="utf-8")
    code, found = findings(tmp_path, models)
    assert code == 1
    assert "nonsense" in of(found, "configuration", "fault")
    assert "cameras" in of(found, "configuration", "fault")
    assert "skipped" in of(found, "broker", "note")
    assert of(found, "clock", "ok") + of(found, "clock", "warning")


Start = Callable[..., Broker]


@pytest.fixture
def trusted(start_broker: Start) -> Broker:
    return start_broker()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # paho drops a failed TLS socket
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_is_wrong_between_device_and_broker_is_named(
    trusted: Broker, tmp_path: Path, models: dict[str, str]
) -> None:
    good = trusted.authority.issue(DEVICE, days=100)
    stranger = Authority(tmp_path / "stranger", "Another CA")

    def fault(**told: Any) -> str:
        site = write_uplink_site(tmp_path, trusted.port, **told)
        code, found = findings(site, models)
        assert code == 1
        return of(found, "broker", "fault")

    assert "not trusted" in fault(authority=stranger, identity=good)
    assert fault(authority=trusted.authority, identity=stranger.issue(DEVICE, days=100))
    assert "-" in fault(
        authority=trusted.authority, identity=trusted.authority.issue("old", days=-1)
    )
    assert fault(authority=trusted.authority)  # no certificate of its own
    wrong_name = fault(host="127.0.0.2", authority=trusted.authority, identity=good)
    assert wrong_name  # the certificate is not for this address, or nobody listens there


@pytest.mark.slow
def test_a_certificate_that_is_about_to_end_is_a_warning(
    trusted: Broker, tmp_path: Path, models: dict[str, str]
) -> None:
    soon = trusted.authority.issue(DEVICE, days=5.5)
    site = write_uplink_site(tmp_path, trusted.port, authority=trusted.authority, identity=soon)
    code, found = findings(site, models)
    assert "5 days left" in of(found, "broker", "warning")
    assert code == 0
    code, _ = findings(site, models, "--strict")
    assert code == 1


@pytest.mark.parametrize(
    ("name", "severity", "says"),
    [
        (f"{TENANT}/{DEVICE}", "ok", f"of {TENANT}/{DEVICE}"),
        (DEVICE, "note", f"its name (CN) is {DEVICE}, this device is {TENANT}/{DEVICE}"),
        (f"elsewhere/{DEVICE}", "warning", f"its name (CN) is elsewhere/{DEVICE}"),
        ("corner\u202e1", "warning", r"its name (CN) is corner\u202e1"),
    ],
)
def test_a_certificate_of_another_name_than_the_devices_is_named(
    tmp_path: Path, name: str, severity: str, says: str
) -> None:
    """A broker gives rights by it; nothing is refused, for a broker may go by something else."""
    authority = Authority(tmp_path / "ca", "Example CA")
    certificate, key = authority.issue(name, days=100)
    identity = certificate.rename(tmp_path / "device.crt"), key.rename(tmp_path / "device.key")
    site = write_uplink_site(tmp_path, free_port(), authority=authority, identity=identity)
    found = list(check_broker(Device(site, site, loading.load(site))))
    [named] = [
        each for each in found if "certificate" in each.what and "days left" not in each.what
    ]
    assert (named.severity, says in named.what) == (severity, True)
    assert bool(named.remedy) == (severity != "ok")


@pytest.mark.slow
def test_certificates_that_only_a_strict_reader_refuses_are_a_warning(
    trusted: Broker, tmp_path: Path, models: dict[str, str]
) -> None:
    openssl(tmp_path, MOSQUITTOS_MANUAL)
    shows(trusted, tmp_path)
    site = write_uplink_site(tmp_path, trusted.port, host="localhost")
    text = (site / "site.toml").read_text(encoding="utf-8")
    files = 'ca_file = "ca.crt"\ncertificate_file = "device.crt"\nkey_file = "device.key"\n'
    write_site(site, text + files)
    _, found = findings(site, models)
    assert of(found, "broker", "fault") == ""
    assert "connected to" in of(found, "broker", "ok")
    warned = of(found, "broker", "warning")
    assert "do not fully conform: CA cert does not include key usage extension" in warned
    assert "do not fully conform: its name is only in CN" in warned


@pytest.mark.slow
def test_a_device_that_may_not_publish_is_told_so(
    start_broker: Start, tmp_path: Path, models: dict[str, str]
) -> None:
    acl = tmp_path / "acl"
    acl.write_text(f"user {DEVICE}\ntopic read #\n", encoding="utf-8")
    acl.chmod(0o600)
    broker = start_broker(f"acl_file {acl}")
    identity = broker.authority.issue(DEVICE, days=100)
    site = write_uplink_site(tmp_path, broker.port, authority=broker.authority, identity=identity)
    code, found = findings(site, models)
    assert code == 1
    assert "is refused" in of(found, "broker", "fault")


@pytest.mark.slow
def test_a_broker_without_retained_messages_is_a_warning(
    start_broker: Start, tmp_path: Path, models: dict[str, str]
) -> None:
    broker = start_broker("retain_available false")
    identity = broker.authority.issue(DEVICE, days=100)
    site = write_uplink_site(tmp_path, broker.port, authority=broker.authority, identity=identity)
    code, found = findings(site, models)
    assert "no retained messages" in of(found, "broker", "warning")
    assert "publishing to" in of(found, "broker", "ok")
    assert code == 0


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a small file system")
def test_a_full_or_read_only_disk_is_a_fault(tmp_path: Path, models: dict[str, str]) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(small)], check=True)
    try:
        site = write_uplink_site(tmp_path, free_port(), state=str(small / "state"))
        _, found = findings(site, models)
        assert "0.0 GB free" in of(found, "disk", "fault")
        assert "tmpfs" in of(found, "disk", "warning")
        subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
        _, found = findings(site, models)
        assert "no file can be written" in of(found, "disk", "fault")
    finally:
        subprocess.run(["umount", str(small)], check=True)


@pytest.mark.slow
def test_a_camera_that_is_not_there_and_one_that_shows_nothing_are_told_apart(
    tmp_path: Path, models: dict[str, str]
) -> None:
    site = write_uplink_site(tmp_path, free_port())
    text = (site / "site.toml").read_text(encoding="utf-8")
    missing = text.replace(
        'driver = "synthetic"', 'driver = "video_file"\nsettings = { path = "no.mp4" }'
    )
    (site / "site.toml").write_text(missing, encoding="utf-8")
    _, found = findings(site, models)
    assert "no.mp4" in of(found, "cameras", "fault")
    (site / "night").mkdir()
    cv2.imwrite(str(site / "night" / "0.png"), np.full((360, 640, 3), 3, np.uint8))
    (site / "night" / "timeline.json").write_text('[{"from_s": 0, "file": "0.png"}]')
    dark = text.replace(
        'driver = "synthetic"',
        'driver = "picture_folder"\nsettings = { folder = "night", frames_per_s = 5, until_s = 5 }',
    )
    (site / "site.toml").write_text(dark, encoding="utf-8")
    _, found = findings(site, models)
    assert "mean brightness 3 of 255" in of(found, "cameras", "warning")


@pytest.mark.slow
@pytest.mark.parametrize(("language", "words"), [("en", "To do: "), ("zh_CN", "处理：")])
def test_findings_are_told_in_the_readers_language(
    tmp_path: Path, models: dict[str, str], language: str, words: str
) -> None:
    site = write_uplink_site(tmp_path, free_port())
    environment = {**models, "KERBWATCH_LANGUAGE": language}
    done = CliRunner(env=environment).invoke(main, ["check", str(site)])
    assert done.exit_code == 1
    assert words in done.output
    assert "✗" in done.output


def test_a_check_that_breaks_or_hangs_is_a_finding(tmp_path: Path) -> None:
    device = Device(tmp_path, tmp_path, None)

    def breaks(_: Device) -> Iterator[Finding]:
        yield Finding("x", "ok", "so far so good", code="x")
        raise ZeroDivisionError("nobody foresaw this")

    def hangs(_: Device) -> Iterator[Finding]:
        time.sleep(60)
        yield Finding("x", "ok", "too late", code="x")

    broken = carry_out(Check("x", breaks, needs_configuration=False), device)
    assert [each.severity for each in broken] == ["ok", "fault"]
    assert "nobody foresaw this" in broken[1].what
    [stuck] = carry_out(Check("x", hangs, limit_s=0.1, needs_configuration=False), device)
    assert stuck.severity == "fault"
    assert worst(broken) == "fault"
    assert worst([]) == "ok"


def test_every_check_has_words() -> None:
    assert all(check_in_words(each.name) for each in CHECKS)
    assert len({each.name for each in CHECKS}) == len(CHECKS)


def test_the_file_system_of_a_folder_is_that_of_the_nearest_mount(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/a / ext4 rw 0 0\ntmpfs /var/lib tmpfs rw 0 0\n/dev/b /var/lib/my\\040disk xfs rw 0 0\n"
    )
    assert file_system(Path("/home/x"), mounts) == "ext4"
    assert file_system(Path("/var/lib/kerbwatch"), mounts) == "tmpfs"
    assert file_system(Path("/var/lib/my disk/state"), mounts) == "xfs"


def test_cameras_are_listed_without_opening_one() -> None:
    done = kerbwatch("cameras", "list")
    assert done.exit_code == 0
    assert "synthetic" in done.output
    listed = json.loads(kerbwatch("cameras", "list", "--json").output)
    assert {"picamera2", "rtsp", "video_file"} <= set(listed)
