"""Click commands on what a running agent sees, and what other zones would have given: picture, dry-run."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from provisioning.console.options import FOLDER, SITE, json_option
from provisioning.wording import say

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(
    "picture",
    help=say(
        "Write a redacted picture of what a running agent sees now.\n\n"
        "Heads, plates and what moves are hidden, as in what leaves the device. A picture that cannot be "
        "redacted is not written, and why is said.\n"
    ),
)
@SITE
@click.option("--camera", help=say("Which camera; with one camera it need not be named."))
@click.option("--zones", is_flag=True, help=say("Draw the site's zones into it."))
@click.option("--seen", is_flag=True, help=say("Draw what the detector sees, with its foot point."))
@click.option(
    "--preview", is_flag=True, help=say("A small picture, at once: for pointing the camera.")
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help=say("File to write, .jpg or .png. Default: CAMERA.jpg in this folder."),
)
@json_option(say("Print the figures of the picture as JSON."))
def picture(
    site: Path,
    camera: str | None,
    zones: bool,
    seen: bool,
    preview: bool,
    out: Path | None,
    as_json: bool,
) -> None:
    """Write a picture."""
    from provisioning.commands.picture import Drawn, write_picture

    drawn = Drawn(zones=zones, seen=seen)
    write_picture(site, camera, drawn, out, preview=preview, as_json=as_json)


@click.command(
    "dry-run",
    help=say(
        "Say what zones would have given over the tracks of the last hours: cases, and what was near to "
        "one, with its figures.\n\n"
        "Without --zones it is what the site's own zones give. Nothing is changed.\n"
    ),
)
@SITE
@click.option(
    "--zones", "proposed", type=_FILE, help=say("A zones.json to be held against the site's own.")
)
@click.option(
    "--hours",
    type=click.FloatRange(0, 168, min_open=True),
    default=3.0,
    show_default=True,
    help=say("How far to go back."),
)
@click.option(
    "--results",
    type=FOLDER,
    help=say("The folder of a replay's results (its --out) instead of the device's own tracks."),
)
@json_option(say("Print the result as JSON."))
def dry_run(
    site: Path, proposed: Path | None, hours: float, results: Path | None, as_json: bool
) -> None:
    """Judge stored tracks by other zones."""
    from provisioning.commands.dry_run import show

    sys.exit(show(site, proposed, hours=hours, results=results, as_json=as_json))


COMMANDS = (picture, dry_run)
