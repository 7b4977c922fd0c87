"""Pictures with what is known of them, from any folder laid out in a usual way.

A folder of sets holds one folder a set; a set is read as the first of these that it is:

- ``manifest.json`` with ``items`` (``file`` and ``label``), with boxes in a COCO file or in
  ``boxes.json`` beside it;
- a COCO file (``images``, ``annotations``, ``categories``), here or in ``annotations/``, and pictures
  below it;
- YOLO: ``data.yaml`` or ``classes.txt`` with the names, ``labels/*.txt`` beside ``images/``;
- a folder for each label, with pictures in it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from drivers.pictures import MAX_PHOTO_PX, Picture, PictureError, read
from training.datasets.groups import digest_of
from training.evaluate.labels import KNOWN, Claims, name_of

Edges = tuple[float, float, float, float]
PICTURES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
CROWD = "crowd"
LABELS = Path(__file__).parents[1] / "labels"
"""Notes of ours on pictures of others; no picture."""
SHOP_GOODS = "shop_goods"
"""Goods that a shop has put out: no street class; whoever looks for stalls is excused there."""
_NEAR = 6
"""Difference hashes that differ in at most so many of 64 bits are one place."""


@dataclass(frozen=True, slots=True)
class Item:
    """One picture.

    Attributes:
        path: The file.
        set_name: Its set.
        label: What the set says of the whole picture; None: nothing.
        boxes: Street class and edges in pixels; empty where nothing is boxed.
        boxed: The classes that the set boxes exhaustively; empty where it boxes nothing.
        group: What shares a place or a source has the same group.
        digest: The first 16 hex digits of the file's SHA-256.
        night: Taken at night; None where the set does not say.
    """

    path: Path
    set_name: str
    label: str | None = None
    boxes: tuple[tuple[str, Edges], ...] = ()
    boxed: frozenset[str] = frozenset()
    group: str = ""
    digest: str = ""
    night: bool | None = None

    @property
    def name(self) -> str:
        """Set and file."""
        return f"{self.set_name}/{self.path.name}"


class SourceError(ValueError):
    """A folder holds no pictures that can be judged by."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a folder holds: pictures by set, and everything in it that could not be read."""

    sets: dict[str, list[Item]]
    faults: tuple[str, ...]


def read_folder(folder: Path, labels: Claims = KNOWN) -> dict[str, list[Item]]:
    """Every set below a folder, or the folder as one set, where nothing may be at fault.

    Args:
        folder: It holds sets, or is one.
        labels: Which names of folders are labels of the pictures in them.

    Raises:
        SourceError: Nothing in it is a set, or files of labels or pictures cannot be read; all of
            them are named together.
    """
    found = look_through(folder, labels)
    if found.faults:
        raise SourceError("\n".join(found.faults))
    return found.sets


def look_through(folder: Path, labels: Claims = KNOWN) -> Found:
    """Every set below a folder, or the folder as one set, and all that is wrong with them.

    What is wrong is left out and named; everything else is there.

    Args:
        folder: It holds sets, or is one.
        labels: Which names of folders are labels of the pictures in them.

    Raises:
        SourceError: No picture is left.
    """
    faults: list[str] = []
    sets = {}
    for each in _subfolders(folder):
        sets[each.name] = _grouped(_read_or_tell(each, labels, faults), faults)
    if not any(sets.values()):
        sets = {folder.name: _grouped(_read_or_tell(folder, labels, faults), faults)}
    sets = {name: items for name, items in sets.items() if items}
    if not sets:
        nothing = (
            f"{folder}: no set of pictures; a set has a manifest.json, a COCO file, YOLO labels or a"
            " folder for each label"
        )
        raise SourceError("\n".join(dict.fromkeys([*faults, nothing])))
    return Found(sets, tuple(dict.fromkeys(faults)))


def _read_or_tell(folder: Path, labels: Claims, faults: list[str]) -> list[Item]:
    try:
        items = read_set(folder, labels)
    except SourceError as error:
        faults.append(str(error))
        return []
    gone = [os.path.relpath(each.path, folder) for each in items if not each.path.is_file()]
    if gone:
        faults.append(
            f"{folder}: named in the labels, but not there ({len(gone)}): {', '.join(gone)}"
        )
    return [each for each in items if each.path.is_file()]


def read_set(folder: Path, labels: Claims = KNOWN) -> list[Item]:
    """The pictures of one set; none if it is no set."""
    boxed = _coco(folder) | _noted(folder)
    items = list(_manifest(folder)) or list(_yolo(folder)) or list(_by_label(folder, labels))
    if not items:
        return list(boxed.values())
    return [_joined(item, boxed.get(item.path)) for item in items]


