"""Train and judge the bin state classifier: does a bin overflow?

``python -m training.bin_classifier.train --seed 1 --stills DIR --out models/bin-state``
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from training import checkpoints
from training.bin_classifier import model_card
from training.bin_classifier.mobilenet import FEATURES, MobileNetV2, Probabilities
from training.bin_classifier.pictures import LOOK_PX, SIZE_PX, normalised, plain, varied
from training.datasets import readers
from training.datasets.groups import records, split_groups
from training.datasets.near_duplicates import pretrained, same_place_groups
from training.datasets.readers import BinPicture
from training.datasets.rendered import rendered_bins
from training.datasets.reviewed import REVIEWED, reviewed_bins

BATCH = 32
PICTURES_PER_EPOCH = 896
LEARNING_RATE = 4e-4
SHARES = {"train": 0.64, "tune": 0.12, "held_out": 0.24}
THRESHOLD = 0.5
"""The probability is calibrated; its middle needs no choosing, which on so few pictures is a throw."""
STREETS = "streets without bins"
SET_WEIGHTS = {
    "bin_crops_shenzhen": 0.28,
    "bins_scene_montevideo": 0.34,
    "amsterdam_garbage": 0.04,
    "rendered": 0.1,
    REVIEWED: 0.3,
    STREETS: 0.24,
}


@dataclass(frozen=True, slots=True)
class Pool:
    """One set with its split: item ``i`` is in group ``groups[i]`` and part ``parts[i]``."""

    items: Sequence[BinPicture]
    groups: Sequence[str]
    parts: Sequence[str]

    def part(self, name: str) -> list[tuple[BinPicture, str]]:
        """The items of one part with their groups."""
        rows = zip(self.items, self.groups, self.parts, strict=True)
        return [(item, group) for item, group, part in rows if part == name]


def pool(items: Sequence[BinPicture], seed: int) -> Pool:
    """Group a set's pictures and split the groups; a known place is its own group."""
    if items and items[0].place is not None:
        groups = [f"{item.set_name}/{item.place}" for item in items]
    else:
        names = [item.name for item in items]
        groups = same_place_groups(names, lambda index: plain(items[index], LOOK_PX))
    parts = split_groups(groups, seed, SHARES)
    return Pool(items, groups, [parts[group] for group in groups])


def gather(
    data: Path, stills: Path | None, seed: int, reviewed: Path | None = None
) -> dict[str, Pool]:
    """Every set that is trained on, split."""
    found = {
        "bin_crops_shenzhen": readers.bins_shenzhen(data),
        "bins_scene_montevideo": readers.bins_montevideo(data),
        "amsterdam_garbage": readers.bins_amsterdam(data),
        "rendered": rendered_bins(stills) if stills else [],
        REVIEWED: reviewed_bins(reviewed) if reviewed else [],
        STREETS: readers.streets_without_bins(data),
    }
    return {name: pool(items, seed) for name, items in found.items() if items}


def draw_epoch(pools: dict[str, Pool], random: np.random.Generator) -> list[BinPicture]:
    """One epoch's pictures: sets by weight, both states alike within each."""
    weights = {name: SET_WEIGHTS[name] for name in pools}
    total = sum(weights.values())
    drawn: list[BinPicture] = []
    for name, each in pools.items():
        train = [item for item, _ in each.part("train")]
        states = sorted({item.overflowing for item in train})
        count = round(PICTURES_PER_EPOCH * weights[name] / total / len(states))
        for state in states:
            alike = [item for item in train if item.overflowing is state]
            drawn += [alike[int(i)] for i in random.integers(len(alike), size=count)]
    return [drawn[int(i)] for i in random.permutation(len(drawn))]


def loss_of(logits: Tensor, overflowing: Sequence[bool]) -> Tensor:
    """Cross entropy with a little smoothing: some labels are a matter of taste."""
    return functional.cross_entropy(
        logits, torch.tensor(overflowing, dtype=torch.long), label_smoothing=0.06
    )


def _optimiser(network: MobileNetV2) -> torch.optim.AdamW:
    return torch.optim.AdamW(
        [
            {"params": network.features.parameters(), "lr": LEARNING_RATE},
            {"params": network.classifier.parameters(), "lr": LEARNING_RATE * 3},
        ],
        weight_decay=0.02,
    )


