"""The real units under a real systemd: Debian 13 booted in a container, installed as on a device.

Nothing is changed in the units but where a fault says so. What the kernel here does not enforce in a
container (memory limits, packet filters of a unit) is not tried.
"""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from provisioning.units import units
from tests.booted import Booted, built_wheel, device_recipe
from tests.faults.platform import Storing
from tests.faults.suite import MissingError, Outcome, Run, fault, program, require, wait_for
from tests.faults.unit_probe import DEVICE, OPEN_FOLDERS
from tests.red_street import write_model
from tests.roots import debian_root

if TYPE_CHECKING:
    from collections.abc import Iterator

HOUR_S = 3600
SITE = """
[site]
tenant = "example"
device_id = "corner"
address = "Example Road 1"

[[cameras]]
camera_id = "street"
driver = "synthetic"

[cameras.settings]
width = 640
height = 360
seconds = 6000
frames_per_s = 5
things = [
  {{ colour = "#dc1414", from_s = 1, left = 0.45, top = 0.4, width = 0.15, height = 0.27 }},
  {{ colour = "#1414dc", from_s = {blue_s}, left = 0.1, top = 0.4, width = 0.15, height = 0.27 }},
]

[scenarios.misparked_bikes]
allowed_s = 3

[[zones]]
zone_id = "kerb"
camera_id = "street"
kind = "no_parking"
polygon = [[0.05, 0.05], [0.95, 0.05], [0.95, 0.95], [0.05, 0.95]]

[analysis]
snapshot_every_s = 1

[recovery]
network_after_s = 60

[uplink]
broker = "mqtt://127.0.0.1:1883"
confirm = "platform"
reconnect_max_s = 1
heartbeat_s = 1
"""
_NEVER_S, _BLUE_S = 5000, 10
_PYTHON = "/opt/kerbwatch/bin/python"
_REQUESTS = "/run/kerbwatch/recovery"
_ROUTE = """
ip link add uplink0 type veth peer name street0
ip address add 10.9.0.2/24 dev uplink0
ip link set uplink0 up
ip link set street0 up
ip route add default via 10.9.0.1
"""
_NEEDS = ("root", "systemd-nspawn", "mmdebstrap", "nsenter")


@dataclass(slots=True)
class Corner:
    """A booted device with the project installed, its broker beside it, and a platform."""

    run: Run
    device: Booted
    recover_s: list[float] = field(default_factory=list)

    def start(self) -> None:
        """As a technician does; comes back when the agent has said that it is ready."""
        self.device.run("systemctl", "start", "kerbwatch")

    def strike(self, signal: str) -> None:
        """Send the agent's process a signal."""
        self.device.run("systemctl", "kill", "--kill-whom=main", f"--signal={signal}", "kerbwatch")

    @property
    def pid(self) -> int:
        """Of the agent, in the container; 0 if it does not run."""
        return int(self.device.shown("MainPID", "kerbwatch"))

    @property
    def restarts(self) -> int:
        return int(self.device.shown("NRestarts", "kerbwatch"))

    @property
    def ready(self) -> bool:
        return self.device.shown("ActiveState", "kerbwatch") == "active"

    def boot_id(self) -> str:
        return self.device.run("cat", "/proc/sys/kernel/random/boot_id")

    def journal(self, unit: str) -> str:
        """What a unit said, and what systemd said of it."""
        return self.device.run("journalctl", "--namespace=*", "--no-pager", "-o", "cat", "-u", unit)

    def recovery(self) -> dict[str, dict[str, int]]:
        """What the agent counts of its own restarts."""
        text = self.device.path("/var/lib/kerbwatch/recovery.json").read_text(encoding="utf-8")
        return dict(json.loads(text))

    def ask(self, content: str) -> None:
        """Leave a request as whoever is in the agent's place could, whatever it says."""
        code = (
            f"import pathlib; folder = pathlib.Path({_REQUESTS!r}); folder.mkdir(exist_ok=True); "
            f"half = folder / 'half'; half.write_text({content!r}); "
            "half.replace(folder / 'request.json')"
        )
        self.device.run("runuser", "-u", "kerbwatch", "--", _PYTHON, "-c", code)

    @contextmanager
    def platform(self) -> Iterator[Storing]:
        """A platform in the device's network that stores and sends receipts."""
        with self.device.network(), Storing(self.run.folder, 1883) as platform:
            yield platform

    def stored(self, kind: str) -> int:
        """How many events of a type the platform has."""
        with closing(sqlite3.connect(self.run.folder / "platform.db", timeout=30)) as connection:
            count = connection.execute("SELECT count(*) FROM events WHERE type = ?", (kind,))
            return int(count.fetchone()[0])

    def arrives(self, kind: str, more_than: int = 0) -> float:
        return wait_for(lambda: self.stored(kind) > more_than, f"{kind} arrives")

    def begins_again(self, timeout_s: float = 120) -> float:
        """Wait for the birth of another run, and for its first heartbeat; how long that took."""
        births = self.stored("device.birth")
        return wait_for(
            lambda: self.stored("device.birth") > births, "another run begins", timeout_s
        ) + self.arrives("device.heartbeat", self.stored("device.heartbeat"))

    def outcome(self, platform: Storing, notes: str) -> Outcome:
        """Turn the agent off, and hold what came against its numbers."""
        self.device.run("systemctl", "stop", "kerbwatch")
        require(not platform.fault, f"the platform works: {platform.fault}")
        found = platform.ledger()
        with closing(sqlite3.connect(self.run.folder / "platform.db")) as connection:
            told = "SELECT count(*), max(sequence), count(DISTINCT epoch) FROM events"
            sent, highest, epochs = connection.execute(told).fetchone()
        require(epochs == 1, f"the numbers go on in one epoch: {epochs}")
        return Outcome(
            times=self.run.times,
            sent=sent,
            unexplained_gaps=highest - sent,
            duplicates_absorbed=found.duplicates,
            conflicts=found.conflicts,
            double_cases=self.stored("case.opened") - 1,
            recover_s=self.recover_s,
            notes=notes,
        )


