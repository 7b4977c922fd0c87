"""``kerbwatch page``: switches the page at the pole on and off, and makes the code under the lid."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from provisioning.console.options import json_option
from provisioning.wording import say


@click.group("page", help=say("The page at the pole: switch it on and off, make its code."))
def page_group() -> None:
    """Hold the commands about the page."""


@page_group.command(
    "on",
    help=say(
        "Switch the page and the device's access point on, for a time. It counts as a press of the button "
        "inside: sign in within two minutes."
    ),
)
@click.option(
    "--minutes",
    type=click.IntRange(1, 240),
    default=60,
    show_default=True,
    help=say("Minutes until it is switched off."),
)
@click.option(
    "--visit",
    is_flag=True,
    help=say("Open another visit: the installer's rights end with the acceptance, or after a day."),
)
def on(minutes: int, visit: bool) -> None:
    """Switch the page on."""
    from provisioning.page import on_device

    sys.exit(on_device.switch_on(minutes, visit=visit))


@page_group.command("off", help=say("Switch the page and the device's access point off."))
def off() -> None:
    """Switch the page off."""
    from provisioning.page import on_device

    sys.exit(on_device.switch_off())


@page_group.command(
    "code",
    help=say(
        "Make a new code and a new password of the access point, and print them once: for the label under "
        "the lid. Only their hash, and what the access point needs, stay here. The code of before is no longer valid."
    ),
)
@json_option(say("Print them as JSON."))
@click.option(
    "--root",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    default="/",
    hidden=True,
)
def new_code(as_json: bool, root: Path) -> None:
    """Make the code."""
    from provisioning.page import on_device

    sys.exit(on_device.make_code(root, as_json=as_json))


@page_group.command(
    "identity",
    help=say(
        "Print the page's address, the fingerprint of its certificate and the access point's name: for the "
        "label outside."
    ),
)
@json_option(say("Print them as JSON."))
@click.option(
    "--root",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    default="/",
    hidden=True,
)
def identity(as_json: bool, root: Path) -> None:
    """Print what the label says."""
    from provisioning.page import on_device

    sys.exit(on_device.show_identity(root, as_json=as_json))
