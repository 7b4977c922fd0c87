"""How often a drawn stall that was laid on a real street is found, by its build and its size.

    python -m training.street stalls --count 40 --seed 51 --out build/stalls
    python -m benchmarks.stalls build/stalls

The streets are those of Calgary that the model's training held out, the stalls are new to it. A stall
counts as found if a detection of that name overlaps it by half (intersection over union). No street
without a stall is judged here: ``./evaluate`` counts false ones.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np
from tqdm import tqdm

from agent.domain.scene import Box
from agent.inference import ModelError
from benchmarks.machine import headline
from training.datasets import readers
from training.datasets.readers import Labelled
from training.datasets.rendered import transparent_cut_out
from training.evaluate.judging import StreetJudge, opened
from training.street_detector.pictures import composed, scene_of

DATA = Path(__file__).parents[1] / ".." / "shared" / "data"
THRESHOLDS = (0.05, 0.1, 0.15, 0.2, 0.25)
SIZES_PX = ((0, 64), (64, 96), (96, 10_000))
LONGEST_PX = 1280
OVERLAP = 0.5


@dataclass(frozen=True, slots=True)
class Laid:
    """One stall on one street: its build, the root of its area at 416 px, and its best score."""

    build: str
    side_px: float
    score: float


def build_of(path: Path) -> str:
    """``51-003-cart-bare.png`` is a cart without a parasol."""
    return path.stem.split("-", 2)[2].replace("-", ", ")


def judge_of(model: str) -> StreetJudge:
    """A detector by its name or folder.

    Raises:
        ClickException: There is none, or it is no detector.
    """
    try:
        [judge], _, _ = opened([model])
    except ModelError as fault:
        raise click.ClickException(str(fault)) from fault
    except ValueError as fault:
        raise click.ClickException(f"{model} is no detector, so it finds no stall") from fault
    return judge


def held_out_streets(folder: Path) -> list[Labelled]:
    """The streets that the training of a model in a folder did not see."""
    rows = json.loads((folder / "groups.json").read_text(encoding="utf-8"))
    kept = {row["file"] for row in rows if row["part"] == "held_out"}
    return [street for street in readers.streets_calgary(DATA) if street.name in kept]


def lay(
    judge: StreetJudge, street: Labelled, path: Path, random: np.random.Generator
) -> Laid | None:
    """Lay one stall somewhere on a street and look; None where there was no room for it."""
    scene = replace(scene_of(street, LONGEST_PX), labels=(), boxes=np.zeros((0, 4), np.float32))
    made = composed(scene, [transparent_cut_out(path)], random, most=1)
    if not made.labels:
        return None
    height, width = made.picture.shape[:2]
    truth = Box(*(made.boxes[0] / [width, height, width, height]).tolist())
    scores = (
        found.confidence
        for found in judge.look(made.picture).found
        if found.label == "stall" and found.box.iou(truth) >= OVERLAP
    )
    side_px = float(np.sqrt(truth.area * width * height)) * 416 / max(width, height)
    return Laid(build_of(path), side_px, max(scores, default=0.0))


def row(name: str, laid: Sequence[Laid]) -> str:
    """The share found at each threshold."""
    shares = (np.mean([each.score >= least for each in laid]) for least in THRESHOLDS)
    return f"{name:24}{len(laid):5}" + "".join(f"{share:8.2f}" for share in shares)


@click.command(help=__doc__)
@click.argument("stalls", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--model", default="street", show_default=True, help="A name, or a model's folder.")
@click.option("--times", default=6, show_default=True, help="How often each stall is laid.")
@click.option("--seed", default=1, show_default=True)
def main(stalls: Path, model: str, times: int, seed: int) -> None:
    """Lay every stall on streets, and tell the shares found."""
    click.echo(headline())
    judge = judge_of(model)
    streets, random = held_out_streets(judge.folder), np.random.default_rng(seed)
    paths = sorted(stalls.glob("*.png")) * times
    drawn = [streets[int(random.integers(len(streets)))] for _ in paths]
    tries = [lay(judge, *pair, random) for pair in tqdm(list(zip(drawn, paths, strict=True)))]
    laid = [each for each in tries if each is not None]
    if not laid:
        raise click.ClickException(f"{stalls}: no stall to lay")
    click.echo(f"{'':24}{'laid':>5}" + "".join(f"{'≥ ' + str(each):>8}" for each in THRESHOLDS))
    for build in sorted({each.build for each in laid}):
        click.echo(row(build, [each for each in laid if each.build == build]))
    for low, high in SIZES_PX:
        name = f"{low} to {high} px" if high < LONGEST_PX else f"over {low} px"
        if mine := [each for each in laid if low <= each.side_px < high]:
            click.echo(row(name, mine))
    click.echo(row("all", laid))


if __name__ == "__main__":
    main()
