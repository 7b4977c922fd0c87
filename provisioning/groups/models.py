"""Click commands on models: list, verify, bench, adopt."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from provisioning.console.options import FOLDER, json_option
from provisioning.wording import say


@click.group("models", help=say("List, check, measure and adopt models."))
def models_group() -> None:
    """Hold the commands about models."""


@models_group.command("list", help=say("List the models: name, version, family, licence."))
@json_option(say("Print the list as JSON."))
def models_list(as_json: bool) -> None:
    """List the models."""
    from provisioning.commands import models

    sys.exit(models.show(as_json=as_json))


@models_group.command(
    "verify",
    help=say("Check each model against its manifest (hash, shapes, classes) and run it once."),
)
@json_option(say("Print the result per model as JSON."))
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
@click.option("--pictures", type=FOLDER, help=say("Use crops of the pictures in this folder."))
@json_option(say("Print the table as JSON."))
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
@click.option("--into", type=FOLDER, help=say("The folder of models."))
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


COMMANDS = (models_group,)
