"""Checks of the systemd units: installed, of this version, enabled, none failed; as hardened as meant."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from drivers.programs import system
from provisioning.check.findings import Check, Device, Finding
from provisioning.check.fixes import INSTALL_UNITS
from provisioning.commands.units import (
    astray,
    exposure,
    installable,
    masked,
    source,
    systemd_version,
    units,
)
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Iterator

OPENED = 0.5
"""More than the pins' drop-in adds, which a site with pins needs (scores are of 0 to 10)."""
_INSTALL = said("`sudo kerbwatch units install` installs them (--gpio: for a site with GPIO pins).")


def serving(device: Device) -> Iterator[Finding]:
    """The units: in place, of this version, enabled, none failed."""
    if not Path("/run/systemd/system").is_dir():
        yield Finding(
            "units",
            "note",
            said("systemd does not run here: nothing starts the agent"),
            code="units_systemd",
        )
        return
    pins = device.configuration is not None and bool(list(device.configuration.gpio.pins()))
    empty = masked(Path("/"))
    files = [name for name in astray(Path("/"), systemd_version(), pins=pins) if name not in empty]
    off = [name for name in installable() if _says("is-enabled", name) != "enabled"]
    failed = [name for name in units() if _says("is-failed", name) == "failed"]
    if not (empty or files or off or failed):
        yield Finding(
            "units",
            "ok",
            said("{count} units are installed", count=len(units())),
            code="units_installed",
        )
        return
    yield from _not_installed(empty, files)
    if off and not (files or empty):
        yield Finding(
            "units",
            "warning",
            said("not enabled: {units}", units=off),
            said("After a power cut nothing starts them."),
            _INSTALL,
            code="units_enabled",
            fix=INSTALL_UNITS,
        )
    for name in failed:
        yield Finding(
            "units",
            "warning",
            said("{unit} has failed", unit=name),
            said("Its work is not done until it is started again."),
            said("`journalctl --namespace='*' -u {unit}` says why.", unit=name),
            code="units_failed",
        )


def _not_installed(empty: list[str], files: list[str]) -> Iterator[Finding]:
    """Files that systemd takes as masked, and those that are missing or of another version."""
    if empty:
        yield Finding(
            "units",
            "fault",
            said("empty: {files}", files=empty),
            said(
                "systemd takes an empty unit as masked: nothing starts it, and no message says so."
            ),
            _INSTALL,
            code="units_installed",
            fix=INSTALL_UNITS,
        )
    if files:
        yield Finding(
            "units",
            "warning",
            said("missing, or not of this version: {files}", files=files),
            said("The agent is not started as intended, or lacks permissions."),
            _INSTALL,
            code="units_installed",
            fix=INSTALL_UNITS,
        )


def hardening(_device: Device) -> Iterator[Finding]:
    """Whether each unit that runs is as shut off as its file says: a drop-in may have opened it."""
    if not Path("/run/systemd/system").is_dir():
        return
    for name in (each for each in units() if each.endswith(".service")):
        meant, found = exposure(source() / name, offline=True), exposure(name)
        if meant is None or found is None:
            yield Finding(
                "hardening",
                "note",
                said("{unit}: systemd gives no exposure score", unit=name),
                code="unit_hardening",
                subject=_subject(name),
            )
            continue
        text = said(
            "{unit}: exposure score {score:.1f}, meant {meant:.1f}",
            unit=name,
            score=found,
            meant=meant,
        )
        if found <= meant + OPENED:
            yield Finding("hardening", "ok", text, code="unit_hardening", subject=_subject(name))
            continue
        yield Finding(
            "hardening",
            "warning",
            text,
            said("Something on this machine gives it more rights than it needs."),
            said(
                "`systemctl cat {unit}` shows every drop-in; remove what does not belong there.",
                unit=name,
            ),
            code="unit_hardening",
            subject=_subject(name),
        )


def _subject(unit: str) -> str:
    return unit.partition(".")[0]


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


CHECKS = (
    Check("units", serving, needs_configuration=False),
    Check("hardening", hardening, limit_s=60, needs_configuration=False),
)