def train(
    pools: dict[str, Pool], streets: Sequence[Path], epochs: int, seed: int, checkpoint: Path
) -> tuple[MobileNetV2, float]:
    """Train all layers; goes on from the checkpoint where one of the same recipe lies.

    Args:
        pools: The sets; only their ``train`` parts are used.
        streets: Background pictures for tight crops.
        epochs: Of 896 pictures each.
        seed: Of weights, order and variation.
        checkpoint: Rewritten after every epoch.

    Returns:
        The network with the averaged weights, in evaluation mode, and the minutes it took.
    """
    torch.manual_seed(seed)
    network = pretrained()
    network.classifier[1] = torch.nn.Linear(FEATURES, 2)
    network.to(checkpoints.fastest_device())
    average = checkpoints.Average(network, 0.99)
    optimiser = _optimiser(network)
    steps = epochs * (PICTURES_PER_EPOCH // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, [LEARNING_RATE, LEARNING_RATE * 3], total_steps=steps + epochs, pct_start=0.15
    )
    recipe = {"seed": seed, "epochs": epochs, "n": sum(len(p.items) for p in pools.values())}
    recipe["size_px"] = SIZE_PX
    state = checkpoints.load(checkpoint, recipe)
    parts: dict[str, Any] = {"network": network, "optimiser": optimiser, "schedule": schedule}
    if state is not None:
        for name, part in parts.items():
            part.load_state_dict(state[name])
        average.values, average.steps = state["average"], state["steps"]
    done, minutes = (state["epoch"], state["minutes"]) if state else (0, 0.0)
    for epoch in tqdm(range(done, epochs), desc="training", initial=done, total=epochs):
        began_s = time.monotonic()
        _epoch(network, optimiser, schedule, average, pools, streets, (seed, epoch))
        minutes += (time.monotonic() - began_s) / 60
        saved = {name: part.state_dict() for name, part in parts.items()}
        saved |= {"average": average.values, "steps": average.steps, "minutes": minutes}
        checkpoints.save(checkpoint, saved | {"recipe": recipe, "epoch": epoch + 1})
    network.load_state_dict(average.values)
    return network.cpu().eval(), minutes


def _epoch(
    network: MobileNetV2,
    optimiser: torch.optim.AdamW,
    schedule: torch.optim.lr_scheduler.OneCycleLR,
    average: checkpoints.Average,
    pools: dict[str, Pool],
    streets: Sequence[Path],
    draw: tuple[int, int],
) -> None:
    random = np.random.default_rng(draw)
    torch.manual_seed(draw[0] * 100_003 + draw[1])
    network.train()
    device = next(network.parameters()).device
    drawn = draw_epoch(pools, random)
    batches = [drawn[start : start + BATCH] for start in range(0, len(drawn), BATCH)]
    total = 0.0
    bar = tqdm(batches, desc=f"epoch {draw[1] + 1}", leave=False)
    for batch in bar:
        pictures = normalised([varied(item, streets, random) for item in batch])
        logits = network(torch.from_numpy(pictures).to(device)).cpu()
        loss = loss_of(logits, [item.overflowing for item in batch])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        schedule.step()
        average.update(network)
        total += loss.item()
        bar.set_postfix(loss=f"{loss.item():.3f}")
    tqdm.write(f"epoch {draw[1] + 1}: loss {total / len(batches):.4f}")


def export(network: MobileNetV2, path: Path) -> None:
    """Write the network with its softmax as ONNX: one picture in, two probabilities out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        Probabilities(network).eval(),
        (torch.zeros(1, 3, SIZE_PX, SIZE_PX),),
        str(path),
        input_names=["images"],
        output_names=["probabilities"],
        opset_version=17,
        dynamo=False,
    )


def run_file(path: Path, items: Sequence[BinPicture]) -> NDArray[np.float64]:
    """The exported file's probability of ``overflowing`` for each plain crop."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    rows = []
    for item in tqdm(items, desc="judging", leave=False):
        [output] = session.run(None, {"images": normalised([plain(item)])})
        rows.append(float(output[0, 1]))
    return np.array(rows)


def truth_of(items: Sequence[BinPicture]) -> NDArray[np.int64]:
    """1 where the bin overflows."""
    return np.array([int(item.overflowing) for item in items])


def tune_items(pools: dict[str, Pool]) -> list[BinPicture]:
    """The bins' ``tune`` parts together."""
    bins = [each for name, each in pools.items() if name != STREETS]
    return [item for each in bins for item, _ in each.part("tune")]


