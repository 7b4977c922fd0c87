"""Click commands of an offline certificate authority: ca."""

from __future__ import annotations

from pathlib import Path

import click

from provisioning.console.options import FOLDER, json_option
from provisioning.wording import say

AUTHORITY_DAYS, DEVICE_DAYS, SERVER_DAYS, CRL_DAYS = 3650, 730, 397, 366
"""As in :mod:`provisioning.enrolment.profiles`, which is slow to import; a test compares them."""
REASONS = ("lost", "replaced", "out-of-service", "unspecified")
MAX_DAYS = 36_500

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_AUTHORITY = click.argument("authority", metavar=say("AUTHORITY"), type=FOLDER)
_PASSPHRASE = click.option(
    "--passphrase-file",
    type=FILE,
    help=say("File with the authority's passphrase in its first line. Default: it is asked for."),
)
_OUT = click.option("--out", type=FOLDER, help=say("Folder for the certificates."))
_CRL_DAYS = click.option(
    "--days",
    type=click.IntRange(1, MAX_DAYS),
    default=CRL_DAYS,
    show_default=True,
    help=say("Days until the next revocation list is due."),
)


@click.group(
    "ca",
    help=say(
        "Run a certificate authority for devices and brokers, offline, in a folder.\n\n"
        "For fleets without a PKI of the city's. Keep the folder on a computer or a stick that no device "
        "and no broker can reach.\n"
    ),
)
def ca() -> None:
    """Hold the commands of an authority."""


@ca.command("init", help=say("Make an authority in a new folder. Its passphrase is asked for."))
@_AUTHORITY
@click.option(
    "--name",
    required=True,
    metavar=say("NAME"),
    help=say("The authority's name, such as 'Example City Devices CA'."),
)
@click.option(
    "--days",
    type=click.IntRange(1, MAX_DAYS),
    default=AUTHORITY_DAYS,
    show_default=True,
    help=say("Days for which it is valid."),
)
@_PASSPHRASE
def ca_init(authority: Path, name: str, days: int, passphrase_file: Path | None) -> None:
    """Make an authority."""
    from provisioning.commands import ca

    ca.init(authority, name, passphrase_file, days)


@ca.command(
    "sign",
    help=say(
        "Sign devices' requests, as `kerbwatch identity request` makes them; or, with --server, issue a "
        "broker's certificate.\n\n"
        "Of a device's request the name (CN) and the key are taken, and nothing else. The certificate is "
        "written beside the\n"
        "request, or into --out.\n"
    ),
)
@_AUTHORITY
@click.argument("requests", metavar=say("[REQUEST]..."), nargs=-1, type=FILE)
@click.option(
    "--device",
    metavar=say("TENANT/DEVICE"),
    help=say("Refuse a request of another device than this."),
)
@click.option(
    "--renew",
    is_flag=True,
    help=say("The device may have a certificate already; it stays valid until its end."),
)
@click.option(
    "--replace",
    is_flag=True,
    help=say("Another unit in the device's place: its earlier certificates are revoked."),
)
@click.option(
    "--server",
    is_flag=True,
    help=say("Issue a server's certificate; without REQUEST its key is made as well."),
)
@click.option(
    "--name",
    "names",
    multiple=True,
    metavar=say("NAME"),
    help=say("Host name or address of the server; may be given again. Default: the request's."),
)
@click.option(
    "--days",
    type=click.IntRange(1, MAX_DAYS),
    help=say(
        "Days for which it is valid. Default: {device} for a device, {server} for a server.",
        device=DEVICE_DAYS,
        server=SERVER_DAYS,
    ),
)
@_OUT
@_PASSPHRASE
def ca_sign(
    authority: Path,
    requests: tuple[Path, ...],
    device: str | None,
    renew: bool,
    replace: bool,
    server: bool,
    names: tuple[str, ...],
    days: int | None,
    out: Path | None,
    passphrase_file: Path | None,
) -> None:
    """Sign requests."""
    from provisioning.commands import ca

    if server:
        if len(requests) > 1 or device or renew or replace:
            raise click.UsageError(say("--server goes with one REQUEST at most, and with --name"))
        request = requests[0] if requests else None
        ca.sign_server(authority, names, request, out, passphrase_file, days or SERVER_DAYS)
        return
    if names or not requests:
        raise click.UsageError(say("give REQUEST; or --server with --name"))
    if renew and replace:
        raise click.UsageError(say("give --renew or --replace, not both"))
    wanted = ca.Wanted(days or DEVICE_DAYS, renew=renew, replace=replace, expected=device)
    ca.sign(authority, requests, out, passphrase_file, wanted)


@ca.command(
    "revoke",
    help=say(
        "Revoke certificates, and write the revocation list (ca.crl).\n\n"
        "WHICH is a serial number in hexadecimal or its beginning, or a name: TENANT/DEVICE, or a server's; "
        "of a name all valid\n"
        "certificates are revoked.\n"
    ),
)
@_AUTHORITY
@click.argument("which", metavar=say("[WHICH]..."), nargs=-1, required=True)
@click.option(
    "--reason",
    type=click.Choice(REASONS),
    default="unspecified",
    show_default=True,
    help=say("Why; stands in the revocation list. lost: somebody may have the key."),
)
@_CRL_DAYS
@_PASSPHRASE
def ca_revoke(
    authority: Path, which: tuple[str, ...], reason: str, days: int, passphrase_file: Path | None
) -> None:
    """Revoke certificates."""
    from provisioning.commands import ca

    ca.revoke(authority, which, reason, passphrase_file, days)


@ca.command("list", help=say("List what was issued, and what was revoked. Needs no passphrase."))
@_AUTHORITY
@json_option(say("Print the list as JSON."))
def ca_list(authority: Path, as_json: bool) -> None:
    """List what was issued."""
    from provisioning.commands import ca

    ca.show(authority, as_json=as_json)


@ca.command(
    "crl",
    help=say("Write the revocation list (ca.crl) anew, before the one on the brokers expires.\n"),
)
@_AUTHORITY
@_CRL_DAYS
@_PASSPHRASE
def ca_crl(authority: Path, days: int, passphrase_file: Path | None) -> None:
    """Write the revocation list."""
    from provisioning.commands import ca

    ca.crl(authority, passphrase_file, days)


COMMANDS = (ca,)
