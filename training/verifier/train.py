"""Train, calibrate and export the verifier.

All layers are trained, at a smaller size first and at the device's at the end: a view costs the
square of its side, and what is a stall shows at either.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from agent.domain.labels import CANDIDATE_KINDS as KINDS
from training.fine_tuning import FineTuning, Pace
from training.verifier.crops import Kept, batch_of, plain, varied
from training.verifier.network import Calibrated, Verifier, normalised

BATCH = 32
SMOOTHING = 0.04
HEAD_FASTER = 4.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """All numbers that the weights depend on.

    Attributes:
        backbone: The network that is begun with.
        size_px: The device's input.
        small_px: The input of the first part of the training.
        epochs: Of ``per_epoch`` views each.
        large_from: The epoch from which on views have the device's size.
        per_epoch: Views in an epoch.
        rate: The highest learning rate.
        seed: Of order and variation.
    """

    backbone: str = "mobilenet-v2"
    size_px: int = 224
    small_px: int = 160
    epochs: int = 20
    large_from: int = 12
    per_epoch: int = 1024
    rate: float = 6e-4
    seed: int = 1


@dataclass
class Teaching:
    """What a training needs: kept candidates, and how often each is drawn."""

    kept: Sequence[Kept]
    chances: NDArray[np.float64]
    recipe: Recipe = field(default_factory=Recipe)

    def views(self, epoch: int) -> tuple[NDArray[np.int64], np.random.Generator, int]:
        """The rows of one epoch, what draws their looks, and their size in pixels."""
        recipe = self.recipe
        random = np.random.default_rng((recipe.seed, epoch))
        rows = random.choice(len(self.kept), size=recipe.per_epoch, p=self.chances)
        return rows, random, recipe.size_px if epoch >= recipe.large_from else recipe.small_px


def loss_of(logits: Tensor, shares: Tensor) -> Tensor:
    """Cross entropy with shares for targets, slightly smoothed: some labels are a matter of taste."""
    wanted = shares * (1 - SMOOTHING) + SMOOTHING / shares.shape[1]
    return -(wanted * functional.log_softmax(logits.float(), dim=1)).sum(dim=1).mean()


def train(
    teaching: Teaching, checkpoint: Path, begin: dict[str, Tensor] | None = None
) -> tuple[Verifier, float]:
    """Train all layers; goes on from the checkpoint where one of the same recipe lies.

    Args:
        teaching: The candidates and the recipe.
        checkpoint: Rewritten after every epoch.
        begin: Weights of an earlier round; the package's if not given.

    Returns:
        The network with the averaged weights, in evaluation mode, and the minutes it took.
    """
    recipe = teaching.recipe
    torch.manual_seed(recipe.seed)
    network = Verifier(len(KINDS), recipe.backbone)
    if begin is not None:
        network.load_state_dict(begin)
    pace = Pace(
        rates=(recipe.rate, recipe.rate * HEAD_FASTER),
        decay=0.03,
        warm_up=0.15,
        averaged=0.995,
        clip=5.0,
    )
    learning = [network.features.parameters(), network.last.parameters()]
    steps = recipe.epochs * -(-recipe.per_epoch // BATCH)
    tuning = FineTuning(network, learning, steps, pace)

    def one_epoch(epoch: int) -> None:
        loss = _epoch(teaching, epoch, tuning)
        tqdm.write(f"epoch {epoch + 1} of {recipe.epochs}: loss {loss:.4f}")

    facts = asdict(recipe) | {"n": len(teaching.kept)}
    tuning.run(recipe.epochs, one_epoch, checkpoint, facts)
    return tuning.averaged(), tuning.minutes


def _epoch(teaching: Teaching, epoch: int, tuning: FineTuning[Verifier]) -> float:
    rows, random, size_px = teaching.views(epoch)
    torch.manual_seed(teaching.recipe.seed * 100_003 + epoch)
    network, device = tuning.network, tuning.device
    network.train()
    total = 0.0
    for start in range(0, len(rows), BATCH):
        mine = [teaching.kept[row] for row in rows[start : start + BATCH]]
        pictures = batch_of([varied(each, size_px, random) for each in mine])
        images = normalised(torch.from_numpy(pictures)).to(
            device, memory_format=torch.channels_last
        )
        shares = torch.tensor([each.shares for each in mine]).to(device)
        with torch.autocast(device.type, dtype=torch.bfloat16):
            logits = network(images)
        loss = loss_of(logits, shares)
        tuning.learn(loss)
        total += loss.item() * len(mine)
    return total / len(rows)


def logits_of(network: Verifier, kept: Sequence[Kept], size_px: int) -> NDArray[np.float64]:
    """The network's logits (n, kinds) of plain views."""
    rows = []
    with torch.no_grad():
        for start in tqdm(range(0, len(kept), BATCH), desc="looking", leave=False, mininterval=20):
            pictures = batch_of([plain(each, size_px) for each in kept[start : start + BATCH]])
            rows.append(network(normalised(torch.from_numpy(pictures))).double().numpy())
    return np.concatenate(rows) if rows else np.zeros((0, len(KINDS)))


def temperature_of(logits: NDArray[np.float64], shares: NDArray[np.float64]) -> float:
    """The temperature at which the probabilities say best what is there, every kind alike.

    Guo et al., "On Calibration of Modern Neural Networks", arXiv:1706.04599, by a search over
    0.3 to 5.

    Args:
        logits: (n, kinds).
        shares: (n, kinds), what is there.
    """
    kind = shares.argmax(axis=1)
    counts = np.bincount(kind, minlength=shares.shape[1])
    weight = 1.0 / counts[kind]

    def cost(temperature: float) -> float:
        scaled = logits / temperature
        log = scaled - np.logaddexp.reduce(scaled, axis=1, keepdims=True)
        return float((weight * -(shares * log).sum(axis=1)).sum())

    return float(min(np.geomspace(0.3, 5.0, 200), key=cost))


def export(network: Verifier, temperature: float, size_px: int, path: Path) -> None:
    """Write the network with its softmax as ONNX: one picture in, the kinds' probabilities out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        Calibrated(network.to(memory_format=torch.contiguous_format), temperature).eval(),
        (torch.zeros(1, 3, size_px, size_px),),
        str(path),
        input_names=["images"],
        output_names=["probabilities"],
        opset_version=17,
        dynamo=False,
    )


def save_kept(path: Path, kept: Sequence[Kept], notes: object) -> None:
    """Keep cut candidates for another step; the file is ours and never leaves the work folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps((list(kept), notes)))


def load_kept(path: Path) -> tuple[list[Kept], Any]:
    """What :func:`save_kept` wrote."""
    kept, notes = pickle.loads(path.read_bytes())
    return kept, notes
