"""Readers of the picture sets: what lies in each folder, and what its labels mean.

A set seldom labels everything in its pictures. ``exhaustive`` names the classes whose absence
from the labels really means absence; for the others a missing box says nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from training.street_detector.classes import COCO_CLASSES

Edges = tuple[float, float, float, float]
CROWD = "crowd"
LABELS = Path(__file__).parents[1] / "labels"
"""Boxes that were drawn by us, as fractions of the picture; no picture."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A picture with boxes in pixels (left, top, right, bottom).

    ``place`` joins pictures known to show the same place; None where the set does not say.
    """

    path: Path
    set_name: str
    labels: tuple[str, ...]
    boxes: tuple[Edges, ...]
    exhaustive: frozenset[str]
    place: str | None = None

    @property
    def name(self) -> str:
        """Set and file, as published in the groups file."""
        return f"{self.set_name}/{self.path.name}"


@dataclass(frozen=True, slots=True)
class BinPicture:
    """A bin that overflows or does not; ``box`` is the bin where the picture shows more."""

    path: Path
    set_name: str
    overflowing: bool
    box: Edges | None = None
    place: str | None = None
    rim: Edges | None = None
    """The front rim's left and right end, (left, y there, right, y there), as fractions."""
    liner: bool = False
    """Plastic hangs over the rim."""
    litter: bool = False
    """Rubbish lies by the bin, whatever the label of its rim says."""

    @property
    def name(self) -> str:
        """Set and file, and the box where one picture holds several bins."""
        corner = "" if self.box is None else f"@{self.box[0]:.0f},{self.box[1]:.0f}"
        return f"{self.set_name}/{self.path.name}{corner}"


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _edges(left: float, top: float, width: float, height: float) -> Edges:
    return (left, top, left + width, top + height)


def _items(folder: Path) -> list[dict[str, Any]]:
    return [each for each in _json(folder / "manifest.json")["items"] if each["split"] == "dev"]


def bins_shenzhen(data: Path) -> list[BinPicture]:
    """One wheeled bin a picture, cropped to it: ``full`` or ``empty``.

    Rims, liners and places are ours (``labels/``): rims read off by eye, to some hundredths; places by
    the street, the bins' lettering and the order of the files.
    """
    folder = data / "bin_crops_shenzhen"
    seen = _json(LABELS / "bin_crops_shenzhen.json")
    found = []
    for each in _items(folder):
        mine = seen[each["file"]]
        found.append(
            BinPicture(
                folder / each["file"],
                folder.name,
                each["label"] == "full",
                rim=tuple(mine["rim"]) if mine["rim"] else None,
                place=mine["place"] or each["file"],
                liner=mine["liner"],
                litter=mine["litter"],
            )
        )
    return found


def boxed_bins(data: Path, name: str) -> list[BinPicture]:
    """Bins in order, boxed by us (``labels/``), one item a bin; all of a picture share a place."""
    folder = data / name
    drawn = _json(LABELS / f"{name}.json")
    found = []
    for each in _items(folder):
        if each["file"] not in drawn:
            continue
        # The size that the set's own papers tell is not that of every file.
        height, width = cv2.imread(str(folder / each["file"])).shape[:2]
        size = (width, height) * 2
        for box in drawn[each["file"]]:
            left, top, right, bottom = (part * side for part, side in zip(box, size, strict=True))
            edges = (left, top, right, bottom)
            found.append(
                BinPicture(
                    folder / each["file"], name, overflowing=False, box=edges, place=each["file"]
                )
            )
    return found


def bins_sandiego(data: Path) -> list[BinPicture]:
    """Closed wheeled bins at kerbs."""
    return boxed_bins(data, "bins_closed_sandiego")


def bins_montevideo(data: Path) -> list[BinPicture]:
    """Street scenes with containers: ``dirty`` (rubbish around or over the rim) or ``clean``."""
    folder = data / "bins_scene_montevideo"
    return [
        BinPicture(folder / each["file"], folder.name, each["label"] == "dirty")
        for each in _items(folder)
    ]


