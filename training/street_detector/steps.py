"""The steps of the street detector's recipe: pictures decoded once, a round of training, the model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import torch
from tqdm import tqdm

from training.datasets.decoded import Decoded
from training.datasets.splits import Known, known_of, write_groups
from training.make import Job
from training.model_folder import sha256_of
from training.street.steps import STALLS, STILLS
from training.street_detector import model_card
from training.street_detector.finish import (
    LEAST_THRESHOLDS,
    Judging,
    counts_of,
    held_out_parts,
    measured,
    thresholds,
)
from training.street_detector.judge import StreetFile
from training.street_detector.mixture import Sources, gather
from training.street_detector.real_stalls import choose, rows_of
from training.street_detector.recipe import START
from training.street_detector.teachers import Teachers
from training.street_detector.train_yolox import KEPT_WEIGHTS, YoloxTraining, train
from training.street_detector.yolox import rehead

PICTURES, ROUND, SAID = "decoded", "round", "said"


def decode(job: Job) -> None:
    """Every picture that teaches or judges, decoded once."""
    decoded = Decoded(job.folder / PICTURES)
    for path in tqdm(_paths(gathered(job, decoded, None)), desc="decoding"):
        decoded(path)


def _paths(sources: Sources) -> list[Path]:
    return sorted({item.path for split in sources.splits.values() for item in split.items})


def gathered(
    job: Job, decoded: Decoded, teachers: Teachers | None, kept: Known | None = None
) -> Sources:
    """The sets under the chosen licences, split."""
    options = job.options
    drawn = any(name.startswith(STILLS) for name in job.inputs)
    return gather(
        options.data,
        job.gathered("stills", STILLS) if drawn else None,
        options.seed,
        decoded,
        teachers,
        options.reviewed,
        job.gathered("stalls", STALLS) if drawn else None,
        kept,
        options.may_train,
        job.recipe["most"],
    )


def begun_with(job: Job, last: int) -> Path | None:
    """The street model that a round goes on from: a round before, or the one that was named.

    Args:
        job: The step's.
        last: Which of the earlier rounds among the inputs, counted from the end: -1 for the last.
    """
    before = [folder for name, folder in job.inputs.items() if name.startswith("round-")]
    return before[last] / ROUND if len(before) >= -last else job.options.begin


def train_round(job: Job) -> None:
    """Go on from COCO's network, or from the street model before."""
    begin = begun_with(job, -1)
    sources = _with_teachers(job, begin)
    made = _trained(job, sources, begin, job.folder)
    folder = job.folder / ROUND
    made.export(folder / "model.onnx")
    write_groups(folder / "groups.json", sources.splits.values(), begin)
    facts = {"name": "street", "version": job.step.name, "sha256": sha256_of(folder / "model.onnx")}
    lines = [f"{key} = {json.dumps(value)}\n" for key, value in facts.items()]
    (folder / "manifest.toml").write_text("".join(lines), encoding="utf-8")


def finish_model(job: Job) -> None:
    """Thresholds, the held-out part judged once, and the papers."""
    *_, last = [folder for name, folder in job.inputs.items() if name.startswith("round-")]
    begin, options, out = begun_with(job, -2), job.options, job.model
    sources = _with_teachers(job, begin, trains=False)
    made = _trained(job, sources, begin, last)  # from its checkpoint: nothing is left to train
    made.export(out / "model.onnx")
    write_groups(out / "groups.json", sources.splits.values(), begin)
    start = StreetFile(rehead(options.weights / START, silent=True).SerializeToString())
    files = {"start": start, "trained": StreetFile(out / "model.onnx")}
    least = LEAST_THRESHOLDS["stall"]
    choice = choose(rows_of(files["trained"], sources, "tune"))
    choice = replace(choice, threshold=max(choice.threshold, least))
    chosen = thresholds(files["trained"], sources, options.seed) | {"stall": choice.threshold}
    run = model_card.Run(
        options.seed,
        made.epoch,
        made.epoch * job.recipe["pictures"],
        made.minutes,
        chosen,
        counts_of(sources),
        "" if begin is None else model_card.title_of(begin),
        out.name,
    )
    judging = Judging(
        files, sources, held_out_parts(sources, options.seed), options.data, options.weights
    )
    quiet = f"; not below {least}, where a replayed clip saw a stall that had left"
    model_card.write(out, run, measured(judging, chosen, choice, quiet), KEPT_WEIGHTS)


def _trained(job: Job, sources: Sources, begin: Path | None, folder: Path) -> YoloxTraining:
    torch.set_num_threads(job.options.threads)
    numbers, start = job.recipe, job.options.weights / START
    epochs, until, pictures = (numbers[name] for name in ("epochs", "until", "pictures"))
    return train(sources, start, epochs, until, job.options.seed, folder, begin, pictures)


def _with_teachers(job: Job, begin: Path | None, *, trains: bool = True) -> Sources:
    """The sets with what teachers say; from the second round on, one of them is the round before."""
    street = None if begin is None else begin / "model.onnx"
    kept = None if begin is None else known_of(begin)
    decoded = Decoded(job.inputs["pictures"] / PICTURES)
    teachers = Teachers(job.options.weights, street, job.folder / SAID) if trains else None
    return gathered(job, decoded, teachers, kept)
