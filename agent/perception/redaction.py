"""Redacts heads and number plates, before a picture leaves the device or is kept for labelling.

At a street corner a face is some ten pixels high: too few for a face network, too many to pass on.
So the rule goes by the boxes of the street detector, its faintest sights too, and takes more than
the face or the plate. How often it fails because the detector missed somebody is measured by
``benchmarks/redaction.py`` and told in ``docs/privacy.md``. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2

from agent.domain.labels import sensitive_parts
from agent.domain.scene import Box, crop

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agent.domain.labels import Sensitive
    from agent.domain.picture import Picture
    from agent.domain.scene import Detection

UPRIGHT = 1.2
"""A person's box this much taller than wide shows the whole person."""
HEAD_SHARE = 0.3
"""Of a whole person: the head, the neck and some slack for a box that begins too low."""
HEAD_SHARE_OF_PART = 0.65
"""Of a person of whom less is seen, or who sits or stoops."""
ABOVE, ASIDE = 0.06, 0.12
"""Slack of the box over the head and on both sides, as shares of its height and width."""
PLATE_FROM = 0.35
"""Plates hang below this share of a vehicle's box."""
SLACK = 0.03
"""Around a plate or a whole box, as a share of its width and height."""
CELLS = 3
"""Patches of colour left on the longer side of a redacted region."""


def head_of(person: Box) -> Box:
    """The part of a person's box in which the head must be, with slack."""
    share = HEAD_SHARE if person.height >= UPRIGHT * person.width else HEAD_SHARE_OF_PART
    return Box(
        max(0.0, person.left - ASIDE * person.width),
        max(0.0, person.top - ABOVE * person.height),
        person.right + ASIDE * person.width,
        person.top + share * person.height,
    )


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
            head = head_of(Box(box.left * aspect, box.top, box.right * aspect, box.bottom))
            right, bottom = min(1.0, head.right / aspect), min(1.0, head.bottom)
            return Box(head.left / aspect, head.top, right, bottom)
        case "plate":
            return Box(box.left, plate_top, box.right, box.bottom).grown(SLACK)
        case "rider":
            return Box(box.left, box.top, box.right, plate_top)
        case "everything":
            return box.grown(SLACK)


def blotted(picture: Picture, regions: Sequence[Box]) -> Picture:
    """A copy of a picture in which the regions are a few patches of colour.

    Args:
        picture: uint8, (height, width) or (height, width, channels); any view, also one that is read-only.
        regions: Fractions of it. What of them lies outside the picture is left out.
    """
    copy = picture.copy()
    for region in regions:
        part = crop(copy, region)
        if part.size == 0:
            continue
        longer = max(part.shape[:2])
        size = tuple(max(1, round(CELLS * side / longer)) for side in part.shape[1::-1])
        patches = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
        blots = cv2.resize(patches, part.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        part[:] = blots.reshape(part.shape)  # OpenCV drops the third axis of a single channel
    return copy
