"""Train and judge the bin state classifier: does a bin overflow?

Which recipe, and what a stranger's corner may expect of it, :mod:`.cross_validation` says beforehand; its
answers calibrate the probability here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from training.bin_classifier import calibration, model_card
from training.bin_classifier.calibration import STREETS
from training.bin_classifier.material import beside_containers, material_of
from training.bin_classifier.mobilenet import FEATURES, MobileNetV2, Probabilities
from training.bin_classifier.pictures import (
    BESIDE,
    CROPS,
    LOOK_PX,
    SIZE_PX,
    Material,
    normalised,
    plain,
    varied,
)
from training.bin_classifier.test_time_augmentation import with_second_look
from training.datasets import readers
from training.datasets.clips import frames
from training.datasets.groups import records, split_groups
from training.datasets.licences import may_train
from training.datasets.near_duplicates import pretrained, same_place_groups
from training.datasets.readers import BinPicture
from training.datasets.rendered import rendered_bins
from training.datasets.reviewed import REVIEWED, reviewed_bins
from training.evaluate.folds import joined_groups
from training.fine_tuning import FineTuning, Pace
from training.make import Job
from training.model_folder import hand_on
from training.street.steps import STILLS

BATCH = 32
PICTURES_PER_EPOCH = 896
LEARNING_RATE = 4e-4
PACE = Pace(
    rates=(LEARNING_RATE, LEARNING_RATE * 3), decay=0.02, warm_up=0.15, averaged=0.99, clip=5.0
)
SHARES = {"train": 0.76, "held_out": 0.24}
THRESHOLD = 0.5
"""The probability is calibrated; its middle needs no choosing, which on so few pictures is a throw."""
SCENES = "bins_scene_montevideo"
SANDIEGO = "bins_closed_sandiego"
SET_WEIGHTS = {
    CROPS: 0.27,
    SCENES: 0.42,
    BESIDE: 0.05,
    "amsterdam_garbage": 0.05,
    SANDIEGO: 0.05,
    "rendered": 0.1,
    REVIEWED: 0.3,
    STREETS: 0.14,
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
    """Group a set's pictures and split the groups.

    Where places are known they are the groups, joined for the tight crops by likeness as well.
    """
    alike: list[str] = []
    if items[0].place is None or items[0].set_name == CROPS:
        names = [item.name for item in items]
        alike = same_place_groups(names, lambda index: plain(items[index], LOOK_PX))
    places = [f"{item.set_name}/{item.place}" for item in items] if items[0].place else []
    ties = [list(each) for each in (zip(places, alike, strict=True) if places and alike else ())]
    groups = joined_groups(ties) if ties else places or alike
    parts = split_groups(groups, seed, SHARES)
    return Pool(items, groups, [parts[group] for group in groups])


def gather(
    data: Path,
    stills: Path | None,
    seed: int,
    reviewed: Path | None = None,
    may: Callable[[str], bool] = may_train,
    most: int | None = None,
) -> dict[str, Pool]:
    """Every set that is trained on, split.

    Args:
        data: The picture sets.
        stills: Drawn streets, if any.
        seed: Of the split.
        reviewed: Crops that people have sorted, if any.
        may: Whether a set may teach.
        most: So many pictures of each state and set at most; only to see that everything runs.
    """
    found = {
        CROPS: readers.bins_shenzhen(data),
        SCENES: readers.bins_montevideo(data),
        "amsterdam_garbage": readers.bins_amsterdam(data),
        "rendered": rendered_bins(stills) if stills else [],
        REVIEWED: reviewed_bins(reviewed) if reviewed else [],
        SANDIEGO: readers.bins_sandiego(data),
        STREETS: readers.streets_without_bins(data),
    }
    found = {
        name: _few([item for item in items if may(item.set_name)], most)
        for name, items in found.items()
    }
    pools = {name: pool(items, seed) for name, items in found.items() if items}
    scenes = pools.get(SCENES)
    if scenes is None:
        return pools
    known = {
        item.path: (group, part)
        for item, group, part in zip(scenes.items, scenes.groups, scenes.parts, strict=True)
    }
    laid = [item for item in beside_containers(data) if item.path in known]
    where = [known[item.path] for item in laid]
    beside = Pool(laid, [group for group, _ in where], [part for _, part in where])
    return pools | ({BESIDE: beside} if beside.part("train") else {})


def _few(items: Sequence[BinPicture], most: int | None) -> list[BinPicture]:
    """The first ``most`` items of each state."""
    states = {state: [i for i in items if i.overflowing is state] for state in (True, False)}
    return [item for alike in states.values() for item in alike[:most]]


Chosen = Mapping[str, Sequence[BinPicture]]
"""The pictures that teach, by set."""


def teaching(pools: Mapping[str, Pool]) -> dict[str, list[BinPicture]]:
    """Every pool's ``train`` part."""
    return {name: [item for item, _ in each.part("train")] for name, each in pools.items()}


