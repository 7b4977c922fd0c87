"""Pictures that people have reviewed, as training takes them: crops of the collection mode, or any
folder that :mod:`training.evaluate` can judge by.

Crops of a bin need a yes or a no: a folder ``overflowing`` and one ``not_overflowing``. For the
detector, boxes teach what is there (a COCO file or YOLO labels), and a folder such as ``no_bike``
or ``no_stall`` teaches what is not; a yes without a box teaches it nothing and is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from training.datasets.readers import BinPicture, Labelled
from training.evaluate.labels import KNOWN
from training.evaluate.sources import Item, read_folder

REVIEWED = "reviewed"
_COLLECTED = re.compile(r"(\d{8})T\d+Z~([A-Za-z0-9_-]+)~")


def place_of(item: Item) -> str:
    """Crops of one zone on one day show one place; else what the folder says."""
    found = _COLLECTED.match(item.path.name)
    return f"{found[2]}@{found[1]}" if found else item.group


def _reviewed(folder: Path) -> Iterator[tuple[Item, tuple[str, bool] | None]]:
    """Every picture, and what its label claims: of what, and whether it is so."""
    for items in read_folder(folder).values():
        for item in items:
            yield item, KNOWN.of(item.label)


def reviewed_bins(folder: Path) -> list[BinPicture]:
    """Bins with a yes or a no; what could not be told is left out.

    Raises:
        SourceError: The folder holds no pictures with labels.
    """
    return [
        BinPicture(item.path, REVIEWED, claim[1], place=place_of(item))
        for item, claim in _reviewed(folder)
        if claim is not None and claim[0] == "overflowing"
    ]


def reviewed_streets(folder: Path) -> list[Labelled]:
    """Pictures with boxes, and pictures that show none of a thing.

    Raises:
        SourceError: The folder holds no pictures with labels.
    """
    found = []
    for item, claim in _reviewed(folder):
        absent = {claim[0]} if claim is not None and not claim[1] else set()
        known = item.boxed | (absent & {"bicycle", "stall"})
        if known:
            labels = tuple(label for label, _ in item.boxes)
            boxes = tuple(edges for _, edges in item.boxes)
            found.append(
                Labelled(item.path, REVIEWED, labels, boxes, frozenset(known), place_of(item))
            )
    return found