@contextmanager
def corner(
    run: Run, *, blue_s: float = _NEVER_S, uptime_s: float = HOUR_S, suite: str = "trixie"
) -> Iterator[Corner]:
    """Boot a device and install Kerbwatch as docs/technician.md says.

    Args:
        run: Whose folder is used.
        blue_s: When something comes at which the network hangs.
        uptime_s: For how long the host seems to have been up.
        suite: Which Debian.
    """
    try:
        root = debian_root(device_recipe(suite))
    except pytest.skip.Exception as error:
        raise MissingError(str(error)) from error
    wheel = built_wheel(run.folder / "dist")
    device = Booted(root, run.folder / "device", uptime_s=uptime_s)
    try:
        device.path(f"/srv/{wheel.name}").write_bytes(wheel.read_bytes())
        device.run("/opt/kerbwatch/bin/pip", "install", "-q", "--no-deps", f"/srv/{wheel.name}")
        device.run("ln", "-s", "/opt/kerbwatch/bin/kerbwatch", "/usr/local/bin/kerbwatch")
        device.run("kerbwatch", "units", "install")
        write_model(device.path("/etc/kerbwatch/models"), blue_hangs=True)
        site = device.path("/etc/kerbwatch/site.toml")
        site.write_text(SITE.format(blue_s=blue_s), encoding="utf-8")
        site.chmod(0o600)  # as a careful technician leaves it: the unit makes it readable
        yield Corner(run, device)
    finally:
        device.end()


@fault("units-walls", group="units", short=1, reduced=1, full=1, needs=_NEEDS)
def units_walls(run: Run) -> Outcome:
    """The installed unit gets ready, may do what it needs, and is refused all else; limits hold."""
    return _walls(run, "trixie")


@fault("units-walls-debian-12", group="units", short=0, reduced=1, full=1, needs=_NEEDS)
def units_walls_debian_12(run: Run) -> Outcome:
    """The same under the systemd and the Python of the Debian before."""
    return _walls(run, "bookworm")


def _walls(run: Run, suite: str) -> Outcome:
    with corner(run, suite=suite) as here:
        device = here.device
        tries = _let_try(here)
        here.start()
        require(here.ready, "the unit is active once it said READY=1")
        require(not _listening(here), "nothing listens")
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


