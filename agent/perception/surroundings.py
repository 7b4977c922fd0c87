"""What is around at the moment of a picture, beside what the rules go by: what redaction will have to cover. Pure.

A rule needs sights that are sure; redaction must miss nobody. So for the last seconds everything is remembered
that the detector took for somebody or for a vehicle at all, however faint, and where the frame differs from the
background. Nothing is run for it: it comes from what was run anyway.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from agent.domain.labels import PASSING
from agent.domain.scene import Box

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agent.domain.scene import Detection

KEPT_S = 3.0
"""Sights of so long are kept: who is missed in one look is seen in one of its neighbours."""
MOST_SIGHTS = 3000
"""Of all looks together; the oldest looks are dropped first."""

View = Literal["steady", "moved", "unknown"]
"""Whether the camera looks where it was commissioned; unknown where there is no commissioning picture."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a frame differs from what was known, as rectangles that do not overlap.

    ``standing`` differs from the background, and has been as it is for a moment; ``moving`` is as it was not a
    moment ago.
    """

    standing: tuple[Box, ...]
    moving: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is around at one moment.

    Attributes:
        seen: People, vehicles and two-wheelers of the last seconds, look by look.
        difference: From the background; None: there is none to compare with.
        view: Whether the camera looks where it should.
        masks_applied: Whether what the site masks was blackened in the frame, or nothing is.
    """

    seen: tuple[Detection, ...] = ()
    difference: Difference | None = None
    view: View = "unknown"
    masks_applied: bool = False

    def moved(self, own: Sequence[Box], most: int) -> tuple[Box, ...]:
        """Where something is that is neither background nor the case's own.

        What moves counts also within a thing of the case, which stands: somebody is before it.

        Args:
            own: The case's things.
            most: If cutting the things out gives more boxes than this, they are not cut out.
        """
        if self.difference is None:
            return ()
        foreign = [part for box in self.difference.standing for part in outside(box, own)]
        if len(foreign) + len(self.difference.moving) > most:
            foreign = list(self.difference.standing)
        return (*self.difference.moving, *foreign)


def outside(box: Box, things: Iterable[Box]) -> list[Box]:
    """What of a box lies in none of some things, as boxes that do not overlap."""
    parts = [box]
    for thing in things:
        parts = [left for part in parts for left in _without(part, thing)]
    return parts


def _without(box: Box, thing: Box) -> list[Box]:
    if box.overlap(thing) <= 0.0:
        return [box]
    top, bottom = max(box.top, thing.top), min(box.bottom, thing.bottom)
    around = (
        Box(box.left, box.top, box.right, top),
        Box(box.left, bottom, box.right, box.bottom),
        Box(box.left, top, max(box.left, thing.left), bottom),
        Box(min(box.right, thing.right), top, box.right, bottom),
    )
    return [part for part in around if part.area > 0.0]


class RecentSights:
    """The faint sights of one camera's last seconds."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, tuple[Detection, ...]]] = deque()
        self._count = 0

    def take(self, now_s: float, found: Iterable[Detection]) -> None:
        """Remember what was seen in a frame, and forget what is too old or too much.

        Args:
            now_s: The frame's ``monotonic_s``.
            found: Everything, however faint.
        """
        kept = tuple(each for each in found if each.label in PASSING)[:MOST_SIGHTS]
        if kept:
            self._looks.append((now_s, kept))
            self._count += len(kept)
        while self._looks and (
            self._count > MOST_SIGHTS or not 0 <= now_s - self._looks[0][0] <= KEPT_S
        ):
            self._count -= len(self._looks.popleft()[1])

    def seen(self, standing: Iterable[Detection] = ()) -> tuple[Detection, ...]:
        """What was seen in the last seconds, each sight once.

        Args:
            standing: What was seen where nothing has changed since, however long ago that was.
        """
        still = [each for each in standing if each.label in PASSING][:MOST_SIGHTS]
        newest = (each for _, look in reversed(self._looks) for each in look)
        return tuple(dict.fromkeys((*still, *newest)))[:MOST_SIGHTS]
