"""``python -m training make MODEL --seed N``: from the picture sets to a model's folder."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, cast

import click

from training.datasets.licences import Licences
from training.make import Options, Recipe, make, prepare

RECIPES = {
    "street": "training.street_detector.recipe:steps",
    "street-large": "training.street_detector.recipe_large:steps",
    "bin-state": "training.bin_classifier.recipe:steps",
    "verifier": "training.verifier.recipe:steps",
}
"""By the model's name, the function that gives its steps."""


def recipe_of(model: str) -> Recipe:
    """The function that gives a model's steps; none of them needs what training needs."""
    module, _, function = RECIPES[model].partition(":")
    return cast("Recipe", getattr(importlib.import_module(module), function))


@click.group()
def main() -> None:
    """How the models are made."""


@main.command("make")
@click.argument("model", type=click.Choice(sorted(RECIPES)))
@click.option("--seed", default=1, show_default=True, help="Of weights, order, variation, parts.")
@click.option(
    "--licences",
    type=click.Choice(["all", "stated"]),
    default="all",
    show_default=True,
    help="`stated` leaves out the sets whose owner states no licence.",
)
@click.option("--quick", is_flag=True, help="A few pictures and steps: shows that it runs.")
@click.option("--data", type=click.Path(path_type=Path), default=Path("../shared/data"))
@click.option("--weights", type=click.Path(path_type=Path), default=Path("../shared/weights"))
@click.option(
    "--models",
    type=click.Path(path_type=Path),
    default=Path("models"),
    help="Models that stand already: the verifier is asked about what a detector proposes.",
)
@click.option("--blender", type=click.Path(path_type=Path), help="A Python that has bpy.")
@click.option("--rendered", type=click.Path(path_type=Path), help="Batches that were drawn before.")
@click.option(
    "--begin",
    type=click.Path(path_type=Path),
    help="A model of the same kind to go on from, in the place of the first rounds.",
)
@click.option("--reviewed", type=click.Path(path_type=Path), help="Crops that people have sorted.")
@click.option("--threads", default=2, show_default=True)
@click.option("--work", type=click.Path(path_type=Path), default=Path(".training"))
@click.option("--out", type=click.Path(path_type=Path), help="Default: models/MODEL.")
@click.option("--plan", is_flag=True, help="Only say which steps there are and which are done.")
def make_model(model: str, out: Path | None, work: Path, *, plan: bool, **chosen: Any) -> None:
    """Make MODEL. A stopped run goes on where it was when it is given again."""
    options = Options(model, **chosen)
    routine = prepare(recipe_of(model), options, work)
    if plan:
        click.echo("\n".join(routine.plan()))
        return
    plain = options.licences == "all" and not options.quick
    out = out or (Path("models") / model if plain else variant_folder(work, options) / model)
    make(routine, out, click.echo)


def variant_folder(work: Path, options: Options) -> Path:
    """Where a model goes that is not the one to be shipped."""
    return work / "made" / "-".join([options.licences, *["quick"] * options.quick])


__all__ = ["RECIPES", "Licences", "main", "recipe_of"]

if __name__ == "__main__":
    main()
