"""Click commands on versions: list, activate, prove, back."""

from __future__ import annotations

import sys

import click

from provisioning.console.options import json_option
from provisioning.wording import say


@click.group("versions", help=say("Versions beside each other: which runs, which ran before."))
def versions() -> None:
    """Hold the commands about versions."""


@versions.command("list", help=say("List the versions that are there, and what happened to them."))
@json_option(say("Print the list as JSON."))
def versions_list(as_json: bool) -> None:
    """List the versions."""
    from provisioning.commands import versions

    versions.show(as_json=as_json)


@versions.command(
    "activate",
    help=say(
        "Let another version run that is there. It has to prove itself, or the one that runs now "
        "comes back.\n"
    ),
)
@click.argument("version", metavar=say("VERSION"))
def versions_activate(version: str) -> None:
    """Let another version run."""
    from provisioning.commands import versions

    versions.start(version)


@versions.command(
    "prove",
    help=say(
        "Let a version that is on trial prove itself now, else go back.\n\n"
        "The unit kerbwatch-prove.service does the same after an update and at each boot.\n"
    ),
)
def versions_prove() -> None:
    """Let a version prove itself."""
    from provisioning.commands import versions

    sys.exit(versions.prove_now())


@versions.command("back", help=say("Go back to the version that ran before."))
@click.option(
    "--reason", default="", metavar=say("TEXT"), help=say("Reason; recorded with the step.")
)
def versions_back(reason: str) -> None:
    """Go back."""
    from provisioning.commands import versions

    versions.back(reason)


COMMANDS = (versions,)