def bins_amsterdam(data: Path) -> list[BinPicture]:
    """Underground containers with rubbish beside them or without; a day is a place."""
    folder = data / "amsterdam_garbage"
    return [
        BinPicture(
            folder / each["file"],
            folder.name,
            each["label"] == "rubbish_outside",
            place=str(each["day"]),
        )
        for each in _items(folder)
        if each["label"] != "unlabelled"
    ]


def coco_boxes(
    folder: Path,
    annotations: Path,
    pictures: Path,
    renamed: Mapping[str, str],
    exhaustive: Iterable[str],
) -> list[Labelled]:
    """A COCO-style file; categories outside ``renamed`` are dropped, crowds become CROWD."""
    content = _json(annotations)
    names = {each["id"]: each["name"] for each in content["categories"]}
    boxes: dict[int, list[tuple[str, Edges]]] = {}
    for each in content["annotations"]:
        label = renamed.get(names[each["category_id"]])
        if label is not None:
            label = CROWD if each.get("iscrowd") else label
            boxes.setdefault(each["image_id"], []).append((label, _edges(*each["bbox"])))
    return [
        Labelled(
            pictures / each["file_name"],
            folder.name,
            tuple(label for label, _ in boxes.get(each["id"], [])),
            tuple(box for _, box in boxes.get(each["id"], [])),
            frozenset(exhaustive),
        )
        for each in content["images"]
    ]


def coco_mini(data: Path) -> list[Labelled]:
    """Eighty COCO pictures; every COCO street class is labelled."""
    folder = data / "coco_mini"
    renamed = {name: name for name in COCO_CLASSES}
    return coco_boxes(
        folder,
        folder / "instances_train2017.json",
        folder / "train2017",
        renamed,
        COCO_CLASSES,
    )


def boxed_set(data: Path, name: str, renamed: Mapping[str, str]) -> list[Labelled]:
    """A set with ``annotations.json`` beside its pictures, exhaustive in what it labels."""
    folder = data / name
    return coco_boxes(folder, folder / "annotations.json", folder, renamed, set(renamed.values()))


def join_touching(boxes: Iterable[Edges], gap_px: float) -> list[Edges]:
    """Merge boxes that meet or overlap, until none do: bicycles cut by tile borders."""
    joined = [list(each) for each in boxes]
    changed = True
    while changed:
        changed = False
        for first in range(len(joined)):
            for second in range(first + 1, len(joined)):
                one, other = joined[first], joined[second]
                apart = (
                    one[0] - gap_px > other[2]
                    or other[0] - gap_px > one[2]
                    or one[1] - gap_px > other[3]
                    or other[1] - gap_px > one[3]
                )
                if not apart:
                    joined[first] = [
                        min(one[0], other[0]),
                        min(one[1], other[1]),
                        max(one[2], other[2]),
                        max(one[3], other[3]),
                    ]
                    del joined[second]
                    changed = True
                    break
            if changed:
                break
    return [(each[0], each[1], each[2], each[3]) for each in joined]


def racks_london(data: Path) -> list[Labelled]:
    """Grey street racks whose boxes stop at tile borders."""
    folder = data / "bikes_racks_london"
    found = []
    for each in _items(folder):
        boxes = join_touching([tuple(box) for box in each.get("tile_boxes_xyxy", [])], gap_px=1)
        found.append(
            Labelled(
                folder / each["file"],
                folder.name,
                ("bicycle",) * len(boxes),
                tuple(boxes),
                frozenset({"bicycle"}),
            )
        )
    return found


def bags_korea(data: Path) -> list[Labelled]:
    """Rubbish bags given as polygons."""
    folder = data / "rubbish_bags_korea"
    found = []
    for each in _items(folder):
        boxes = []
        for thing in each["objects"]:
            across = [x * each["width"] for x in thing["polygon_xy_norm"][0::2]]
            down = [y * each["height"] for y in thing["polygon_xy_norm"][1::2]]
            boxes.append((min(across), min(down), max(across), max(down)))
        found.append(
            Labelled(
                folder / each["file"],
                folder.name,
                ("rubbish",) * len(boxes),
                tuple(boxes),
                frozenset({"rubbish"}),
            )
        )
    return found


