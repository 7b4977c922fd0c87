"""Every picture that teaches or judges the verifier, with what its set says of it.

A set's label is believed; what nobody labelled is told by teachers that are sure of it. Sets that
may only judge are not read here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from training.bin_classifier.pictures import read
from training.datasets import readers
from training.datasets.augment import Picture, letterbox
from training.datasets.groups import split_groups
from training.datasets.near_duplicates import same_place_groups
from training.datasets.readers import CROWD, Labelled
from training.datasets.rendered import rendered_stills
from training.datasets.splits import SHARES
from training.datasets.vending_streets import SET as VENDING
from training.datasets.vending_streets import parts_of, vending_streets
from training.evaluate.candidates import KIND_OF
from training.street_detector.classes import STREET_CLASSES
from training.street_detector.judge import StreetFile
from training.street_detector.pictures import SIZE_PX
from training.street_detector.teachers import Teachers
from training.verifier.candidates import Edges, Proposal, Scene, Thing

PROPOSED_FROM = 0.05
SURE, PERHAPS = 0.5, 0.25
"""A teacher's box counts as a thing from the first score on, and speaks against ``nothing`` from the other."""
NIGHT_LUMA = 62.0
"""Mean grey below which a picture counts as taken at night, where its set does not say."""
LOOK_PX = 160
UNBOXED = ("bikes_shared", "bins_closed_sandiego", "amsterdam_garbage", "bins_scene_montevideo")
"""Sets whose labels speak of whole pictures."""


def _fractions(edges: Edges, width: int, height: int) -> Edges:
    left, top, right, bottom = edges
    return (
        max(0.0, left / width),
        max(0.0, top / height),
        min(1.0, right / width),
        min(1.0, bottom / height),
    )


def is_dark(path: Path) -> bool:
    """Whether a picture looks as if it were taken at night."""
    small = cv2.resize(read(path), (32, 32), interpolation=cv2.INTER_AREA)
    return bool(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).mean() < NIGHT_LUMA)


def _known_places(models: Path) -> Mapping[str, tuple[str, str]]:
    """Set and file to group and part, as the models that stand already have published them."""
    found: dict[str, tuple[str, str]] = {}
    for name in ("bin-state", "street"):
        rows = json.loads((models / name / "groups.json").read_text("utf-8"))
        found |= {row["file"].split("@")[0]: (row["group"], row["part"]) for row in rows}
    return found


def _vending(data: Path) -> Iterator[Scene]:
    pictures = vending_streets(data)
    parts = parts_of(pictures)
    taught = {
        each.source_repo for each in pictures if parts.get(each.path.name, "held_out") != "held_out"
    }
    for each in pictures:
        part = parts.get(each.path.name, "held_out")
        # What may only judge does not where its source has taught.
        if not each.usable or (part == "held_out" and each.source_repo in taught):
            continue
        height, width = read(each.path).shape[:2]
        boxes = [(_fractions(stall.edges, width, height), stall.flag) for stall in each.stalls]
        kinds = {"": "stall", "row": "stall", "spill": "shop_goods"}
        yield Scene(
            each.path,
            VENDING,
            each.source_repo,
            part,
            each.light == "night",
            [Thing(kinds[flag], box) for box, flag in boxes if flag in kinds],
            unsure=[box for box, flag in boxes if flag == "ignore"],
        )


def _boxed(item: Labelled, group: str, part: str) -> Scene:
    height, width = read(item.path).shape[:2]
    boxes = [
        (label, _fractions(box, width, height))
        for label, box in zip(item.labels, item.boxes, strict=True)
    ]
    return Scene(
        item.path,
        item.set_name,
        group,
        part,
        is_dark(item.path),
        [Thing(KIND_OF[label], box) for label, box in boxes if label in KIND_OF],
        unsure=[box for label, box in boxes if label == CROWD],
        drawn=item.set_name == "rendered",
    )


def _street_sets(data: Path, known: Mapping[str, tuple[str, str]]) -> Iterator[Scene]:
    found = readers.real_street_sets(data)
    found["bikes_street_calgary"] = readers.streets_calgary(data)
    for items in found.values():
        for item in items:
            if item.name in known:
                yield _boxed(item, *known[item.name])


def _rendered(stills: Path) -> Iterator[Scene]:
    items = rendered_stills(stills)
    groups = [f"rendered/{item.place}" for item in items]
    parts = split_groups(groups, 1, SHARES) if groups else {}
    for item, group in zip(items, groups, strict=True):
        yield _boxed(item, group, parts[group])


