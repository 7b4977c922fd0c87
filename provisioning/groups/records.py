"""Click commands on stored records: retention, hold, audit, report, decommission, evidence, verify."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provisioning.console.options import SITE, json_option
from provisioning.wording import say

if TYPE_CHECKING:
    from provisioning.commands.last_word import Reason


def _day(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    """A day of the calendar, or ``today``."""
    if value is None or value == "today":
        return value
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError as error:
        raise click.BadParameter(say("give a day as 2026-03-01, or today")) from error


_CASE = click.argument("case_id", metavar=say("CASE"))
_REASON = click.option(
    "--reason", required=True, help=say("Reason, and who ordered it; recorded in the audit log.")
)


@click.command(
    "retention",
    help=say(
        "Delete what has passed its retention period.\n\n"
        "That is pictures of closed cases, old rows and free space of the database, by "
        "[retention] in site.toml.\n"
        "The agent does the same at intervals; both may run at once.\n"
    ),
)
@SITE
@json_option(say("Print the result as JSON."))
def retention(site: Path, as_json: bool) -> None:
    """Delete old data."""
    from provisioning.commands import retention

    sys.exit(retention.let_go(site, as_json=as_json))


@click.group("hold", help=say("Keep the pictures of a case, regardless of retention."))
def hold() -> None:
    """Hold the commands about legal holds."""


@hold.command("set", help=say("Hold a case. CASE is its id or the first characters of it."))
@SITE
@_CASE
@_REASON
def hold_set(site: Path, case_id: str, reason: str) -> None:
    """Hold a case."""
    from provisioning.commands import retention

    retention.set_hold(site, case_id, reason)


@hold.command("lift", help=say("Lift the hold on a case."))
@SITE
@_CASE
@_REASON
def hold_lift(site: Path, case_id: str, reason: str) -> None:
    """Lift a hold."""
    from provisioning.commands import retention

    retention.lift_hold(site, case_id, reason)


@hold.command("list", help=say("List the cases that are held, and why."))
@SITE
@json_option(say("Print the list as JSON."))
def hold_list(site: Path, as_json: bool) -> None:
    """List the holds."""
    from provisioning.commands import retention

    retention.list_holds(site, as_json=as_json)


@click.group("audit", help=say("Read the audit log: who changed what, and when."))
def audit() -> None:
    """Hold the commands about the audit log."""


@audit.command("show", help=say("Print the newest records, oldest first."))
@SITE
@click.option(
    "--last",
    type=click.IntRange(1),
    default=50,
    show_default=True,
    help=say("Number of records to print."),
)
@json_option(say("Print the records as stored, one JSON document a line."))
def audit_show(site: Path, last: int, as_json: bool) -> None:
    """Print the audit log."""
    from provisioning.commands import audit

    audit.show(site, last, as_json=as_json)


@audit.command(
    "verify",
    help=say(
        "Check the hash chain of the audit log, and say where it breaks.\n\n"
        "Records cut off at the end are found only by comparison with a known record: give the "
        "number and the\n"
        "hash that a heartbeat reported (its audit).\n"
    ),
)
@SITE
@click.option(
    "--known",
    metavar=say("NUMBER:HASH"),
    help=say("A record that is known from a heartbeat: it must be in the chain."),
)
@json_option(say("Print the result as JSON."))
def audit_verify(site: Path, known: str | None, as_json: bool) -> None:
    """Verify the audit log."""
    from provisioning.commands import audit

    sys.exit(audit.verify_log(site, known, as_json=as_json))


@click.command(
    "report",
    help=say(
        "Print the daily summary: cases by zone and code, how long each zone was watched, state "
        "of the device.\n"
    ),
)
@SITE
@click.option(
    "--day",
    metavar=say("DAY"),
    callback=_day,
    help=say("Which day, as 2026-03-01, or today. Default: yesterday."),
)
@json_option(say("Print the summary as sent to the platform, as JSON."))
def report(site: Path, day: str | None, as_json: bool) -> None:
    """Print the daily summary."""
    from provisioning.commands import report

    report.report(site, day, as_json=as_json)


@click.command(
    "decommission",
    help=say(
        "Wipe a device for good: keys, pictures, database, logs, the secret files named in "
        "site.toml, and what the page at the pole has.\n\n"
        "The agent must be stopped, and no case held. What was wiped is printed as JSON, signed "
        "with the device's\n"
        "key before the key is wiped.\n"
    ),
)
@SITE
@click.option(
    "--confirm",
    "confirmed",
    metavar=say("DEVICE"),
    help=say("The device's id, as confirmation; by default it is asked for."),
)
@click.option(
    "--reason",
    type=click.Choice(
        ["replaced", "relocated", "end_of_life", "end_of_contract", "damaged", "stolen"]
    ),
    help=say("Why; the platform is told before anything is wiped. Without it, it is not told."),
)
@click.option(
    "--root",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    default="/",
    hidden=True,
)
def decommission(site: Path, confirmed: str | None, reason: Reason | None, root: Path) -> None:
    """Wipe a device."""
    from provisioning.commands import decommission

    sys.exit(decommission.decommission(site, confirmed, reason, root))


@click.group("evidence", help=say("The packet of a case: all that proves it, in one file."))
def evidence() -> None:
    """Hold the commands about packets."""


@evidence.command(
    "export",
    help=say(
        "Write the packet of a case: manifests, redacted pictures, events, keys.\n\n"
        "WHERE is a site, or the folder of a replay's results. CASE is the case's id or the first "
        "characters of it.\n"
    ),
)
@click.argument("where", metavar=say("WHERE"), type=click.Path(exists=True, path_type=Path))
@_CASE
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help=say("File to write. Default: evidence-CASE.zip in this folder."),
)
@click.option(
    "--originals",
    is_flag=True,
    help=say("With the pictures as they were taken, people included; needs --reason."),
)
@click.option("--reason", help=say("Reason, and who ordered it; recorded in the audit log."))
@json_option(say("Print the result as JSON."))
def evidence_export(
    where: Path, case_id: str, out: Path | None, originals: bool, reason: str | None, as_json: bool
) -> None:
    """Write a packet."""
    from provisioning.commands import evidence

    evidence.export(where, case_id, out, originals=originals, reason=reason, as_json=as_json)


@click.command(
    "verify",
    help=say(
        "Verify the packet of a case, without any network, and name every part that was changed.\n\n"
        "Without --key it is verified by the key in the packet: then nothing was changed since "
        "that key signed,\n"
        "and whose key it is remains to be compared.\n"
    ),
)
@click.argument(
    "file", metavar=say("FILE"), type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option(
    "--key",
    "keys",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help=say("The device's public key, as its birth told it (JWK); may be given again."),
)
@json_option(say("Print the result as JSON."))
def verify(file: Path, keys: tuple[Path, ...], as_json: bool) -> None:
    """Verify a packet."""
    from provisioning.commands import evidence

    sys.exit(evidence.verify(file, keys, as_json=as_json))


COMMANDS = (retention, hold, audit, report, decommission, evidence, verify)
