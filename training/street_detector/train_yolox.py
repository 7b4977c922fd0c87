"""Training the street detector, YOLOX-nano: from COCO's network, or from a street model that is there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.street_detector.loss import StreetLoss, Targets
from training.street_detector.mixture import TRAINED, Sources
from training.street_detector.pictures import Example
from training.street_detector.train import BATCH, Training, batches, learn_epochs, pictures_of
from training.street_detector.yolox import YoloxNet, rehead

# What the first layers see (edges, colours, at a fourth and an eighth of the picture's size) is the same
# on every street: they stay as they are, which halves the way back and forgets nothing.
KEPT_WEIGHTS = 60
NEW_ROWS_FASTER = 4.0
MOST_DOUBTED = 24


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


class YoloxTraining(Training[YoloxNet]):
    """The training of YOLOX-nano, but for its first layers."""

    def __init__(self, start: Path, steps: int, seed: int, begin: Path | None = None) -> None:
        torch.manual_seed(seed)
        graph = rehead(start) if begin is None else onnx.load(begin / "model.onnx")
        network = YoloxNet(graph)
        for early in network.in_order()[:KEPT_WEIGHTS]:
            early.requires_grad_(False)
        learning = {k: v for k, v in network.named_parameters() if v.requires_grad}
        heads = [v for k, v in learning.items() if "cls_preds" in k]
        super().__init__(graph, network, heads, NEW_ROWS_FASTER, steps)
        self.loss = StreetLoss()

    def step(self, examples: Sequence[Example]) -> dict[str, float]:
        """Learn from one batch; returns the parts of its loss."""
        images, targets = tensors_of(examples)
        images = images.to(self.device)
        # The loss is small beside the network: its anchors stay where the batches are made.
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            raw = self.network(images)
        total, parts = self.loss(raw.float().cpu(), targets)
        self.learn(total)
        return parts


def train(
    sources: Sources,
    start: Path,
    epochs: int,
    until: int,
    seed: int,
    work: Path,
    begin: Path | None,
    pictures: int,
) -> YoloxTraining:
    """Fine-tune; goes on from the last checkpoint of the same recipe.

    Args:
        sources: The sets; only their ``train`` parts are used.
        start: The COCO network.
        epochs: The length the learning rate is planned for.
        until: Stop after this many; the average of the weights is good before the rate is low.
        seed: Of order and variation.
        work: Where checkpoints lie.
        begin: A street model to go on from.
        pictures: In an epoch.
    """
    steps = pictures // BATCH
    training = YoloxTraining(start, epochs * steps, seed, begin)
    recipe = {
        "seed": seed,
        "epochs": epochs,
        "pictures": pictures,
        "n": pictures_of(sources),
        "begin": str(begin or ""),
        "whole": TRAINED.whole,
    }
    learn_epochs(
        training,
        until,
        lambda epoch: batches(sources, seed, epoch, steps),
        lambda _, examples: training.step(examples),
        work,
        recipe,
    )
    return training
