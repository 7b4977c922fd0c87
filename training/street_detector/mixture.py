"""Which pictures the street detector trains on, tunes on and is judged on."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from training.bin_classifier.pictures import LOOK_PX, read
from training.datasets import readers
from training.datasets.augment import Picture
from training.datasets.near_duplicates import same_place_groups
from training.datasets.readers import Labelled
from training.datasets.rendered import (
    DRAWN_STALLS,
    drawn_stalls,
    rendered_stills,
    stall_cut_outs,
    transparent_cut_out,
)
from training.datasets.reviewed import REVIEWED, reviewed_streets
from training.datasets.splits import SHARES, Split, split_known
from training.street_detector.pictures import (
    UNLABELLED_SETS,
    WHOLE_SHARE,
    CutOut,
    Example,
    Scene,
    bin_cut_outs,
    composed,
    device_windows,
    polygon_cut_outs,
    relit,
    scene_of,
    take_window,
)

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
GROUND_PX = 1280


@dataclass(frozen=True, slots=True)
class Mixture:
    """What a training sees, and how often.

    ``weights`` says how often each source is drawn, ``grounds`` how often each set is the street
    that things are laid on. ``stalls`` is the chance that a thing laid is a stall before its class
    is drawn evenly (only evenly if None), ``relit`` whether a thing is laid in lights other than its own, ``absent``
    what stands on no real street that nobody boxed, ``whole`` the share of views that are whole pictures.
    """

    weights: Mapping[str, float]
    grounds: Mapping[str, float]
    stalls: float | None = None
    relit: bool = False
    absent: frozenset[str] = frozenset()
    whole: float = WHOLE_SHARE


# No picture of any set shows a stall; where one is found, it is false.
ON_NO_REAL_STREET = frozenset({"stall"})
FROM_COCO = Mixture(SOURCE_WEIGHTS, {BACKGROUNDS: 1.0})
# A model that knows the street goes on to what it knows least: stalls, everywhere, in any light.
FROM_STREET = Mixture(
    SOURCE_WEIGHTS | {"composed": 0.4},
    {
        BACKGROUNDS: 0.4,
        "street_india_moto": 0.15,
        "bins_scene_montevideo": 0.3,
        "amsterdam_garbage": 0.15,
    },
    stalls=0.5,
    relit=True,
    absent=ON_NO_REAL_STREET,
)
# The start has learned these pictures with all of COCO behind them; a few labels teach it nothing
# but to forget the rest, so here it is the teacher of everything.
LEARNED_BY_THE_START = frozenset({"coco_mini"})


@dataclass(frozen=True, slots=True)
class Sources:
    """Every set, split, and the things that may be laid on streets, by part."""

    splits: dict[str, Split]
    things: dict[str, list[CutOut]]


def _look(path: Path) -> Picture:
    small = cv2.resize(read(path), (LOOK_PX, LOOK_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.uint8)


def split(items: Sequence[Labelled], seed: int, kept: Mapping[str, str] | None = None) -> Split:
    """Group by place where it is known, else by likeness, and split the groups.

    Args:
        items: The pictures of one set.
        seed: Orders the groups.
        kept: Group to part in an earlier model's training; these stay what they were.
    """
    if items[0].place is not None:
        groups = [f"{item.set_name}/{item.place}" for item in items]
    else:
        names = [item.name for item in items]
        groups = same_place_groups(names, lambda index: _look(items[index].path))
    return split_known(items, groups, seed, kept)


def _bins(data: Path, seed: int, kept: Mapping[str, str] | None) -> Split:
    """The tight crops of bins that are laid on streets, split like a set of their own."""
    items = [
        Labelled(each.path, each.set_name, (), (), frozenset())
        for each in readers.bins_shenzhen(data)
    ]
    return split(items, seed, kept)


def gather(
    data: Path,
    stills: Path | None,
    seed: int,
    reviewed: Path | None = None,
    stalls: Path | None = None,
    kept: Mapping[str, str] | None = None,
) -> Sources:
    """Read, group and split everything; the groups that ``kept`` names stay in its parts."""
    found = readers.real_street_sets(data) | {BACKGROUNDS: readers.streets_calgary(data)}
    for each in (*readers.bins_montevideo(data), *readers.bins_amsterdam(data)):
        item = Labelled(each.path, each.set_name, (), (), frozenset())
        found.setdefault(each.set_name, []).append(item)
    if stills is not None:
        found["rendered"] = rendered_stills(stills)
    if reviewed is not None:
        found[REVIEWED] = reviewed_streets(reviewed)
    if stalls is not None:
        found[DRAWN_STALLS] = drawn_stalls(stalls)
    splits = {name: split(items, seed, kept) for name, items in found.items() if items}
    bins = _bins(data, seed, kept)
    polygons = readers.bag_polygons(data)
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


def balanced_thing(
    things: Sequence[CutOut], random: np.random.Generator, stalls: float | None = None
) -> CutOut:
    """A thing of a class drawn evenly, so that the many do not crowd out the few.

    Args:
        things: What there is.
        random: Chooses.
        stalls: With this chance it is a stall; else, or if None, a class drawn evenly.
    """
    labels = sorted({thing.label for thing in things})
    if stalls is not None and "stall" in labels and random.random() < stalls:
        labels = ["stall"]
    label = labels[int(random.integers(len(labels)))]
    alike = [thing for thing in things if thing.label == label]
    return alike[int(random.integers(len(alike)))]


def weighted(
    weights: Mapping[str, float], known: Container[str], random: np.random.Generator
) -> str:
    """One of the names that are known, by weight."""
    names = [name for name in weights if name in known]
    shares = np.array([weights[name] for name in names])
    return names[int(random.choice(len(names), p=shares / shares.sum()))]


def compose(
    sources: Sources, part: str, random: np.random.Generator, mixture: Mixture = FROM_COCO
) -> Scene:
    """A street of one part with a few things of the same part laid on it."""
    name, longest_px = BACKGROUNDS, 100_000
    if (
        len(mixture.grounds) > 1
    ):  # one ground costs no draw: the shipped recipe's pictures stay the same
        name, longest_px = weighted(mixture.grounds, sources.splits, random), GROUND_PX
    streets = sources.splits[name].part(part)
    street = scene_of(streets[int(random.integers(len(streets)))], longest_px)
    chosen = [balanced_thing(sources.things[part], random, mixture.stalls) for _ in range(6)]
    if mixture.relit:
        chosen = [relit(thing, random) for thing in chosen]
    return composed(street, chosen, random)


def training_scene(sources: Sources, mixture: Mixture, random: np.random.Generator) -> Scene:
    """A picture of a ``train`` part with what may be learned from its labels."""
    name = weighted(mixture.weights, {*sources.splits, "composed"}, random)
    if name == "composed":
        return compose(sources, "train", random, mixture)
    items = sources.splits[name].part("train")
    item = items[int(random.integers(len(items)))]
    if name in LEARNED_BY_THE_START:
        item = replace(item, labels=(), boxes=(), exhaustive=frozenset())
    if name in UNLABELLED_SETS:
        item = replace(item, exhaustive=mixture.absent)
    return scene_of(item)


def whole(scene: Scene) -> Example:
    """The whole picture as the network gets it."""
    height, width = scene.picture.shape[:2]
    return take_window(scene, (0.0, 0.0, float(width), float(height)))


def unboxed_streets(sources: Sources, part: str) -> list[Example]:
    """Whole pictures of the streets that nobody boxed."""
    items = [item for name in sorted(UNLABELLED_SETS) for item in sources.splits[name].part(part)]
    return [whole(scene_of(item)) for item in items]


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
            if scene.rendered:
                height, width = scene.picture.shape[:2]
                windows = device_windows(width, height)
                examples += [take_window(scene, window) for window in windows]
            else:
                examples.append(whole(scene))
        found[name] = examples
    random = np.random.default_rng((seed, 7))
    laid = [compose(sources, part, random) for _ in range(60 if part == "held_out" else 30)]
    found["composed"] = [whole(scene) for scene in laid]
    return found
