"""Click command of the simulation: simulate."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from provisioning.console.options import FOLDER, json_option
from provisioning.wording import say

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(
    "simulate",
    help=say(
        "Simulate many devices against a broker, to size a platform.\n\n"
        "Each has the agent's own outbox (SQLite) and uplink, an identity and epoch of its own, and no camera: what "
        "happens is drawn.\n"
        "All of it stays in FOLDER, one outbox a device; simulated again there, what was not delivered goes on.\n"
        "The broker must let one login publish for every device of the tenant.\n"
    ),
)
@click.argument("folder", metavar=say("FOLDER"), type=FOLDER)
@click.option("--devices", type=int, default=20, show_default=True, help=say("How many devices."))
@click.option(
    "--broker",
    metavar="URL",
    required=True,
    help=say("Address of the broker: mqtt[s]://HOST[:PORT]."),
)
@click.option(
    "--tenant",
    metavar=say("NAME"),
    default="simulation",
    show_default=True,
    help=say("The tenant of all of them."),
)
@click.option(
    "--rate",
    "rate_per_h",
    type=float,
    default=20.0,
    show_default=True,
    help=say(
        "Events of cases per device and hour, on average; births, heartbeats and summaries come besides."
    ),
)
@click.option(
    "--minutes", type=float, default=5.0, show_default=True, help=say("How long something happens.")
)
@click.option(
    "--settle",
    "settle_s",
    type=float,
    default=120.0,
    show_default=True,
    help=say("Seconds in which the last events may arrive after that."),
)
@click.option(
    "--seed", type=int, default=1, show_default=True, help=say("What happens follows from it.")
)
@click.option(
    "--outage-at", type=float, metavar=say("MINUTE"), help=say("When the link of a region is cut.")
)
@click.option(
    "--outage-for",
    type=float,
    metavar=say("MINUTES"),
    help=say("After how long it is there again."),
)
@click.option(
    "--outage-hours",
    type=float,
    metavar=say("HOURS"),
    help=say(
        "So many hours pass for the devices that are cut off, 24 for a day. Default: what passes."
    ),
)
@click.option(
    "--region",
    "region_percent",
    type=float,
    default=25.0,
    show_default=True,
    metavar=say("PERCENT"),
    help=say("Share of the devices behind that link."),
)
@click.option(
    "--confirm",
    type=click.Choice(["broker", "platform"]),
    default="broker",
    show_default=True,
    help=say("What confirms an event: the broker's acknowledgement, or the platform's receipt."),
)
@click.option(
    "--processes", type=int, help=say("Among how many processes. Default: 90 devices each.")
)
@click.option(
    "--prefix", metavar=say("TOPIC"), help=say("How the topics begin. Default: kerbwatch/v2.")
)
@click.option("--username", metavar=say("NAME"), help=say("Login at the broker."))
@click.option("--password-file", type=_FILE, help=say("File with its password."))
@click.option("--ca-file", type=_FILE, help=say("Authorities of the broker's certificate."))
@click.option("--certificate-file", type=_FILE, help=say("Certificate that all devices show."))
@click.option("--key-file", type=_FILE, help=say("Its key."))
@json_option(say("Print the result as JSON."))
def simulate(
    *,
    folder: Path,
    devices: int,
    broker: str,
    tenant: str,
    rate_per_h: float,
    minutes: float,
    settle_s: float,
    seed: int,
    outage_at: float | None,
    outage_for: float | None,
    outage_hours: float | None,
    region_percent: float,
    confirm: str,
    processes: int | None,
    prefix: str | None,
    username: str | None,
    password_file: Path | None,
    ca_file: Path | None,
    certificate_file: Path | None,
    key_file: Path | None,
    as_json: bool,
) -> None:
    """Simulate many devices."""
    from provisioning.commands import simulate as command
    from provisioning.simulation.plan import Wanted

    uplink = {
        "topic_prefix": prefix,
        "username": username,
        "password_file": password_file,
        "ca_file": ca_file,
        "certificate_file": certificate_file,
        "key_file": key_file,
    }
    wanted = Wanted(
        folder=folder,
        broker=broker,
        tenant=tenant,
        devices=devices,
        rate_per_h=rate_per_h,
        minutes=minutes,
        settle_s=settle_s,
        seed=seed,
        confirm=confirm,
        processes=processes,
        outage_at=outage_at,
        outage_for=outage_for,
        outage_hours=outage_hours,
        region_percent=region_percent,
        uplink={name: value for name, value in uplink.items() if value is not None},
    )
    sys.exit(command.simulate(wanted, as_json=as_json))


COMMANDS = (simulate,)
