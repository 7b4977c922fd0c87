"""A whole device for the faults of the units: Debian booted in a container, installed as a technician does."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.booted_container import Booted, built_wheel, device_recipe
from tests.faults.platform import Storing
from tests.faults.suite import Outcome, Run, require, wait_for
from tests.support.debian_roots import debian_root
from tests.support.programs import MissingError
from tests.support.red_bike_model import write_model
from tests.support.sites import as_toml, drawn_camera, red_thing, site_of, zone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOUR_S = 3600
NEVER_S = 5000
PYTHON = "/opt/kerbwatch/active/bin/python"
REQUESTS = "/run/kerbwatch/recovery"
NEEDS = ("root", "systemd-nspawn", "mmdebstrap", "nsenter", "setpriv")


def _site(blue_s: float) -> dict[str, Any]:
    """Something red stands from the beginning, something blue comes."""
    things = [red_thing(from_s=1), red_thing(left=0.1, from_s=blue_s) | {"colour": "#1414dc"}]
    return site_of(
        site={"tenant": "example", "device_id": "corner", "address": "Example Road 1"},
        storage=None,
        cameras=[
            drawn_camera(
                width=640, height=360, seconds=6000, frames_per_s=5, pace="real_time", things=things
            )
        ],
        scenarios={"misparked_bikes": {"allowed_s": 3}},
        zones=[zone()],
        analysis={"snapshot_every_s": 1},
        recovery={"network_after_s": 60},
        uplink={
            "broker": "mqtt://127.0.0.1:1883",
            "confirm": "platform",
            "reconnect_max_s": 1,
            "heartbeat_s": 1,
            "heartbeat_full_s": 0,
        },
    )


@dataclass(slots=True)
class BootedCorner:
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
        return self.device.journal(unit)

    def recovery(self) -> dict[str, dict[str, int]]:
        """What the agent counts of its own restarts."""
        text = self.device.path("/var/lib/kerbwatch/recovery.json").read_text(encoding="utf-8")
        return dict(json.loads(text))

    def ask(self, content: str) -> None:
        """Leave a request as whoever is in the agent's place could, whatever it says."""
        code = (
            f"import pathlib; folder = pathlib.Path({REQUESTS!r}); folder.mkdir(exist_ok=True); "
            f"half = folder / 'half'; half.write_text({content!r}); "
            "half.replace(folder / 'request.json')"
        )
        self.device.run("runuser", "-u", "kerbwatch", "--", PYTHON, "-c", code)

    @contextmanager
    def platform(self) -> Iterator[Storing]:
        """A platform in the device's network that stores and sends receipts."""
        with self.device.network(), Storing(self.run.folder, 1883) as platform:
            yield platform

    def stored(self, kind: str) -> int:
        """How many events of a type the platform has."""
        with closing(sqlite3.connect(self.run.folder / "platform.db", timeout=30)) as connection:
            count = connection.execute(
                "SELECT count(DISTINCT event_id) FROM events WHERE type = ?", (kind,)
            )
            return int(count.fetchone()[0])

    def arrives(self, kind: str, more_than: int = 0) -> float:
        return wait_for(lambda: self.stored(kind) > more_than, f"{kind} arrives")

    def begins_again(self, timeout_s: float = 120) -> float:
        """Wait for the birth of another run, and for its first heartbeat; how long that took."""
        births = self.stored("device.birth")
        return wait_for(
            lambda: self.stored("device.birth") > births, "another run begins", timeout_s
        ) + self.arrives("device.heartbeat", self.stored("device.heartbeat"))

    def outcome(self, platform: Storing, notes: str, *, epochs: int = 1) -> Outcome:
        """Turn the agent off, and hold what came against its numbers.

        Args:
            platform: Which has been there all the time, if anything was reported as lost.
            notes: What there is to say.
            epochs: In how many the numbers may have been given.
        """
        self.device.run("systemctl", "stop", "kerbwatch")
        require(not platform.fault, f"the platform works: {platform.fault}")
        found = platform.ledger()
        told = "SELECT count(*), max(sequence) FROM events GROUP BY epoch"
        with closing(sqlite3.connect(self.run.folder / "platform.db")) as connection:
            rows = connection.execute(told).fetchall()
        require(len(rows) == epochs, f"the numbers are of {epochs} epoch(s): {len(rows)}")
        missing = sum(highest - count for count, highest in rows)
        return Outcome(
            times=self.run.times,
            sent=sum(count for count, _ in rows),
            lost=found.lost,
            unexplained_gaps=missing - found.lost,
            duplicates_absorbed=found.duplicates,
            conflicts=found.conflicts,
            double_cases=self.stored("case.opened") - 1,
            recover_s=self.recover_s,
            notes=notes,
        )


@contextmanager
def corner(
    run: Run, *, blue_s: float = NEVER_S, uptime_s: float = HOUR_S, suite: str = "trixie"
) -> Iterator[BootedCorner]:
    """Boot a device and install Kerbwatch by `pip`.

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
        install_packages(device, wheel)
        device.run("kerbwatch", "units", "install")
        write_site(device, blue_s)
        yield BootedCorner(run, device)
    finally:
        device.end()


def install_packages(device: Booted, wheel: Path) -> None:
    """Up to the command: the environment has its dependencies already."""
    device.path(f"/srv/{wheel.name}").write_bytes(wheel.read_bytes())
    device.run("/opt/kerbwatch/active/bin/pip", "install", "-q", "--no-deps", f"/srv/{wheel.name}")
    device.run("ln", "-s", "/opt/kerbwatch/active/bin/kerbwatch", "/usr/local/bin/kerbwatch")


def write_site(device: Booted, blue_s: float = NEVER_S) -> None:
    """Configuration and model, as a technician copies them."""
    write_site_folder(device.path("/etc/kerbwatch"), blue_s)
    # As a careful technician leaves it: the unit makes it readable.
    device.path("/etc/kerbwatch/site.toml").chmod(0o600)


def write_site_folder(folder: Path, blue_s: float = NEVER_S) -> None:
    """The same as a folder anywhere, as it is prepared in the workshop."""
    write_model(folder / "models", blue_hangs=True)
    (folder / "site.toml").write_text(as_toml(_site(blue_s)), encoding="utf-8")
