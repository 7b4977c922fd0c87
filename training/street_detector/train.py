"""Train and judge the street detector.

``python -m training.street_detector.train --seed 1 --stills DIR --out models/street``

Goes on from COCO's network, or, with ``--begin``, from a street model that is there.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import onnx
import torch
from torch import Tensor
from tqdm import tqdm

from training import checkpoints
from training.checkpoints import fastest_device
from training.datasets.splits import SHARES, parts_of, write_groups
from training.street_detector import model_card
from training.street_detector.classes import STREET_CLASSES
from training.street_detector.judge import StreetFile, best_threshold, judge, quiet_threshold
from training.street_detector.loss import StreetLoss, Targets
from training.street_detector.mixture import (
    FROM_COCO,
    FROM_STREET,
    ON_NO_REAL_STREET,
    Mixture,
    Sources,
    gather,
    judged_parts,
    training_scene,
    unboxed_streets,
)
from training.street_detector.pictures import WHOLE_SHARE, Example, varied
from training.street_detector.yolox import YoloxNet, rehead

BATCH = 16
PICTURES_PER_EPOCH = 1600
LEARNING_RATE = 1.2e-4
NEW_ROWS_FASTER = 4.0
DEFAULT_THRESHOLD = 0.35


def draw_batch(sources: Sources, mixture: Mixture, seed: tuple[int, int, int]) -> list[Example]:
    """One batch; depends on the seed alone, so a resumed training sees the same pictures."""
    random = np.random.default_rng(seed)
    return [
        varied(training_scene(sources, mixture, random), random, mixture.whole)
        for _ in range(BATCH)
    ]


def batches(sources: Sources, mixture: Mixture, seed: int, epoch: int) -> Iterator[list[Example]]:
    """One epoch's batches, two of them prepared ahead on another thread."""
    count = PICTURES_PER_EPOCH // BATCH
    with ThreadPoolExecutor(1) as worker:

        def prepared(index: int) -> Future[list[Example]]:
            return worker.submit(draw_batch, sources, mixture, (seed, epoch, index))

        ahead = [prepared(index) for index in range(2)]
        for index in range(count):
            if index + 2 < count:
                ahead.append(prepared(index + 2))
            yield ahead.pop(0).result()


def tensors_of(examples: Sequence[Example]) -> tuple[Tensor, list[Targets]]:
    """A batch as the network and the loss take it."""
    pictures = np.stack([each.picture for each in examples]).astype(np.float32)
    images = torch.from_numpy(pictures).permute(0, 3, 1, 2)
    targets = [
        Targets(
            torch.from_numpy(each.boxes).float(),
            torch.from_numpy(each.classes).long(),
            torch.from_numpy(each.unsure).float(),
            torch.from_numpy(each.exhaustive),
            each.rendered,
            each.unlabelled,
        )
        for each in examples
    ]
    return images.contiguous(memory_format=torch.channels_last), targets


