"""Click commands on this device: run, watch, check, cameras, units."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from provisioning.console.options import SITE, json_option
from provisioning.wording import say


@click.command("run", help=say("Run the agent on a site until it is stopped (SIGTERM or Ctrl-C)."))
@SITE
@click.option(
    "--orders-from-here",
    is_flag=True,
    help=say(
        "Whoever gives the orders runs on this machine: they expire by its clock, also while no time source has set it. Only with a broker on this machine."
    ),
)
def run(site: Path, *, orders_from_here: bool) -> None:
    """Run the agent."""
    from provisioning.commands.run import run_site

    sys.exit(run_site(site, orders_from_here=orders_from_here))


@click.command("watch", help=say("Show live what a running agent sees and does, until Ctrl-C."))
@SITE
@click.option("--once", is_flag=True, help=say("Show it once."))
@click.option(
    "--every",
    "every_s",
    type=click.FloatRange(0.2, 60),
    default=1.0,
    show_default=True,
    help=say("Seconds between two updates."),
)
@json_option(say("Print the agent's status once, as JSON."))
def watch(site: Path, once: bool, every_s: float, as_json: bool) -> None:
    """Show live what a running agent sees and does."""
    from provisioning.commands import watch

    watch.watch(site, every_s=every_s, once=once, as_json=as_json)


@click.command(
    "check",
    help=say(
        """
Check everything about a device: configuration, models, packages, disk, clock, memory, cameras,
broker. Each finding says what it means and what to do.

The exit code is 0 if the device can do its work, and 1 if there is a fault.
"""
    ),
)
@SITE
@click.option("--strict", is_flag=True, help=say("Fail on warnings as well."))
@click.option(
    "--fix",
    "fix_name",
    metavar=say("NAME"),
    help=say("Carry out the fix that a finding names, instead of checking."),
)
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    help=say("Write the findings onto a page to print (PDF) as well."),
)
@json_option(say("Print the findings as JSON."))
def check(
    site: Path, strict: bool, fix_name: str | None, report: Path | None, as_json: bool
) -> None:
    """Check everything about a device."""
    if fix_name is not None:
        from provisioning.check.fixes import fix

        sys.exit(fix(site, fix_name))
    from provisioning.check import check as check_device

    sys.exit(check_device(site, as_json=as_json, strict=strict, report=report))


@click.group("cameras", help=say("Find cameras on this machine."))
def cameras_group() -> None:
    """Hold the commands about cameras."""


@cameras_group.command("list", help=say("List the connected cameras without opening them."))
@json_option(say("Print the list as JSON."))
def cameras_list(as_json: bool) -> None:
    """List the cameras."""
    from provisioning.commands import cameras

    cameras.show(as_json=as_json)


@click.group("units", help=say("Install and show the systemd units."))
def units_group() -> None:
    """Hold the commands about systemd's units."""


@units_group.command(
    "install",
    help=say(
        "Install the systemd units, the agent's user and the limits of the journal, and enable "
        "the units. Run it\n"
        "again after an update: only changed files are written.\n"
    ),
)
@click.option(
    "--gpio", is_flag=True, help=say("Give the agent access to the GPIO pins (needed with [gpio]).")
)
def units_install(gpio: bool) -> None:
    """Install the systemd units."""
    from provisioning.commands import units

    sys.exit(units.install(pins=gpio))


@units_group.command(
    "remove",
    help=say(
        "Stop and disable the systemd units, and delete their files. Configuration, state, keys and "
        "evidence stay.\n"
    ),
)
def units_remove() -> None:
    """Remove the systemd units."""
    from provisioning.commands import units

    sys.exit(units.remove())


@units_group.command(
    "show",
    help=say("Show whether each unit runs, and systemd's exposure score: 0 is best, 10 is worst."),
)
@json_option(say("Print the list as JSON."))
def units_show(as_json: bool) -> None:
    """Show the units."""
    from provisioning.commands import units

    sys.exit(units.show(as_json=as_json))


COMMANDS = (run, watch, check, cameras_group, units_group)
