"""The steps of the larger street detector's recipe: one training, then thresholds, judging and papers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import torch

from training.datasets.decoded import Decoded
from training.datasets.splits import known_of, write_groups
from training.make import Job
from training.street_detector import card_large
from training.street_detector.finish import (
    Judging,
    counts_of,
    held_out_parts,
    measured,
    thresholds,
)
from training.street_detector.judge import StreetFile
from training.street_detector.mixture import Sources
from training.street_detector.model_card import Run, title_of
from training.street_detector.nanodet_file import NanoDetFile
from training.street_detector.nanodet_plus import rehead
from training.street_detector.real_stalls import choose, rows_of
from training.street_detector.recipe_large import START
from training.street_detector.steps import PICTURES, SAID, gathered
from training.street_detector.teachers import Teachers
from training.street_detector.train import BATCH
from training.street_detector.train_nanodet import NanoDetTraining, train


def _gathered(job: Job, *, trains: bool) -> Sources:
    """The sets in the parts that they have in the smaller model, so that both are judged on the same."""
    options, known = job.options, job.options.models / "street"
    decoded = Decoded(job.inputs["pictures"] / PICTURES)
    teachers = Teachers(options.weights, known / "model.onnx", job.folder / SAID)
    return gathered(job, decoded, teachers if trains else None, known_of(known))


def _trained(job: Job, sources: Sources, folder: Path) -> NanoDetTraining:
    torch.set_num_threads(job.options.threads)
    start, numbers = job.options.weights / START, job.recipe
    seed = job.options.seed
    return train(sources, start, numbers["sizes"], numbers["steps"], seed, folder)


def train_large(job: Job) -> None:
    """Go on from COCO's network."""
    _trained(job, _gathered(job, trains=True), job.folder)


def finish_large(job: Job) -> None:
    """Thresholds, the held-out part judged once beside start and smaller model, and the papers."""
    options, out, smaller = job.options, job.model, job.options.models / "street"
    sources = _gathered(job, trains=False)
    made = _trained(job, sources, job.inputs["training"])  # from its checkpoint: nothing is left
    made.export(out / "model.onnx")
    write_groups(out / "groups.json", sources.splits.values(), smaller)
    files: dict[str, StreetFile] = {
        "start": NanoDetFile(rehead(options.weights / START, silent=True)),
        "trained": NanoDetFile(out / "model.onnx"),
    }
    choice = choose(rows_of(files["trained"], sources, "tune"))
    chosen = thresholds(files["trained"], sources, options.seed) | {"stall": choice.threshold}
    run = Run(
        options.seed,
        made.epoch,
        made.epoch * job.recipe["steps"] * BATCH,
        made.minutes,
        chosen,
        counts_of(sources),
        name=out.name,
    )
    held_out = held_out_parts(sources, options.seed)
    sizes = card_large.at_sizes(out / "model.onnx", smaller, held_out, sources)
    judging = Judging(files, sources, held_out, options.data, options.weights)
    card_large.write(
        out,
        run,
        measured(judging, chosen, choice),
        sizes,
        title_of(smaller),
        _in_words(job.recipe["sizes"]),
    )


def _in_words(sizes_px: Sequence[int]) -> str:
    """The sizes in their order, each with how many epochs it had."""
    counts = [f"{size} ({len(list(same))})" for size, same in groupby(sizes_px)]
    return ", ".join(counts)
