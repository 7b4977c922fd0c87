"""The units where the card takes nothing, or has lost the configuration: the device goes on seeing."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from tests.faults.booted_corner import NEEDS, BootedCorner, corner
from tests.faults.suite import Outcome, Run, fault, require

if TYPE_CHECKING:
    from tests.faults.booted_container import Booted

_SITE, _STATE = "/etc/kerbwatch", "/var/lib/kerbwatch"


@fault("unit-read-only-card", group="units", short=0, reduced=1, full=3, needs=NEEDS)
def unit_read_only_card(run: Run) -> Outcome:
    """On a card that has become read-only the unit starts, sees and delivers; then the rest follows."""
    with corner(run) as here, here.platform() as platform:
        for place in (_SITE, _STATE):
            _on_a_card_of_its_own(here.device, place)
        here.start()
        here.arrives("case.opened")
        for _ in range(run.times):
            _stop_and_remount(here.device, "ro")
            here.recover_s.append(_start_and_see(here))
            _stop_and_remount(here.device, "rw")
            _start_and_see(here)
            run.progress()
        require(here.stored("device.storage") == 2 * run.times, "each change is told")
        told = here.journal("kerbwatch")
        require("Read-only file system" in told, "the journal says what is wrong")
        # Memory begins an epoch, and what is taken back from it another.
        return here.outcome(platform, "configuration and state read-only", epochs=1 + 2 * run.times)


def _start_and_see(here: BootedCorner) -> float:
    """Start the unit; how long until a heartbeat of the new run is stored."""
    began_s, births = time.monotonic(), here.stored("device.birth")
    here.start()
    here.arrives("device.birth", births)
    here.arrives("device.heartbeat", here.stored("device.heartbeat"))
    require(here.restarts == 0, "it runs")
    return time.monotonic() - began_s


def _on_a_card_of_its_own(device: Booted, place: str) -> None:
    """Put a folder on a file system that can be made read-only as a whole."""
    device.run("mkdir", "-p", place)
    device.run("cp", "-a", place, "/srv/copy")
    device.run("mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", place)
    device.run("cp", "-a", "/srv/copy/.", place)
    device.run("rm", "-r", "/srv/copy")


def _stop_and_remount(device: Booted, how: str) -> None:
    device.run("systemctl", "stop", "kerbwatch")
    for place in (_SITE, _STATE):
        device.run("mount", "-o", f"remount,{how}", place)


@fault("unit-bad-configuration", group="units", short=0, reduced=2, full=2, needs=NEEDS)
def unit_bad_configuration(run: Run) -> Outcome:
    """A configuration that was torn, or is gone, keeps no unit from starting with the last good one."""
    with corner(run) as here, here.platform() as platform:
        here.start()
        here.arrives("case.opened")
        site = here.device.path(f"{_SITE}/site.toml")
        for strike in range(run.times):
            here.device.run("systemctl", "stop", "kerbwatch")
            if strike % 2:
                site.unlink()
            else:
                site.write_bytes(site.read_bytes()[:200])
            here.recover_s.append(_start_and_see(here))
            run.progress()
        _goes_by_the_last_good(here)
        return here.outcome(platform, "torn, then gone")


def _goes_by_the_last_good(here: BootedCorner) -> None:
    told = here.journal("kerbwatch")
    require("continuing with the configuration stored at" in told, "it says so")
    kept = here.device.path(f"{_STATE}/last-good-configuration.json").read_text(encoding="utf-8")
    require("Example Road 1" in json.loads(kept)["site"], "what is kept is the good one")
