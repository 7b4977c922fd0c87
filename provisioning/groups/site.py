"""Click commands on the site of a running agent: apply, move."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from provisioning.console.options import SITE, json_option
from provisioning.wording import say


@click.command(
    "apply",
    help=say(
        "Apply a site's files to the running agent, without a restart where that is possible.\n\n"
        "It shows what would change, asks, and puts it on trial: unless it is confirmed in time, the "
        "agent goes back to what was in force before. Stays and cases of zones that are the same go "
        "on; cases of zones that are gone are withdrawn with the confirmation.\n"
    ),
)
@SITE
@click.option(
    "--confirm-within",
    "confirm_within_s",
    type=click.FloatRange(10, 3600),
    default=300.0,
    show_default=True,
    metavar=say("SECONDS"),
    help=say("Seconds after which the agent goes back by itself."),
)
@click.option("--yes", is_flag=True, help=say("Ask nothing, and leave it on trial."))
@click.option("--confirm", is_flag=True, help=say("Keep what is on trial."))
@click.option("--revert", is_flag=True, help=say("Go back from what is on trial."))
@json_option(say("Print what changes as JSON; asks nothing."))
def apply(
    site: Path,
    confirm_within_s: float,
    yes: bool,
    confirm: bool,
    revert: bool,
    as_json: bool,
) -> None:
    """Apply a site's files."""
    from provisioning.commands import apply

    if confirm and revert:
        raise click.UsageError(say("give --confirm or --revert"))
    if confirm:
        sys.exit(apply.confirm(site))
    if revert:
        sys.exit(apply.revert(site))
    done = apply.apply(site, confirm_within_s=confirm_within_s, yes=yes, as_json=as_json)
    sys.exit(done)


@click.command(
    "move",
    help=say(
        "Tell the running agent that the unit hangs at another place now.\n\n"
        "Its open cases end as withdrawn (unit_moved), its commissioning pictures are deleted, and its "
        "zones hold no more: they were drawn for the old place. Identity, keys and evidence stay.\n"
    ),
)
@SITE
@click.option(
    "--keep-zones", is_flag=True, help=say("The zones are drawn for the new place already.")
)
@click.option("--yes", is_flag=True, help=say("Ask nothing."))
def move(site: Path, keep_zones: bool, yes: bool) -> None:
    """Move a unit."""
    from provisioning.commands import move
    from provisioning.page import on_device

    done = move.move(site, keep_zones=keep_zones, yes=yes)
    if done == 0:
        on_device.forget_draft(Path("/"))
    sys.exit(done)


COMMANDS = (apply, move)
