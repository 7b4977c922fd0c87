"""What the bin state's training views are mixed from: bodies, cut-outs, streets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from training.bin_classifier.mixing import CutOut, cut_out
from training.bin_classifier.pictures import BESIDE, CROPS, Material, read
from training.datasets import readers
from training.datasets.readers import STREETS_WITHOUT_BINS, BinPicture

PUT_OUT = ("bed", "couch", "chair", "refrigerator", "oven", "microwave", "tv", "suitcase", "toilet")
"""COCO's things that people put out beside a container."""
MAY_STAND = ("person", "bicycle", "motorcycle", "dog", "potted plant", "fire hydrant", "bench")
LEAST_PX = 60


def beside_containers(data: Path) -> list[BinPicture]:
    """Every boxed container of Montevideo in order twice: for rubbish beside it, and for other things."""
    clean = readers.boxed_bins(data, "bins_scene_montevideo")
    return [
        replace(item, set_name=BESIDE, overflowing=state)
        for item in clean
        for state in (True, False)
    ]


def _coco(data: Path, names: Sequence[str]) -> list[CutOut]:
    folder = data / "coco_mini"
    content = json.loads((folder / "instances_train2017.json").read_text(encoding="utf-8"))
    numbers = {each["id"] for each in content["categories"] if each["name"] in names}
    files = {each["id"]: each["file_name"] for each in content["images"]}
    found = []
    for each in content["annotations"]:
        large = min(each["bbox"][2:]) >= LEAST_PX
        if each["category_id"] in numbers and not each["iscrowd"] and large:
            outline = max(each["segmentation"], key=len)
            picture = read(folder / "train2017" / files[each["image_id"]])
            found.append(cut_out(picture, list(zip(outline[0::2], outline[1::2], strict=True))))
    return found


def _bags(data: Path) -> list[CutOut]:
    folder = data / "rubbish_bags_korea"
    return [
        cut_out(read(folder / name), outline)
        for name, outlines in readers.bag_polygons(data).items()
        for outline in outlines
        if min(_size(outline)) >= LEAST_PX
    ]


def _size(outline: Sequence[tuple[float, float]]) -> tuple[float, float]:
    across, down = zip(*outline, strict=True)
    return max(across) - min(across), max(down) - min(down)


def material_of(data: Path, train: Sequence[BinPicture]) -> Material:
    """The material for views of ``train``; bodies and streets come from no other picture."""
    crops = [item for item in train if item.set_name == CROPS and item.rim is not None]
    return Material(
        streets=[item.path for item in train if item.set_name in STREETS_WITHOUT_BINS],
        bodies={
            state: [item for item in crops if item.overflowing is state] for state in (True, False)
        },
        things={True: _bags(data) + _coco(data, PUT_OUT), False: _coco(data, MAY_STAND)},
    )
