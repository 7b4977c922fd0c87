"""What a stranger's corner may expect of the bin state: every picture judged by a network that saw no
picture of its place.

``python -m training.bin_classifier.cross_validation --seed 3 --folds 3 --out DIR``

The places that are not held out are dealt into folds (:mod:`training.evaluate.folds`); for each fold a
network is trained on the others by the same recipe as the shipped one. The part held out is in none.
``OUT/fold-N.json`` holds each judged picture's margin (the difference of the logits) at both looks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
import torch
from tqdm import tqdm

from training.bin_classifier.material import material_of
from training.bin_classifier.mobilenet import MobileNetV2
from training.bin_classifier.pictures import BESIDE, SIZE_PX, normalised, plain
from training.bin_classifier.recipe import FOLD_EPOCHS, FOLDS
from training.bin_classifier.test_time_augmentation import NEAR_SHARE
from training.bin_classifier.train import SANDIEGO, Pool, gather, gather_for, train
from training.datasets.augment import Picture
from training.datasets.readers import BinPicture
from training.evaluate.folds import grouped_folds
from training.make import Job

ABLATIONS = ("swaps", "liners", SANDIEGO, BESIDE)


@dataclass(frozen=True, slots=True)
class Division:
    """One fold: what teaches and what judges, by set; ``groups`` of what judges."""

    teaches: Mapping[str, Sequence[BinPicture]]
    judges: Mapping[str, Sequence[BinPicture]]
    groups: Mapping[str, Sequence[str]]


def divisions(pools: Mapping[str, Pool], folds: int, seed: int) -> list[Division]:
    """The ``train`` parts dealt into folds by group, each set for itself.

    A group has its fold by its name alone once its set is dealt, so that sets which share groups
    (containers and the same containers with things beside them) share folds.
    """
    fold_of: dict[str, int] = {}
    for each in pools.values():
        rows = [(item, group) for item, group in each.part("train") if group not in fold_of]
        if rows:
            groups = [group for _, group in rows]
            states = [item.overflowing for item, _ in rows]
            for number, fold in enumerate(grouped_folds(groups, states, folds, 1, seed)):
                fold_of |= {groups[row]: number for row in fold.test}
    found = []
    for number in range(folds):
        split = {
            name: [(i, g, fold_of[g] == number) for i, g in each.part("train")]
            for name, each in pools.items()
        }
        found.append(
            Division(
                {name: [i for i, _, judges in rows if not judges] for name, rows in split.items()},
                {name: [i for i, _, judges in rows if judges] for name, rows in split.items()},
                {name: [g for _, g, judges in rows if judges] for name, rows in split.items()},
            )
        )
    return found


def second_look(picture: Picture) -> Picture:
    """The middle of a picture from the other side, as the shipped file sees it."""
    side = picture.shape[0]
    near = round(side * NEAR_SHARE)
    edge = (side - near) // 2
    middle = np.ascontiguousarray(picture[edge : edge + near, edge : edge + near][:, ::-1])
    return np.asarray(cv2.resize(middle, (side, side)), np.uint8)


def margins(network: MobileNetV2, items: Sequence[BinPicture]) -> list[tuple[float, float]]:
    """The logit of overflowing less that of its opposite, at the first look and at the second."""
    found = []
    with torch.no_grad():
        for item in tqdm(items, desc="judging", leave=False):
            picture = plain(item, SIZE_PX)
            looks = normalised([picture, second_look(picture)])
            logits = network(torch.from_numpy(looks))
            first, second = (logits[:, 1] - logits[:, 0]).tolist()
            found.append((first, second))
    return found


def told(division: Division, network: MobileNetV2) -> list[dict[str, Any]]:
    """Name, group, truth and margins of all that a fold judges."""
    rows = []
    for name, items in division.judges.items():
        if name == BESIDE:
            continue
        known = zip(items, division.groups[name], margins(network, items), strict=True)
        rows += [
            {
                "set": name,
                "file": item.name,
                "group": group,
                "overflowing": item.overflowing,
                "liner": item.liner,
                "margins": [round(each, 4) for each in margin],
            }
            for item, group, margin in known
        ]
    return rows


@dataclass(frozen=True, slots=True)
class Plan:
    """How the folds' networks are trained: the seed, and epochs of so many pictures each."""

    seed: int
    epochs: int
    pictures: int | None = None
    without: tuple[str, ...] = ()


def judge_fold(data: Path, division: Division, plan: Plan, answer: Path) -> None:
    """Train one fold's network, judge, and write the answer beside its checkpoint."""
    material = material_of(data, [i for items in division.teaches.values() for i in items])
    kept = {name: 0.0 for name in ("swaps", "liners") if name in plan.without}
    material = replace(material, **kept)
    checkpoint = answer.with_suffix(".pt")
    network, minutes = train(
        division.teaches, material, plan.epochs, plan.seed, checkpoint, plan.pictures
    )
    rows = told(division, network)
    content = {"minutes": minutes, "epochs": plan.epochs, "without": plan.without, "rows": rows}
    answer.write_text(json.dumps(content), encoding="utf-8")
    click.echo(f"{answer.stem}: {len(rows)} pictures, {minutes:.0f} min")


def folds(job: Job) -> None:
    """The routine's step: every fold, written into its folder."""
    torch.set_num_threads(job.options.threads)
    plan = Plan(job.options.seed, job.recipe["epochs"], job.recipe["pictures"])
    pools = gather_for(job, None)
    for number, division in enumerate(divisions(pools, job.recipe["folds"], plan.seed)):
        answer = job.folder / f"fold-{number}.json"
        if not answer.exists():
            judge_fold(job.options.data, division, plan, answer)


@click.command(help=__doc__)
@click.option("--seed", default=3, show_default=True)
@click.option("--folds", "count", default=FOLDS, show_default=True)
@click.option("--only", default=None, type=int, help="One fold alone, from 0.")
@click.option("--epochs", default=FOLD_EPOCHS, show_default=True)
@click.option("--without", multiple=True, type=click.Choice(ABLATIONS))
@click.option(
    "--data", default=Path("../shared/data"), type=click.Path(path_type=Path, exists=True)
)
@click.option("--out", required=True, type=click.Path(path_type=Path))
@click.option("--threads", default=2, show_default=True)
def main(
    seed: int,
    count: int,
    only: int | None,
    epochs: int,
    without: tuple[str, ...],
    data: Path,
    out: Path,
    threads: int,
) -> None:
    """Train and judge the folds; a stopped run goes on where it was."""
    torch.set_num_threads(threads)
    pools = {n: p for n, p in gather(data, None, seed).items() if n not in without}
    out.mkdir(parents=True, exist_ok=True)
    for number, division in enumerate(divisions(pools, count, seed)):
        answer = out / f"fold-{number}.json"
        if not answer.exists() and only in (None, number):
            judge_fold(data, division, Plan(seed, epochs, None, without), answer)


if __name__ == "__main__":
    main()
