"""Click commands on how was judged: explain, collected."""

from __future__ import annotations

from pathlib import Path

import click

from provisioning.console.options import SITE, json_option
from provisioning.wording import say


@click.command(
    "explain",
    help=say(
        "Explain why a case opened, or, with --zone, why none did: the measures of its rule over time.\n\n"
        "WHERE is a site, or the results of a replay (its --out). CASE is a case's id or its "
        "first characters;\n"
        "by default the newest case is explained.\n"
    ),
)
@click.argument("where", metavar=say("WHERE"), type=click.Path(exists=True, path_type=Path))
@click.argument("case_id", metavar=say("[CASE]"), required=False)
@click.option(
    "--strip",
    type=click.Path(dir_okay=False, path_type=Path),
    help=say("Write the case's pictures side by side into this file (.jpg, .png)."),
)
@click.option(
    "--suppressed",
    is_flag=True,
    help=say("List, zone by zone, what was no case by the verifier's word. Names no CASE."),
)
@click.option(
    "--zone",
    metavar=say("ZONE"),
    help=say("Explain why no case opened in this zone: what was made of it, minute by minute."),
)
@click.option(
    "--at",
    metavar=say("TIME"),
    help=say("When, as 2026-03-01 10:05, or 10:05 of today (with --zone). Default: the last."),
)
@json_option(say("Print all data stored about the case as JSON."))
def explain(
    where: Path,
    case_id: str | None,
    strip: Path | None,
    suppressed: bool,
    zone: str | None,
    at: str | None,
    as_json: bool,
) -> None:
    """Explain why a case opened, or none did."""
    from provisioning.commands import explain, explain_silence

    if zone is not None and not (case_id or strip or suppressed):
        explain_silence.explain_silence(where, zone, at, as_json=as_json)
        return
    if zone is not None or at is not None:
        raise click.UsageError(say("--zone goes with --at alone, and --at with --zone"))
    if suppressed:
        explain.list_suppressed(where, as_json=as_json)
        return
    explain.explain(where, case_id, strip, as_json=as_json)


@click.command(
    "collected",
    help=say(
        "List the crops of doubtful judgements that the collection mode stored, and copy them "
        "for labelling.\n\n"
        "Heads and plates in the crops are redacted. Nothing is stored until site.toml says with "
        "whose\n"
        "consent ([collection]).\n"
    ),
)
@SITE
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help=say("Copy the crops into this folder, with a subfolder for each answer."),
)
@click.option(
    "--remove", is_flag=True, help=say("Delete the copied crops on this device (with --out).")
)
@json_option(say("Print the list as JSON."))
def collected(site: Path, out: Path | None, remove: bool, as_json: bool) -> None:
    """List the collected crops, and copy them."""
    from provisioning.commands import collected

    if remove and out is None:
        raise click.UsageError(say("--remove needs --out: only what was copied is deleted"))
    collected.collected(site, out, remove=remove, as_json=as_json)


COMMANDS = (explain, collected)