def bag_polygons(data: Path) -> dict[str, list[list[tuple[float, float]]]]:
    """The outlines of the Korean bags in pixels, by file name, for cutting them out."""
    return {
        each["file"]: [
            [
                (x * each["width"], y * each["height"])
                for x, y in zip(
                    thing["polygon_xy_norm"][0::2], thing["polygon_xy_norm"][1::2], strict=True
                )
            ]
            for thing in each["objects"]
        ]
        for each in _items(data / "rubbish_bags_korea")
    }


def streets_calgary(data: Path) -> list[Labelled]:
    """Streets with bicycles at racks, poles and walls, many lying on their side.

    The boxes are ours (``labels/``): proposed by detectors on the picture in all four turns, each
    looked at, and drawn anew where they were wrong. Where the set saw no bicycle, there is none.
    """
    folder = data / "bikes_street_calgary"
    drawn = _json(LABELS / "bikes_street_calgary.json")
    found = []
    for each in _items(folder):
        mine = drawn.get(each["file"], {"bicycles": [], "all_of_them": each["label"] == "no_bike"})
        size = (each["width"], each["height"]) * 2
        boxes = [
            tuple(part * side for part, side in zip(box, size, strict=True))
            for box in mine["bicycles"]
        ]
        found.append(
            Labelled(
                folder / each["file"],
                folder.name,
                ("bicycle",) * len(boxes),
                tuple((box[0], box[1], box[2], box[3]) for box in boxes),
                frozenset({"bicycle"}) if mine["all_of_them"] else frozenset(),
            )
        )
    return found


def bikes_shared(data: Path) -> list[Labelled]:
    """Shared bikes and single ones, parked or ridden; nobody boxed them. A source is a place.

    The one before a stall is left out: that stall has no box.
    """
    folder = data / "bikes_shared"
    return [
        Labelled(folder / each["file"], folder.name, (), (), frozenset(), each["source_repo"])
        for each in _items(folder)
        if each["label"] != "bike_single_at_stall"
    ]


def closed_bins_sandiego(data: Path) -> list[Labelled]:
    """Closed wheeled bins at kerbs, and three streets without; nobody boxed them."""
    folder = data / "bins_closed_sandiego"
    return [
        Labelled(folder / each["file"], folder.name, (), (), frozenset()) for each in _items(folder)
    ]


def bags_malta(data: Path) -> list[Labelled]:
    """Rubbish bags, mostly close."""
    names = ("organic_white_bag", "recycled_grey_green_bag", "mixed_black_bag", "other")
    return boxed_set(data, "malta_bags", dict.fromkeys(names, "rubbish"))


def real_street_sets(data: Path) -> dict[str, list[Labelled]]:
    """Every real set with boxes, by name."""
    return {
        "coco_mini": coco_mini(data),
        "bicycles_mixed": boxed_set(data, "bicycles_mixed", {"bicycle": "bicycle"}),
        "bicycles_india": boxed_set(data, "bicycles_india", {"bicycle": "bicycle"}),
        "street_india_moto": boxed_set(
            data,
            "street_india_moto",
            {"motorcycle": "motorcycle", "bus": "bus", "car": "car"},
        ),
        "bikes_racks_london": racks_london(data),
        "malta_bags": bags_malta(data),
        "rubbish_bags_korea": bags_korea(data),
    }


STREETS_WITHOUT_BINS = (
    "bikes_street_calgary",
    "coco_mini",
    "bicycles_mixed",
    "bicycles_india",
    "street_india_moto",
)


def streets_without_bins(data: Path) -> list[BinPicture]:
    """Streets that were not collected for bins: a zone whose bin was taken away looks so.

    Nobody looked for bins in them; a few may stand somewhere at the back.
    """
    found = {"bikes_street_calgary": streets_calgary(data)} | real_street_sets(data)
    return [
        BinPicture(each.path, each.set_name, overflowing=False)
        for name in STREETS_WITHOUT_BINS
        for each in found[name]
    ]
