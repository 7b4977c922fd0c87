"""The ``kerbwatch`` command.

Nothing of the agent is imported before a command needs it: ``--help`` answers at once, and a
camera library that is missing never keeps a configuration from being checked.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from drivers.files import installed
from provisioning import groups
from provisioning.console.exit_codes import INTERRUPTED, expected, may_be_damage, report
from provisioning.console.options import FOLDER, SITE, json_option
from provisioning.wording import in_words, say, say_many


class Kerbwatch(click.Group):
    """The group that turns expected errors into one block on stderr and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        before = os.umask(PRIVATE)
        try:
            return self._invoke(ctx)
        finally:
            os.umask(before)

    def _invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except (KeyboardInterrupt, click.Abort):
            click.echo(say("Interrupted."), err=True)
            ctx.exit(INTERRUPTED)
        except Exception as error:
            failure = expected(error)
            if may_be_damage(error) and (told := installed.complaint()):
                click.echo(in_words(told), err=True)
            if failure is None:
                raise
            report(error, failure)
            ctx.exit(failure.exit_code)


PRIVATE = 0o077
"""The umask: pictures of the street, keys and cases are written for nobody else; what others shall read says so."""
# What OpenCV warns of is said again in our own words, with what to do about it.
os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")

_site, _folder, _as_json = SITE, FOLDER, json_option


@click.group(
    cls=Kerbwatch,
    help=say(
        "Watch a street corner and report its problems.\n"
        "\n"
        "SITE is a folder with site.toml and zones.json, or the site.toml itself.\n"
    ),
    epilog=say(
        "\b\n"
        "Exit codes:\n"
        "  0  all well\n"
        "  1  a fault was found, or the work failed\n"
        "  2  the command was called wrongly\n"
        "  3  the configuration or a model was refused\n"
        "  4  a camera or the broker could not be reached\n"
        "  5  the disk refused: state or results could not be written or read\n"
        "  130  interrupted"
    ),
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="kerbwatch", message="%(prog)s %(version)s")
def main() -> None:
    """Hold the commands together."""


@main.group("config", help=say("Check and show a site's configuration."))
def config_group() -> None:
    """Hold the commands about the configuration."""


@config_group.command(
    "validate",
    help=say(
        "Check a site's configuration: all faults at once, each with its place and what is "
        "allowed; and settings that are allowed but probably not intended."
    ),
)
@_site
@_as_json(say('Print {{"valid", "faults", "warnings"}} as JSON.'))
@click.option("--strict", is_flag=True, help=say("Fail on warnings as well."))
def config_validate(site: Path, as_json: bool, strict: bool) -> None:
    """Check a site's configuration."""
    from provisioning.commands.config_validate import validate

    sys.exit(validate(site, as_json=as_json, strict=strict))


@config_group.command(
    "show",
    help=say("Print the full configuration as JSON, defaults included."),
)
@_site
def config_show(site: Path) -> None:
    """Print the whole configuration."""
    from agent.config.loading import load

    _print_json(load(site).shown())


@config_group.command(
    "schema",
    help=say(
        "Print the JSON Schema of site.toml (with its zones), for editors and other programs."
    ),
)
def config_schema() -> None:
    """Print the configuration's JSON Schema."""
    from agent.config.loading import json_schema

    _print_json(json_schema())


@main.group("models", help=say("List, check, measure and adopt models."))
def models_group() -> None:
    """Hold the commands about models."""


@models_group.command("list", help=say("List the models: name, version, family, licence."))
@_as_json(say("Print the list as JSON."))
def models_list(as_json: bool) -> None:
    """List the models."""
    from provisioning.commands import models

    sys.exit(models.show(as_json=as_json))


@models_group.command(
    "verify",
    help=say("Check each model against its manifest (hash, shapes, classes) and run it once."),
)
@_as_json(say("Print the result per model as JSON."))
def models_verify(as_json: bool) -> None:
    """Check the models' files."""
    from provisioning.commands import models

    sys.exit(models.verify(as_json=as_json))


