"""Reader of the real street vending pictures: stalls boxed by eye, and streets without one.

The boxes say which stalls stand in a row without a gap, which goods are a shop's own on the
pavement (``spill``), and which things nobody can judge (``ignore``). A picture in which no
sensible box can be drawn is not ``usable``: it speaks neither for a stall nor against one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2

from training.datasets.readers import CROWD, LABELS, Edges, Labelled
from training.evaluate.folds import set_aside

SET = "vending_streets"
HELD_OUT, TUNE = 0.24, 0.18
"""Shares of the pictures, and of what is left of them."""
Flag = Literal["", "row", "spill", "ignore"]
"""What a box is: one stall, stalls in a row, a shop's goods on the pavement, not to be judged."""


@dataclass(frozen=True, slots=True)
class Stall:
    """A box in pixels (left, top, right, bottom) and what it is."""

    edges: Edges
    flag: Flag


@dataclass(frozen=True, slots=True)
class VendingPicture:
    """One picture.

    Attributes:
        path: The file.
        has_stall: A stall is to be seen, boxed or not.
        usable: Its boxes are whole: what is not boxed is no stall. True where there is no stall.
        stalls: The boxes; none where it is not usable.
        kind: What the set calls the scene: street, from_above, close, …
        light: day, dusk, night or indoor.
        view: eye or above.
        watermark: A mark of its publisher lies over it.
        source_repo: Where it was found; pictures of one source share a hand and often a place.
        licence: As the set tells it.
        may_train: The set's rule; False: it may only judge.
    """

    path: Path
    has_stall: bool
    usable: bool
    stalls: tuple[Stall, ...]
    kind: str
    light: str
    view: str
    watermark: bool
    source_repo: str
    licence: str
    may_train: bool

    @property
    def name(self) -> str:
        """Set and file, as published in the groups file."""
        return f"{SET}/{self.path.name}"


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def vending_streets(data: Path) -> list[VendingPicture]:
    """Every picture of the set, those that may only judge among them.

    The light and watermark of streets without a stall are ours (``labels/``), noted by eye.

    Raises:
        KeyError: A picture is in neither file of notes.
        FileNotFoundError: One with boxes is missing, or no picture.
    """
    folder = data / SET
    notes = _json(folder / "boxes.json")["pictures"] | _json(LABELS / f"{SET}.json")
    items = _json(folder / "manifest.json")["items"]
    return [_picture(folder, each, notes[each["file"]]) for each in items]


def _picture(folder: Path, item: dict[str, Any], note: dict[str, Any]) -> VendingPicture:
    path = folder / item["file"]
    return VendingPicture(
        path=path,
        has_stall=item["label"] == "stall",
        usable=note["usable"],
        stalls=_stalls(path, note["boxes"]) if note["usable"] else (),
        kind=item["kind"],
        light=note["light"],
        view=note["view"],
        watermark=note["watermark"],
        source_repo=item["source_repo"],
        licence=item["licence"],
        may_train=item["may_train"],
    )


def _stalls(path: Path, boxes: list[dict[str, Any]]) -> tuple[Stall, ...]:
    """The boxes in pixels of the file: the manifest tells the size that the picture once had."""
    picture = cv2.imread(str(path))
    if picture is None:
        raise FileNotFoundError(path)
    height, width = picture.shape[:2]
    found = []
    for box in boxes:
        left, top, right, bottom = box["xyxy_fraction"]
        edges = (left * width, top * height, right * width, bottom * height)
        found.append(Stall(edges, box["flag"]))
    return tuple(found)


def parts_of(pictures: Iterable[VendingPicture]) -> dict[str, str]:
    """File name to train, tune or held_out, of the pictures that teach; alike for all models.

    What detector and verifier do together is only judged where neither has learned.
    """
    mine = [each for each in pictures if each.may_train and each.usable]
    parts = dict.fromkeys((each.path.name for each in mine), "train")
    for part, share in (("held_out", HELD_OUT), ("tune", TUNE)):
        left = [each for each in mine if parts[each.path.name] == "train"]
        kinds = [f"{each.has_stall}/{each.light}" for each in left]
        _, aside = set_aside([each.source_repo for each in left], kinds, share, seed=1)
        parts |= {left[row].path.name: part for row in aside}
    return parts


def for_detector(pictures: Iterable[VendingPicture]) -> list[Labelled]:
    """The pictures that may train, with ``stall`` boxes; a source is a place.

    What is flagged ``ignore`` or ``spill`` is neither found nor missed: a detector that is taught
    to tell a shop's goods from a stall's by looks alone learns the shop. Pictures that are not
    usable are left out.
    """
    return [
        Labelled(
            each.path,
            SET,
            tuple(CROWD if stall.flag in ("ignore", "spill") else "stall" for stall in each.stalls),
            tuple(stall.edges for stall in each.stalls),
            frozenset({"stall"}),
            each.source_repo,
        )
        for each in pictures
        if each.may_train and each.usable
    ]
