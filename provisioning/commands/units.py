"""``kerbwatch units``: installs and shows the systemd units.

The files lie as they are in ``share/kerbwatch/systemd`` of the environment (``systemd/`` of a source
tree). Nothing in them is filled in: what a site is stands in ``/etc/kerbwatch``.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from drivers.disk import READABLE, replace_file, sync_file_systems
from drivers.files.installed import complaint, shared
from drivers.programs import system
from provisioning.console.exit_codes import FAULT
from provisioning.wording import in_words, say
from provisioning.wording.vocabulary import UNIT_STATES, known_in_words
from provisioning.wording.width import padded
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Iterator

HOME = Path("/opt/kerbwatch/active")
"""Where the units look for Python: a link to the version that runs."""
ONLY_WITH_PINS = "gpio.conf"
SINCE_SYSTEMD = {"growing-restarts.conf": 254}
"""Drop-ins whose settings an older systemd does not know."""
JOURNAL = ("systemd-journald@kerbwatch.socket", "systemd-journald-varlink@kerbwatch.socket")
"""Of our journal: their drop-ins let them stay when no unit needs them any more."""
_UNITS = {".service", ".timer", ".path", ".socket"}
_WRITTEN = (HOME, Path("/etc"), Path("/usr/local/bin"))
"""Where an installation writes: packages, models and programs; units and configuration; the command's link."""
_PACKAGED = Path("usr/lib")
"""Where a package of the system puts what otherwise lies in ``/etc``."""
_BESIDE_UNITS = ("journald", "system.conf.d")
"""Belong to ``/etc/systemd`` itself."""
_DROP_INS = (".service.d", ".socket.d")
_LONGEST_S = 60


class UnitsError(Exception):
    """The units cannot be installed here, and why."""


def install(*, pins: bool) -> int:
    """Install all files, reload systemd, and enable the units.

    The environment is looked through first, and all of it is written out to the disk before success is
    said: pip and systemctl leave that to the kernel, which takes half a minute.

    Args:
        pins: Whether the site has a ``[gpio]`` section, so that the agent must be let to the pins.

    Returns:
        0, or 1 if a step failed.

    Raises:
        UnitsError: This is not where the units look for Python, systemd does not run here, or files of
            the environment are not what was installed.
        OSError: A file cannot be written.
    """
    if Path(sys.prefix).resolve() != HOME.resolve():
        raise UnitsError(
            said(
                "This environment is {here}, and the units start {home}/bin/python. Install Kerbwatch "
                "into {home}.",
                here=sys.prefix,
                home=HOME,
            )
        )
    _want_systemd()
    if os.geteuid():
        raise UnitsError(said("Only root can do this: put `sudo` in front of it."))
    refuse_damaged()
    for path in place(Path("/"), systemd_version(), pins=pins):
        click.echo(say("written: {path}", path=path))
    failed = False
    for command in _steps():
        if _asked(*command) is None:
            click.echo(
                in_words(said("This failed: {command}", command=" ".join(command))), err=True
            )
            failed = True
    sync_file_systems(_WRITTEN)
    if failed:
        return FAULT
    click.echo(
        say(
            "The units are installed, and everything is on the disk. To start: `sudo systemctl "
            "start kerbwatch`"
        )
    )
    return 0


def remove() -> int:
    """Stop and disable the units, and delete the files that :func:`install` wrote.

    Configuration, state, keys and evidence stay, and so do the users: files belong to them.

    Returns:
        0, or 1 if a step failed.

    Raises:
        UnitsError: systemd does not run here, or this is not root.
        OSError: A file cannot be deleted.
    """
    _want_systemd()
    if os.geteuid():
        raise UnitsError(said("Only root can do this: put `sudo` in front of it."))
    there = [name for name in units() if _places(Path("/"), Path(name))]
    failed = bool(there) and _asked("systemctl", "disable", "--now", "--quiet", *there) is None
    for path in displace(Path("/")):
        click.echo(say("deleted: {path}", path=path))
    failed = _asked("systemctl", "daemon-reload") is None or failed
    failed = _asked("systemctl", "stop", *JOURNAL) is None or failed
    sync_file_systems(_WRITTEN)
    click.echo(
        say(
            "The units are removed. Configuration, state, keys and evidence are as they were; "
            "`kerbwatch decommission` wipes them."
        )
    )
    return FAULT if failed else 0


def displace(root: Path) -> list[Path]:
    """Delete what :func:`place` wrote below a root, and folders that are empty then; say which files that was.

    What a package of the system brought is not in ``/etc``, and stays: its removal is the package's.
    """
    deleted = []
    for name in sorted(
        each.relative_to(source()) for each in source().rglob("*") if each.is_file()
    ):
        target = root / _target(name)
        if target.is_file():
            target.unlink()
            deleted.append(target)
            if target.parent.name.endswith(_DROP_INS) and not any(target.parent.iterdir()):
                target.parent.rmdir()
    return deleted


def refuse_damaged() -> None:
    """Check every installed file against the RECORD of its package.

    Raises:
        UnitsError: Some are not what was installed; it names each.
    """
    if told := complaint():
        raise UnitsError(told)


def place(root: Path, version: int, *, pins: bool) -> list[Path]:
    """Write what is new or has changed below a root, and say which that was.

    Args:
        root: ``/`` on a device.
        version: systemd's.
        pins: Whether the drop-in for the pins is wanted.

    Returns:
        The places that were written.
    """
    written = []
    for path, target in _astray(root, version, pins=pins):
        replace_file(target, path.read_bytes(), mode=READABLE)
        written.append(target)
    return written


def astray(root: Path, version: int, *, pins: bool) -> list[str]:
    """Name the files that are missing below a root, or are other than those of this version."""
    return [path.name for path, _ in _astray(root, version, pins=pins)]


