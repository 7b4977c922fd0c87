"""What the units may do and what they are refused, their limits, and what the timers start."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from provisioning.commands.units import units
from provisioning.enrolment import requests
from tests.faults.booted_corner import NEEDS, PYTHON, BootedCorner, corner
from tests.faults.suite import Outcome, Run, fault, require, wait_for
from tests.faults.unit_probe import DEVICE, OPEN_FOLDERS
from tests.support.est_server import issuer

if TYPE_CHECKING:
    from tests.faults.booted_container import Booted


@fault("units-walls", group="units", short=1, reduced=1, full=1, needs=NEEDS)
def units_walls(run: Run) -> Outcome:
    """The installed unit gets ready, may do what it needs, and is refused all else; limits hold."""
    return _walls(run, "trixie")


@fault("units-walls-debian-12", group="units", short=0, reduced=1, full=1, needs=NEEDS)
def units_walls_debian_12(run: Run) -> Outcome:
    """The same under the systemd and the Python of the Debian before."""
    return _walls(run, "bookworm")


def _walls(run: Run, suite: str) -> Outcome:
    with corner(run, suite=suite) as here:
        device = here.device
        tries = _let_try(here)
        here.start()
        require(here.ready, "the unit is active once it said READY=1")
        require(not _downlink(here), "nothing listens")
        with here.platform() as platform:
            here.arrives("case.opened")
            told = json.loads(device.path("/var/lib/kerbwatch/tried.json").read_text())
            done = [name for name, refusal in told["must not"].items() if not refusal]
            require(not done, f"the unit is refused: {', '.join(done)}")
            lacking = {name: refusal for name, refusal in told["may"].items() if refusal}
            require(not lacking, f"the unit may: {lacking}")
            _limits_hold(device)
            run.progress()
            return here.outcome(platform, f"{len(tries)} tries refused that root may do")


def _let_try(here: BootedCorner) -> dict[str, str]:
    """Let a probe run in the unit's own walls, after checking that root may do all it tries."""
    device = here.device
    probe = Path(__file__).with_name("unit_probe.py").read_text(encoding="utf-8")
    device.path("/srv/probe.py").write_text(probe, encoding="utf-8")
    for folder in OPEN_FOLDERS:
        device.run("install", "-d", "-m", "0777", folder)
    device.run("mknod", "-m", "0666", DEVICE, "b", "7", "0")
    outside: dict[str, str] = json.loads(device.run(PYTHON, "/srv/probe.py"))["must not"]
    outside.pop("open a block device")  # a container has none behind the name
    undone = {name: refusal for name, refusal in outside.items() if refusal}
    require(not undone, f"root can do what the unit must not: {undone}")
    dropin = device.path("/etc/systemd/system/kerbwatch.service.d/probe.conf")
    command = f"{PYTHON} /srv/probe.py /var/lib/kerbwatch/tried.json"
    dropin.parent.mkdir(exist_ok=True)
    dropin.write_text(f"[Service]\nExecStartPost={command}\n", encoding="utf-8")
    device.run("systemctl", "daemon-reload")
    return outside


def _held(device: Booted, unit: str) -> list[str]:
    """What the files are that a unit's main process has open."""
    folder = f"/proc/{device.shown('MainPID', unit)}/fd"
    code = f"import pathlib\nfor each in pathlib.Path({folder!r}).iterdir(): print(each.readlink())"
    return device.run(PYTHON, "-c", code).splitlines()


def _downlink(here: BootedCorner) -> list[str]:
    """Sockets that listen and belong to the agent."""
    held = _held(here.device, "kerbwatch")
    lines = [
        line.split()
        for kind in ("tcp", "tcp6")
        for line in here.device.run("cat", f"/proc/{here.pid}/net/{kind}").splitlines()[1:]
    ]
    return [each[1] for each in lines if each[3] == "0A" and f"socket:[{each[9]}]" in held]


def _limits_hold(device: Booted) -> None:
    """The limits that systemd itself reports: restarts, logs, the hardware's watchdog."""
    grow = "growing-restarts.conf" in device.shown("DropInPaths", "kerbwatch")
    version = int(device.run("systemctl", "--version").split()[1])
    require(grow == (version >= 254), "restarts grow apart where systemd can do that")
    for name, value in {
        "WatchdogUSec": "30s",
        "StartLimitIntervalUSec": "0",
        "StartLimitAction": "none",
        "FailureAction": "none",
        "RestartMaxDelayUSec": "30s" if grow else "",
        "LimitCORE": "0",
        "TasksMax": "128",
    }.items():
        found = device.shown(name, "kerbwatch")
        require(found == value, f"{name} is {value}, not {found}")
    require(device.shown("RuntimeWatchdogUSec") == "15s", "the board's timer would be fed")
    code = "print('line ' * 10)"
    flood = f"for each in range(2000): {code}"
    device.run(
        *("systemd-run", "--quiet", "--wait", "-p", "LogNamespace=kerbwatch", "--unit=flood"),
        *(PYTHON, "-c", flood),
    )
    device.run("journalctl", "--namespace=kerbwatch", "--sync")
    kept = device.run("journalctl", "--namespace=kerbwatch", "-o", "cat", "-u", "flood")
    lines = sum(each.startswith("line") for each in kept.splitlines())
    require(0 < lines < 1000, f"a unit that floods the journal is held back: {lines} of 2000")
    told = device.run("journalctl", "--namespace=kerbwatch", "-o", "cat")
    require(re.search(r"max 48(\.0)?M", told), "the journal that is kept has its budget")
    volatile = device.run("journalctl", "-o", "cat", "-u", "systemd-journald")
    require(re.search(r"max 32(\.0)?M", volatile), "the system's journal has its budget in memory")
    for journal, folder in {
        "systemd-journald": "/run/log/journal/",
        "systemd-journald@kerbwatch": "/var/log/journal/",
    }.items():
        files = [each for each in _held(device, journal) if each.endswith(".journal")]
        astray = [each for each in files if not each.startswith(folder)]
        require(files and not astray, f"{journal} keeps its files in {folder}: {files}")