def _joined(item: Item, boxed: Item | None) -> Item:
    """What two papers say of one picture; who names its boxes knows its source better."""
    if boxed is None:
        return item
    night = boxed.night if item.night is None else item.night
    group = boxed.group or item.group
    return replace(item, boxes=boxed.boxes, boxed=boxed.boxed, night=night, group=group)


def _subfolders(folder: Path) -> list[Path]:
    return sorted(each for each in folder.iterdir() if each.is_dir() and each.name[0] != ".")


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise SourceError(f"{path}: {error}") from error


def _manifest(folder: Path) -> Iterator[Item]:
    path = folder / "manifest.json"
    if not path.is_file():
        return
    told = _json(path)
    items = told.get("items", []) if isinstance(told, dict) else told
    for number, each in enumerate(items if isinstance(items, list) else []):
        try:
            item = _manifest_item(folder, each)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SourceError(
                f"{path}: item {number} has no `file` and `label` as text: {error!r}"
            ) from error
        if item is not None:
            yield item


def _manifest_item(folder: Path, told: Mapping[str, Any]) -> Item | None:
    file = folder / told["file"]
    if file.suffix.lower() not in PICTURES:
        return None
    label = told.get("label")
    if label is not None and not isinstance(label, str):
        raise TypeError(f"label {label!r}")
    place = next((str(told[key]) for key in ("place", "group", "day") if key in told), "")
    boxes, boxed = _boxes_of(told)
    night = told.get("night")
    return Item(file, folder.name, label, boxes, boxed, place, night=night)


def _boxes_of(item: Mapping[str, Any]) -> tuple[tuple[tuple[str, Edges], ...], frozenset[str]]:
    """Outlines given as polygons in fractions of the picture."""
    found = []
    for thing in item.get("objects", ()):
        name = name_of(thing.get("cls")) or name_of(item.get("label"))
        numbers = thing.get("polygon_xy_norm")
        if name is None or not numbers:
            continue
        across = [x * item["width"] for x in numbers[0::2]]
        down = [y * item["height"] for y in numbers[1::2]]
        found.append((name, (min(across), min(down), max(across), max(down))))
    return tuple(found), frozenset(name for name, _ in found)


def _noted(folder: Path) -> dict[Path, Item]:
    """Stalls by ``boxes.json``: fractions with a flag, each picture's light, and its source.

    Pictures that are not usable have no whole boxes, and say nothing of boxes. Where this set has
    no notes on a picture, ours (``training/labels``) are taken.
    """
    path, ours = folder / "boxes.json", LABELS / f"{folder.name}.json"
    if not path.is_file():
        return {}
    found = {}
    try:
        notes = (_json(ours) if ours.is_file() else {}) | _json(path)["pictures"]
        for each in _json(folder / "manifest.json")["items"]:
            note, picture = notes.get(each["file"]), _read(folder / each["file"])
            if note is None or picture is None:
                continue
            # The manifest tells the size that the picture had before it was shrunk.
            size = picture.shape[1], picture.shape[0]
            boxes = tuple(_noted_boxes(note["boxes"], size)) if note["usable"] else ()
            found[folder / each["file"]] = Item(
                folder / each["file"],
                folder.name,
                boxes=boxes,
                boxed=frozenset({"stall"} if note["usable"] else ()),
                group=each.get("source_repo", ""),
                night=note["light"] == "night",
            )
    except (KeyError, TypeError, ValueError) as error:
        raise SourceError(f"{path}: not as stalls are noted: {error!r}") from error
    return found


def _noted_boxes(
    boxes: Sequence[Mapping[str, Any]], size: tuple[int, int]
) -> Iterator[tuple[str, Edges]]:
    for each in boxes:
        left, top, right, bottom = each["xyxy_fraction"]
        edges = (left * size[0], top * size[1], right * size[0], bottom * size[1])
        if each["flag"] in ("ignore", "spill"):
            yield CROWD, edges
        if each["flag"] != "ignore":
            yield SHOP_GOODS if each["flag"] == "spill" else "stall", edges


def _coco(folder: Path) -> dict[Path, Item]:
    """Pictures by path of every COCO file in a folder."""
    found: dict[Path, Item] = {}
    for path in sorted([*folder.glob("*.json"), *folder.glob("annotations/*.json")]):
        told = _json(path)
        if not isinstance(told, dict) or not {"images", "annotations", "categories"} <= told.keys():
            continue
        try:
            found |= dict(_coco_items(folder, told))
        except (KeyError, TypeError, ValueError) as error:
            raise SourceError(f"{path}: not as COCO has it: {error!r}") from error
    return found