def calibrate(network: MobileNetV2, items: Sequence[BinPicture]) -> tuple[float, float]:
    """Scale and shift the last layer so that the probability is what it says.

    Platt's fit (Platt, "Probabilistic Outputs for Support Vector Machines", 1999) on the difference
    of the logits, both states weighing alike: the probability is that of a bin of which nothing is
    known beforehand. Returns the scale and the shift.
    """
    with torch.no_grad():
        rows = [network(torch.from_numpy(normalised([plain(item)]))) for item in items]
    margin = torch.cat([row[:, 1] - row[:, 0] for row in rows]).double()
    truth = torch.tensor(truth_of(items)).double()
    weight = torch.where(truth == 1, 0.5 / truth.sum(), 0.5 / (1 - truth).sum())
    fit = torch.tensor([1.0, 0.0], dtype=torch.double, requires_grad=True)
    optimiser = torch.optim.LBFGS([fit], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = functional.binary_cross_entropy_with_logits(
            fit[0] * margin + fit[1], truth, weight=weight, reduction="sum"
        )
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(loss)  # type: ignore[arg-type, no-untyped-call]
    scale, shift = (float(each) for each in fit.detach())
    last = network.classifier[1]
    assert isinstance(last, torch.nn.Linear)
    with torch.no_grad():
        last.weight *= scale
        last.bias *= scale
        last.bias[1] += shift
    return scale, shift


def judge(path: Path, pools: dict[str, Pool]) -> list[model_card.Judged]:
    """Scores of the held-out parts."""
    judged = []
    for name, each in pools.items():
        rows = each.part("held_out")
        items, groups = [item for item, _ in rows], [group for _, group in rows]
        judged.append(model_card.Judged(name, truth_of(items), run_file(path, items), groups))
    return judged


def clip_scores(path: Path, data: Path, every: int = 40) -> dict[str, NDArray[np.float64]]:
    """The probability of ``overflowing`` for whole frames of clips without a bin, by clip.

    Args:
        path: The exported file.
        data: The picture sets; the clips are in no part of any training.
        every: Take each frame of this number.
    """
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = {}
    for clip in ("dev_pedestrians_vtest.mp4", "dev_traffic_intersection_opendatacam.mp4"):
        reader = cv2.VideoCapture(str(data / "videos" / clip))
        scores, index = [], 0
        while (read := reader.read())[0]:
            if index % every == 0:
                small = cv2.resize(read[1], (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_AREA)
                batch = normalised([np.asarray(small, dtype=np.uint8)])
                scores.append(float(session.run(None, {"images": batch})[0][0, 1]))
            index += 1
        reader.release()
        found[clip] = np.array(scores)
    return found


def write_groups(path: Path, pools: dict[str, Pool]) -> None:
    """Publish which picture is in which group and part."""
    rows = []
    for each in pools.values():
        parts = dict(zip(each.groups, each.parts, strict=True))
        rows += records(
            [item.name for item in each.items],
            [item.path for item in each.items],
            each.groups,
            parts,
        )
    text = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_text(f"[\n{text}\n]\n", encoding="utf-8")


@click.command(help=__doc__)
@click.option("--seed", default=1, show_default=True)
@click.option("--epochs", default=16, show_default=True)
@click.option(
    "--data", "data", default=Path("../shared/data"), type=click.Path(path_type=Path, exists=True)
)
@click.option("--stills", default=None, type=click.Path(path_type=Path, exists=True))
@click.option("--reviewed", default=None, type=click.Path(path_type=Path, exists=True))
@click.option("--out", default=Path("models/bin-state"), type=click.Path(path_type=Path))
@click.option("--work", default=Path(".training/bin-state"), type=click.Path(path_type=Path))
@click.option("--threads", default=2, show_default=True)
def main(
    seed: int,
    epochs: int,
    data: Path,
    stills: Path | None,
    reviewed: Path | None,
    out: Path,
    work: Path,
    threads: int,
) -> None:
    """Train, export, judge and write the papers."""
    torch.set_num_threads(threads)
    pools = gather(data, stills, seed, reviewed)
    streets = [each.path for each in readers.streets_calgary(data)]
    network, minutes = train(pools, streets, epochs, seed, work / "checkpoint.pt")
    calibrate(network, tune_items(pools))
    export(network, out / "model.onnx")
    judged = judge(out / "model.onnx", pools)
    write_groups(out / "groups.json", pools)
    counts = {name: {part: len(each.part(part)) for part in SHARES} for name, each in pools.items()}
    run = model_card.Run(seed, epochs, epochs * PICTURES_PER_EPOCH, minutes, THRESHOLD, counts)
    model_card.write(out, run, judged, clip_scores(out / "model.onnx", data))


if __name__ == "__main__":
    main()