def masked(root: Path) -> list[str]:
    """Name the units that systemd takes as masked below a root: their files are empty, or links to nothing."""
    return [
        name
        for name in units()
        for path in _places(root, Path(name))[:1]
        if not path.is_file() or path.stat().st_size == 0
    ]


def show(*, as_json: bool) -> int:
    """Show for each unit whether it runs, and its exposure score: 0 is best, 10 is worst.

    Returns:
        0, or 1 if a unit has failed.

    Raises:
        UnitsError: systemd does not run here.
    """
    _want_systemd()
    rows = [_row(name) for name in units()]
    failed = any(row["active"] == "failed" for row in rows)
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return FAULT if failed else 0
    for row in rows:
        exposure = row["exposure"]
        score = "" if exposure is None else say("exposure score {exposure}", exposure=exposure)
        active, sub = (known_in_words(UNIT_STATES, str(row[key])) for key in ("active", "sub"))
        state = active if active == sub else f"{active} ({sub})"
        click.echo(f"{padded(str(row['unit']), 30)} {padded(state, 24)} {score}".rstrip())
    return FAULT if failed else 0


def units() -> list[str]:
    """The units' names."""
    return sorted(each.name for each in source().iterdir() if each.suffix in _UNITS)


def installable() -> list[str]:
    """The units that are enabled."""
    return [name for name in units() if "[Install]" in (source() / name).read_text("utf-8")]


def settings() -> list[str]:
    """Where ``install`` puts what is no unit and belongs to every device."""
    return sorted(
        f"/{_target(each.relative_to(source()))}"
        for each in source().rglob("*")
        if each.is_file() and each.suffix not in _UNITS and each.name != ONLY_WITH_PINS
    )


def source() -> Path:
    """The folder of the files."""
    return shared("systemd")


def exposure(unit: str | Path, *, offline: bool = False) -> float | None:
    """The exposure score that systemd gives a service, from 0.0 to 10.0; None if unavailable.

    Args:
        unit: Its name, or with ``offline`` its file.
        offline: Judge the file; ask no running systemd.
    """
    command = ["systemd-analyze", "security", "--no-pager"]
    told = _asked(*command, *(["--offline=true"] if offline else []), str(unit))
    found = re.search(r"^→ Overall exposure level for \S+: (\d+\.\d+)", told or "", re.MULTILINE)
    return float(found.group(1)) if found else None


def systemd_version() -> int:
    """The version of systemd; 0 if unknown."""
    found = re.match(r"systemd (\d+)", _asked("systemctl", "--version") or "")
    return int(found.group(1)) if found else 0


def _want_systemd() -> None:
    if not Path("/run/systemd/system").is_dir():
        raise UnitsError(said("systemd does not run here; the units are for a device."))


def _astray(root: Path, version: int, *, pins: bool) -> Iterator[tuple[Path, Path]]:
    """What has to be written, and where."""
    for path in sorted(each for each in source().rglob("*") if each.is_file()):
        if path.name == ONLY_WITH_PINS and not pins:
            continue
        if version < SINCE_SYSTEMD.get(path.name, 0):
            continue
        name = path.relative_to(source())
        found = [each for each in _places(root, name)[:1] if each.is_file()]
        if not found or found[0].read_bytes() != path.read_bytes():
            yield path, root / _target(name)


def _places(root: Path, name: Path) -> list[Path]:
    """Where a file is there below a root, the one that systemd goes by first: ``/etc``, then the package's."""
    return [each for each in (root / _target(name), root / packaged(name)) if each.exists()]


def packaged(name: Path) -> Path:
    """Where a package of the system has a file that ``install`` puts below ``/etc``.

    Args:
        name: Its path in ``systemd/``.
    """
    target = _target(name).relative_to("etc")
    if target.name.startswith("journald@"):  # systemd looks for the file itself in /etc alone
        target = target.with_name(f"{target.name}.d") / "kerbwatch.conf"
    return _PACKAGED / target


def _steps() -> Iterator[list[str]]:
    """What follows once the files are there."""
    yield ["systemd-sysusers", "kerbwatch.conf"]
    yield ["systemd-tmpfiles", "--create", "kerbwatch.conf"]
    yield ["systemctl", "daemon-reload"]
    yield ["systemctl", "try-restart", "systemd-journald.service"]
    for name in installable():
        yield ["systemctl", "enable", "--quiet", name]
        if not name.endswith(".service"):  # what waits begins at once; the agent when it is told
            yield ["systemctl", "restart", name]


def _target(path: Path) -> Path:
    if path.parts[0].startswith(_BESIDE_UNITS):
        return Path("etc/systemd") / path
    if len(path.parts) == 1 or path.parts[0].endswith(_DROP_INS):
        return Path("etc/systemd/system") / path
    return Path("etc") / path


def _row(name: str) -> dict[str, str | float | None]:
    told = _asked("systemctl", "show", "-P", "ActiveState", "-P", "SubState", name) or ""
    active, _, sub = told.strip().partition("\n")
    return {
        "unit": name,
        "active": active,
        "sub": sub,
        "exposure": exposure(name) if name.endswith(".service") else None,
    }


def _asked(program: str, *arguments: str) -> str | None:
    """Output of a command; None if it is missing or fails; it prints its own error."""
    try:
        done = subprocess.run(
            [system(program), *arguments],
            stdout=subprocess.PIPE,
            text=True,
            check=False,
            timeout=_LONGEST_S,
            umask=0o022,  # what systemd's own programs make is for everybody to read
            env={**os.environ, "SYSTEMD_COLORS": "0", "LC_ALL": "C.UTF-8"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
