"""Which pictures the street detector trains on, tunes on and is judged on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from training import sets
from training.augment import Picture
from training.bin_pictures import LOOK_PX, read
from training.groups import records, split_groups
from training.likeness import same_place_groups
from training.reviewed import REVIEWED, reviewed_streets
from training.sets import Labelled
from training.stills import (
    DRAWN_STALLS,
    drawn_stalls,
    rendered_stills,
    stall_cut_outs,
    transparent_cut_out,
)
from training.street_pictures import (
    UNLABELLED_SETS,
    CutOut,
    Example,
    Scene,
    bin_cut_outs,
    composed,
    device_windows,
    polygon_cut_outs,
    scene_of,
    take_window,
)

SHARES = {"train": 0.68, "tune": 0.1, "held_out": 0.22}
BACKGROUNDS = "bikes_street_calgary"
# How often each source is drawn; composed pictures are made anew for every draw.
SOURCE_WEIGHTS = {
    "rendered": 0.28,
    "composed": 0.2,
    "coco_mini": 0.28,
    "bicycles_mixed": 0.06,
    "bicycles_india": 0.04,
    "street_india_moto": 0.08,
    "bikes_racks_london": 0.04,
    "malta_bags": 0.04,
    "rubbish_bags_korea": 0.03,
    BACKGROUNDS: 0.1,
    REVIEWED: 0.2,
    "bins_scene_montevideo": 0.12,
    "amsterdam_garbage": 0.04,
}
# The start has learned these pictures with all of COCO behind them; a few labels teach it nothing
# but to forget the rest, so here it is the teacher of everything.
LEARNED_BY_THE_START = frozenset({"coco_mini"})


@dataclass(frozen=True, slots=True)
class Split:
    """One set with the group and part of every picture."""

    items: Sequence[Labelled]
    groups: Sequence[str]
    parts: Sequence[str]

    def part(self, name: str) -> list[Labelled]:
        """The pictures of one part."""
        return [item for item, part in zip(self.items, self.parts, strict=True) if part == name]

    def records(self) -> list[dict[str, str]]:
        """What is published of the split."""
        names = [item.name for item in self.items]
        paths = [item.path for item in self.items]
        parts = dict(zip(self.groups, self.parts, strict=True))
        return records(names, paths, self.groups, parts)


@dataclass(frozen=True, slots=True)
class Sources:
    """Every set, split, and the things that may be laid on streets, by part."""

    splits: dict[str, Split]
    things: dict[str, list[CutOut]]


def _look(path: Path) -> Picture:
    small = cv2.resize(read(path), (LOOK_PX, LOOK_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.uint8)


def split(items: Sequence[Labelled], seed: int) -> Split:
    """Group by place where it is known, else by likeness, and split the groups."""
    if items[0].place is not None:
        groups = [f"{item.set_name}/{item.place}" for item in items]
    else:
        names = [item.name for item in items]
        groups = same_place_groups(names, lambda index: _look(items[index].path))
    parts = split_groups(groups, seed, SHARES)
    return Split(items, groups, [parts[group] for group in groups])


def _bins(data: Path, seed: int) -> Split:
    """The tight crops of bins that are laid on streets, split like a set of their own."""
    items = [
        Labelled(each.path, each.set_name, (), (), frozenset()) for each in sets.bins_shenzhen(data)
    ]
    return split(items, seed)


def gather(
    data: Path,
    stills: Path | None,
    seed: int,
    reviewed: Path | None = None,
    stalls: Path | None = None,
) -> Sources:
    """Read, group and split everything."""
    found = sets.real_street_sets(data) | {BACKGROUNDS: sets.streets_calgary(data)}
    for each in (*sets.bins_montevideo(data), *sets.bins_amsterdam(data)):
        item = Labelled(each.path, each.set_name, (), (), frozenset())
        found.setdefault(each.set_name, []).append(item)
    if stills is not None:
        found["rendered"] = rendered_stills(stills)
    if reviewed is not None:
        found[REVIEWED] = reviewed_streets(reviewed)
    if stalls is not None:
        found[DRAWN_STALLS] = drawn_stalls(stalls)
    splits = {name: split(items, seed) for name, items in found.items() if items}
    bins = _bins(data, seed)
    polygons = sets.bag_polygons(data)
    things: dict[str, list[CutOut]] = {}
    for part in SHARES:
        cut = bin_cut_outs([item.path for item in bins.part(part)])
        for item in splits["rubbish_bags_korea"].part(part):
            cut += polygon_cut_outs(read(item.path), polygons[item.path.name], "rubbish")
        if stills is not None and "rendered" in splits:
            cut += stall_cut_outs(splits["rendered"].part(part))
        if DRAWN_STALLS in splits:
            cut += [transparent_cut_out(item.path) for item in splits[DRAWN_STALLS].part(part)]
        things[part] = cut
    splits["bin_crops_shenzhen (laid on streets)"] = bins
    return Sources(splits, things)


def balanced_thing(things: Sequence[CutOut], random: np.random.Generator) -> CutOut:
    """A thing of a class drawn evenly, so that the many do not crowd out the few."""
    labels = sorted({thing.label for thing in things})
    label = labels[int(random.integers(len(labels)))]
    alike = [thing for thing in things if thing.label == label]
    return alike[int(random.integers(len(alike)))]


def compose(sources: Sources, part: str, random: np.random.Generator) -> Scene:
    """A street of one part with a few things of the same part laid on it."""
    streets = sources.splits[BACKGROUNDS].part(part)
    street = scene_of(streets[int(random.integers(len(streets)))])
    chosen = [balanced_thing(sources.things[part], random) for _ in range(6)]
    return composed(street, chosen, random)


def training_scene(sources: Sources, name: str, random: np.random.Generator) -> Scene:
    """A picture of a source's ``train`` part with what may be learned from its labels."""
    if name == "composed":
        return compose(sources, "train", random)
    items = sources.splits[name].part("train")
    item = items[int(random.integers(len(items)))]
    if name in LEARNED_BY_THE_START:
        item = replace(item, labels=(), boxes=(), exhaustive=frozenset())
    return scene_of(item)


def judged_parts(sources: Sources, part: str, seed: int) -> dict[str, list[Example]]:
    """The fixed pictures a part is judged on: whole pictures, windows of drawn stills,
    and streets with things laid on them."""
    found: dict[str, list[Example]] = {}
    for name, each in sources.splits.items():
        if name not in SOURCE_WEIGHTS or name in UNLABELLED_SETS:
            continue
        examples = []
        for item in each.part(part):
            scene = scene_of(item)
            height, width = scene.picture.shape[:2]
            whole = [(0.0, 0.0, float(width), float(height))]
            windows = device_windows(width, height) if scene.rendered else whole
            examples += [take_window(scene, window) for window in windows]
        found[name] = examples
    random = np.random.default_rng((seed, 7))
    laid = [compose(sources, part, random) for _ in range(60 if part == "held_out" else 30)]
    found["composed"] = [
        take_window(scene, (0.0, 0.0, float(scene.picture.shape[1]), float(scene.picture.shape[0])))
        for scene in laid
    ]
    return found