def _whole(data: Path, known: Mapping[str, tuple[str, str]]) -> Iterator[Scene]:
    """Pictures without boxes; what is in them is told by teachers."""
    for name in UNBOXED:
        items = json.loads((data / name / "manifest.json").read_text("utf-8"))["items"]
        # One bicycle leans on a stall that nobody boxed.
        items = [
            each
            for each in items
            if each["split"] == "dev" and "stall" not in (each.get("label") or "")
        ]
        names = [f"{name}/{each['file']}" for each in items]
        groups = [known[each][0] if each in known else "" for each in names]
        if not any(groups):
            paths = [data / each for each in names]
            groups = same_place_groups(names, lambda i, paths=paths: _small(paths[i]))
        parts = split_groups(groups, 1, SHARES)
        for file, group in zip(names, groups, strict=True):
            if not group:
                continue
            part = known[file][1] if file in known else parts[group]
            path = data / file
            yield Scene(path, name, group, part, is_dark(path), ())


def _small(path: Path) -> Picture:
    return np.asarray(cv2.resize(read(path, 640), (LOOK_PX, LOOK_PX)), np.uint8)


def _crops(data: Path, known: Mapping[str, tuple[str, str]]) -> Iterator[Scene]:
    """Crops that show one bin from end to end."""
    for item in readers.bins_shenzhen(data):
        whole = [Thing("bin", (0.02, 0.02, 0.98, 0.98))]
        yield Scene(item.path, item.set_name, *known[item.name], is_dark(item.path), whole)


def scenes(data: Path, models: Path, stills: Path | None = None) -> list[Scene]:
    """Every picture that may teach, with labels; teachers and detectors have not looked yet.

    Args:
        data: The folder of picture sets.
        models: Models that stand already; what they held out stays held out.
        stills: Rendered stills.
    """
    known = _known_places(models)
    sources: list[Iterable[Scene]] = [
        _vending(data),
        _street_sets(data, known),
        _whole(data, known),
        _crops(data, known),
    ]
    if stills is not None:
        sources.append(_rendered(stills))
    return [scene for source in sources for scene in source]


class Looker:
    """Adds what teachers believe and a street detector proposes; both look once at a picture.

    Args:
        teachers: Say what is there that nobody labelled.
        detector: A street detector's ONNX file; whatever it proposes is a candidate.
    """

    def __init__(self, teachers: Teachers, detector: Path) -> None:
        self._teachers, self._detector = teachers, StreetFile(detector)

    def __call__(self, scene: Scene) -> Scene:
        """The scene with ``believed``, ``unsure`` and ``proposed`` filled in.

        Teachers are not asked about pictures that only judge, nor about drawn ones, of which
        everything is known, nor about crops.
        """
        picture = read(scene.path)
        proposed = self._proposals(picture)
        if scene.set_name == "bin_crops_shenzhen":
            return scene
        if scene.drawn or scene.part == "held_out":
            return replace(scene, proposed=proposed)
        believed = self._teachers(scene.path, read(scene.path, 1280))
        sure, perhaps = [], []
        for box, number, score in zip(
            believed.boxes, believed.classes, believed.scores, strict=True
        ):
            kind = KIND_OF.get(STREET_CLASSES[number])
            edges = tuple(float(edge) for edge in box)
            if kind is not None and score >= SURE:
                sure.append(Thing(kind, (edges[0], edges[1], edges[2], edges[3])))
            elif kind is not None and score >= PERHAPS:
                perhaps.append((edges[0], edges[1], edges[2], edges[3]))
        return replace(scene, believed=sure, unsure=[*scene.unsure, *perhaps], proposed=proposed)

    def _proposals(self, picture: Picture) -> list[Proposal]:
        height, width = picture.shape[:2]
        square, scale = letterbox(picture, SIZE_PX)
        found = self._detector.find(square)
        return [
            Proposal(
                STREET_CLASSES[number],
                float(score),
                _fractions((box[0], box[1], box[2], box[3]), width, height),
            )
            for box, number, score in zip(
                (found.boxes / scale).tolist(), found.classes, found.scores, strict=True
            )
            if score >= PROPOSED_FROM
        ]


def looked_at(found: Iterable[Scene], look: Callable[[Scene], Scene]) -> list[Scene]:
    """Every scene with what teachers and the detector see in it."""
    return [look(scene) for scene in found]
