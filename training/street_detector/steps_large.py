"""The steps of the larger street detector's recipe: one training, then thresholds, judging and papers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import torch

from training.card_head import Head
from training.datasets.decoded import Decoded
from training.datasets.splits import SHARES, known_of, write_groups
from training.make import Job
from training.street.steps import STALLS, STILLS
from training.street_detector import card_large
from training.street_detector.judge import StreetFile, judge
from training.street_detector.mixture import Sources, gather, judged_parts, unboxed_streets
from training.street_detector.model_card import (
    Run,
    elsewhere_rows,
    people_in_clip,
    sets_of,
    title_of,
)
from training.street_detector.nanodet_file import NanoDetFile
from training.street_detector.nanodet_plus import rehead
from training.street_detector.real_stalls import FOLDS, REPEATS, STEPS, choose, figures, rows_of
from training.street_detector.recipe_large import START
from training.street_detector.steps import PICTURES, SAID
from training.street_detector.teachers import Teachers
from training.street_detector.train import BATCH, thresholds
from training.street_detector.train_nanodet import Training, train


def _gathered(job: Job, *, trains: bool) -> Sources:
    """The sets in the parts that they have in the smaller model, so that both are judged on the same."""
    options, known = job.options, job.options.models / "street"
    batches = any(name.startswith(STILLS) for name in job.inputs)
    teachers = Teachers(options.weights, known / "model.onnx", job.folder / SAID)
    return gather(
        options.data,
        job.gathered("stills", STILLS) if batches else None,
        options.seed,
        Decoded(job.inputs["pictures"] / PICTURES),
        teachers if trains else None,
        options.reviewed,
        job.gathered("stalls", STALLS) if batches else None,
        known_of(known),
        options.may_train,
        job.recipe["most"],
    )


def _trained(job: Job, sources: Sources, folder: Path) -> Training:
    torch.set_num_threads(job.options.threads)
    start, numbers = job.options.weights / START, job.recipe
    return train(
        sources,
        start,
        numbers["sizes"],
        numbers["steps"],
        job.options.seed,
        folder,
    )


def train_large(job: Job) -> None:
    """Go on from COCO's network."""
    _trained(job, _gathered(job, trains=True), job.folder)


def finish_large(job: Job) -> None:
    """Thresholds, the held-out part judged once, and the papers."""
    sources = _gathered(job, trains=False)
    made = _trained(job, sources, job.inputs["training"])  # from its checkpoint: nothing is left
    made.export(job.model / "model.onnx")
    finish(job, sources, made)


def finish(job: Job, sources: Sources, made: Training) -> None:
    """Choose thresholds, judge the held-out part once beside start and smaller model, write the papers.

    Args:
        job: Its model's folder holds the network.
        sources: What it was made from.
        made: Where the training ended.
    """
    options, out = job.options, job.model
    smaller = options.models / "street"
    trained = NanoDetFile(out / "model.onnx")
    choice = choose(rows_of(trained, sources, "tune"))
    chosen = thresholds(trained, sources, options.seed) | {"stall": choice.threshold}
    write_groups(out / "groups.json", sources.splits.values(), smaller)
    epochs = len(job.recipe["sizes"])
    run = Run(
        options.seed,
        epochs,
        made.epoch,
        made.epoch * job.recipe["steps"] * BATCH,
        made.minutes,
        chosen,
        {
            name: {part: len(each.part(part)) for part in SHARES}
            for name, each in sources.splits.items()
        },
        name=out.name,
    )
    held_out = judged_parts(sources, "held_out", options.seed)
    held_out["streets nobody boxed"] = unboxed_streets(sources, "held_out")
    files: dict[str, StreetFile] = {
        "start": NanoDetFile(rehead(options.weights / START, silent=True)),
        "trained": trained,
    }
    sizes = card_large.at_sizes(out / "model.onnx", smaller, held_out, sources)
    judged = {
        key: {name: judge(each, part) for name, part in held_out.items()}
        for key, each in files.items()
    }
    head = Head(
        figures(choice, rows_of(trained, sources, "held_out")),
        f"the `tune` part in {FOLDS} folds by source, {REPEATS} times; the threshold chosen on four of "
        "five, judged on the fifth. The weights are one training, which saw none of it",
        len(STEPS),
        f"thresholds of a stall from {STEPS[0]} to {STEPS[-1]}; over the folds {choice.among_folds}",
        sets_of(run),
    )
    elsewhere = elsewhere_rows(files, options.data, options.weights, chosen)
    clip = people_in_clip(files, options.data, chosen)
    card_large.write(
        out,
        run,
        judged,
        clip,
        head,
        elsewhere,
        sizes,
        title_of(smaller),
        _in_words(job.recipe["sizes"]),
    )


def _in_words(sizes_px: Sequence[int]) -> str:
    """The sizes in their order, each with how many epochs it had."""
    counts = [f"{size} ({len(list(same))})" for size, same in groupby(sizes_px)]
    return ", ".join(counts)
