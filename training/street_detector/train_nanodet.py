"""Training the larger street detector, NanoDet-Plus, on the pictures that the smaller one learns from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from training.street_detector.generalised_focal_loss import GeneralisedFocalLoss, Truth, truth_of
from training.street_detector.mixture import Sources
from training.street_detector.nanodet_plus import INPUT_PX, NanoDetNet, normalised, rehead
from training.street_detector.pictures import Example
from training.street_detector.train import Training, batches, learn_epochs, pictures_of

HEADS_FASTER = 3.0


def images_of(examples: Sequence[Example], size_px: int) -> torch.Tensor:
    """A batch's pictures as the network takes them, at a size."""
    pictures = [each.picture for each in examples]
    if size_px != INPUT_PX:
        sizes = (size_px, size_px)
        pictures = [
            np.asarray(cv2.resize(each, sizes, interpolation=cv2.INTER_AREA)) for each in pictures
        ]
    return normalised(np.stack(pictures))


class NanoDetTraining(Training[NanoDetNet]):
    """The training of NanoDet-Plus, all layers, beside its frozen start."""

    def __init__(self, start: Path, steps: int, seed: int) -> None:
        torch.manual_seed(seed)
        graph = rehead(start)
        network = NanoDetNet(graph, half=True)
        super().__init__(graph, network, network.head_weights(), HEADS_FASTER, steps)
        teacher = NanoDetNet(rehead(start, silent=True), half=True).requires_grad_(False)
        self.teacher = teacher.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._losses: dict[int, GeneralisedFocalLoss] = {}

    def _taught(self, images: torch.Tensor, truth: Truth) -> torch.Tensor:
        """The frozen start's heads; it is asked only of pictures that it can tell something of."""
        asked = truth.taught.any(dim=1)
        places = len(self._losses[images.shape[2]].points)
        heads = torch.zeros(len(images), places, self.network.columns)
        if asked.any():
            with torch.no_grad():
                heads[asked] = self.teacher(images[asked.to(images.device)]).cpu()
        return heads

    def step(self, examples: Sequence[Example], size_px: int) -> dict[str, float]:
        """Learn from one batch at a size; returns the parts of its loss."""
        loss = self._losses.setdefault(size_px, GeneralisedFocalLoss(size_px))
        images, truth = images_of(examples, size_px).to(self.device), truth_of(examples, size_px)
        total, parts = loss(self.network(images).cpu(), self._taught(images, truth), truth)
        self.learn(total)
        return parts


def train(
    sources: Sources,
    start: Path,
    sizes_px: Sequence[int],
    steps: int,
    seed: int,
    work: Path,
) -> NanoDetTraining:
    """Fine-tune all layers; goes on from the last checkpoint of the same recipe.

    Args:
        sources: The sets; only their ``train`` parts are used.
        start: The COCO network.
        sizes_px: The size of the input in each epoch.
        steps: In an epoch, a batch each.
        seed: Of order and variation.
        work: Where checkpoints lie.
    """
    training = NanoDetTraining(start, len(sizes_px) * steps, seed)
    recipe = {"seed": seed, "sizes": list(sizes_px), "steps": steps, "n": pictures_of(sources)}
    learn_epochs(
        training,
        len(sizes_px),
        lambda epoch: batches(sources, seed, epoch, steps),
        lambda epoch, examples: training.step(examples, sizes_px[epoch]),
        work,
        recipe,
    )
    return training
