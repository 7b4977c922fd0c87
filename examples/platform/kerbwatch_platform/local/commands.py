"""``kerbwatch-platform desk`` and ``hourly``."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import click

from kerbwatch_platform import settings
from kerbwatch_platform.local.folder import usual_folder
from kerbwatch_platform.words.spoken import tell


@click.command(
    "desk",
    help=tell(
        "Run everything on this machine: a PostgreSQL and a broker of its own, the workers and the desk. "
        "Ctrl-C ends it, what it keeps stays."
    ),
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=usual_folder,
    help=tell("Where everything is kept. Default: {folder}", folder=usual_folder()),
)
@click.option(
    "--port",
    type=click.IntRange(1, 65_534),
    help=tell("Where the pages answer, on this machine alone; the broker is at the next port."),
)
@click.option(
    "--no-demo", is_flag=True, help=tell("Without the device that watches a drawn street.")
)
def desk(data: Path, port: int | None, no_demo: bool) -> None:
    """Run a desk."""
    from kerbwatch_platform.local.desk import keep_desk  # noqa: PLC0415 - --help is instant
    from kerbwatch_platform.local.errors import DeskError  # noqa: PLC0415

    try:
        keep_desk(data, port, with_demo=not no_demo)
    except DeskError as error:
        raise click.ClickException(str(error)) from error


@click.command("hourly", help=tell("Do what is due every hour, now and after each full hour."))
@settings.passed
@click.option("--once", is_flag=True, help=tell("Do it once, and end."))
def hourly(chosen: settings.Settings, once: bool) -> None:
    """Do what is due."""
    from kerbwatch_platform.local.hourly import run, run_once  # noqa: PLC0415

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout)
    if once:
        sys.exit(bool(run_once(chosen)))
    run(chosen)


@click.command("migrate", help=tell("Bring the database's tables and views up to this version."))
@settings.passed
def migrate(chosen: settings.Settings) -> None:
    """Make what is not there."""
    from kerbwatch_platform import store  # noqa: PLC0415

    with store.connect(chosen.database) as connection:
        store.migrate(connection)


@click.command("demo-pictures", hidden=True)
@click.argument("tenant")
@click.argument("device")
@settings.passed
def demo_pictures(chosen: settings.Settings, tenant: str, device: str) -> None:
    """Ask the desk's own device for pictures that do not come by themselves."""
    from kerbwatch_platform.local.demo_pictures import run  # noqa: PLC0415

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout)
    run(chosen, tenant, device)


COMMANDS: list[click.Command] = [desk, hourly, migrate, demo_pictures]