def _let_try(here: Corner) -> dict[str, str]:
    """Let a probe run in the unit's own walls, after checking that root may do all it tries."""
    device = here.device
    probe = Path(__file__).with_name("unit_probe.py").read_text(encoding="utf-8")
    device.path("/srv/probe.py").write_text(probe, encoding="utf-8")
    for folder in OPEN_FOLDERS:
        device.run("install", "-d", "-m", "0777", folder)
    device.run("mknod", "-m", "0666", DEVICE, "b", "7", "0")
    outside: dict[str, str] = json.loads(device.run(_PYTHON, "/srv/probe.py"))["must not"]
    outside.pop("open a block device")  # a container has none behind the name
    undone = {name: refusal for name, refusal in outside.items() if refusal}
    require(not undone, f"root can do what the unit must not: {undone}")
    dropin = device.path("/etc/systemd/system/kerbwatch.service.d/probe.conf")
    command = f"{_PYTHON} /srv/probe.py /var/lib/kerbwatch/tried.json"
    dropin.parent.mkdir(exist_ok=True)
    dropin.write_text(f"[Service]\nExecStartPost={command}\n", encoding="utf-8")
    device.run("systemctl", "daemon-reload")
    return outside


def _held(device: Booted, unit: str) -> list[str]:
    """What the files are that a unit's main process has open."""
    folder = f"/proc/{device.shown('MainPID', unit)}/fd"
    code = f"import pathlib\nfor each in pathlib.Path({folder!r}).iterdir(): print(each.readlink())"
    return device.run(_PYTHON, "-c", code).splitlines()


