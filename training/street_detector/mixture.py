"""Which pictures the street detector trains on, tunes on and is judged on."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np

from training.bin_classifier.pictures import LOOK_PX, read
from training.datasets import readers
from training.datasets.augment import Picture
from training.datasets.decoded import Decoded
from training.datasets.licences import may_train
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
from training.datasets.splits import SHARES, Known, Split, split_known
from training.datasets.vending_streets import SET as VENDING
from training.datasets.vending_streets import (
    VendingPicture,
    for_detector,
    parts_of,
    vending_streets,
)
from training.street_detector.beliefs import NOTHING, UNHEARD
from training.street_detector.classes import STREET_CLASSES
from training.street_detector.pictures import (
    UNLABELLED_SETS,
    WHOLE_SHARE,
    CutOut,
    Example,
    Scene,
    believed_scene,
    bin_cut_outs,
    composed,
    device_windows,
    edges_of,
    patch_of,
    polygon_cut_outs,
    relit,
    scene_of,
    take_window,
)
from training.street_detector.teachers import Teachers

BACKGROUNDS = "bikes_street_calgary"
SHENZHEN = "bin_crops_shenzhen"
SHARED_BIKES, CLOSED_BINS = "bikes_shared", "bins_closed_sandiego"
# Sets of which nobody boxed anything that a street detector knows: teachers say what is there.
BELIEVED_SETS = UNLABELLED_SETS | {SHARED_BIKES, CLOSED_BINS}
SETS_OF_BINS = UNLABELLED_SETS | {CLOSED_BINS}
BESIDE_BINS = frozenset({"person", "bicycle", "motorcycle", "car", "umbrella"})
# What stands on none of the streets that nobody boxed: there, what is found is false.
IN_NO_UNBOXED_SET = frozenset({"stall"})
# Sets that leave out some of what they label: a teacher may add to it.
PARTLY_LABELLED = frozenset({"coco_mini", "bicycles_mixed", "bicycles_india", "street_india_moto"})
# How often each source is drawn; composed pictures are made anew for every draw.
SOURCE_WEIGHTS = {
    "rendered": 0.18,
    "composed": 0.32,
    VENDING: 0.3,
    "coco_mini": 0.2,
    "bicycles_mixed": 0.05,
    "bicycles_india": 0.03,
    "street_india_moto": 0.06,
    "bikes_racks_london": 0.03,
    "malta_bags": 0.04,
    "rubbish_bags_korea": 0.03,
    BACKGROUNDS: 0.09,
    SHARED_BIKES: 0.04,
    CLOSED_BINS: 0.03,
    REVIEWED: 0.2,
    "bins_scene_montevideo": 0.1,
    "amsterdam_garbage": 0.05,
}
BY_DAY, BY_NIGHT = f"{VENDING} by day", f"{VENDING} by dusk, night and lamps"
JUDGED_SETS = frozenset(SOURCE_WEIGHTS) - BELIEVED_SETS
GROUND_PX = 1280
GROUNDS = {
    BACKGROUNDS: 0.25,
    "street_india_moto": 0.1,
    "bins_scene_montevideo": 0.25,
    "amsterdam_garbage": 0.15,
    VENDING: 0.25,
}
# The second is the ground where the first may not be used.
JUDGED_GROUNDS = {BACKGROUNDS: 1.0, "street_india_moto": 1e-9}
LEAST_STALL_PX = 60
GREY = 114
NEVER_IN_A_CUT_OUT = frozenset(STREET_CLASSES) - {"person", "umbrella"}
PATCHES_OF_NOTHING = 4


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Mixture:
    """What a training sees, and how often.

    ``weights`` says how often each source is drawn, ``grounds`` how often each set is the street
    that things are laid on. ``stalls`` is the chance that a thing laid is a stall before its class
    is drawn evenly (only evenly if None), and ``real`` the chance that such a stall is a real one;
    ``nothing`` the chance that a patch of street is laid that shows no stall, by whose seam nothing
    can be told. ``relit`` is whether a thing is laid in lights other than its own, ``believing`` whether
    teachers are asked about the street below; ``whole`` the share of views that are whole pictures.
    """

    weights: Mapping[str, float]
    grounds: Mapping[str, float]
    stalls: float | None = None
    real: float = 0.0
    nothing: float = 0.0
    relit: bool = False
    believing: bool = False
    whole: float = WHOLE_SHARE


TRAINED = Mixture(
    SOURCE_WEIGHTS,
    GROUNDS,
    stalls=0.45,
    real=0.65,
    nothing=0.2,
    relit=True,
    believing=True,
    whole=0.45,
)
JUDGED = Mixture(SOURCE_WEIGHTS, JUDGED_GROUNDS)


@dataclass(frozen=True, slots=True)
class Sources:
    """Every set, split, and by part what may be laid on streets: things, real stalls, and nothing.

    ``vending`` tells more of the real ones; ``pictures`` and ``teachers`` remember what they have decoded and seen.
    """

    splits: dict[str, Split]
    things: dict[str, list[CutOut]]
    stalls: dict[str, list[CutOut]]
    nothing: dict[str, list[CutOut]]
    pictures: Decoded
    teachers: Teachers | None
    vending: Sequence[VendingPicture]


def _look(path: Path) -> Picture:
    small = cv2.resize(read(path), (LOOK_PX, LOOK_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.uint8)


def split(items: Sequence[Labelled], seed: int, kept: Known | None = None) -> Split:
    """Group by place where it is known, else by likeness, and split the groups.

    Args:
        items: The pictures of one set.
        seed: Orders the groups.
        kept: Groups and parts of an earlier model's training; these stay what they were.
    """
    known = {} if kept is None else kept.groups
    if all(item.name in known for item in items):
        groups = [known[item.name] for item in items]
    elif items[0].place is not None:
        groups = [f"{item.set_name}/{item.place}" for item in items]
    else:
        names = [item.name for item in items]
        groups = same_place_groups(names, lambda index: _look(items[index].path))
    return split_known(items, groups, seed, None if kept is None else kept.parts)


def some(items: Sequence[T], most: int | None) -> list[T]:
    """Every so many-th of the items, at most ``most`` if that is told."""
    return list(items) if most is None else list(items)[:: max(1, -(-len(items) // most))]


def _bins(data: Path, seed: int, kept: Known | None, most: int | None) -> Split:
    """The tight crops of bins that are laid on streets, split like a set of their own."""
    items = [
        Labelled(each.path, each.set_name, (), (), frozenset())
        for each in some(readers.bins_shenzhen(data), most)
    ]
    return split(items, seed, kept)


def vending_split(pictures: Sequence[VendingPicture]) -> Split:
    """The real stalls and the streets without; their parts are the same for all models."""
    parts, items = parts_of(pictures), for_detector(pictures)
    groups = [f"{VENDING}/{item.place}" for item in items]
    return Split(items, groups, [parts[item.path.name] for item in items])


def _unboxed(data: Path) -> dict[str, list[Labelled]]:
    """Streets in which nobody boxed a thing."""
    found: dict[str, list[Labelled]] = {}
    for each in (*readers.bins_montevideo(data), *readers.bins_amsterdam(data)):
        item = Labelled(each.path, each.set_name, (), (), frozenset())
        found.setdefault(each.set_name, []).append(item)
    found[SHARED_BIKES] = readers.bikes_shared(data)
    found[CLOSED_BINS] = readers.closed_bins_sandiego(data)
    return found


def _things(
    splits: Mapping[str, Split], bins: Split, polygons: Mapping[str, list[Any]], part: str
) -> list[CutOut]:
    """Bins, bags and drawn stalls of one part, each without its background."""
    cut = bin_cut_outs([item.path for item in bins.part(part)])
    for item in splits["rubbish_bags_korea"].part(part):
        cut += polygon_cut_outs(read(item.path), polygons[item.path.name], "rubbish")
    if "rendered" in splits:
        cut += stall_cut_outs(splits["rendered"].part(part))
    if DRAWN_STALLS in splits:
        cut += [transparent_cut_out(item.path) for item in splits[DRAWN_STALLS].part(part)]
    return cut


def gather(
    data: Path,
    stills: Path | None,
    seed: int,
    pictures: Decoded,
    teachers: Teachers | None,
    reviewed: Path | None = None,
    stalls: Path | None = None,
    kept: Known | None = None,
    may_train: Callable[[str], bool] = may_train,
    most: int | None = None,
) -> Sources:
    """Read, group and split everything.

    Args:
        data: The folder of the sets.
        stills: Batches of drawn streets, if any.
        seed: Of the splits.
        pictures: Decodes them.
        teachers: Are asked about what a set does not label; None where nothing is to be trained.
        reviewed: Crops that people have sorted, if any.
        stalls: Drawn stalls, if any.
        kept: The parts of an earlier model; its groups stay in them.
        may_train: Whether a set may be used, by name.
        most: So many pictures of each set, to see that it runs.
    """
    found = readers.real_street_sets(data) | {BACKGROUNDS: readers.streets_calgary(data)}
    found |= _unboxed(data)
    found = {name: items for name, items in found.items() if may_train(name)}
    if stills is not None:
        found["rendered"] = rendered_stills(stills)
    if reviewed is not None:
        found[REVIEWED] = reviewed_streets(reviewed)
    if stalls is not None:
        found[DRAWN_STALLS] = drawn_stalls(stalls)
    found = {name: some(items, most) for name, items in found.items()}
    splits = {name: split(items, seed, kept) for name, items in found.items() if items}
    vending = some(vending_streets(data), most) if may_train(VENDING) else []
    if vending:
        splits[VENDING] = vending_split(vending)
    bins = _bins(data, seed, kept, most) if may_train(SHENZHEN) else Split([], [], [])
    polygons = readers.bag_polygons(data)
    sources = Sources(splits, {}, {}, {}, pictures, teachers, vending)
    for part in SHARES:
        things = _things(splits, bins, polygons, part)
        sources.things[part], sources.stalls[part], sources.nothing[part] = things, [], []
        if teachers is not None:
            sources.things[part] = [with_people(thing, teachers) for thing in things]
            sources.stalls[part], sources.nothing[part] = real_patches(sources, part, seed)
    if bins.items:
        splits[f"{SHENZHEN} (laid on streets)"] = bins
    return sources


def with_people(thing: CutOut, teachers: Teachers) -> CutOut:
    """A cut-out with the people that teachers see in it: those at a drawn stall are no background."""
    if thing.label != "stall":
        return thing
    cover = thing.cover[..., None]
    shown = (thing.picture * cover + GREY * (1 - cover)).astype(np.uint8)
    belief = teachers.of(shown)
    labels, boxes, worth = belief.beside((), np.zeros((0, 4)), NEVER_IN_A_CUT_OUT)
    beside = [
        (label, edges_of(box), float(each))
        for label, box, each in zip(labels, boxes, worth, strict=True)
    ]
    return replace(thing, beside=tuple(beside))


def real_patches(sources: Sources, part: str, seed: int) -> tuple[list[CutOut], list[CutOut]]:
    """Real stalls of one part with a rim of their ground, and pieces of streets without a stall."""
    random = np.random.default_rng((seed, 11))
    stalls, nothing = [], []
    vending = sources.splits.get(VENDING)
    for item in [] if vending is None else vending.part(part):
        scene = believed(item, sources)
        height, width = scene.picture.shape[:2]
        for label, box in zip(scene.labels, scene.boxes, strict=True):
            if label == "stall" and min(box[2] - box[0], box[3] - box[1]) >= LEAST_STALL_PX:
                stalls.append(patch_of(scene, edges_of(box), "stall"))
        for _ in range(0 if "stall" in item.labels else PATCHES_OF_NOTHING):
            size = random.uniform(0.25, 0.7, size=2) * (width, height)
            left, top = random.uniform(0, 1, size=2) * ((width, height) - size)
            edges = (left, top, left + size[0], top + size[1])
            nothing.append(patch_of(scene, edges, NOTHING))
    return stalls, nothing


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


def believed(item: Labelled, sources: Sources) -> Scene:
    """A picture with its labels, and what teachers believe where the set is silent."""
    picture, scale = sources.pictures(item.path)
    if item.set_name == "rendered":
        return believed_scene(item, picture, scale, UNHEARD)
    if item.set_name in PARTLY_LABELLED:
        item = replace(item, exhaustive=frozenset())
    if item.set_name in BELIEVED_SETS:
        item = replace(item, exhaustive=IN_NO_UNBOXED_SET)
    if sources.teachers is None:
        raise ValueError("pictures to be trained on want teachers")
    belief = sources.teachers(item.path, picture)
    if item.set_name == SHARED_BIKES:  # COCO's networks take a sturdy bike for a motorcycle
        belief = belief.renamed("motorcycle", "bicycle")
    if item.set_name in SETS_OF_BINS:  # ... and a container for a lorry; most bins they do not know
        belief = belief.only(BESIDE_BINS).opened()
    return believed_scene(item, picture, scale, belief)


def compose(
    sources: Sources, part: str, random: np.random.Generator, mixture: Mixture = JUDGED
) -> Scene:
    """A street of one part with a few things of the same part laid on it."""
    name = weighted(mixture.grounds, sources.splits, random)
    streets = sources.splits[name].part(part)
    item = streets[int(random.integers(len(streets)))]
    street = believed(item, sources) if mixture.believing else scene_of(item)
    chosen = [_thing(sources, part, random, mixture) for _ in range(6)]
    if mixture.relit:
        chosen = [relit(thing, random) for thing in chosen]
    return composed(street, chosen, random)


def _thing(sources: Sources, part: str, random: np.random.Generator, mixture: Mixture) -> CutOut:
    """Something to lay on a street: a piece of another, a real stall, or a thing cut out."""
    if random.random() < mixture.nothing and sources.nothing[part]:
        return sources.nothing[part][int(random.integers(len(sources.nothing[part])))]
    real = mixture.real if sources.stalls[part] else 0.0
    if mixture.stalls is not None and random.random() < mixture.stalls * real:
        return sources.stalls[part][int(random.integers(len(sources.stalls[part])))]
    return balanced_thing(sources.things[part], random, mixture.stalls)


def training_scene(sources: Sources, mixture: Mixture, random: np.random.Generator) -> Scene:
    """A picture of a ``train`` part with what may be learned from it."""
    name = weighted(mixture.weights, {*sources.splits, "composed"}, random)
    if name == "composed":
        return compose(sources, "train", random, mixture)
    items = sources.splits[name].part("train")
    return believed(items[int(random.integers(len(items)))], sources)


def whole(scene: Scene) -> Example:
    """The whole picture as the network gets it."""
    height, width = scene.picture.shape[:2]
    return take_window(scene, (0.0, 0.0, float(width), float(height)))


def unboxed_streets(sources: Sources, part: str) -> list[Example]:
    """Whole pictures of the streets that nobody boxed."""
    sets = [sources.splits[name] for name in sorted(UNLABELLED_SETS) if name in sources.splits]
    items = [item for each in sets for item in each.part(part)]
    return [whole(scene_of(item)) for item in items]


def judged_parts(sources: Sources, part: str, seed: int) -> dict[str, list[Example]]:
    """The fixed pictures a part is judged on: whole pictures, windows of drawn stills,
    streets with things laid on them, and the streets with and without real stalls by their light."""
    found: dict[str, list[Example]] = {}
    for name, each in sources.splits.items():
        if name not in JUDGED_SETS - {VENDING}:
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
    lights = {each.path: each.light for each in sources.vending}
    vending = sources.splits.get(VENDING)
    for item in [] if vending is None else vending.part(part):
        name = BY_DAY if lights[item.path] == "day" else BY_NIGHT
        found.setdefault(name, []).append(whole(scene_of(item)))
    return found
