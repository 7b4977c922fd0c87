"""``kerbwatch move``: the unit hangs at another place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from agent.config.loading import load
from agent.config.site_files import site_folder
from agent.control.client import call
from agent.control.messages.moving import AskMove
from provisioning.console.exit_codes import FAULT
from provisioning.wording import say

if TYPE_CHECKING:
    from pathlib import Path

ANSWERS_WITHIN_S = 120.0


def move(site: Path, *, keep_zones: bool, yes: bool) -> int:
    """Let the running agent forget the place where it hung.

    Args:
        site: The site.
        keep_zones: The zones in force are drawn for the new place already.
        yes: Ask nothing.

    Returns:
        0, or 1 if it was not wanted after all.

    Raises:
        ConfigError: The site cannot be read, so the agent is not found.
        AgentSilentError: No agent runs.
        RefusedError: The agent refused.
    """
    run_dir = site_folder(site) / load(site).storage.run_dir
    question = say(
        "Open cases end as withdrawn, commissioning pictures are deleted, and what stands where is "
        "forgotten. Has the unit been moved?"
    )
    if not yes and not click.confirm(question, default=False):
        return FAULT
    with call(run_dir) as agent:
        done, _ = agent.ask(AskMove(keep_zones=keep_zones), ANSWERS_WITHIN_S)
    click.echo(
        say(
            "Withdrawn cases: {withdrawn}. Deleted commissioning pictures: {pictures}. Zones that hold "
            "no more: {zones}. The agent restarts.",
            withdrawn=done.withdrawn,
            pictures=done.pictures,
            zones=done.zones,
        )
    )
    click.echo(
        say(
            "Next: write the new address and coordinates into site.toml, draw the zones, "
            "`kerbwatch apply {site}`, then `kerbwatch commission {site}`.",
            site=site,
        )
    )
    return 0