@models_group.command(
    "bench",
    help=say(
        "Measure models on this machine: threads, INT8 beside FP32, median and spread, and the "
        "time spent\n"
        "outside inference. NAMES are models; by default all are measured.\n"
    ),
)
@click.argument("names", metavar=say("[NAMES]..."), nargs=-1)
@click.option(
    "--seconds",
    type=click.FloatRange(0.1, 600),
    default=3.0,
    show_default=True,
    help=say("Time limit for each row of the table."),
)
@click.option("--pictures", type=_folder, help=say("Use crops of the pictures in this folder."))
@_as_json(say("Print the table as JSON."))
def models_bench(
    names: tuple[str, ...], seconds: float, pictures: Path | None, as_json: bool
) -> None:
    """Measure models."""
    from provisioning.commands.models_bench import bench

    bench(names, seconds=seconds, pictures=pictures, as_json=as_json)


@models_group.command(
    "adopt",
    help=say(
        "Create a model folder from a published ONNX file: its manifest is written from the file "
        "and the family,\n"
        "and the model is run once.\n"
    ),
)
@click.argument(
    "file", metavar=say("FILE"), type=click.Path(path_type=Path, exists=True, dir_okay=False)
)
@click.option("--name", required=True, help=say("Name of the model folder: a-z, 0-9, - and _."))
@click.option(
    "--family",
    required=True,
    type=click.Choice(["yolox", "nanodet_plus", "yolov8", "detr", "detr_deployed"]),
    help=say("Model family: how the output is decoded."),
)
@click.option("--licence", required=True, help=say("The licence of the weights."))
@click.option("--provenance", required=True, help=say("Source of the model."))
@click.option(
    "--version",
    default="1",
    show_default=True,
    help=say("Version of the model; goes into every event."),
)
@click.option(
    "--names",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help=say("A file with one class name a line; by default the names in the model's file."),
)
@click.option(
    "--size",
    nargs=2,
    type=click.IntRange(32, 4096),
    help=say("Width and height of the input in pixels, if the model leaves them open."),
)
@click.option("--imagenet", is_flag=True, help=say("Normalise the input as for ImageNet."))
@click.option("--into", type=_folder, help=say("The folder of models."))
def models_adopt(
    file: Path,
    name: str,
    family: str,
    licence: str,
    provenance: str,
    version: str,
    names: Path | None,
    size: tuple[int, int] | None,
    imagenet: bool,
    into: Path | None,
) -> None:
    """Make a model folder."""
    from agent.inference.manifest import model_folders
    from drivers.files.privileges import acting_for
    from provisioning.commands.models_adopt import Wanted, adopt

    wanted = Wanted(name, family, licence, provenance, version, names, size or None, imagenet)
    with acting_for(into or model_folders()[0]):
        adopt(file, wanted, into)


@main.command(
    "contract",
    help=say(
        "Write the schemas, the AsyncAPI document and the examples of the contract into FOLDER."
    ),
    hidden=True,
)
@click.argument("folder", metavar=say("FOLDER"), type=_folder)
def contract(folder: Path) -> None:
    """Write the contract's generated files."""
    from agent.protocol.generator import write

    written = len(write(folder))
    click.echo(
        say_many(
            "wrote {count} file to {folder}",
            "wrote {count} files to {folder}",
            written,
            folder=folder,
        )
    )


@main.command("run", help=say("Run the agent on a site until it is stopped (SIGTERM or Ctrl-C)."))
@_site
@click.option(
    "--orders-from-here",
    is_flag=True,
    help=say(
        "Whoever gives the orders runs on this machine: they expire by its clock, also while no time source has set it. Only with a broker on this machine."
    ),
)
def run(site: Path, *, orders_from_here: bool) -> None:
    """Run the agent."""
    from provisioning.commands.run import run_site

    sys.exit(run_site(site, orders_from_here=orders_from_here))


