"""Click commands on memory cards: prepare one so that a device sets itself up at its first boot."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from provisioning.console.options import FOLDER
from provisioning.wording import say

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.group("card", help=say("Prepare memory cards."))
def card() -> None:
    """Hold the commands about cards."""


@card.command(
    "prepare",
    help=say(
        "Prepare a card for the first boot.\n\n"
        "The device then installs and configures itself. "
        "CARD is an image file (needs root), or the folder where the boot partition of a flashed "
        "card is mounted.\n"
        "No private key is ever written: a device makes its own.\n"
    ),
)
@click.argument("target", metavar=say("CARD"), type=click.Path(exists=True, path_type=Path))
@click.option("--by", required=True, help=say("Who prepares the card; the device shows it."))
@click.option(
    "--site", type=FOLDER, help=say("Folder with site.toml and zones.json; it is checked first.")
)
@click.option(
    "--repository",
    type=FOLDER,
    help=say("Folder of the packages, for an installation without a network."),
)
@click.option("--suite", help=say("The image's Debian release, if it cannot be seen: trixie."))
@click.option(
    "--arch",
    "architecture",
    type=click.Choice(["arm64", "amd64"]),
    default="arm64",
    show_default=True,
    help=say("The device's processor."),
)
@click.option("--wifi", help=say("Name of the wireless network that the device joins."))
@click.option(
    "--wifi-password-file",
    type=_FILE,
    help=say("File with the network's password, a secret that all in it share; else asked for."),
)
@click.option("--est-server", help=say("Address of the EST server for the first certificate."))
@click.option("--authority", type=_FILE, help=say("The authority's certificate, to be pinned."))
@click.option(
    "--token-file",
    type=_FILE,
    help=say("File with the one-time token, bound to this device; else asked for."),
)
@click.option(
    "--label",
    type=click.Path(path_type=Path, dir_okay=False),
    help=say("File for code and password of the page, for the label under the lid; else printed."),
)
def card_prepare(
    target: Path,
    by: str,
    site: Path | None,
    repository: Path | None,
    suite: str | None,
    architecture: str,
    wifi: str | None,
    wifi_password_file: Path | None,
    est_server: str | None,
    authority: Path | None,
    token_file: Path | None,
    label: Path | None,
) -> None:
    """Prepare a card."""
    from provisioning.commands import card as command
    from provisioning.page.from_card import made

    if (est_server is None) != (authority is None):
        raise click.UsageError(
            say("--est-server goes with --authority: the server is trusted by it")
        )
    if est_server is None and token_file is not None:
        raise click.UsageError(say("--token-file goes with --est-server"))
    wireless = None
    if wifi is not None:
        wireless = wifi, _secret(wifi_password_file, say("Password of the network"))
    enrolling = None
    if est_server is not None and authority is not None:
        token = _secret(token_file, say("One-time token"))
        enrolling = est_server, authority, token
    command.prepare_card(
        target,
        by=by,
        site=site,
        repository=repository,
        suite=suite,
        architecture=architecture,
        wireless=wireless,
        enrolling=enrolling,
        page=made(),
        label=label,
        now=datetime.now(UTC),
    )


def _secret(file: Path | None, asked: str) -> str:
    """Never on the command line: others would see it there."""
    if file is None:
        return str(click.prompt(asked, hide_input=True))
    from provisioning.commands import card as command

    return command.secret_in(file)


COMMANDS = (card,)
