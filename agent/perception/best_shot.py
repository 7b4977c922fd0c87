"""The best shot of each standing bike: for its colour, its plate, and the close-up.

From 5 to 30 m a shared bike's plate is a few pixels wide. No reader is on board, and no number is
ever guessed: the sharpest view is kept for people, and the event says ``plate_unreadable``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from agent.domain.labels import BIKES
from agent.domain.scene import Box

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agent.domain.picture import Frame, Picture
    from agent.domain.scene import Track

MARGIN = 0.3
MAX_VIEWS = 24
"""Of one camera; a view is at most some 400 KB."""
LONGEST_PX = 360
BETTER = 1.1
"""A view must be so much sharper to take the place of another."""
COVERED = 0.08
"""A bike of which something else covers more is not clear to see."""
NEARER = 0.35
"""What has its foot above this share of a bike's lower part stands behind it, and hides nothing."""
LESS_HIDDEN = 0.1
"""A view that shows so much more of a bike is another view of it."""
SCALE_PX = 96
"""Sharpness is compared at this height, so that a nearer bike does not win by its size alone."""


@dataclass(frozen=True, slots=True)
class BestShot:
    """A look at a bike: the cut picture, the bike's box within it, and when that was on the frames' clock.

    ``clear`` says that nothing else stood before or behind it, ``hidden`` how much of it was hidden.
    """

    bgr: Picture
    box: Box
    clear: bool
    sharpness: float
    moment_s: float
    hidden: float = 0.0

    def is_better_than(self, other: BestShot) -> bool:
        """A clear one before a sharp one: a crowd has sharp edges, too."""
        if self.clear != other.clear:
            return self.clear
        if abs(self.hidden - other.hidden) > LESS_HIDDEN:
            return self.hidden < other.hidden
        return self.sharpness > BETTER * other.sharpness


class BestShots:
    """Of one camera."""

    def __init__(self) -> None:
        self._views: dict[str, BestShot] = {}
        self._hidden_now: dict[str, float] = {}

    def take(self, frame: Frame, tracks: Sequence[Track]) -> None:
        """Look at the bikes that stand in sight; forget those that are gone."""
        bikes = {
            str(track.track_id): track
            for track in tracks
            if track.label in BIKES and track.still_since_s is not None
        }
        self._views = {key: view for key, view in self._views.items() if key in bikes}
        self._hidden_now = {key: _hidden(track, tracks) for key, track in bikes.items()}
        for key, track in bikes.items():
            if track.seen_now and (key in self._views or len(self._views) < MAX_VIEWS):
                view = _view_of(frame, track, tracks, self._hidden_now[key])
                best = self._views.get(key)
                if best is None or view.is_better_than(best):
                    self._views[key] = view

    def of(self, member_id: str) -> BestShot | None:
        """The best view of a track so far, by the name it has as a case's member."""
        return self._views.get(member_id)

    def better_than_now(self, member_ids: Iterable[str]) -> BestShot | None:
        """The view that shows most of any of these; None if as much can be seen of one at this moment."""
        known = [key for key in member_ids if key in self._hidden_now]
        views = [self._views[key] for key in known if key in self._views]
        if not views:
            return None
        best = min(views, key=lambda view: view.hidden)
        hidden_now = min(self._hidden_now[key] for key in known)
        return best if best.hidden < hidden_now - LESS_HIDDEN else None


def _is_clear(bike: Track, tracks: Iterable[Track]) -> bool:
    return not any(
        bike.box.covered_by(other.box) > COVERED
        for other in tracks
        if other.track_id != bike.track_id
    )


def _hidden(bike: Track, tracks: Iterable[Track]) -> float:
    """How much of a bike things hide that stand before it, 0 to 1; all of it if it is not seen."""
    if not bike.seen_now:
        return 1.0
    lowest = bike.box.bottom - NEARER * bike.box.height
    before = (
        other.box
        for other in tracks
        if other.track_id != bike.track_id and other.box.bottom >= lowest
    )
    return min(1.0, sum(bike.box.covered_by(box) for box in before))


def _view_of(frame: Frame, bike: Track, tracks: Iterable[Track], hidden: float) -> BestShot:
    box, clear = bike.box, _is_clear(bike, tracks)
    bgr = frame.bgr()
    height, width = bgr.shape[:2]
    edges = left, top, right, bottom = box.grown(MARGIN).cut_pixels(width, height)
    cut = edges.cut(bgr)
    inner = Box(
        (box.left * width - left) / (right - left),
        (box.top * height - top) / (bottom - top),
        (box.right * width - left) / (right - left),
        (box.bottom * height - top) / (bottom - top),
    )
    scale = min(1.0, LONGEST_PX / max(cut.shape[:2]))
    size = tuple(max(1, round(scale * side)) for side in cut.shape[1::-1])
    kept = np.asarray(cv2.resize(cut, size, interpolation=cv2.INTER_AREA), np.uint8)
    return BestShot(kept, inner, clear, _sharpness(kept), frame.monotonic_s, hidden)


def _sharpness(bgr: Picture) -> float:
    """The variance of the Laplacian (Pech-Pacheco et al., 2000) of the brightness."""
    grey = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
    size = (max(1, round(grey.shape[1] * SCALE_PX / grey.shape[0])), SCALE_PX)
    return float(cv2.Laplacian(cv2.resize(grey, size), cv2.CV_32F).var())
