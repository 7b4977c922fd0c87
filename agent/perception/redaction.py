"""Redacts heads and number plates, before a picture leaves the device or is kept for labelling.

At a street corner a face is some ten pixels high: too few for a face network, too many to pass on.
So the rule goes by the boxes of the street detector, its faint sights too, and takes more than
the face or the plate. A picture that may leave is looked at again and again
(:mod:`agent.perception.many_looks`), and what was seen or moved in the seconds before counts as well. How often it fails is measured
by ``benchmarks/redaction.py`` and told in ``docs/privacy.md``. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from agent.domain.labels import BIKES, PEOPLE, VEHICLES, sensitive_parts
from agent.domain.scene import Box, crop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from agent.domain.labels import Sensitive
    from agent.domain.picture import Picture
    from agent.domain.scene import Detection

    Mask = NDArray[np.bool_]

UPRIGHT = 1.2
"""A person's box this much taller than wide shows the whole person."""


@dataclass(frozen=True, slots=True)
class HeadSlack:
    """How much of a person's box is taken for the head.

    Attributes:
        share: The upper share of a whole person: the head, the neck, and slack for a box that begins too low.
        share_of_part: Of a person of whom less is seen, or who sits or stoops.
        aside: On both sides, as a share of the box's width.
    """

    share: float
    share_of_part: float
    aside: float


WIDE = HeadSlack(0.3, 0.65, 0.12)
CLOSE = HeadSlack(0.25, 0.55, 0.08)
"""In front of the case's own things, of which much is to stay visible."""
ABOVE = 0.06
"""Slack over the head, as a share of the box's height."""
PLATE_FROM = 0.35
"""Plates hang below this share of a vehicle's box."""
SLACK = 0.03
"""Around a plate or a whole box, as a share of its width and height."""
CELLS = 3
"""Patches of colour left on the longer side of a redacted region."""

FAINT, SURE = 0.12, 0.3
"""Score from which what is beside the case's own things is redacted, and what is in front of them."""
RIDER_ABOVE = 0.9
"""So much of a two-wheeler's height above it may be its rider."""
MOVED_THERE = 0.3
"""A head or a plate of which so much moved is there, even if its sight is faint."""
MEETS = 0.15
"""Intersection over union from which a head of before may be one that is seen now."""
ITSELF = 0.5
"""A two-wheeler that overlaps so much with the case's own thing is that thing."""
NEAR = 0.004
"""Of the frame: what moved so near to each other is one thing."""
WITHIN = 0.75
"""So does one of which so much lies within it."""
RIDDEN = 0.3
"""A two-wheeler of which so much moved is ridden or pushed."""
OWN_LENGTH_PX = 80
"""The case's own two-wheelers with plates are shown with no more detail than this length gives: a plate, a quarter of
it at most when seen from behind, is then too small to read."""
PLATED = 0.15
"""Score of a motorcycle from which the case's own two-wheeler may have a plate; a bicycle has none."""


@dataclass(frozen=True, slots=True)
class Region:
    """What is redacted of a picture, in fractions of it.

    Attributes:
        box: Where; it becomes a few patches of colour.
        spares_own: Whether the case's own things stay visible within it.
        parts: What of the box is hidden; nothing given: all of it.
    """

    box: Box
    spares_own: bool = False
    parts: tuple[Box, ...] = ()

    def shown_by(self, shown: Callable[[Box], Box | None]) -> Region | None:
        """The same as a part of the picture shows it; None if it shows nothing of it."""
        box = shown(self.box)
        parts = tuple(part for each in self.parts if (part := shown(each)) is not None)
        if box is None or (self.parts and not parts):
            return None
        return Region(box, self.spares_own, parts)


def head_of(person: Box, slack: HeadSlack = WIDE) -> Box:
    """The part of a person's box in which the head must be, with slack."""
    whole = person.height >= UPRIGHT * person.width
    share = slack.share if whole else slack.share_of_part
    return Box(
        max(0.0, person.left - slack.aside * person.width),
        max(0.0, person.top - ABOVE * person.height),
        person.right + slack.aside * person.width,
        person.top + share * person.height,
    )


