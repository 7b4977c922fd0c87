"""The fixes that ``kerbwatch check`` can carry out by itself: a fixed list, each safe at any time.

A finding names the one that helps. None of them deletes anything, changes what is judged, or takes a word
from outside: a name of this list is all that can be asked for.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from agent.config.faults import ConfigError
from agent.config.loading import load
from drivers.programs import system
from provisioning.console.exit_codes import FAULT
from provisioning.wording import in_words, say
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RESTART_AGENT, INSTALL_UNITS = "restart_agent", "install_units"
TAKE_REFERENCE, SYNC_CLOCK = "take_reference", "sync_clock"
_LONGEST_S = 120.0


class FixError(Exception):
    """A fix could not be carried out, and why."""


@dataclass(frozen=True, slots=True)
class Fix:
    """One fix.

    Attributes:
        does: What it does, for people.
        run: Carries it out on a site; 0 if that worked.
        as_root: Whether only root can.
    """

    does: str
    run: Callable[[Path], int]
    as_root: bool = True


def fix(site: Path, name: str) -> int:
    """Carry out a fix.

    Args:
        site: As given on the command line.
        name: Of the list.

    Returns:
        0 if it worked, else 1.

    Raises:
        FixError: There is none of this name, it needs root, or a program of the system refused.
    """
    chosen = FIXES.get(name)
    if chosen is None:
        raise FixError(
            said("There is no fix {name}. There are: {names}.", name=name, names=list(FIXES))
        )
    if chosen.as_root and os.geteuid():
        raise FixError(said("Only root can do this: put `sudo` in front of it."))
    click.echo(in_words(chosen.does))
    code = chosen.run(site)
    if not code:
        click.echo(say("Done. Check again: `kerbwatch check`"))
    return code


def _restart_agent(_site: Path) -> int:
    _ask("systemctl", "restart", "kerbwatch.service")
    return 0


def _install_units(site: Path) -> int:
    from provisioning.commands import units  # noqa: PLC0415 - only where it is asked for

    try:
        pins = bool(list(load(site).gpio.pins()))
    except ConfigError:  # the units are the same but for the pins
        pins = False
    return units.install(pins=pins)


def _take_reference(site: Path) -> int:
    from provisioning.commands.commission import commission  # noqa: PLC0415 - opens a model

    return FAULT if commission(site, (), as_json=False) else 0


def _sync_clock(_site: Path) -> int:
    """Whichever time service is installed: systemd knows it by its list of them, see timedatectl(1)."""
    _ask("timedatectl", "set-ntp", "true")
    return 0


def _ask(program: str, *arguments: str) -> None:
    """Run a program of the system.

    Raises:
        FixError: It is missing, hangs or fails; with what it said.
    """
    command = " ".join([program, *arguments])
    try:
        done = subprocess.run(
            [system(program), *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=_LONGEST_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FixError(said("This failed: {command}", command=command)) from error
    if done.returncode:
        told = (done.stderr.strip().splitlines() or ["?"])[-1]
        raise FixError(said("{command}: {reason}", command=command, reason=told))


FIXES: dict[str, Fix] = {
    RESTART_AGENT: Fix(said("Restarts the agent."), _restart_agent),
    INSTALL_UNITS: Fix(said("Installs the systemd units again."), _install_units),
    TAKE_REFERENCE: Fix(
        said("Takes the reference image of each camera."), _take_reference, as_root=False
    ),
    SYNC_CLOCK: Fix(said("Starts the time service."), _sync_clock),
}
"""Every fix there is, by its name."""
