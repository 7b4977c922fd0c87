"""The region scheduler: chooses which crops the model sees, by change, age and budget.

The network gets crops at native resolution around the zones, because a small network on a whole
picture does not see what is far away. A crop is looked at again when its picture has changed, but
not more often than every ``look_every_s``, a few more times until it has settled, and otherwise
only after ``look_again_s``. An unchanged region keeps the detections of the last look.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

import cv2
import numpy as np

from agent.domain.scene import HIDES_SHARE, Box, Detection, Observation, Zone, covered_share
from agent.perception.tile_merge import merge
from agent.perception.tiling import regions_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from agent.domain.picture import Frame, Picture

    Floats: TypeAlias = NDArray[np.float32]

CELL_PX = 8
"""Cells of the brightness picture in which change is measured."""
SETTLE_LOOKS = 2
"""Looks at a region after its last change, one second apart or more."""
ALL_UNSEEN = 0.9
"""A region of which this much cannot be seen is not worth a run of the network."""


class Detector(Protocol):
    """What the scheduler needs of a detector."""

    @property
    def input_size_px(self) -> tuple[int, int]:
        """Width and height."""

    def detect_all(self, bgr: Picture) -> tuple[list[Detection], list[Detection]]:
        """What is in a crop, in fractions of the crop: what counts, and all that may be there, however faint."""


@dataclass(frozen=True, slots=True)
class InferenceRateLimit:
    """The inference budget."""

    runs_per_s: float = 6.0
    change_threshold: float = 6.0
    look_every_s: float = 0.4
    look_again_s: float = 30.0


@dataclass(slots=True)
class _Region:
    box: Box
    looked_at_s: float | None = None
    cells: Floats | None = None
    """The region's brightness in this frame."""
    reference: Floats | None = None
    """And in the frame that the network last saw of it."""
    settle: int = 0
    detections: tuple[Detection, ...] = ()
    faint: tuple[Detection, ...] = ()
    changed: bool = True


@dataclass(frozen=True, slots=True)
class Scan:
    """The result for one frame: the observation, regions that had changed, regions that were inferred.

    ``faint`` is all that may have been there when the network last saw each region, ``faint_now`` what of it
    was seen in this frame.
    """

    observation: Observation
    changed: tuple[Box, ...]
    looked: tuple[Box, ...]
    faint: tuple[Detection, ...] = ()
    faint_now: tuple[Detection, ...] = ()

    @property
    def runs(self) -> int:
        return len(self.looked)


