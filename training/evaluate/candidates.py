"""Fixed candidates: the places that a verifier is asked about, the same for every model.

Labelled boxes, moved about as a detector's are, and every box that a detector proposes, however
weakly. What is proposed is a stall where it lies on a labelled one, and none where the picture has
none; a place that overlaps a stall without being it is not judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from agent.domain.scene import Box
from agent.scenarios import VerifiedSettings
from training.evaluate.judging import Sight
from training.evaluate.sources import SHOP_GOODS, Item

PROPOSED_FROM = 0.05
JITTER = 0.2
"""Edges of a labelled box move by up to this share of its sides."""
DRAWS = 2
"""How often each labelled box is moved anew."""
SAME, DIFFERENT = 0.5, 0.15
LEAST_SIDE = 0.03
"""Of the picture: smaller places are not asked about."""
KIND_OF = {
    "stall": "stall",
    "person": "people",
    "bicycle": "two_wheelers",
    "motorcycle": "two_wheelers",
    "car": "vehicle",
    "bus": "vehicle",
    "truck": "vehicle",
    "bin": "bin",
    "rubbish": "rubbish",
    SHOP_GOODS: "shop_goods",
}
"""Street labels as kinds of candidates; an umbrella is none: it depends on what is below."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a picture.

    Attributes:
        item: The picture.
        box: In fractions of it.
        kind: What a label says it is; None: something that is no stall.
        detected: The score of the surest stall that the detector sees there; 0: none.
    """

    item: Item
    box: Box
    kind: str | None
    detected: float

    @property
    def is_stall(self) -> bool:
        """A stall stands there."""
        return self.kind == "stall"


@dataclass(frozen=True, slots=True)
class Asked:
    """A place and what a verifier says of it."""

    place: Place
    probabilities: Mapping[str, float]

    @property
    def stall(self) -> float:
        """The probability of a stall."""
        return self.probabilities["stall"]

    @property
    def said(self) -> str:
        """The likeliest kind."""
        return max(self.probabilities, key=lambda kind: self.probabilities[kind])


_DEVICE = VerifiedSettings()
REFUSES, CONFIRMS = _DEVICE.verifier_refuses, _DEVICE.verifier_confirms
"""Where the device's scenarios take a verifier's word, if a site does not say otherwise: below the first nothing is a stall, from the second on anything is."""


def together(
    asked: Asked, named_from: float, refuses: float = REFUSES, confirms: float = CONFIRMS
) -> bool:
    """Whether verifier and detector together call a place a stall, as the device's scenarios do.

    Args:
        asked: The place and what the verifier says of it.
        named_from: The detector's threshold of stalls.
        refuses: Below this probability it is none, whatever the detector says.
        confirms: From this on it is one, whatever the detector says.
    """
    named = asked.place.detected >= named_from
    return asked.stall >= (refuses if named else confirms)


def places_of(
    item: Item, sight: Sight, size: tuple[int, int], *, without_stall: bool
) -> list[Place]:
    """The places of one picture that a verifier is asked about.

    Args:
        item: The picture.
        sight: What the detector saw in it.
        size: Its width and height in pixels.
        without_stall: No stall is in it.

    Returns:
        The places, the same at every call.
    """
    labelled = [(KIND_OF.get(label), _fractions(edges, size)) for label, edges in item.boxes]
    random = np.random.default_rng(int(item.digest[:8] or "0", 16))
    found = [
        _place(item, sight, moved, kind)
        for kind, box in labelled
        if kind is not None and _large(box)
        for moved in _moved(box, random)
    ]
    if without_stall or "stall" in item.boxed:
        found += _proposed(item, sight, labelled)
    return found


def _moved(box: Box, random: np.random.Generator) -> Iterator[Box]:
    for _ in range(DRAWS):
        left, top, right, bottom = random.uniform(-JITTER, JITTER, 4)
        yield Box(
            float(np.clip(box.left + left * box.width, 0, 1)),
            float(np.clip(box.top + top * box.height, 0, 1)),
            float(np.clip(box.right + right * box.width, 0, 1)),
            float(np.clip(box.bottom + bottom * box.height, 0, 1)),
        )


def _proposed(
    item: Item, sight: Sight, labelled: Sequence[tuple[str | None, Box]]
) -> Iterator[Place]:
    """A detector's boxes; those that nobody can tell of are left out."""
    stalls = [box for kind, box in labelled if kind == "stall"]
    unsure = [box for kind, box in labelled if kind in (None, "shop_goods")]
    for each in sight.found:
        if each.confidence < PROPOSED_FROM or not _large(each.box):
            continue
        if any(each.box.iou(stall) >= SAME for stall in stalls):
            yield _place(item, sight, each.box, "stall")
        elif all(_share(each.box, other) <= DIFFERENT for other in (*stalls, *unsure)):
            yield _place(item, sight, each.box, None)


def _share(box: Box, other: Box) -> float:
    return max(box.overlap(other) / max(box.area, 1e-9), box.iou(other))


def _place(item: Item, sight: Sight, box: Box, kind: str | None) -> Place:
    seen = [each for each in sight.found if each.label == "stall"]
    mine = (each.confidence for each in seen if each.box.iou(box) >= SAME)
    return Place(item, box, kind, max(mine, default=0.0))


def _large(box: Box) -> bool:
    return min(box.width, box.height) >= LEAST_SIDE


def _fractions(edges: Sequence[float], size: tuple[int, int]) -> Box:
    left, top, right, bottom = edges
    return Box(
        min(1.0, max(0.0, left / size[0])),
        min(1.0, max(0.0, top / size[1])),
        min(1.0, max(0.0, right / size[0])),
        min(1.0, max(0.0, bottom / size[1])),
    )
