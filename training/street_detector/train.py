"""Train and judge the street detector.

``python -m training.street_detector.train --seed 1 --stills DIR --out models/street``

Goes on from COCO's network, or, with ``--begin``, from a street model that is there.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from training import checkpoints
from training.card_head import Head
from training.checkpoints import fastest_device
from training.datasets.decoded import Decoded
from training.datasets.splits import SHARES, known_of, write_groups
from training.street_detector import model_card
from training.street_detector.classes import STREET_CLASSES
from training.street_detector.judge import (
    StreetFile,
    best_threshold,
    judge,
    quiet_threshold,
    without,
)
from training.street_detector.loss import StreetLoss, Targets
from training.street_detector.mixture import (
    IN_NO_UNBOXED_SET,
    TRAINED,
    Mixture,
    Sources,
    gather,
    judged_parts,
    training_scene,
    unboxed_streets,
)
from training.street_detector.pictures import Example, varied
from training.street_detector.real_stalls import (
    FOLDS,
    REPEATS,
    STEPS,
    choose,
    figures,
    rows_of,
)
from training.street_detector.teachers import Teachers
from training.street_detector.yolox import YoloxNet, rehead

BATCH = 16
PICTURES_PER_EPOCH = 800
LEARNING_RATE = 1.5e-4
# What the first layers see (edges, colours, at a fourth and an eighth of the picture's size) is the same
# on every street: they stay as they are, which halves the way back and forgets nothing.
KEPT_WEIGHTS = 60
NEW_ROWS_FASTER = 4.0
DEFAULT_THRESHOLD = 0.35
MOST_DOUBTED = 24
LEAST_THRESHOLDS = {"person": 0.3, "stall": 0.36}
"""Below these a replayed clip sees for 4 s more a stall that has left."""


def draw_batch(sources: Sources, mixture: Mixture, seed: tuple[int, int, int]) -> list[Example]:
    """One batch; depends on the seed alone, so a resumed training sees the same pictures."""
    random = np.random.default_rng(seed)
    return [
        varied(training_scene(sources, mixture, random), random, mixture.whole)
        for _ in range(BATCH)
    ]


def batches(
    sources: Sources, mixture: Mixture, seed: int, epoch: int, pictures: int = PICTURES_PER_EPOCH
) -> Iterator[list[Example]]:
    """One epoch's batches, two of them prepared ahead on another thread."""
    count = pictures // BATCH
    with ThreadPoolExecutor(1) as worker:

        def prepared(index: int) -> Future[list[Example]]:
            return worker.submit(draw_batch, sources, mixture, (seed, epoch, index))

        ahead = [prepared(index) for index in range(min(2, count))]
        for index in range(count):
            if index + 2 < count:
                ahead.append(prepared(index + 2))
            yield ahead.pop(0).result()


def _padded(rows: Sequence[NDArray[Any]]) -> Tensor:
    """Arrays of several lengths as one, (batch, longest, …); what is added is zero."""
    longest = max(1, *(len(each) for each in rows))
    whole = np.zeros((len(rows), longest, *rows[0].shape[1:]), rows[0].dtype)
    for place, each in zip(whole, rows, strict=True):
        place[: len(each)] = each
    return torch.from_numpy(whole)


def tensors_of(examples: Sequence[Example]) -> tuple[Tensor, Targets]:
    """A batch as the network and the loss take it."""
    pictures = torch.from_numpy(np.stack([each.picture for each in examples]))
    images = pictures.permute(0, 3, 1, 2).float()
    targets = Targets(
        _padded([each.boxes for each in examples]).float(),
        _padded([each.classes for each in examples]).long(),
        _padded([each.worth for each in examples]).float(),
        _padded([each.unsure for each in examples]).float(),
        _padded([each.doubted[:MOST_DOUBTED] for each in examples]).float(),
        torch.tensor([each.closed for each in examples]),
        torch.from_numpy(np.stack([each.exhaustive for each in examples])),
    )
    return images.contiguous(memory_format=torch.channels_last), targets


