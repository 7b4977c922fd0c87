"""Reader of what was drawn: street stills with COCO boxes, and stalls without a ground.

A batch of stills is a folder with ``annotations.json`` and, when it is whole, ``DONE``. Boxes carry
``visible_share``; bins carry ``state``. A stall is an RGBA picture whose name says its build.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np

from training.bin_classifier.pictures import read
from training.datasets.readers import CROWD, BinPicture, Edges, Labelled
from training.street_detector.classes import STREET_CLASSES
from training.street_detector.pictures import CutOut

# The renderer draws this many pictures in a row on one street; they share a place.
PICTURES_PER_STREET = 6
MIN_VISIBLE = 0.25
MIN_BIN_VISIBLE, MIN_BIN_PX = 0.6, 40
DRAWN_STALLS = "stalls_drawn (laid on streets)"


def _batches(stills: Path) -> list[tuple[Path, dict[str, Any]]]:
    # By os.walk, which follows links where glob does not: a recipe gathers its batches by links.
    walked = os.walk(stills, followlinks=True)
    done = sorted(Path(folder) for folder, _, files in walked if "DONE" in files)
    return [
        (folder, json.loads((folder / "annotations.json").read_text(encoding="utf-8")))
        for folder in done
    ]


def _place(file_name: str) -> str:
    """``11-0007.jpg`` is picture 7 of seed 11: its street is the second of that seed."""
    seed, number = Path(file_name).stem.rsplit("-", 1)
    return f"{seed}-street-{int(number) // PICTURES_PER_STREET}"


def _edges(box: Sequence[float]) -> Edges:
    return (box[0], box[1], box[0] + box[2], box[1] + box[3])


def _by_picture(content: dict[str, Any]) -> dict[int, list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = {}
    for each in content["annotations"]:
        found.setdefault(each["image_id"], []).append(each)
    return found


def rendered_stills(stills: Path) -> list[Labelled]:
    """Every picture of the finished batches; what is mostly hidden is marked unsure."""
    found = []
    for folder, content in _batches(stills):
        names = {each["id"]: each["name"] for each in content["categories"]}
        boxes = _by_picture(content)
        for picture in content["images"]:
            mine = boxes.get(picture["id"], [])
            labels = [
                names[each["category_id"]] if each["visible_share"] >= MIN_VISIBLE else CROWD
                for each in mine
            ]
            found.append(
                Labelled(
                    folder / picture["file_name"],
                    "rendered",
                    tuple(labels),
                    tuple(_edges(each["bbox"]) for each in mine),
                    frozenset(STREET_CLASSES),
                    _place(picture["file_name"]),
                )
            )
    return found


def rendered_bins(stills: Path) -> list[BinPicture]:
    """Every bin that is well in view in the finished batches below ``stills``, and, as places
    where nothing overflows, every picture with neither bin nor rubbish.
    """
    found = [
        BinPicture(each.path, each.set_name, overflowing=False, place=each.place)
        for each in rendered_stills(stills)
        if not {"bin", "rubbish", CROWD} & set(each.labels)
    ]
    for folder, content in _batches(stills):
        pictures = {each["id"]: each["file_name"] for each in content["images"]}
        for each in content["annotations"]:
            if "state" not in each or each["visible_share"] < MIN_BIN_VISIBLE:
                continue
            if min(each["bbox"][2:]) >= MIN_BIN_PX * 0.6 and each["bbox"][3] >= MIN_BIN_PX:
                name = pictures[each["image_id"]]
                state = each["state"] == "overflowing"
                box = _edges(each["bbox"])
                found.append(BinPicture(folder / name, "rendered", state, box, _place(name)))
    return found


def stall_cut_outs(items: Sequence[Labelled], least_px: int = 90) -> list[CutOut]:
    """Drawn stalls lifted off their pavement by GrabCut, for laying on real streets."""
    found = []
    for item in items:
        picture = read(item.path)
        height, width = picture.shape[:2]
        for label, box in zip(item.labels, item.boxes, strict=True):
            left, top, right, bottom = (int(edge) for edge in box)
            whole = left > 2 and top > 2 and right < width - 2 and bottom < height - 2
            if label != "stall" or not whole or min(right - left, bottom - top) < least_px:
                continue
            mask = np.zeros((height, width), np.uint8)
            models = np.zeros((1, 65)), np.zeros((1, 65))
            rectangle = (left, top, right - left, bottom - top)
            cv2.grabCut(picture, mask, rectangle, *models, 3, cv2.GC_INIT_WITH_RECT)
            thing = np.isin(mask, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)
            cover = np.asarray(cv2.GaussianBlur(thing, (0, 0), 1.0), dtype=np.float32)
            cover = cover[top:bottom, left:right]
            if cover.mean() > 0.25:
                found.append(CutOut(picture[top:bottom, left:right].copy(), cover, label))
    return found


def drawn_stalls(folder: Path) -> list[Labelled]:
    """Stalls of ``python -m training.street stalls``, of one batch or of several beside one another.

    Each is a place of its own.
    """
    return [
        Labelled(path, DRAWN_STALLS, (), (), frozenset(), path.stem)
        for path in sorted([*folder.glob("*.png"), *folder.glob("*/*.png")])
    ]


def transparent_cut_out(path: Path) -> CutOut:
    """An RGBA picture of a stall, its box from the ``.json`` beside it or else the whole picture.

    Raises:
        ClickException: It is no picture, has no transparent ground, or the box is none.
    """
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if picture is None or picture.ndim != 3 or picture.shape[2] != 4:
        raise click.ClickException(f"{path}: no picture with a transparent ground")
    cover = (picture[..., 3] / 255).astype(np.float32)
    box = _box_beside(path)
    return CutOut(np.asarray(picture[..., :3], np.uint8).copy(), cover, "stall", box)


def _box_beside(path: Path) -> Edges:
    """``{"box": [left, top, right, bottom]}`` in shares of the picture, from its ``.json``."""
    beside = path.with_suffix(".json")
    if not beside.exists():
        return (0.0, 0.0, 1.0, 1.0)
    try:
        left, top, right, bottom = map(float, json.loads(beside.read_text("utf-8"))["box"])
    except (ValueError, TypeError, KeyError) as fault:
        raise click.ClickException(f"{beside}: no box of four shares: {fault!r}") from fault
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise click.ClickException(
            f"{beside}: {left}, {top}, {right}, {bottom} is no box within 0 to 1"
        )
    return (left, top, right, bottom)
