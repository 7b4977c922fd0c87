"""Click commands that play footage: replay, demo."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from provisioning.console.options import FOLDER, SITE, json_option
from provisioning.wording import say


@click.command(
    "replay",
    help=say(
        "Run recorded footage of a site through the agent's analysis, faster than real time.\n\n"
        "The same footage, site and models give the same events.\n"
    ),
)
@SITE
@click.option(
    "--out",
    type=FOLDER,
    help=say("Folder for events.jsonl and evidence/. By default nothing is stored."),
)
@click.option(
    "--state",
    type=FOLDER,
    help=say("Folder for the state, to continue where an earlier replay stopped."),
)
@click.option(
    "--fps",
    type=click.FloatRange(0, min_open=True),
    help=say("Frames a second to analyse (default: as configured)."),
)
@click.option(
    "--from",
    "from_s",
    type=click.FloatRange(0),
    default=0,
    help=say("Where to begin in the footage, in seconds."),
)
@click.option(
    "--until",
    "until_s",
    type=click.FloatRange(0),
    help=say("Where to end in the footage, in seconds."),
)
@click.option(
    "--camera",
    "cameras",
    multiple=True,
    help=say("Use another video file (or a folder of pictures) for one camera. May be repeated."),
)
@click.option(
    "--show",
    type=FOLDER,
    help=say("Write annotated pictures into this folder. They are not redacted."),
)
@click.option(
    "--show-every",
    "show_every_s",
    type=click.FloatRange(0.1),
    default=10.0,
    show_default=True,
    help=say("Minimum seconds of footage between two pictures; changes of cases always get one."),
)
@json_option(say("Print one JSON document with the events and the summary, and nothing else."))
def replay(
    site: Path,
    out: Path | None,
    state: Path | None,
    fps: float | None,
    from_s: float,
    until_s: float | None,
    cameras: tuple[str, ...],
    show: Path | None,
    show_every_s: float,
    as_json: bool,
) -> None:
    """Replay recorded footage."""
    from agent.config.loading import load
    from agent.config.site_files import site_folder
    from drivers.files.privileges import settle_in
    from provisioning.commands import replay
    from provisioning.rendering.annotated_frames import Show

    configuration = replay.with_footage(load(site), cameras)
    for folder in (out, state, show):
        if folder is not None:  # results belong to whoever keeps the folder
            settle_in(folder, groups=[site.stat().st_gid])
    replay.replay_site(
        configuration,
        base=site_folder(site),
        stretch=replay.Stretch(from_s=from_s, until_s=until_s, frames_per_s=fps),
        out=out,
        state=state,
        as_json=as_json,
        show=None if show is None else Show(show, show_every_s),
    )


@click.command(
    "demo",
    help=say(
        "Show everything at work: a rendered street, the agent, a broker, and a consumer of its "
        "events.\n\n"
        "The street is examples/street, shown in real time. Events are received over MQTT, "
        "checked\n"
        "against the contract and written to OUT/events.jsonl. At the end, the reported cases "
        "are compared\n"
        "with the staged problems.\n"
    ),
)
@click.option(
    "--out",
    type=FOLDER,
    help=say("Folder for the results: new or empty. Default: the next free demo-out/run-N."),
)
@click.option(
    "--broker", help=say("Use this broker, as mqtt://HOST:PORT, instead of starting one.")
)
@click.option(
    "--fast",
    is_flag=True,
    help=say("Play the footage as fast as this machine can, not in real time."),
)
def demo(out: Path | None, broker: str | None, fast: bool) -> None:
    """Show everything at work."""
    from provisioning.commands.demo import show

    sys.exit(show(out, broker, fast=fast))


COMMANDS = (replay, demo)
