"""Click commands of a device's own identity: identity."""

from __future__ import annotations

from pathlib import Path

import click

from provisioning.console.options import FOLDER, SITE, json_option
from provisioning.wording import say

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_PLACE = click.option(
    "--folder",
    type=FOLDER,
    help=say("Folder of the identity. Default: identity/ beside site.toml."),
)
_AUTHORITY = click.option(
    "--authority",
    type=FILE,
    help=say("The authority that is trusted from now on (ca.crt); kept in the identity's folder."),
)


@click.group(
    "identity",
    help=say(
        "The device's key and certificate. The key is made here, and never leaves this device.\n"
    ),
)
def identity() -> None:
    """Hold the commands about the identity."""


@identity.command(
    "request",
    help=say(
        "Make a key, and the request that is carried to the authority by stick or page.\n\n"
        "Called again, it shows the same request, until a certificate was installed.\n"
    ),
)
@SITE
@_PLACE
@_AUTHORITY
@click.option("--out", type=FOLDER, help=say("Copy the request into this folder, such as a stick."))
def identity_request(
    site: Path, folder: Path | None, authority: Path | None, out: Path | None
) -> None:
    """Make a key and a request."""
    from provisioning.commands import identity

    identity.request(site, folder, authority, out)


@identity.command(
    "install",
    help=say(
        "Put the certificate in use that was issued for this device's request.\n\n"
        "It must be of the key that waits here, of this device, and lead to the pinned authority; all faults "
        "are listed.\n"
    ),
)
@SITE
@click.argument("certificate", metavar=say("CERTIFICATE"), type=FILE)
@_PLACE
@_AUTHORITY
def identity_install(
    site: Path, certificate: Path, folder: Path | None, authority: Path | None
) -> None:
    """Install a certificate."""
    from provisioning.commands import identity

    identity.install(site, folder, certificate, authority)


@identity.command(
    "enrol",
    help=say(
        "Get a certificate from an EST server (RFC 7030), with a one-time token for this device.\n\n"
        "The server is trusted by the pinned authority alone. Later certificates need no token.\n"
    ),
)
@SITE
@click.option(
    "--server",
    metavar="URL",
    help=say("Address of the EST server: https://HOST/.well-known/est. Kept for renewals."),
)
@click.option(
    "--token-file", type=FILE, help=say("File with the one-time token. Default: it is asked for.")
)
@_PLACE
@_AUTHORITY
def identity_enrol(
    site: Path,
    server: str | None,
    token_file: Path | None,
    folder: Path | None,
    authority: Path | None,
) -> None:
    """Enrol the device."""
    from provisioning.commands import identity

    identity.enrol(site, folder, server, authority, token_file)


@identity.command(
    "renew",
    help=say(
        "Renew the certificate once two thirds of its life are over; kerbwatch-renew.timer calls it.\n\n"
        "With an EST server the next one is put in use; without one, the next request is made, to be "
        "carried.\n"
    ),
)
@SITE
@click.option("--now", is_flag=True, help=say("Renew it now, whether it is due or not."))
@_PLACE
def identity_renew(site: Path, now: bool, folder: Path | None) -> None:
    """Renew the certificate."""
    from provisioning.commands import identity

    identity.renew(site, folder, now=now)


@identity.command("show", help=say("Show certificate, authority, and what is waiting."))
@SITE
@_PLACE
@json_option(say("Print it as JSON."))
def identity_show(site: Path, folder: Path | None, as_json: bool) -> None:
    """Show the identity."""
    from provisioning.commands import identity

    identity.show(site, folder, as_json=as_json)


@identity.command(
    "hand-over",
    help=say(
        "Copy the site for a unit that takes this one's place: no key, no certificate, no password.\n"
    ),
)
@SITE
@click.argument("out", metavar=say("OUT"), type=FOLDER)
def identity_hand_over(site: Path, out: Path) -> None:
    """Copy the site without its secrets."""
    from provisioning.commands.hand_over import hand_over

    hand_over(site, out)


COMMANDS = (identity,)