def _head(person: Box, aspect: float, slack: HeadSlack = WIDE) -> Box:
    """The same in fractions of a picture that is ``aspect`` times as wide as high."""
    head = head_of(
        Box(person.left * aspect, person.top, person.right * aspect, person.bottom), slack
    )
    right, bottom = min(1.0, head.right / aspect), min(1.0, head.bottom)
    return Box(head.left / aspect, head.top, right, bottom)


def sensitive_regions(detections: Iterable[Detection], aspect: float = 1.0) -> list[Box]:
    """Where heads and plates are, in fractions of the picture.

    Of what the taxonomy does not know, that is the whole box.

    Args:
        detections: All that was seen, weak sights too.
        aspect: Width by height of the picture in pixels; a box knows only fractions.
    """
    return [
        _region(part, found.box, aspect)
        for found in detections
        for part in sensitive_parts(found.label)
    ]


def _region(part: Sensitive, box: Box, aspect: float) -> Box:
    """Where that part of a thing is, with slack."""
    plate_top = box.top + PLATE_FROM * box.height
    match part:
        case "head":
            return _head(box, aspect)
        case "plate":
            return Box(box.left, plate_top, box.right, box.bottom).grown(SLACK)
        case "rider":
            return Box(box.left, box.top, box.right, plate_top)
        case "everything":
            return box.grown(SLACK)


def regions_of(
    now: Sequence[Detection],
    before: Sequence[Detection],
    moved: Sequence[Box],
    own: Sequence[Box],
    aspect: float,
) -> list[Region]:
    """What of a picture that may leave is redacted; all boxes in fractions of the camera's frame.

    Args:
        now: What is seen in the picture, as often as it is seen, however faintly.
        before: What was seen in the moments before.
        moved: What moved against the background and is not the case's own thing, though it may be in front of it.
        own: The case's own things.
        aspect: Width by height of the frame in pixels.
    """
    regions: list[Region] = []
    for found in now:
        regions += _hidden_of(found, moved, own, aspect, lambda _: True)
    faces = [_head(each.box, aspect) for each in now if each.label in PEOPLE]
    for found in before:
        regions += _hidden_of(
            found, moved, own, aspect, lambda box: _is_there(box, moved) or _meets(box, faces)
        )
    for parts in _touching(moved):
        whole = parts[0]
        for part in parts[1:]:
            whole = whole.union(part)
        regions.append(Region(whole, spares_own=True, parts=tuple(parts)))
    return regions


def _hidden_of(
    found: Detection,
    moved: Sequence[Box],
    own: Sequence[Box],
    aspect: float,
    is_still: Callable[[Box], bool],
) -> Iterator[Region]:
    """Where a sight's heads and plates may be.

    In front of the case's own things only what the detector is sure of is hidden, or what moved as well; of what
    was seen before, only what ``is_still`` there.
    """
    if found.label in PEOPLE:
        head = _head(found.box, aspect, CLOSE)
        sure = found.confidence >= SURE or _is_there(head, moved)
        if sure and not is_own(found, own) and is_still(head):
            yield Region(head)
    if found.confidence < FAINT or is_own(found, own):
        return
    if found.label in BIKES and sum(found.box.covered_by(box) for box in moved) >= RIDDEN:
        top = max(0.0, found.box.top - RIDER_ABOVE * found.box.height)
        above = Box(found.box.left, top, found.box.right, found.box.top)
        yield Region(above, spares_own=True)
    if found.label in VEHICLES and found.confidence >= SURE:
        yield Region(found.box.grown(SLACK), spares_own=True)  # behind its windows people sit
    for box in sensitive_regions([found], aspect):
        sure = found.label not in PEOPLE and found.confidence >= SURE and is_still(box)
        yield Region(box, spares_own=not sure)


def _is_there(box: Box, moved: Sequence[Box]) -> bool:
    """Whether something moved where this is."""
    return sum(box.covered_by(part) for part in moved) >= MOVED_THERE


def _meets(box: Box, others: Sequence[Box]) -> bool:
    return any(box.iou(other) >= MEETS for other in others)


