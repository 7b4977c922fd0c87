"""Click commands of the last steps at the pole: test."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from provisioning.console.options import SITE, json_option
from provisioning.wording import say


@click.command(
    "test",
    help=say(
        "Send a test case from the pole to the platform, and wait for its ticket number.\n\n"
        "It is marked as a test, and nothing that is counted counts it. Each step is shown with its "
        "time; without a\n"
        "platform that answers test cases it says how far it came.\n"
    ),
)
@SITE
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(0, 3600),
    default=60.0,
    show_default=True,
    help=say("Seconds to wait for the ticket number."),
)
@json_option(say("Print how far it came as JSON."))
def test(site: Path, wait_s: float, as_json: bool) -> None:
    """Send a test case."""
    from provisioning.commands.tear_off import send_test

    sys.exit(send_test(site, wait_s=wait_s, as_json=as_json))


COMMANDS = (test,)