class Training:
    """The state of one training: network, optimiser, average."""

    def __init__(
        self,
        start: Path,
        epochs: int,
        seed: int,
        begin: Path | None = None,
        pictures: int = PICTURES_PER_EPOCH,
    ) -> None:
        torch.manual_seed(seed)
        self.graph = rehead(start) if begin is None else onnx.load(begin / "model.onnx")
        self.student = YoloxNet(self.graph)
        self.device = fastest_device()
        self.student.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        for early in self.student.in_order()[:KEPT_WEIGHTS]:
            early.requires_grad_(False)
        learning = {k: v for k, v in self.student.named_parameters() if v.requires_grad}
        heads = [v for k, v in learning.items() if "cls_preds" in k]
        body = [v for k, v in learning.items() if "cls_preds" not in k]
        rates = [LEARNING_RATE, LEARNING_RATE * NEW_ROWS_FASTER]
        self.optimiser = torch.optim.AdamW(
            [{"params": body, "lr": rates[0]}, {"params": heads, "lr": rates[1]}], weight_decay=0.0
        )
        steps = epochs * (pictures // BATCH)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser, rates, total_steps=steps + 1, pct_start=0.08
        )
        self.average = checkpoints.Average(self.student, 0.998)
        self.loss = StreetLoss()
        self.epoch = 0
        self.minutes = 0.0

    def step(self, examples: Sequence[Example]) -> dict[str, float]:
        """Learn from one batch; returns the parts of its loss."""
        images, targets = tensors_of(examples)
        images = images.to(self.device)
        # The loss is small beside the network: its anchors stay where the batches are made.
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            raw = self.student(images)
        total, parts = self.loss(raw.float().cpu(), targets)
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.student.parameters(), 10.0)
        self.optimiser.step()
        self.schedule.step()
        self.average.update(self.student)
        return parts

    def state(self) -> dict[str, Any]:
        """Everything needed to go on."""
        return {
            "student": self.student.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "average": self.average.values,
            "steps": self.average.steps,
            "epoch": self.epoch,
            "minutes": self.minutes,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        self.student.load_state_dict(state["student"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.average.values, self.average.steps = state["average"], state["steps"]
        self.epoch, self.minutes = state["epoch"], state.get("minutes", 0.0)

    def export(self, path: Path) -> None:
        """Write the averaged weights into the start's graph."""
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = {k: v.clone() for k, v in self.student.state_dict().items()}
        self.student.load_state_dict(self.average.values)
        self.student.write_into(self.graph)
        self.student.load_state_dict(kept)
        onnx.save(self.graph, str(path))


def train(
    sources: Sources,
    start: Path,
    epochs: int,
    until: int,
    seed: int,
    work: Path,
    begin: Path | None = None,
    whole: float = TRAINED.whole,
    pictures: int = PICTURES_PER_EPOCH,
) -> Training:
    """Fine-tune all layers; goes on from the last checkpoint of the same recipe.

    Args:
        sources: The sets; only their ``train`` parts are used.
        start: The COCO network.
        epochs: The length the learning rate is planned for.
        until: Stop after this many; the average of the weights is good before the rate is low.
        seed: Of order and variation.
        work: Where checkpoints lie.
        begin: A street model to go on from.
        whole: The share of views that show a picture from end to end, where things are small.
        pictures: In an epoch.
    """
    training = Training(start, epochs, seed, begin, pictures)
    mixture = replace(TRAINED, whole=whole)
    count = sum(len(each.items) for each in sources.splits.values())
    recipe = {"seed": seed, "epochs": epochs, "n": count, "begin": str(begin or ""), "whole": whole}
    state = checkpoints.load(work / "checkpoint.pt", recipe)
    if state is not None:
        training.restore(state)
    for epoch in range(training.epoch, until):
        bar = tqdm(
            batches(sources, mixture, seed, epoch, pictures),
            total=pictures // BATCH,
            desc=f"epoch {epoch + 1}/{epochs}",
        )
        sums: dict[str, float] = {}
        began_s = time.monotonic()
        for index, examples in enumerate(bar):
            parts = training.step(examples)
            sums = {k: sums.get(k, 0.0) + v for k, v in parts.items()}
            bar.set_postfix({k: f"{v / (index + 1):.3f}" for k, v in sums.items()})
        training.epoch = epoch + 1
        training.minutes += (time.monotonic() - began_s) / 60
        checkpoints.save(work / "checkpoint.pt", training.state() | {"recipe": recipe})
        training.export(work / "latest.onnx")
    return training


def thresholds(detector: StreetFile, sources: Sources, seed: int) -> dict[str, float]:
    """Per class, a score chosen on the ``tune`` parts.

    It is the one with the best F score; for a stall the lowest that is quiet on the real pictures
    without one.
    """
    judged = {
        name: judge(detector, part) for name, part in judged_parts(sources, "tune", seed).items()
    }
    real = [part for name, part in judged.items() if name not in ("rendered", "composed")]
    real.append(judge(detector, unboxed_streets(sources, "tune")))
    chosen = {}
    for name in STREET_CLASSES:
        best = (
            quiet_threshold([without(part, name) for part in real], name)
            if name in IN_NO_UNBOXED_SET
            else best_threshold(list(judged.values()), name)
        )
        best = DEFAULT_THRESHOLD if best is None else best
        chosen[name] = max(best, LEAST_THRESHOLDS.get(name, 0.0))
    return chosen


@click.command(help=__doc__)
@click.option("--seed", default=1, show_default=True)
@click.option("--epochs", default=13, show_default=True)
@click.option("--until", default=None, type=int, help="Stop after this many of the epochs.")
@click.option(
    "--data", default=Path("../shared/data"), type=click.Path(path_type=Path, exists=True)
)
@click.option(
    "--start",
    default=Path("../shared/weights/yolox_nano_coco_416.onnx"),
    type=click.Path(path_type=Path, exists=True),
)
@click.option(
    "--begin",
    default=None,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="A street model to go on from; its pictures stay in the parts they were in.",
)
@click.option(
    "--whole",
    default=TRAINED.whole,
    type=click.FloatRange(0, 1),
    show_default=True,
    help="Share of views that show the whole picture instead of a window, where things are small.",
)
@click.option("--stills", default=None, type=click.Path(path_type=Path, exists=True))
@click.option("--stalls", default=None, type=click.Path(path_type=Path, exists=True))
@click.option("--reviewed", default=None, type=click.Path(path_type=Path, exists=True))
@click.option("--out", default=Path("models/street"), type=click.Path(path_type=Path))
@click.option("--work", default=Path(".training/street"), type=click.Path(path_type=Path))
@click.option(
    "--cache",
    default=Path(".training/cache"),
    type=click.Path(path_type=Path),
    help="Where decoded pictures and what teachers saw in them are kept for the next training.",
)
@click.option("--threads", default=2, show_default=True)
def main(
    seed: int,
    epochs: int,
    until: int | None,
    data: Path,
    start: Path,
    begin: Path | None,
    whole: float,
    stills: Path | None,
    stalls: Path | None,
    reviewed: Path | None,
    out: Path,
    work: Path,
    cache: Path,
    threads: int,
) -> None:
    """Train, export, judge beside the start, and write the papers."""
    torch.set_num_threads(threads)
    kept = None if begin is None else known_of(begin)
    street = None if begin is None else begin / "model.onnx"
    sources = gather(
        data,
        stills,
        seed,
        Decoded(cache / "decoded"),
        Teachers(start.parent, street, cache / "teachers"),
        reviewed,
        stalls,
        kept,
    )
    training = train(sources, start, epochs, until or epochs, seed, work, begin, whole)
    out.mkdir(parents=True, exist_ok=True)
    training.export(out / "model.onnx")
    finish(out, sources, training, Begun(start, begin, data, epochs, seed, whole))


@dataclass(frozen=True, slots=True)
class Begun:
    """What a training went on from, and with what numbers."""

    start: Path
    begin: Path | None
    data: Path
    epochs: int
    seed: int
    whole: float


def finish(out: Path, sources: Sources, training: Training, begun: Begun) -> None:
    """Choose thresholds, judge the held-out part once, and write the papers.

    Args:
        out: The folder, with the exported network.
        sources: What it was made from.
        training: Where it ended.
        begun: Where it began.
    """
    trained = StreetFile(out / "model.onnx")
    choice = choose(rows_of(trained, sources, "tune"))
    choice = replace(choice, threshold=max(choice.threshold, LEAST_THRESHOLDS["stall"]))
    chosen = thresholds(trained, sources, begun.seed) | {"stall": choice.threshold}
    write_groups(out / "groups.json", sources.splits.values(), begun.begin)
    counts = {
        name: {part: len(each.part(part)) for part in SHARES}
        for name, each in sources.splits.items()
    }
    run = model_card.Run(
        begun.seed,
        begun.epochs,
        training.epoch,
        training.epoch * PICTURES_PER_EPOCH,
        training.minutes,
        chosen,
        counts,
        "" if begun.begin is None else model_card.title_of(begun.begin),
        out.name,
        begun.whole,
        KEPT_WEIGHTS,
    )
    held_out = judged_parts(sources, "held_out", begun.seed)
    held_out["streets nobody boxed"] = unboxed_streets(sources, "held_out")
    files = {
        "start": StreetFile(rehead(begun.start, silent=True).SerializeToString()),
        "trained": trained,
    }
    judged = {
        key: {name: judge(each, part) for name, part in held_out.items()}
        for key, each in files.items()
    }
    head = Head(
        figures(choice, rows_of(trained, sources, "held_out")),
        f"the `tune` part in {FOLDS} folds by source, {REPEATS} times; the threshold chosen on four of "
        "five, judged on the fifth. The weights are one training, which saw none of it",
        len(STEPS),
        f"thresholds of a stall from {STEPS[0]} to {STEPS[-1]}; over the folds {choice.among_folds}; not "
        f"below {LEAST_THRESHOLDS['stall']}, where a replayed clip saw a stall that had left",
        model_card.sets_of(run),
    )
    elsewhere = model_card.elsewhere_rows(files, begun.data, begun.start.parent, chosen)
    clip = model_card.people_in_clip(files, begun.data, chosen)
    model_card.write(out, run, judged, clip, head, elsewhere)


if __name__ == "__main__":
    main()
