"""Training the larger street detector, NanoDet-Plus, on the pictures that the smaller one learns from."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import torch
from tqdm import tqdm

from training import checkpoints
from training.checkpoints import fastest_device
from training.street_detector.generalised_focal_loss import GeneralisedFocalLoss, Truth, truth_of
from training.street_detector.mixture import TRAINED, Sources
from training.street_detector.nanodet_plus import INPUT_PX, NanoDetNet, normalised, rehead
from training.street_detector.pictures import Example
from training.street_detector.train import BATCH, batches

LEARNING_RATE = 1.5e-4
HEADS_FASTER = 3.0
AVERAGED = 0.998


def images_of(examples: Sequence[Example], size_px: int) -> torch.Tensor:
    """A batch's pictures as the network takes them, at a size."""
    pictures = [each.picture for each in examples]
    if size_px != INPUT_PX:
        sizes = (size_px, size_px)
        pictures = [
            np.asarray(cv2.resize(each, sizes, interpolation=cv2.INTER_AREA)) for each in pictures
        ]
    return normalised(np.stack(pictures))


class Training:
    """The state of one training: student, frozen start, optimiser, average."""

    def __init__(self, start: Path, steps: int, seed: int) -> None:
        torch.manual_seed(seed)
        self.device = fastest_device()
        self.graph = rehead(start)
        self.student = NanoDetNet(self.graph, half=True)
        self.teacher = NanoDetNet(rehead(start, silent=True), half=True).requires_grad_(False)
        for network in (self.teacher, self.student):
            network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        last = {id(each) for each in self.student.head_weights()}
        heads = [each for each in self.student.parameters() if id(each) in last]
        body = [each for each in self.student.parameters() if id(each) not in last]
        rates = [LEARNING_RATE, LEARNING_RATE * HEADS_FASTER]
        self.optimiser = torch.optim.AdamW(
            [{"params": body, "lr": rates[0]}, {"params": heads, "lr": rates[1]}], weight_decay=0.0
        )
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser, rates, total_steps=steps + 1, pct_start=0.08
        )
        self.average = checkpoints.Average(self.student, AVERAGED)
        self._losses: dict[int, GeneralisedFocalLoss] = {}
        self.epoch = 0
        self.minutes = 0.0

    def _taught(self, images: torch.Tensor, truth: Truth) -> torch.Tensor:
        """The frozen start's heads; it is asked only of pictures that it can tell something of."""
        asked = truth.taught.any(dim=1)
        places = len(self._losses[images.shape[2]].points)
        heads = torch.zeros(len(images), places, self.student.columns)
        if asked.any():
            with torch.no_grad():
                heads[asked] = self.teacher(images[asked.to(images.device)]).cpu()
        return heads

    def step(self, examples: Sequence[Example], size_px: int) -> dict[str, float]:
        """Learn from one batch at a size; returns the parts of its loss."""
        loss = self._losses.setdefault(size_px, GeneralisedFocalLoss(size_px))
        images, truth = images_of(examples, size_px).to(self.device), truth_of(examples, size_px)
        total, parts = loss(self.student(images).cpu(), self._taught(images, truth), truth)
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
        self.epoch, self.minutes = state["epoch"], state["minutes"]

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
    sizes_px: Sequence[int],
    steps: int,
    seed: int,
    work: Path,
) -> Training:
    """Fine-tune all layers; goes on from the last checkpoint of the same recipe.

    Args:
        sources: The sets; only their ``train`` parts are used.
        start: The COCO network.
        sizes_px: The size of the input in each epoch.
        steps: In an epoch, a batch each.
        seed: Of order and variation.
        work: Where checkpoints lie.
    """
    training = Training(start, len(sizes_px) * steps, seed)
    pictures = sum(len(each.items) for each in sources.splits.values())
    recipe = {
        "seed": seed,
        "sizes": list(sizes_px),
        "steps": steps,
        "n": pictures,
    }
    state = checkpoints.load(work / "checkpoint.pt", recipe)
    if state is not None:
        training.restore(state)
    for epoch in range(training.epoch, len(sizes_px)):
        fed = batches(sources, TRAINED, seed, epoch, steps * BATCH)
        bar = tqdm(fed, total=steps, desc=f"epoch {epoch + 1}, {sizes_px[epoch]} px")
        sums: dict[str, float] = {}
        began_s = time.monotonic()
        for index, examples in enumerate(bar):
            parts = training.step(examples, sizes_px[epoch])
            sums = {k: sums.get(k, 0.0) + v for k, v in parts.items()}
            bar.set_postfix({k: f"{v / (index + 1):.3f}" for k, v in sums.items()})
        training.epoch = epoch + 1
        training.minutes += (time.monotonic() - began_s) / 60
        checkpoints.save(work / "checkpoint.pt", training.state() | {"recipe": recipe})
        training.export(work / "latest.onnx")
    return training
