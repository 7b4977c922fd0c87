"""The steps of the street detector's recipe: pictures decoded once, a round of training, the model."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from tqdm import tqdm

from training.datasets.decoded import Decoded
from training.datasets.splits import Known, known_of, write_groups
from training.make import Job
from training.model_folder import sha256_of
from training.street.steps import STALLS, STILLS
from training.street_detector.mixture import TRAINED, Sources, gather
from training.street_detector.recipe import START
from training.street_detector.teachers import Teachers
from training.street_detector.train import Begun, Training, finish, train

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
    begin = begun_with(job, -2)
    sources = _with_teachers(job, begin, trains=False)
    made = _trained(job, sources, begin, last)  # from its checkpoint: nothing is left to train
    made.export(job.model / "model.onnx")
    numbers, options = job.recipe, job.options
    start = options.weights / START
    begun = Begun(start, begin, options.data, numbers["epochs"], options.seed, TRAINED.whole)
    finish(job.model, sources, made, begun)


def _trained(job: Job, sources: Sources, begin: Path | None, folder: Path) -> Training:
    torch.set_num_threads(job.options.threads)
    start, epochs = job.options.weights / START, job.recipe["epochs"]
    seed, pictures = job.options.seed, job.recipe["pictures"]
    until = job.recipe["until"]
    return train(sources, start, epochs, until, seed, folder, begin, pictures=pictures)


def _with_teachers(job: Job, begin: Path | None, *, trains: bool = True) -> Sources:
    """The sets with what teachers say; from the second round on, one of them is the round before."""
    street = None if begin is None else begin / "model.onnx"
    kept = None if begin is None else known_of(begin)
    decoded = Decoded(job.inputs["pictures"] / PICTURES)
    teachers = Teachers(job.options.weights, street, job.folder / SAID) if trains else None
    return gathered(job, decoded, teachers, kept)
