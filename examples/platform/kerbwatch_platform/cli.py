"""``kerbwatch-platform``: every command of the platform, from the rooms that have some."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from kerbwatch_platform.settings import PATH, SettingsError
from kerbwatch_platform.words.spoken import tell

COMMANDS = {
    "local": ("desk", "hourly", "migrate", "demo-pictures"),
    "web": ("web", "account"),
    "intake": ("work", "replay", "quarantine"),
    "figures": ("figures", "archive"),
    "exports": ("export", "webhooks", "hotline-stand-in"),
    "evidence": (
        "uploads",
        "check-evidence",
        "signing-key",
        "verify-handover",
        "take-packet",
        "retention",
        "hold",
        "delete-pictures",
    ),
}
"""Room → its commands, as ``COMMANDS`` of its ``commands.py`` has them: a command loads its own room alone."""
REFUSED = 3
"""Exit code: the settings were refused."""


class _Platform(click.Group):
    """Loads the room of the command that is called, and says what is wrong with the settings in words."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - as click calls it
        return sorted(name for names in COMMANDS.values() for name in names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        for room, names in COMMANDS.items():
            if cmd_name in names:
                module = import_module(f"kerbwatch_platform.{room}.commands")
                found: list[click.Command] = module.COMMANDS
                return next(each for each in found if each.name == cmd_name)
        return None

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