def _listening(here: Corner) -> list[str]:
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
    require(device.shown("RuntimeWatchdogUSec") == "14s", "the board's timer would be fed")
    code = "print('line ' * 10)"
    flood = f"for each in range(2000): {code}"
    device.run(
        *("systemd-run", "--quiet", "--wait", "-p", "LogNamespace=kerbwatch", "--unit=flood"),
        *(_PYTHON, "-c", flood),
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


@fault("units-timers", group="units", short=0, reduced=1, full=1, needs=_NEEDS)
def units_timers(run: Run) -> Outcome:
    """What the timers start works on the agent's state beside it, in walls of its own."""
    with corner(run) as here, here.platform() as platform:
        here.start()
        here.arrives("case.opened")
        timers = [name for name in units() if name.endswith(".timer")]
        listed = here.device.run("systemctl", "list-timers", "--all", "--no-legend")
        unlisted = [name for name in timers if name not in listed]
        require(timers and not unlisted, f"the timers wait: {unlisted}")
        _report_drawn_day(here.device)
        for timer in timers:
            _comes_due(here, timer)
            run.progress()
        require(here.restarts == 0, "the agent is not disturbed")
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


def _report_drawn_day(device: Booted) -> None:
    """Report of the day that the drawn street is in: a device has no yesterday on its first day."""
    dropin = device.path("/etc/systemd/system/kerbwatch-report.service.d/day.conf")
    dropin.parent.mkdir()
    command = "/opt/kerbwatch/bin/kerbwatch report /etc/kerbwatch --day 2026-01-01"
    dropin.write_text(f"[Service]\nExecStart=\nExecStart={command}\n", encoding="utf-8")


def _comes_due(here: Corner, timer: str) -> None:
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


@fault("unit-hung-worker", group="units", short=0, reduced=1, full=3, needs=_NEEDS)
def unit_hung_worker(run: Run) -> Outcome:
    """A network that never comes back is ended by the watchdog; the unit starts anew, state kept."""
    with corner(run, blue_s=_BLUE_S) as here, here.platform() as platform:
        here.start()
        here.arrives("case.opened")
        for _ in range(run.times):
            here.recover_s.append(here.begins_again(240))
            run.progress()
        told = here.journal("kerbwatch")
        require(told.count("Watchdog timeout") == run.times, "the watchdog ended it")
        require("in _analyse" in told, "the journal has what stood where")
        require(here.recovery()["causes"]["killed"] == run.times, "and it knows why it began")
        return here.outcome(platform, "60 s without progress, then the watchdog's 30 s")


@fault("unit-stopped", group="units", short=0, reduced=1, full=5, needs=_NEEDS)
def unit_stopped(run: Run) -> Outcome:
    """A process that stands still as a whole is ended by the watchdog; state kept."""
    with corner(run) as here, here.platform() as platform:
        here.start()
        here.arrives("case.opened")
        for _ in range(run.times):
            here.strike("STOP")
            here.recover_s.append(here.begins_again())
            run.progress()
        require(here.restarts == run.times, "by the watchdog, and by nothing else")
        return here.outcome(platform, "SIGSTOP")


@fault("unit-killed", group="units", short=0, reduced=6, full=12, needs=(*_NEEDS, "ip"))
def unit_killed(run: Run) -> Outcome:
    """A process that dies again and again, without a broker, is always restarted: never a reboot."""
    with corner(run, uptime_s=48 * HOUR_S) as here:
        with here.device.network():
            here.device.run("systemctl", "stop", "mosquitto")
            _lay_route()
        here.start()
        boot_id, delays_s = here.boot_id(), []
        for strike in range(1, run.times + 1):
            here.strike("KILL")
            began_s = time.monotonic()
            wait_for(lambda: here.restarts == strike and here.ready, "it is started again")  # noqa: B023
            here.recover_s.append(time.monotonic() - began_s)
            delays_s.append(here.device.shown("RestartUSecNext", "kerbwatch"))
            run.progress()
        _nothing_was_asked(here, boot_id)
        here.device.run("systemctl", "start", "mosquitto")
        with here.platform() as platform:
            here.arrives("case.opened")
            return here.outcome(platform, f"next wait: {', '.join(delays_s)}")


def _nothing_was_asked(here: Corner, boot_id: str) -> None:
    require(here.boot_id() == boot_id, "the host was not rebooted")
    require(here.device.shown("ActiveState", "kerbwatch") == "active", "the unit has not failed")
    require(not here.journal("kerbwatch-recovery.service"), "nothing was asked for")


def _lay_route() -> None:
    """A default route over an interface that has a carrier, in the network we are in."""
    for line in _ROUTE.strip().splitlines():
        _, *arguments = line.split()
        subprocess.run([program("ip"), *arguments], check=True, capture_output=True)


@fault("unit-cut-off", group="units", short=0, reduced=1, full=1, needs=_NEEDS)
def unit_cut_off(run: Run) -> Outcome:
    """A host that no route leads out of gets its network restarted once; it is not rebooted."""
    with corner(run, uptime_s=48 * HOUR_S) as here:
        device = here.device
        device.run("systemctl", "start", "systemd-networkd")
        before = device.shown("InvocationID", "systemd-networkd")
        device.run("systemctl", "stop", "mosquitto")
        here.start()
        boot_id = here.boot_id()
        here.recover_s.append(
            wait_for(
                lambda: device.shown("InvocationID", "systemd-networkd") != before,
                "the network is restarted",
            )
        )
        told = here.journal("kerbwatch-recovery.service")
        require(told.count("doing: network") == 1, "it was done once")
        require("reboot" not in told, "a reboot was not asked for")
        require(here.boot_id() == boot_id, "the host was not rebooted")
        device.run("systemctl", "start", "mosquitto")
        run.progress()
        with here.platform() as platform:
            here.arrives("case.opened")
            return here.outcome(platform, "asked for after 60 s without a route")


@fault("unit-asked-to-reboot", group="units", short=0, reduced=1, full=1, needs=_NEEDS)
def unit_asked_to_reboot(run: Run) -> Outcome:
    """A request is followed once; what comes too soon or is garbage is refused, and never for good."""
    with corner(run, uptime_s=HOUR_S + 60) as here:
        device = here.device
        here.start()
        with here.platform():
            here.arrives("case.opened")
        boot_id = here.boot_id()
        for number in range(8):
            here.ask('{"version": 1, "action": "rm"}' if number % 2 else "no JSON")
            _taken(here)
        require(here.boot_id() == boot_id, "garbage is not followed")
        require(device.shown("ActiveState", "kerbwatch-recovery.path") == "active", "it goes on")
        reboot = '{"version": 1, "action": "reboot", "reason": "rehearsed"}'
        here.ask(reboot)
        here.recover_s.append(device.wait_until_up(not_leader=device.leader))
        require(here.boot_id() != boot_id, "a request that may be followed is followed")
        count = json.loads(device.path("/var/lib/kerbwatch-recovery/actions.json").read_text())
        require(count["reboots"] == 1, "and counted on the disk before")
        boot_id = here.boot_id()
        wait_for(lambda: here.ready, "the agent comes back by itself")
        here.ask(reboot)
        _taken(here)
        refused = "refused: up for"
        wait_for(lambda: refused in here.journal("kerbwatch-recovery.service"), "it is refused")
        require(here.boot_id() == boot_id, "the next one needs twice the time")
        run.progress()
        with here.platform() as platform:
            here.arrives("device.heartbeat", here.stored("device.heartbeat"))
            return here.outcome(platform, "8 of garbage, 1 followed, 1 refused")


def _taken(here: Corner) -> None:
    request = here.device.path(f"{_REQUESTS}/request.json")
    wait_for(lambda: not request.exists(), "the request is taken")