def _touching(boxes: Sequence[Box]) -> list[list[Box]]:
    """Boxes that overlap or nearly touch, together."""
    groups: list[tuple[Box, list[Box]]] = []
    for box in boxes:
        reach = Box(box.left - NEAR, box.top - NEAR, box.right + NEAR, box.bottom + NEAR)
        near = [
            each
            for each in groups
            if each[0].overlap(reach) > 0 and any(part.overlap(reach) > 0 for part in each[1])
        ]
        groups = [each for each in groups if each not in near]
        together = [box, *(part for _, parts in near for part in parts)]
        around = box
        for whole, _ in near:
            around = around.union(whole)
        groups.append((around, together))
    return [parts for _, parts in groups]


def is_own(found: Detection, own: Sequence[Box]) -> bool:
    """Whether what was seen is one of the case's own things, whatever the detector calls it.

    A bag may be taken for a person, though never for one who stands: nobody upright is spared.
    """
    if found.label in PEOPLE and found.box.height >= found.box.width:
        return False
    overlap = max((found.box.iou(box) for box in own), default=0.0)
    within = found.label in BIKES and any(found.box.covered_by(box) >= WITHIN for box in own)
    return within or overlap >= ITSELF


def with_plate(found: Detection, own: Sequence[Box]) -> bool:
    """Whether what was seen is one of the case's own things and may have a plate."""
    label = found.label in BIKES and "plate" in sensitive_parts(found.label)
    return label and found.confidence >= PLATED and is_own(found, own)


def redacted(
    picture: Picture, regions: Sequence[Region], own: Sequence[Box]
) -> tuple[Picture, Mask]:
    """A copy of a picture with a few patches of colour for each region, and where it was changed.

    Args:
        picture: uint8 (H, W, 3).
        regions: Fractions of it.
        own: The case's own things, which some regions spare.
    """
    height, width = picture.shape[:2]
    spared = np.zeros((height, width), np.bool_)
    for box in own:
        crop(spared, box)[:] = True
    changed = np.zeros((height, width), np.bool_)
    copy = picture.copy()
    # What spares something comes last: the patches of the others hold nothing of what is beside them.
    for region in sorted(dict.fromkeys(regions), key=lambda each: each.spares_own):
        mine = crop(changed, region.box)
        if mine.size == 0:
            continue
        part = crop(copy, region.box)
        hides = _hidden_part(region, spared)
        part[hides] = _patched(part, CELLS)[hides]
        mine |= hides
    return copy, changed


def _hidden_part(region: Region, spared: Mask) -> Mask:
    """What is hidden of a region's box, in the size of its part of the picture."""
    mine = crop(spared, region.box)
    hides = np.ones(mine.shape, np.bool_)
    if region.parts:
        inside = np.zeros(spared.shape, np.bool_)
        for part in region.parts:
            crop(inside, part)[:] = True
        hides &= crop(inside, region.box)
    if region.spares_own:
        hides &= ~mine
    return hides


def coarsened(picture: Picture, boxes: Iterable[Box]) -> None:
    """Show what lies in these boxes with no more detail than ``OWN_LENGTH_PX`` give; in place."""
    for box in boxes:
        part = crop(picture, box)
        if part.size and max(part.shape[:2]) > OWN_LENGTH_PX:
            part[:] = _patched(part, OWN_LENGTH_PX, cv2.INTER_LINEAR)


def blotted(picture: Picture, regions: Sequence[Box]) -> Picture:
    """A copy of a picture in which the regions are a few patches of colour.

    Args:
        picture: uint8, (height, width) or (height, width, channels); any view, also one that is read-only.
        regions: Fractions of it. What of them lies outside the picture is left out.
    """
    copy = picture.copy()
    for region in regions:
        part = crop(copy, region)
        if part.size:
            part[:] = _patched(part, CELLS)
    return copy


def _patched(part: Picture, cells: int, between: int = cv2.INTER_NEAREST) -> Picture:
    """The part with so many patches of colour on its longer side: nothing finer can be calculated back.

    ``between`` is how OpenCV fills in what is between the patches' middles.
    """
    longer = max(part.shape[:2])
    size = tuple(max(1, round(cells * side / longer)) for side in part.shape[1::-1])
    patches = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    blots = cv2.resize(patches, part.shape[1::-1], interpolation=between)
    return np.asarray(blots.reshape(part.shape), np.uint8)  # OpenCV drops a single channel's axis