@main.command(
    "replay",
    help=say(
        "Run recorded footage of a site through the agent's analysis, faster than real time.\n\n"
        "The same footage, site and models give the same events.\n"
    ),
)
@_site
@click.option(
    "--out",
    type=_folder,
    help=say("Folder for events.jsonl and evidence/. By default nothing is stored."),
)
@click.option(
    "--state",
    type=_folder,
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
    type=_folder,
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
@_as_json(say("Print one JSON document with the events and the summary, and nothing else."))
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


@main.command(
    "check",
    help=say(
        """
Check everything about a device: configuration, models, packages, disk, clock, memory, cameras,
broker. Each finding says what it means and what to do.

The exit code is 0 if the device can do its work, and 1 if there is a fault.
"""
    ),
)
@_site
@click.option("--strict", is_flag=True, help=say("Fail on warnings as well."))
@click.option(
    "--fix",
    "fix_name",
    metavar=say("NAME"),
    help=say("Carry out the fix that a finding names, instead of checking."),
)
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    help=say("Write the findings onto a page to print (PDF) as well."),
)
@_as_json(say("Print the findings as JSON."))
def check(
    site: Path, strict: bool, fix_name: str | None, report: Path | None, as_json: bool
) -> None:
    """Check everything about a device."""
    if fix_name is not None:
        from provisioning.check.fixes import fix

        sys.exit(fix(site, fix_name))
    from provisioning.check import check as check_device

    sys.exit(check_device(site, as_json=as_json, strict=strict, report=report))


@main.group("cameras", help=say("Find cameras on this machine."))
def cameras_group() -> None:
    """Hold the commands about cameras."""


@cameras_group.command("list", help=say("List the connected cameras without opening them."))
@_as_json(say("Print the list as JSON."))
def cameras_list(as_json: bool) -> None:
    """List the cameras."""
    from provisioning.commands import cameras

    cameras.show(as_json=as_json)


@main.group("units", help=say("Install and show the systemd units."))
def units_group() -> None:
    """Hold the commands about systemd's units."""


@units_group.command(
    "install",
    help=say(
        "Install the systemd units, the agent's user and the limits of the journal, and enable "
        "the units. Run it\n"
        "again after an update: only changed files are written.\n"
    ),
)
@click.option(
    "--gpio", is_flag=True, help=say("Give the agent access to the GPIO pins (needed with [gpio]).")
)
def units_install(gpio: bool) -> None:
    """Install the systemd units."""
    from provisioning.commands import units

    sys.exit(units.install(pins=gpio))


@units_group.command(
    "remove",
    help=say(
        "Stop and disable the systemd units, and delete their files. Configuration, state, keys and "
        "evidence stay.\n"
    ),
)
def units_remove() -> None:
    """Remove the systemd units."""
    from provisioning.commands import units

    sys.exit(units.remove())


@units_group.command(
    "show",
    help=say("Show whether each unit runs, and systemd's exposure score: 0 is best, 10 is worst."),
)
@_as_json(say("Print the list as JSON."))
def units_show(as_json: bool) -> None:
    """Show the units."""
    from provisioning.commands import units

    sys.exit(units.show(as_json=as_json))


@main.command("watch", help=say("Show live what a running agent sees and does, until Ctrl-C."))
@_site
@click.option("--once", is_flag=True, help=say("Show it once."))
@click.option(
    "--every",
    "every_s",
    type=click.FloatRange(0.2, 60),
    default=1.0,
    show_default=True,
    help=say("Seconds between two updates."),
)
@_as_json(say("Print the agent's status once, as JSON."))
def watch(site: Path, once: bool, every_s: float, as_json: bool) -> None:
    """Show live what a running agent sees and does."""
    from provisioning.commands import watch

    watch.watch(site, every_s=every_s, once=once, as_json=as_json)


@main.command(
    "collected",
    help=say(
        "List the crops of doubtful judgements that the collection mode stored, and copy them "
        "for labelling.\n\n"
        "Heads and plates in the crops are redacted. Nothing is stored until site.toml says with "
        "whose\n"
        "consent ([collection]).\n"
    ),
)
@_site
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help=say("Copy the crops into this folder, with a subfolder for each answer."),
)
@click.option(
    "--remove", is_flag=True, help=say("Delete the copied crops on this device (with --out).")
)
@_as_json(say("Print the list as JSON."))
def collected(site: Path, out: Path | None, remove: bool, as_json: bool) -> None:
    """List the collected crops, and copy them."""
    from provisioning.commands import collected

    if remove and out is None:
        raise click.UsageError(say("--remove needs --out: only what was copied is deleted"))
    collected.collected(site, out, remove=remove, as_json=as_json)


@main.command(
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
@_as_json(say("Print all data stored about the case as JSON."))
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


@main.command(
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
    type=_folder,
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


for command in groups.commands():
    main.add_command(command)


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


if __name__ == "__main__":
    main()
