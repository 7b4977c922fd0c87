"""Finds the agent of this machine: whether one should run here, its user, its status.

An agent is meant to run here if the installed unit starts this very site, or if one has run on its state folder
before. On a laptop that only looks at a site neither is so.
"""

from __future__ import annotations

import grp
import os
import pwd
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent.config.site_files import site_file
from agent.storage.paths import DATABASE, RECOVERY
from agent.telemetry.status_file import FILE
from drivers.files.folder_lock import Holder, holder_of
from drivers.files.small_files import user_name
from provisioning.commands.watch import NotRunningError, read
from wording.messages import said

if TYPE_CHECKING:
    from agent.config.schema import Configuration
    from agent.telemetry.status_file import Status

UNIT = "kerbwatch.service"
_FOLDERS = ("etc/systemd/system", "run/systemd/system", "usr/lib/systemd/system")
"""Where systemd looks for units, the first before the others."""
_TRACES = (DATABASE, RECOVERY)
"""What an agent leaves in its state folder as soon as it runs."""


@dataclass(frozen=True, slots=True)
class Unit:
    """What the installed unit says: whom it runs as, by which Python, and on which site."""

    user: str
    groups: tuple[str, ...]
    python: Path
    site: Path


@dataclass(frozen=True, slots=True)
class ServiceUser:
    """The user that the agent runs as: ids of the user and all groups."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]

    @property
    def is_me(self) -> bool:
        return self.uid == os.geteuid()


@dataclass(frozen=True, slots=True)
class AgentHere:
    """What is known of it.

    Attributes:
        meant: Whether an agent shall run here on this site.
        unit: The installed unit, if it is for this site.
        other: The site that the installed unit is for, if it is another one.
        status: What a running agent says; None if it says nothing, or not now.
        silence: Why there is no status, for people.
        holder: Who works on the state folder.
        user: Whom it runs as; None if the unit names somebody whom this machine does not know.
    """

    meant: bool
    unit: Unit | None
    other: Path | None
    status: Status | None
    silence: str
    holder: Holder | None
    user: ServiceUser | None


def look(site: Path, base: Path, configuration: Configuration, root: Path = Path("/")) -> AgentHere:
    """Find the agent of this machine.

    Args:
        site: As given on the command line.
        base: The folder that relative paths start from.
        configuration: Where its folders are.
        root: Below which the units lie.
    """
    state_dir = base / configuration.storage.state_dir
    unit = installed_unit(root)
    ours = unit is not None and _file_of(unit.site) == _file_of(site)
    try:
        status, silence = read(base / configuration.storage.run_dir / FILE), ""
    except NotRunningError as error:
        status, silence = None, str(error)
    holder = holder_of(state_dir)
    if status is not None and holder is None and _is_over(status):
        status, silence = None, said("its process has ended")
    return AgentHere(
        meant=ours or status is not None or holder is not None or has_run_on(state_dir),
        unit=unit if ours else None,
        other=None if unit is None or ours else unit.site,
        status=status,
        silence=silence,
        holder=holder,
        user=_user(unit if ours else None, state_dir),
    )


def _is_over(status: Status) -> bool:
    """Whether the process that wrote the status is no more, as after it was killed."""
    return status.software is not None and not Path("/proc", str(status.software.pid)).exists()


def has_run_on(state_dir: Path) -> bool:
    """Whether an agent has worked on a state folder; one that may not be looked into is an agent's."""
    if state_dir.is_dir() and not os.access(state_dir, os.X_OK, effective_ids=True):
        return True
    return any((state_dir / name).exists() for name in _TRACES)


def installed_unit(root: Path) -> Unit | None:
    """What systemd would start; None if no such unit is installed, or none that says anything."""
    files = [root / folder / UNIT for folder in _FOLDERS]
    texts = [_text(path) for path in files if path.is_file()][:1]
    drop_ins = [
        path for folder in _FOLDERS for path in (root / folder / f"{UNIT}.d").glob("*.conf")
    ]
    texts += [_text(path) for path in sorted(drop_ins, key=lambda path: path.name)]
    settings: dict[str, str] = {}
    for line in "\n".join(texts).splitlines():
        key, equals, value = line.partition("=")
        if equals:
            settings[key.strip()] = value.strip()
    starts = re.fullmatch(r"(\S+) .*-m agent (\S+)", settings.get("ExecStart", ""))
    if starts is None:
        return None
    groups = tuple(settings.get("SupplementaryGroups", "").split())
    return Unit(settings.get("User", "root"), groups, Path(starts[1]), Path(starts[2]))


def _user(unit: Unit | None, state_dir: Path) -> ServiceUser | None:
    """The unit's user; without a unit the owner of the state, for whom it would run; else who asks."""
    if unit is not None:
        try:
            return _with_groups(pwd.getpwnam(unit.user), unit.groups)
        except KeyError:
            return None
    try:
        uid = state_dir.stat().st_uid
    except OSError:
        uid = os.geteuid()
    try:
        return _with_groups(pwd.getpwuid(uid), ())
    except KeyError:  # a number that nobody has: its own group, and no other
        return ServiceUser(user_name(uid), uid, uid, ())


def _with_groups(entry: pwd.struct_passwd, more: tuple[str, ...]) -> ServiceUser:
    groups = set(os.getgrouplist(entry.pw_name, entry.pw_gid))
    for name in more:
        try:
            groups.add(grp.getgrnam(name).gr_gid)
        except KeyError:
            continue
    return ServiceUser(entry.pw_name, entry.pw_uid, entry.pw_gid, tuple(sorted(groups)))


def _file_of(site: Path) -> Path:
    return site_file(site).resolve()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
