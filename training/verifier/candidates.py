"""Candidates: places in pictures that a rule may take for a case, each with what is really there.

Four sources: boxes that people drew, boxes that teachers are sure of, every box that a street
detector proposes however weakly, and places taken at random. What lies in the last two is told by
the first two: by the share of the place that each kind of thing covers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agent.domain.labels import CANDIDATE_KINDS as KINDS
from training.evaluate.metrics import iou_matrix

Edges = tuple[float, float, float, float]
Shares = tuple[float, ...]
"""What a candidate is, a share for each of KINDS; they add up to 1."""
GRID = 24
"""A place is looked at as so many cells across and down when shares are told."""
LEAST_SIDE = 0.03
"""Of the picture's longer side: smaller things are not judged by their looks."""
SAME, DIFFERENT = 0.5, 0.15
"""From this IoU on a box is the stall; up to this share of it in a stall's box it is beside it."""
MOSTLY, HARDLY = 0.55, 0.2


@dataclass(frozen=True, slots=True)
class Thing:
    """Something known to be in a picture, in fractions of it."""

    kind: str
    box: Edges


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a street detector saw, however weakly: a street class, 0 to 1, in fractions."""

    label: str
    score: float
    box: Edges


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture and what is known of it.

    Attributes:
        path: The file.
        set_name: Its set.
        group: Source, place or near-duplicates that it belongs to.
        part: train, tune or held_out.
        night: Taken at night.
        things: Labelled by people.
        believed: Seen by teachers that are sure.
        unsure: Boxes that are not judged, and nothing beside them either.
        proposed: Boxes of a detector, however weak.
        drawn: Rendered, not photographed.
    """

    path: Path
    set_name: str
    group: str
    part: str
    night: bool
    things: Sequence[Thing]
    believed: Sequence[Thing] = ()
    unsure: Sequence[Edges] = ()
    proposed: Sequence[Proposal] = ()
    drawn: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place in a picture and what it is.

    ``source`` is label, teacher, group, detector or background; ``detected`` is the score of the
    surest stall that the detector sees there, 0 if it sees none.
    """

    scene: Scene
    box: Edges
    shares: Shares
    source: str
    detected: float = 0.0

    @property
    def kind(self) -> str:
        """What most of it is."""
        return KINDS[int(np.argmax(self.shares))]


def only(kind: str) -> Shares:
    """All of one kind."""
    return tuple(float(name == kind) for name in KINDS)


def touching_groups(boxes: Sequence[Edges], gap: float) -> list[Edges]:
    """Boxes around two or more that touch, or nearly: a row of bikes, a knot of people.

    Args:
        boxes: Of one kind, in fractions.
        gap: How far apart two may be, in widths of the smaller.
    """
    left = list(range(len(boxes)))
    found = []
    while left:
        members = [left.pop()]
        for one in members:
            near = [other for other in left if _near(boxes[one], boxes[other], gap)]
            members += near
            left = [other for other in left if other not in near]
        if len(members) > 1:
            rows = np.array([boxes[member] for member in members])
            low, high = rows[:, :2].min(axis=0), rows[:, 2:].max(axis=0)
            found.append((float(low[0]), float(low[1]), float(high[0]), float(high[1])))
    return found


def _near(one: Edges, other: Edges, gap: float) -> bool:
    reach = gap * min(one[2] - one[0], other[2] - other[0])
    return not (
        one[0] - reach > other[2]
        or other[0] - reach > one[2]
        or one[1] > other[3]
        or other[1] > one[3]
    )


def shares_of(box: Edges, things: Iterable[Thing]) -> Shares:
    """What share of a place each kind of thing covers; the rest is ``nothing``."""
    across = box[0] + (np.arange(GRID) + 0.5) / GRID * (box[2] - box[0])
    down = box[1] + (np.arange(GRID) + 0.5) / GRID * (box[3] - box[1])
    covered = np.zeros((len(KINDS), GRID, GRID), bool)
    for thing in things:
        left, top, right, bottom = thing.box
        inside = np.outer((down >= top) & (down <= bottom), (across >= left) & (across <= right))
        covered[KINDS.index(thing.kind)] |= inside
    parts = covered / np.maximum(covered.sum(axis=0), 1)
    shares = parts.mean(axis=(1, 2))
    shares[KINDS.index("nothing")] += 1 - shares.sum()
    return tuple(float(share) for share in shares)


def told(box: Edges, scene: Scene) -> Shares | None:
    """What a place is by what is known of its picture; None where that cannot be said."""
    stalls = [thing.box for thing in scene.things if thing.kind == "stall"]
    row = np.array([box])
    if stalls:
        overlap = iou_matrix(row, np.array(stalls))[0]
        within = _inside(box, stalls)
        if overlap.max() >= SAME:
            return only("stall")
        if within.max() > DIFFERENT or overlap.max() > DIFFERENT:
            return None
    if len(scene.unsure) and _inside(box, scene.unsure).max() > DIFFERENT:
        return None
    known = [thing for thing in (*scene.things, *scene.believed) if thing.kind != "stall"]
    shares = shares_of(box, known)
    if HARDLY / 4 < shares[KINDS.index("shop_goods")] < MOSTLY:
        # The edge of goods put out: neither these nor nothing.
        return None
    nothing = shares[KINDS.index("nothing")]
    if nothing >= 1 - HARDLY:
        # A thing that is much smaller than the place is not what the place is.
        return only("nothing")
    most = int(np.argmax(shares))
    return only(KINDS[most]) if shares[most] >= MOSTLY else shares


def _inside(box: Edges, others: Sequence[Edges]) -> NDArray[np.float64]:
    """What share of a box lies in each of others."""
    rows = np.array(others, float).reshape(-1, 4)
    low = np.maximum(rows[:, :2], box[:2])
    high = np.minimum(rows[:, 2:], box[2:])
    area = max((box[2] - box[0]) * (box[3] - box[1]), 1e-9)
    return np.asarray(np.clip(high - low, 0, None).prod(axis=1) / area)


def random_boxes(count: int, random: np.random.Generator) -> list[Edges]:
    """Places of 1 to 35 % of a picture, lying or standing."""
    found = []
    for _ in range(count):
        area, shape = np.exp(random.uniform(np.log(0.01), np.log(0.35))), random.uniform(0.5, 2.2)
        width, height = min(0.95, (area * shape) ** 0.5), min(0.95, (area / shape) ** 0.5)
        left, top = random.uniform(0, 1 - width), random.uniform(0, 1 - height)
        found.append((left, top, left + width, top + height))
    return found


def candidates_of(scene: Scene, backgrounds: int, random: np.random.Generator) -> list[Candidate]:
    """All candidates of one picture.

    Args:
        scene: The picture.
        backgrounds: How many places at random.
        random: Draws them.
    """
    found = [
        Candidate(scene, thing.box, only(thing.kind), "label", detected_at(thing.box, scene))
        for thing in scene.things
        if _large(thing.box)
    ]
    known = [thing.box for thing in scene.things]
    for thing in scene.believed:
        doubled = known and iou_matrix(np.array([thing.box]), np.array(known)).max() > SAME
        if _large(thing.box) and not doubled:
            found += _as_told(thing.box, scene, "teacher")
    found += _groups(scene)
    for source, boxes in (
        ("detector", [each.box for each in scene.proposed]),
        ("background", random_boxes(backgrounds, random)),
    ):
        for box in boxes:
            if _large(box):
                found += _as_told(box, scene, source)
    return found


def _as_told(box: Edges, scene: Scene, source: str) -> list[Candidate]:
    shares = told(box, scene)
    if shares is None:
        return []
    return [Candidate(scene, box, shares, source, detected_at(box, scene))]


def detected_at(box: Edges, scene: Scene) -> float:
    """How sure the detector is of a stall at a place: the surest that overlaps it by half."""
    mine = [each for each in scene.proposed if each.label == "stall"]
    if not mine:
        return 0.0
    overlap = iou_matrix(np.array([box]), np.array([each.box for each in mine]))[0]
    scores = np.array([each.score for each in mine])
    return float(np.where(overlap >= SAME, scores, 0.0).max())


def _groups(scene: Scene) -> list[Candidate]:
    found = []
    for kind in ("people", "two_wheelers", "bin", "rubbish"):
        mine = [thing.box for thing in (*scene.things, *scene.believed) if thing.kind == kind]
        for box in touching_groups(mine, 0.3):
            shares = told(box, scene)
            if _large(box) and shares is not None and shares[KINDS.index(kind)] >= 1 - MOSTLY:
                found.append(Candidate(scene, box, only(kind), "group", detected_at(box, scene)))
    return found


def _large(box: Edges) -> bool:
    return min(box[2] - box[0], box[3] - box[1]) >= LEAST_SIDE


def counted(candidates: Iterable[Candidate]) -> Mapping[tuple[str, str], int]:
    """How many candidates of each set are of each kind."""
    found: dict[tuple[str, str], int] = {}
    for each in candidates:
        key = each.scene.set_name, each.kind
        found[key] = found.get(key, 0) + 1
    return found
