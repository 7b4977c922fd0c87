"""Click commands of the inventory: fleet."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from provisioning.console.options import json_option
from provisioning.wording import say

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
NEW_FILE = click.Path(dir_okay=False, path_type=Path)
STATES = ("stock", "active", "decommissioned")
LARGEST_SKIP = 23
_FLEET = click.argument("fleet", metavar=say("FLEET"), type=NEW_FILE)


@click.group(
    "fleet",
    help=say(
        "Keep the inventory of all units, in the office.\n\n"
        "FLEET is its file (SQLite). A unit is known by its serial number, a corner by TENANT/DEVICE.\n"
    ),
)
def fleet() -> None:
    """Hold the commands about the inventory."""


@fleet.command(
    "add", help=say("Put a unit into the inventory, or change what is told of one that is in it.")
)
@_FLEET
@click.argument("serial", metavar=say("SERIAL"))
@click.option("--device", metavar=say("TENANT/DEVICE"), help=say("The corner that it watches."))
@click.option("--site", metavar=say("TEXT"), help=say("Where that is, for people."))
@click.option(
    "--replaces",
    metavar=say("SERIAL"),
    help=say("It takes the place of this unit, which is decommissioned."),
)
@click.option("--page-address", metavar="URL", help=say("Address of its page: https://HOST/."))
@click.option(
    "--page-fingerprint", metavar="SHA256", help=say("Fingerprint of its page's certificate.")
)
@click.option("--access-point", metavar=say("NAME"), help=say("Name of its own network."))
@click.option("--notes", metavar=say("TEXT"), help=say("Anything else, for people."))
def fleet_add(
    fleet: Path,
    serial: str,
    device: str | None,
    site: str | None,
    replaces: str | None,
    page_address: str | None,
    page_fingerprint: str | None,
    access_point: str | None,
    notes: str | None,
) -> None:
    """Put a unit into the inventory."""
    from provisioning.commands import fleet as command

    tenant, device_id = None, None
    if device is not None:
        tenant, slash, device_id = device.partition("/")
        if not slash:
            raise click.UsageError(say("--device is TENANT/DEVICE"))
    values = {
        "tenant": tenant,
        "device_id": device_id,
        "site": site,
        "page_address": page_address,
        "page_fingerprint": page_fingerprint,
        "access_point": access_point,
        "notes": notes,
    }
    command.add(fleet, serial, values, replaces)


@fleet.command(
    "list",
    help=say("List the units: serial number, corner, state, version, certificate, acceptance."),
)
@_FLEET
@click.option("--state", type=click.Choice(STATES), help=say("Only units in this state."))
@click.option(
    "--ends-within",
    "ends_within_days",
    type=click.IntRange(0, 3650),
    metavar=say("DAYS"),
    help=say("Only units at work whose certificate ends so soon, or is not known."),
)
@json_option(say("Print the list as JSON."))
def fleet_list(fleet: Path, state: str | None, ends_within_days: int | None, as_json: bool) -> None:
    """List the units."""
    from provisioning.commands import fleet as command

    command.show_all(fleet, state, ends_within_days, as_json=as_json)


@fleet.command("show", help=say("Show everything that is known of a unit."))
@_FLEET
@click.argument("which", metavar=say("SERIAL|TENANT/DEVICE"))
@json_option(say("Print it as JSON."))
def fleet_show(fleet: Path, which: str, as_json: bool) -> None:
    """Show a unit."""
    from provisioning.commands import fleet as command

    command.show(fleet, which, as_json=as_json)


@fleet.command(
    "import",
    help=say(
        "Take units from a CSV file with a head; all faults are listed with row and column.\n\n"
        "Columns may be left out, and stand in any order; `kerbwatch fleet export` shows their names. A unit "
        "that is in the\n"
        "inventory is replaced by what the file says of it.\n"
    ),
)
@_FLEET
@click.argument("table", metavar=say("TABLE"), type=FILE)
def fleet_import(fleet: Path, table: Path) -> None:
    """Take units from CSV."""
    from provisioning.commands import fleet as command

    command.import_table(fleet, table)


@fleet.command("export", help=say("Write the inventory as CSV (UTF-8), for programs for tables."))
@_FLEET
@click.argument("out", metavar=say("OUT"), type=NEW_FILE)
def fleet_export(fleet: Path, out: Path) -> None:
    """Write the inventory as CSV."""
    from provisioning.commands import fleet as command

    command.export_table(fleet, out)


@fleet.command(
    "take",
    help=say(
        "Take what devices and the authority say: versions, acceptance, decommissioning, certificates, pages.\n\n"
        "FILES hold JSON, one document a line or one alone: the contract's messages or events, what `kerbwatch "
        "ca list`,\n"
        "`kerbwatch identity show` and `kerbwatch page identity` print with --json, or the record of `kerbwatch "
        "decommission`;\n"
        "or are the database of the example platform's consumer. Older news changes nothing.\n"
    ),
)
@_FLEET
@click.argument("files", metavar=say("[FILES]..."), nargs=-1, required=True, type=FILE)
def fleet_take(fleet: Path, files: tuple[Path, ...]) -> None:
    """Take news."""
    from provisioning.commands import fleet as command

    sys.exit(command.take(fleet, files))


@fleet.command(
    "labels",
    help=say(
        "Print labels as PDF: name, serial number, the QR code that opens the page, its fingerprint.\n\n"
        "24 on a sheet of A4, each 70 × 37 mm. Without WHICH: all units that are not decommissioned.\n"
    ),
)
@_FLEET
@click.argument("out", metavar=say("OUT"), type=NEW_FILE)
@click.argument("which", metavar=say("[SERIAL|TENANT/DEVICE]..."), nargs=-1)
@click.option(
    "--page-address",
    metavar="URL",
    help=say("Address of the page, for units of which it is not known."),
)
@click.option(
    "--skip",
    type=click.IntRange(0, LARGEST_SKIP),
    default=0,
    show_default=True,
    help=say("Places of the first sheet that are used already."),
)
@click.option("--font", type=FILE, help=say("TrueType font with Chinese. Default: the system's."))
def fleet_labels(
    fleet: Path,
    out: Path,
    which: tuple[str, ...],
    page_address: str | None,
    skip: int,
    font: Path | None,
) -> None:
    """Print labels."""
    from provisioning.commands import fleet as command

    command.labels(fleet, which, out, page_address, skip, font)


COMMANDS = (fleet,)