def _coco_items(folder: Path, told: Mapping[str, Any]) -> Iterator[tuple[Path, Item]]:
    names = {each["id"]: name_of(each["name"]) for each in told["categories"]}
    boxed = frozenset(name for name in names.values() if name is not None)
    places = {each.name: each for each in folder.rglob("*") if each.suffix.lower() in PICTURES}
    boxes: dict[int, list[tuple[str, Edges]]] = {}
    for each in told["annotations"]:
        name = names.get(each["category_id"])
        if name is not None:
            left, top, width, height = each["bbox"]
            label = CROWD if each.get("iscrowd") else name
            edges = (left, top, left + width, top + height)
            boxes.setdefault(each["image_id"], []).append((label, edges))
    for each in told["images"]:
        file = places.get(Path(each["file_name"]).name, folder / each["file_name"])
        mine = tuple(boxes.get(each["id"], ()))
        yield file, Item(file, folder.name, None, mine, boxed)


def _yolo(folder: Path) -> Iterator[Item]:
    names = _yolo_names(folder)
    if names is None:
        return
    known = frozenset(name for each in names if (name := name_of(each)) is not None)
    for path in sorted(folder.rglob("*.txt")):
        if path.parent.name != "labels":
            continue
        pictures = path.parent.parent / "images"
        stem = path.stem
        mine = (each for each in sorted(pictures.glob("*")) if each.stem == stem)
        file = next((each for each in mine if each.suffix.lower() in PICTURES), None)
        picture = None if file is None else _read(file)
        if file is None or picture is None:
            # Named by the caller as not there, or as no picture.
            yield Item(file or pictures / stem, folder.name)
            continue
        boxes = tuple(_yolo_boxes(path, names, picture.shape[1], picture.shape[0]))
        yield Item(file, folder.name, None, boxes, known)


def _yolo_boxes(
    path: Path, names: Sequence[str], width: int, height: int
) -> Iterator[tuple[str, Edges]]:
    """A line is a class and the box's centre and size in fractions of the picture."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            index, (x, y, w, h) = int(line.split()[0]), map(float, line.split()[1:5])
            name = name_of(names[index])
        except (ValueError, IndexError) as error:
            raise SourceError(
                f"{path}, line {number}: {line!r} is not a class from 0 to {len(names) - 1}"
                " and four fractions: centre x, centre y, width, height"
            ) from error
        if name is not None:
            left, top = (x - w / 2) * width, (y - h / 2) * height
            yield name, (left, top, left + w * width, top + h * height)


def _yolo_names(folder: Path) -> list[str] | None:
    """Class names of ``classes.txt``, or of the plain list or mapping in ``data.yaml``."""
    if (folder / "classes.txt").is_file():
        return (folder / "classes.txt").read_text(encoding="utf-8").split()
    if not (folder / "data.yaml").is_file():
        return None
    text = (folder / "data.yaml").read_text(encoding="utf-8")
    if listed := re.search(r"^names:\s*\[(.*?)\]", text, re.MULTILINE | re.DOTALL):
        return [each.strip().strip("'\"") for each in listed[1].split(",")]
    block = re.search(r"^names:\s*\n((?:[ \t]+.*\n?|-.*\n?)+)", text, re.MULTILINE)
    if block is None:
        return None
    lines = [line.strip() for line in block[1].splitlines() if line.strip()]
    return [re.sub(r"^(?:-|\d+:)\s*", "", line).strip("'\"") for line in lines]


def _by_label(folder: Path, labels: Claims) -> Iterator[Item]:
    for each in _subfolders(folder):
        if labels.of(each.name) is not None:
            for file in sorted(each.rglob("*")):
                if file.suffix.lower() in PICTURES:
                    yield Item(file, folder.name, each.name)


def _grouped(items: Sequence[Item], faults: list[str]) -> list[Item]:
    """Give every picture its digest, and a group where the set names none: near-duplicates."""
    hashes: list[tuple[int, str]] = []
    found = []
    for item in items:
        mine = _difference_hash(item.path)
        if mine is None:
            faults.append(f"{item.path}: cannot be read as a picture")
            continue
        group = item.group
        if not group:
            near = (name for other, name in hashes if (mine ^ other).bit_count() <= _NEAR)
            group = next(near, item.path.name)
            hashes.append((mine, group))
        found.append(replace(item, group=f"{item.set_name}/{group}", digest=digest_of(item.path)))
    return found


def _read(path: Path, flags: int = cv2.IMREAD_COLOR) -> Picture | None:
    """A picture; None if it cannot be read as one."""
    try:
        return read(path, flags, most_px=MAX_PHOTO_PX)
    except PictureError:
        return None


def _difference_hash(path: Path) -> int | None:
    """Sixty-four comparisons of neighbouring cells of a picture shrunk to 9 × 8 greys.

    None: it is no picture.
    """
    picture = _read(path, cv2.IMREAD_GRAYSCALE)
    if picture is None:
        return None
    small = cv2.resize(picture, (9, 8), interpolation=cv2.INTER_AREA).astype(np.int16)
    bits = (small[:, 1:] > small[:, :-1]).ravel()
    return int("".join("1" if bit else "0" for bit in bits), 2)
