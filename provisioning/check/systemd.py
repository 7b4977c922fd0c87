"""Check of the systemd units: installed, of this version, enabled, none failed."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from drivers.programs import system
from provisioning.check.findings import Check, Device, Finding
from provisioning.commands.units import astray, installable, masked, systemd_version, units
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Iterator

_INSTALL = said("`sudo kerbwatch units install` installs them (--gpio: for a site with GPIO pins).")


def serving(device: Device) -> Iterator[Finding]:
    """The units: in place, of this version, enabled, none failed."""
    if not Path("/run/systemd/system").is_dir():
        yield Finding("units", "note", said("systemd does not run here: nothing starts the agent"))
        return
    pins = device.configuration is not None and bool(list(device.configuration.gpio.pins()))
    empty = masked(Path("/"))
    files = [name for name in astray(Path("/"), systemd_version(), pins=pins) if name not in empty]
    off = [name for name in installable() if _says("is-enabled", name) != "enabled"]
    failed = [name for name in units() if _says("is-failed", name) == "failed"]
    if empty:
        yield Finding(
            "units",
            "fault",
            said("empty: {files}", files=empty),
            said(
                "systemd takes an empty unit as masked: nothing starts it, and no message says so."
            ),
            _INSTALL,
        )
    if files:
        yield Finding(
            "units",
            "warning",
            said("missing, or not of this version: {files}", files=files),
            said("The agent is not started as intended, or lacks permissions."),
            _INSTALL,
        )
    if off and not (files or empty):
        yield Finding(
            "units",
            "warning",
            said("not enabled: {units}", units=off),
            said("After a power cut nothing starts them."),
            _INSTALL,
        )
    for name in failed:
        yield Finding(
            "units",
            "warning",
            said("{unit} has failed", unit=name),
            said("Its work is not done until it is started again."),
            said("`journalctl --namespace='*' -u {unit}` says why.", unit=name),
        )
    if not (empty or files or off or failed):
        yield Finding("units", "ok", said("{count} units are installed", count=len(units())))


def _says(*question: str) -> str:
    try:
        done = subprocess.run(
            [system("systemctl"), *question],
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


CHECKS = (Check("units", serving, needs_configuration=False),)