class RegionScheduler:
    """Chooses, frame by frame, which crops the model sees.

    Args:
        zones: The camera's zones.
        size_px: Width and height of the camera's colour picture.
        detector: The network.
        budget: What it may cost.
        pace: What is left of the budget now, 0 to 1; asked at every frame.
    """

    def __init__(
        self,
        zones: Sequence[Zone],
        size_px: tuple[int, int],
        detector: Detector,
        budget: InferenceRateLimit,
        pace: Callable[[], float] = lambda: 1.0,
    ) -> None:
        self._detector = detector
        self._budget, self._pace = budget, pace
        self._regions = [
            _Region(box) for box in regions_for(zones, size_px, detector.input_size_px)
        ]
        self._tokens = float(len(self._regions))
        self._last_s: float | None = None
        self._looks: tuple[object, ...] = ()
        self._observation = Observation((), ())

    @property
    def regions(self) -> tuple[Box, ...]:
        return tuple(region.box for region in self._regions)

    def look(self, frame: Frame, unseen: tuple[Box, ...] = ()) -> Scan:
        """Infer crops that have changed, within the budget.

        Args:
            frame: The picture.
            unseen: Parts of it in which the view is blocked; detections there are ignored.
        """
        now_s = frame.monotonic_s
        self._earn(now_s)
        cells = _cells(frame.luma)
        for region in self._regions:
            self._compare(region, _part(cells, region.box))
        due = sorted(
            (
                region
                for region in self._regions
                if self._due(region, now_s) and covered_share(region.box, unseen) < ALL_UNSEEN
            ),
            key=lambda region: -np.inf if region.looked_at_s is None else region.looked_at_s,
        )
        looked = due[: int(self._tokens)]
        for region in looked:
            self._run(region, frame)
        self._tokens -= len(looked)
        return self._public(now_s, tuple(region.box for region in looked), unseen)

    def _earn(self, now_s: float) -> None:
        """The budget in event time: replay spends what the device would."""
        if self._last_s is not None:
            self._tokens += (now_s - self._last_s) * self._budget.runs_per_s * self._pace()
        self._tokens = min(self._tokens, max(1.0, float(len(self._regions))))
        self._last_s = now_s

    def _compare(self, region: _Region, cells: Floats) -> None:
        region.cells = cells
        if region.reference is None or region.reference.shape != cells.shape:
            region.changed = True
            return
        difference = cells - region.reference
        # A change of light moves every cell alike; only what differs from that is news.
        middle = np.partition(difference, difference.size // 2, axis=None)[difference.size // 2]
        most = max(difference.max() - middle, middle - difference.min())
        region.changed = bool(most > self._budget.change_threshold)

    def _due(self, region: _Region, now_s: float) -> bool:
        if region.looked_at_s is None:
            return True
        age_s = now_s - region.looked_at_s
        if region.changed:
            return age_s >= self._budget.look_every_s
        return age_s >= (1.0 if region.settle > 0 else self._budget.look_again_s)

    def _run(self, region: _Region, frame: Frame) -> None:
        region.settle = SETTLE_LOOKS if region.changed else max(0, region.settle - 1)
        crop, box = _crop(frame.bgr(), region.box)
        found, faint = self._detector.detect_all(crop)
        region.detections, region.faint = _in_frame(found, box), _in_frame(faint, box)
        region.reference = region.cells
        region.looked_at_s = frame.monotonic_s
        region.changed = False

    def _public(self, now_s: float, looked: tuple[Box, ...], unseen: tuple[Box, ...]) -> Scan:
        """Regions looked at now, or unchanged since they were.

        As long as these are the same, so is the observation: not an equal one, the same one.
        """
        current = [
            region
            for region in self._regions
            if region.looked_at_s is not None and not region.changed
        ]
        looks = (unseen, *((id(region), region.looked_at_s) for region in current))
        if looks != self._looks:
            self._looks = looks
            merged = merge([(region.box, region.detections) for region in current])
            self._observation = Observation(
                tuple(region.box for region in current),
                tuple(d for d in merged if covered_share(d.box, unseen) < HIDES_SHARE),
                unseen,
            )
        changed = tuple(
            region.box
            for region in self._regions
            if region.looked_at_s is None or region.changed or region.looked_at_s == now_s
        )
        faint = tuple(found for region in self._regions for found in region.faint)
        faint_now = tuple(
            found
            for region in self._regions
            if region.looked_at_s == now_s
            for found in region.faint
        )
        return Scan(self._observation, changed, looked, faint, faint_now)


def _cells(luma: Picture) -> Floats:
    """The mean brightness of every cell, float32 (rows, columns); edges that fill none are cut."""
    rows, columns = max(1, luma.shape[0] // CELL_PX), max(1, luma.shape[1] // CELL_PX)
    whole = luma[: rows * CELL_PX, : columns * CELL_PX]
    return cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA).astype(np.float32)


def _part(cells: Floats, box: Box) -> Floats:
    """The cells of a box, at least one."""
    rows, columns = cells.shape
    top, left = min(rows - 1, round(box.top * rows)), min(columns - 1, round(box.left * columns))
    return cells[
        top : max(top + 1, round(box.bottom * rows)),
        left : max(left + 1, round(box.right * columns)),
    ]


def _crop(bgr: Picture, box: Box) -> tuple[Picture, Box]:
    """The box's part of the picture, and the box that it really is."""
    height, width = bgr.shape[:2]
    edges = left, top, right, bottom = box.cut_pixels(width, height)
    exact = Box(left / width, top / height, right / width, bottom / height)
    return edges.cut(bgr), exact


def _in_frame(found: Sequence[Detection], crop: Box) -> tuple[Detection, ...]:
    """Detections in fractions of a crop, in fractions of the frame."""
    return tuple(dataclasses.replace(each, box=_from_crop(each.box, crop)) for each in found)


def _from_crop(box: Box, crop: Box) -> Box:
    return Box(
        crop.left + box.left * crop.width,
        crop.top + box.top * crop.height,
        min(crop.right, crop.left + box.right * crop.width),  # rounding leaves no crop
        min(crop.bottom, crop.top + box.bottom * crop.height),
    )
