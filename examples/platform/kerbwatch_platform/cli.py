"""``kerbwatch-platform``: every command of the platform, from the rooms that have some."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from kerbwatch_platform.settings import PATH, SettingsError
from kerbwatch_platform.words.spoken import tell

ROOMS = ("local", "web", "intake", "figures", "exports", "evidence", "store", "transports")
"""A room's ``commands.py`` has ``COMMANDS``, if there is such a file."""
REFUSED = 3
"""Exit code: the settings were refused."""


class _Platform(click.Group):
    """Says what is wrong with the settings in words."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SettingsError as error:
            click.echo(tell("{path} cannot be used:", path=error.path), err=True)
            for place, fault in error.faults:
                click.echo(f"  {place}: {fault}" if place else f"  {fault}", err=True)
            sys.exit(REFUSED)


@click.group(
    cls=_Platform,
    help=tell("A city's side of Kerbwatch: takes what devices send, and gives people a desk."),
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--settings",
    type=click.Path(path_type=Path, dir_okay=False),
    default=PATH,
    show_default=True,
    envvar="KERBWATCH_PLATFORM_SETTINGS",
    show_envvar=True,
    help=tell("The file with the settings."),
)
@click.version_option(package_name="kerbwatch-platform", message="%(prog)s %(version)s")
@click.pass_context
def main(context: click.Context, settings: Path) -> None:
    """Hold the commands together."""
    context.obj = settings


def _collect() -> None:
    for room in ROOMS:
        name = f"kerbwatch_platform.{room}.commands"
        if find_spec(name) is not None:
            for command in import_module(name).COMMANDS:
                main.add_command(command)


_collect()
