"""The checks of a single picture, rule by rule. Pure; the only state is the reference image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from agent.domain.scene import MASK, WHOLE_FRAME, Box
from agent.perception.view_health.displacement import Mover
from agent.perception.view_health.features import NOISE, STRUCTURE, Features, look_at

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agent.domain.scene import Zone
    from agent.perception.view_health.features import Luma, Mask
    from agent.perception.view_health.settings import Problem, Settings

WHOLE = ""
"""Stands for the whole frame among the zones; no zone is called so."""
MIN_CELLS = 12
"""With fewer cells that can be judged a rule says nothing."""
DAYLIGHT = 0.6
"""Where the rest of the picture is this bright against the commissioning picture, what is black is
covered, not in the dark."""
BURNT_SHARE = 0.5
"""Share of over-exposed pixels from which a cell's content is lost."""
ASPECT_SLACK = 0.03


@dataclass(frozen=True, slots=True)
class Signs:
    """The problems of one picture.

    ``zones``: problem → zones it is the matter with (``WHOLE`` for the frame). ``parts``: where in
    the frame, for what holds by parts. ``covered``: whether the lens is covered all but whole.
    """

    zones: Mapping[Problem, frozenset[str]]
    parts: tuple[Box, ...]
    covered: bool = False


class Judge:
    """Checks single pictures of one camera.

    Args:
        zones: Its zones.
        settings: Thresholds.
        reference: The reference image's luma, uint8 (h, w); None: there is none.
        shape: Of the pictures to be judged (h, w).
    """

    def __init__(
        self,
        zones: Sequence[Zone],
        settings: Settings,
        reference: Luma | None,
        shape: tuple[int, int],
    ) -> None:
        self._settings = settings
        self._reference: Features | None = None
        self._mover: Mover | None = None
        blank = np.zeros(shape, np.uint8)
        self._masked = _covering([z for z in zones if z.kind == MASK], look_at(blank).shape)
        if reference is not None and fits(reference.shape, shape):
            height, width = shape
            fitted = cv2.resize(reference, (width, height), interpolation=cv2.INTER_AREA)
            self._reference = look_at(fitted.astype(np.uint8))
            self._structured = (self._reference.coarse > STRUCTURE) & ~self._masked
            self._mover = Mover(self._reference.luma, self._structured)
        cells = self._masked.shape
        self._places = {
            zone.zone_id: _covering([zone], cells) & ~self._masked
            for zone in zones
            if zone.kind != MASK
        }
        self._places[WHOLE] = ~self._masked

    @property
    def masked(self) -> Mask:
        """The masked cells."""
        return self._masked

    @property
    def zone_ids(self) -> frozenset[str]:
        return frozenset(self._places)

    @property
    def referenced(self) -> bool:
        """Whether there is a reference image of this shape."""
        return self._reference is not None

    def signs(self, luma: Luma) -> Signs:
        """Check one picture by the rules; frozen needs more than one."""
        look = look_at(luma, self._settings.over_exposed_above)
        black = (look.highest < self._settings.dark_below) & ~self._masked
        burnt = self._burnt(look)
        blocked = self._blocked(look, black, burnt)
        dark = black & ~blocked
        found: dict[Problem, frozenset[str]] = {
            "dark": self._where(dark),
            "over_exposed": self._where(burnt),
            "blocked": self._where(blocked),
        }
        by_parts = WHOLE not in found["dark"]
        if by_parts and self._moved(luma):
            found["moved"] = self.zone_ids
        elif by_parts and self._unsharp(look, blocked | burnt | black):
            found["out_of_focus"] = self.zone_ids
        hidden = np.zeros_like(self._masked)
        for problem, cells in (("dark", dark), ("over_exposed", burnt), ("blocked", blocked)):
            if problem not in self._settings.off:
                hidden |= cells
        everything = self.zone_ids
        found = {
            problem: zones
            for problem, zones in found.items()
            if zones and problem not in self._settings.off
        }
        whole = any(zones == everything for zones in found.values())
        parts = (WHOLE_FRAME,) if whole else _boxes(hidden) if found else ()
        share = float(blocked[self._places[WHOLE]].mean())
        return Signs(found, parts, share >= self._settings.covered_share)

    def _burnt(self, look: Features) -> Mask:
        burnt: Mask = look.clipped >= BURNT_SHARE
        return burnt & ~self._masked

    def _blocked(self, look: Features, black: Mask, burnt: Mask) -> Mask:
        """Cells of large connected parts that have lost their structure, or are black by day."""
        none = np.zeros_like(self._masked)
        if self._reference is None:
            return none
        lit = ~black & ~burnt & ~self._masked
        bright = lit.any() and bool(
            np.median(look.mean[lit]) >= DAYLIGHT * np.median(self._reference.mean[lit])
        )
        # Against noise and coding: what is left of structure counts only above them.
        left = np.maximum(look.coarse - NOISE, 0) / np.maximum(self._reference.coarse, STRUCTURE)
        flat = self._structured & (left < self._settings.blocked_below) & ~black & ~burnt
        if bright:
            flat |= self._structured & black
        share = flat.sum() / max(1, self._structured.sum())
        if self._structured.sum() < MIN_CELLS or share == 0:
            return none
        return self._large(flat)

    def _large(self, flat: Mask) -> Mask:
        """Join flat cells over those that never had structure; keep what is large."""
        able = flat | ~self._structured
        near = cv2.dilate(flat.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(np.bool_)
        joined = (able & near & ~self._masked).astype(np.uint8)
        count, labels, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=4)
        result = np.zeros_like(flat)
        for index in range(1, count):
            part = labels == index
            structured = part & self._structured
            large = stats[index, cv2.CC_STAT_AREA] >= self._settings.blocked_min_share * flat.size
            if large and structured.sum() >= MIN_CELLS:
                result |= part
        return result

    def _moved(self, luma: Luma) -> bool:
        if self._mover is None or "moved" in self._settings.off:
            return False
        by = self._mover.moved_by(luma)
        return by is not None and by >= self._settings.moved_by

    def _unsharp(self, look: Features, hidden: Mask) -> bool:
        """Whether fine detail is gone where coarse structure is still to be seen."""
        reference = self._reference
        if reference is None or "out_of_focus" in self._settings.off:
            return False
        kept = (look.coarse > 0.4 * reference.coarse) & (look.coarse < 2.5 * reference.coarse)
        known = self._structured & kept & ~hidden
        if known.sum() < MIN_CELLS:
            return False
        now = look.fine[known] / look.coarse[known]
        then = reference.fine[known] / reference.coarse[known]
        return bool(np.median(now / np.maximum(then, 1e-3)) < self._settings.unsharp_below)

    def _where(self, cells: Mask) -> frozenset[str]:
        """Zones of which too large a part is in these cells."""
        if not cells.any():
            return frozenset()
        return frozenset(
            zone_id
            for zone_id, place in self._places.items()
            if place.any() and cells[place].mean() >= self._settings.zone_share
        )


def fits(reference: tuple[int, ...], shape: tuple[int, int]) -> bool:
    """Whether two pictures have the same proportions."""
    return abs(reference[1] / reference[0] - shape[1] / shape[0]) < ASPECT_SLACK


def _covering(zones: Sequence[Zone], cells: tuple[int, int]) -> Mask:
    """The cells whose middle lies in one of the zones; at least one of each."""
    rows, columns = cells
    result = np.zeros(cells, np.uint8)
    for zone in zones:
        points = [(x * columns - 0.5, y * rows - 0.5) for x, y in zone.polygon]
        cv2.fillPoly(result, [np.round(np.array(points)).astype(np.int32)], (1,))
    return result.astype(np.bool_)


def _boxes(cells: Mask) -> tuple[Box, ...]:
    """Cells as boxes that do not overlap, one for every run in a row."""
    rows, columns = cells.shape
    found = []
    for row in range(rows):
        edges = np.flatnonzero(np.diff(np.concatenate(([0], cells[row].astype(np.int8), [0]))))
        for begin, end in edges.reshape(-1, 2):
            found.append(Box(begin / columns, row / rows, end / columns, (row + 1) / rows))
    return tuple(found)