def draw_epoch(
    chosen: Chosen, random: np.random.Generator, pictures: int | None = None
) -> list[BinPicture]:
    """One epoch's pictures: sets by weight, both states alike within each."""
    weights = {name: SET_WEIGHTS[name] for name in chosen}
    pictures = pictures or PICTURES_PER_EPOCH
    total = sum(weights.values())
    drawn: list[BinPicture] = []
    for name, items in chosen.items():
        states = sorted({item.overflowing for item in items})
        count = max(1, round(pictures * weights[name] / total / len(states)))
        for state in states:
            alike = [item for item in items if item.overflowing is state]
            drawn += [alike[int(i)] for i in random.integers(len(alike), size=count)]
    return [drawn[int(i)] for i in random.permutation(len(drawn))]


def loss_of(logits: Tensor, overflowing: Sequence[bool]) -> Tensor:
    """Cross entropy with a little smoothing: some labels are a matter of taste."""
    return functional.cross_entropy(
        logits, torch.tensor(overflowing, dtype=torch.long), label_smoothing=0.06
    )


def train(
    chosen: Chosen,
    material: Material,
    epochs: int,
    seed: int,
    checkpoint: Path,
    pictures: int | None = None,
) -> tuple[MobileNetV2, float]:
    """Train all layers; goes on from the checkpoint where one of the same recipe lies.

    Args:
        chosen: The pictures that teach.
        material: What their views are mixed from; of pictures that teach alone.
        epochs: How many.
        seed: Of weights, order and variation.
        checkpoint: Rewritten after every epoch.
        pictures: Of an epoch; by default 896.

    Returns:
        The network with the averaged weights, in evaluation mode, and the minutes it took.
    """
    torch.manual_seed(seed)
    network = pretrained()
    network.classifier[1] = torch.nn.Linear(FEATURES, 2)
    batches = -(-len(draw_epoch(chosen, np.random.default_rng(0), pictures)) // BATCH)
    learning = [network.features.parameters(), network.classifier.parameters()]
    tuning = FineTuning(network, learning, epochs * batches, PACE)
    recipe = {
        "seed": seed,
        "epochs": epochs,
        "n": sum(map(len, chosen.values())),
        "size_px": SIZE_PX,
    }

    def one_epoch(epoch: int) -> None:
        _epoch(tuning, chosen, material, pictures, (seed, epoch))

    tuning.run(epochs, one_epoch, checkpoint, recipe)
    return tuning.averaged(), tuning.minutes


def _epoch(
    tuning: FineTuning[MobileNetV2],
    chosen: Chosen,
    material: Material,
    pictures: int | None,
    draw: tuple[int, int],
) -> None:
    random = np.random.default_rng(draw)
    torch.manual_seed(draw[0] * 100_003 + draw[1])
    tuning.network.train()
    drawn = draw_epoch(chosen, random, pictures)
    batches = [drawn[start : start + BATCH] for start in range(0, len(drawn), BATCH)]
    total = 0.0
    bar = tqdm(batches, desc=f"epoch {draw[1] + 1}", leave=False)
    for batch in bar:
        views = normalised([varied(item, material, random) for item in batch])
        with torch.autocast(tuning.device.type, torch.bfloat16):
            images = torch.from_numpy(views).to(tuning.device, memory_format=torch.channels_last)
            logits = tuning.network(images).float().cpu()
        loss = loss_of(logits, [item.overflowing for item in batch])
        tuning.learn(loss)
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


def rescale(network: MobileNetV2, scale: float, shift: float) -> None:
    """Scale the margin of the last layer and shift it, so that the probability is what it says."""
    last = network.classifier[1]
    assert isinstance(last, torch.nn.Linear)
    with torch.no_grad():
        last.weight *= scale
        last.bias *= scale
        last.bias[1] += shift


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
        scores = []
        for frame in frames(data / "videos" / clip, every):
            small = cv2.resize(frame, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_AREA)
            batch = normalised([np.asarray(small, dtype=np.uint8)])
            scores.append(float(session.run(None, {"images": batch})[0][0, 1]))
        found[clip] = np.array(scores)
    return found


def write_groups(path: Path, pools: dict[str, Pool]) -> None:
    """Publish which picture is in which group and part.

    The containers that things are laid beside are told among the scenes that they are cut from.
    """
    rows = []
    for each in (each for name, each in pools.items() if name != BESIDE):
        parts = dict(zip(each.groups, each.parts, strict=True))
        rows += records(
            [item.name for item in each.items],
            [item.path for item in each.items],
            each.groups,
            parts,
        )
    text = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_text(f"[\n{text}\n]\n", encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Places:
    """Where a training reads and writes.

    Attributes:
        data: The picture sets.
        out: The model's folder.
        work: Checkpoints, and the network with one look in a folder of its own, ``one-look/NAME``.
        folds: What the cross validation wrote; the probability is calibrated by it.
        stills: Drawn streets, if any.
    """

    data: Path
    out: Path
    work: Path
    folds: Path
    stills: Path | None = None


def make(
    places: Places, pools: dict[str, Pool], seed: int, epochs: int, pictures: int | None = None
) -> None:
    """Train on the pools' ``train`` parts, calibrate by the folds, export, judge and write the papers."""
    chosen = teaching(pools)
    material = material_of(places.data, [item for items in chosen.values() for item in items])
    network, minutes = train(
        chosen, material, epochs, seed, places.work / "checkpoint.pt", pictures
    )
    rows = calibration.read_margins(places.folds)
    bins = calibration.of_bins(rows)
    rescale(network, *calibration.fit(rows.margin[bins], rows.truth[bins]))
    one_look = places.work / "one-look" / places.out.name
    export(network, one_look / "model.onnx")
    places.out.mkdir(parents=True, exist_ok=True)
    model = places.out / "model.onnx"
    with_second_look(one_look / "model.onnx", model)
    write_groups(places.out / "groups.json", pools)
    counts = {name: {part: len(each.part(part)) for part in SHARES} for name, each in pools.items()}
    sets = sorted({item.set_name for items in chosen.values() for item in items} - {BESIDE})
    sets += ["rubbish_bags_korea"] * (BESIDE in chosen)
    seen = len(draw_epoch(chosen, np.random.default_rng(0), pictures)) * epochs
    run = model_card.Run(seed, epochs, seen, minutes, THRESHOLD, counts, sets, rows)
    model_card.write(places.out, run, judge(model, pools), clip_scores(model, places.data))
    hand_on(places.out, one_look, f"{places.out.name} before its second look")


def model(job: Job) -> None:
    """The routine's step: the folder that is shipped."""
    torch.set_num_threads(job.options.threads)
    stills = (
        job.gathered("stills", STILLS) if any(n.startswith(STILLS) for n in job.inputs) else None
    )
    places = Places(job.options.data, job.model, job.folder, job.inputs["folds"], stills)
    pools = gather_for(job, stills)
    make(places, pools, job.options.seed, job.recipe["epochs"], job.recipe["pictures"])


def gather_for(job: Job, stills: Path | None) -> dict[str, Pool]:
    """The pools of a step of the routine."""
    options = job.options
    most = job.recipe["most"]
    return gather(options.data, stills, options.seed, options.reviewed, options.may_train, most)
