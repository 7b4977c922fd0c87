"""What a technician asks and tries beside the service, as root on a booted device."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.faults.booted_corner import NEEDS, BootedCorner, corner
from tests.faults.suite import Outcome, Run, fault, require, wait_for

if TYPE_CHECKING:
    from tests.faults.booted_container import Booted

SITE, STATE = "/etc/kerbwatch", "/var/lib/kerbwatch"


@fault("units-checked", group="units", short=0, reduced=1, full=1, needs=NEEDS)
def units_checked(run: Run) -> Outcome:
    """The check finds what is wrong with the service and nothing else; an agent beside it is refused."""
    with corner(run) as here, here.platform() as platform:
        device = here.device
        require(
            "no agent" not in _faults(device), "before its first start the unit is meant to run"
        )
        here.start()
        here.arrives("case.opened")
        wait_for(lambda: not _faults(device), "a device that works is in order", 60)
        _no_second_agent(here)
        run.progress()
        _unread_key(device)
        _foreign_database(device)
        _edited_zones(here)
        run.progress()
        device.run("systemctl", "stop", "kerbwatch")
        require("agent: the agent does not run" in _faults(device), "it was stopped")
        device.run("systemctl", "start", "kerbwatch")
        return here.outcome(platform, "each fault was found, and none where there was none")


def _no_second_agent(here: BootedCorner) -> None:
    """Root's own agent is refused, in words, and leaves nothing behind."""
    device = here.device
    for command in (
        ("kerbwatch", "run", SITE),
        ("/opt/kerbwatch/active/bin/python", "-m", "agent", SITE),
        ("kerbwatch", "decommission", SITE, "--confirm", "corner"),
    ):
        told = device.run("sh", "-c", f"{' '.join(command)} 2>&1", check=False)
        require("kerbwatch" in told and "systemctl" in told, f"{command} is refused: {told}")
    told = device.run("sh", "-c", f"runuser -u kerbwatch -- kerbwatch run {SITE} 2>&1", check=False)
    require(f"process {here.pid} of kerbwatch.service" in told, f"who is there is told: {told}")
    rooted = device.run("find", STATE, "-user", "root")
    require(not rooted, f"root has left files: {rooted}")
    require(here.restarts == 0, "the service was not disturbed")


def _unread_key(device: Booted) -> None:
    """A file that only root can read, as after copying it."""
    device.run("chmod", "600", f"{SITE}/site.toml")
    device.run("chown", "root:root", f"{SITE}/site.toml")
    told = _faults(device)
    require(f"rights: {SITE}/site.toml cannot be read by kerbwatch" in told, f"unreadable: {told}")
    device.run("systemd-tmpfiles", "--create", "kerbwatch.conf")  # as the unit does when it starts
    require("rights:" not in _faults(device), "and then it is readable")


def _foreign_database(device: Booted) -> None:
    database = f"{STATE}/kerbwatch.sqlite3"
    device.run("chown", "root:root", database)
    device.run("chmod", "600", database)
    told = _faults(device)
    require("rights: 1 place(s)" in told and database in told, f"root's database: {told}")
    device.run("chown", "kerbwatch:kerbwatch", database)
    require("rights:" not in _faults(device), "and then it is the agent's")


def _edited_zones(here: BootedCorner) -> None:
    site = here.device.path(f"{SITE}/site.toml")
    text = site.read_text(encoding="utf-8")
    site.write_text(text.replace("[0.95, 0.95]", "[0.9, 0.95]"), encoding="utf-8")
    told = _faults(here.device)
    require("but the files have" in told, f"edited, and not taken up: {told}")
    here.device.run("systemctl", "restart", "kerbwatch")
    wait_for(
        lambda: "but the files have" not in _faults(here.device), "the restart takes it up", 60
    )


def _faults(device: Booted) -> str:
    """The faults that the check finds, line by line; memory and disk of a container are no matter here."""
    told = device.run("kerbwatch", "check", SITE, "--json", check=False)
    return "\n".join(
        f"{row['check']}: {row['what']}"
        for row in json.loads(told)["findings"]
        if row["severity"] == "fault" and row["check"] not in {"memory", "disk"}
    )