@fault("units-timers", group="units", short=0, reduced=1, full=1, needs=NEEDS)
def units_timers(run: Run) -> Outcome:
    """What the timers start works on the agent's state beside it, in walls of its own."""
    with corner(run) as here, here.platform() as platform:
        here.start()
        here.arrives("case.opened")
        timers = [name for name in units() if name.endswith(".timer")]
        listed = here.device.run("systemctl", "list-timers", "--all", "--no-legend")
        unlisted = [name for name in timers if name not in listed]
        require(timers and not unlisted, f"the timers wait: {unlisted}")
        _report_today(here.device)
        request = _due_for_renewal(here.device)
        for timer in timers:
            _comes_due(here, timer)
            run.progress()
        require(here.restarts == 0, "the agent is not disturbed")
        found = request.stat()
        agents = request.parent.parent.stat().st_gid
        kept = (found.st_uid, found.st_gid, found.st_mode & 0o777)
        require(kept == (0, agents, 0o640), f"the next request is root's, for the agent: {kept}")
        here.device.run("systemctl", "stop", "kerbwatch")
        for timer in timers:  # they need no agent
            here.device.run("systemctl", "start", timer.replace(".timer", ".service"))
        told = here.journal("kerbwatch-report.service")
        summed_up = told.count("1 opened, 0 cleared")
        require(summed_up >= 2, f"the day is summed up, with the agent and without: {told!r}")
        _is_checked(here.device)
        return here.outcome(platform, f"{', '.join(timers)} came due")


def _is_checked(device: Booted) -> None:
    """``kerbwatch check`` says that the units are in place, and then what is wrong with them."""
    require([row["severity"] for row in _found(device)] == ["ok"], f"in order: {_found(device)}")
    device.run("systemctl", "disable", "--quiet", "kerbwatch-recovery.path")
    [off] = _found(device)
    require("not enabled: kerbwatch-recovery.path" in off["what"], f"one is not enabled: {off}")
    device.path("/etc/systemd/system/kerbwatch-report.service").write_text(
        "[Service]\nType=oneshot\nExecStart=/bin/false\n", encoding="utf-8"
    )
    device.run("rm", "-r", "/etc/systemd/system/kerbwatch-report.service.d")
    device.run("systemctl", "daemon-reload")
    device.run("systemctl", "start", "kerbwatch-report.service", check=False)
    told = " ".join(row["what"] for row in _found(device))
    for wrong in ("not of this version: kerbwatch-report.service", "report.service has failed"):
        require(wrong in told, f"{wrong}: {told}")


def _found(device: Booted) -> list[dict[str, str]]:
    told = device.run("kerbwatch", "check", "/etc/kerbwatch", "--json", check=False)
    return [row for row in json.loads(told)["findings"] if row["check"] == "units"]


def _due_for_renewal(device: Booted) -> Path:
    """Give the device an identity of which nine tenths are over; gives where the next request will be."""
    issued_by = issuer("Example")
    authority = issued_by.certificate.public_bytes(Encoding.PEM)
    device.path("/srv/ca.crt").write_bytes(authority)
    identity = ("kerbwatch", "identity")
    device.run(*identity, "request", "/etc/kerbwatch", "--authority", "/srv/ca.crt")
    waiting = device.path("/etc/kerbwatch/identity/next.csr")
    request = requests.parsed(waiting.read_bytes())
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(request.device().uri)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(request.device().subject())
        .issuer_name(issued_by.certificate.subject)
        .public_key(request.key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=90))
        .not_valid_after(datetime.now(UTC) + timedelta(days=10))
        .add_extension(names, critical=False)
        .sign(issued_by.key, hashes.SHA256())
    )
    device.path("/srv/device.crt").write_bytes(certificate.public_bytes(Encoding.PEM))
    device.run(*identity, "install", "/etc/kerbwatch", "/srv/device.crt")
    require(not waiting.exists(), "no request waits yet")
    return waiting


def _report_today(device: Booted) -> None:
    """Report of today: a device has no yesterday on its first day."""
    dropin = device.path("/etc/systemd/system/kerbwatch-report.service.d/day.conf")
    dropin.parent.mkdir()
    command = "/opt/kerbwatch/active/bin/kerbwatch report /etc/kerbwatch --day today"
    dropin.write_text(f"[Service]\nExecStart=\nExecStart={command}\n", encoding="utf-8")


def _comes_due(here: BootedCorner, timer: str) -> None:
    """Bring a timer's time forward and wait until what it starts has ended well."""
    service, device = timer.replace(".timer", ".service"), here.device
    dropin = device.path(f"/etc/systemd/system/{timer}.d/soon.conf")
    dropin.parent.mkdir()
    soon = "[Timer]\nOnActiveSec=1s\nAccuracySec=1s\nRandomizedDelaySec=0\n"
    dropin.write_text(soon, encoding="utf-8")
    device.run("systemctl", "daemon-reload")
    device.run("systemctl", "restart", timer)
    wait_for(lambda: device.shown("ExecMainExitTimestamp", service), f"{service} has run")
    found = device.shown("Result", service)
    require(found == "success", f"{service}: {found}: {here.journal(service)}")
    require(here.journal(service), f"{service} says what it did")