class Training:
    """The state of one training: student, frozen start, optimiser, average."""

    def __init__(self, start: Path, epochs: int, seed: int, begin: Path | None = None) -> None:
        torch.manual_seed(seed)
        self.graph = rehead(start) if begin is None else onnx.load(begin / "model.onnx")
        self.teacher = YoloxNet(rehead(start, silent=True)).requires_grad_(False)
        self.student = YoloxNet(self.graph)
        self.device = fastest_device()
        for network in (self.teacher, self.student):
            network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        heads = [v for k, v in self.student.named_parameters() if "cls_preds" in k]
        body = [v for k, v in self.student.named_parameters() if "cls_preds" not in k]
        rates = [LEARNING_RATE, LEARNING_RATE * NEW_ROWS_FASTER]
        self.optimiser = torch.optim.AdamW(
            [{"params": body, "lr": rates[0]}, {"params": heads, "lr": rates[1]}], weight_decay=0.0
        )
        steps = epochs * (PICTURES_PER_EPOCH // BATCH)
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
        with torch.no_grad():
            taught = self.teacher(images).cpu()
        # The loss goes picture by picture over few numbers: that is quicker beside a GPU than on it.
        total, parts = self.loss(self.student(images).cpu(), taught, targets)
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
    whole: float = WHOLE_SHARE,
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
    """
    training = Training(start, epochs, seed, begin)
    mixture = replace(FROM_COCO if begin is None else FROM_STREET, whole=whole)
    count = sum(len(each.items) for each in sources.splits.values())
    recipe = {"seed": seed, "epochs": epochs, "n": count, "begin": str(begin or ""), "whole": whole}
    state = checkpoints.load(work / "checkpoint.pt", recipe)
    if state is not None:
        training.restore(state)
    for epoch in range(training.epoch, until):
        bar = tqdm(
            batches(sources, mixture, seed, epoch),
            total=PICTURES_PER_EPOCH // BATCH,
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


def thresholds(path: Path, sources: Sources, seed: int) -> dict[str, float]:
    """Per class, a score chosen on the ``tune`` parts.

    It is the one with the best F score; for what stands on no real picture, the lowest that is quiet
    on them.
    """
    detector = StreetFile(path)
    judged = {
        name: judge(detector, part) for name, part in judged_parts(sources, "tune", seed).items()
    }
    real = [part for name, part in judged.items() if name not in ("rendered", "composed")]
    real.append(judge(detector, unboxed_streets(sources, "tune")))
    chosen = {}
    for name in STREET_CLASSES:
        best = (
            quiet_threshold(real, name)
            if name in ON_NO_REAL_STREET
            else best_threshold(list(judged.values()), name)
        )
        chosen[name] = DEFAULT_THRESHOLD if best is None else best
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
    default=WHOLE_SHARE,
    type=click.FloatRange(0, 1),
    show_default=True,
    help="Share of views that show the whole picture instead of a window, where things are small.",
)
@click.option("--stills", default=None, type=click.Path(path_type=Path, exists=True))
@click.option("--stalls", default=None, type=click.Path(path_type=Path, exists=True))
@click.option("--reviewed", default=None, type=click.Path(path_type=Path, exists=True))
@click.option("--out", default=Path("models/street"), type=click.Path(path_type=Path))
@click.option("--work", default=Path(".training/street"), type=click.Path(path_type=Path))
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
    threads: int,
) -> None:
    """Train, export, judge beside the start, and write the papers."""
    torch.set_num_threads(threads)
    kept = None if begin is None else parts_of(begin)
    sources = gather(data, stills, seed, reviewed, stalls, kept)
    training = train(sources, start, epochs, until or epochs, seed, work, begin, whole)
    out.mkdir(parents=True, exist_ok=True)
    training.export(out / "model.onnx")
    chosen = thresholds(out / "model.onnx", sources, seed)
    held_out = judged_parts(sources, "held_out", seed)
    held_out["streets nobody boxed"] = unboxed_streets(sources, "held_out")
    files = {
        "start": StreetFile(rehead(start, silent=True).SerializeToString()),
        "trained": StreetFile(out / "model.onnx"),
    }
    judged = {
        key: {name: judge(each, part) for name, part in held_out.items()}
        for key, each in files.items()
    }
    write_groups(out / "groups.json", sources.splits.values(), begin)
    counts = {
        name: {part: len(each.part(part)) for part in SHARES}
        for name, each in sources.splits.items()
    }
    run = model_card.Run(
        seed,
        epochs,
        training.epoch,
        training.epoch * PICTURES_PER_EPOCH,
        training.minutes,
        chosen,
        counts,
        "" if begin is None else model_card.title_of(begin),
        out.name,
        whole,
    )
    model_card.write(out, run, judged, model_card.people_in_clip(files, data, chosen))


if __name__ == "__main__":
    main()
