"""The best shots of each standing thing: for its colour, its plate, and the close-ups of a case.

Of every thing two views are kept: the one that shows most of it, and the sharpest one, for a plate. From 5 to
30 m a shared bike's plate is a few pixels wide. No reader is on board, and no number is
ever guessed: the sharpest view is kept for people, and the event says ``plate_unreadable``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from agent.domain.labels import BIKES, PEOPLE, VEHICLES
from agent.domain.scene import WHOLE_FRAME, Box
from agent.perception.picture_faults import HIDDEN_ABOVE, hidden_share, longer_side_px
from agent.perception.surroundings import Surroundings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from agent.domain.picture import Frame, Picture
    from agent.domain.scene import Detection, Member, Track

MARGIN = 0.3
MAX_VIEWS = 24
"""Of one camera's bikes."""
MAX_PLACES = 12
"""Of its other things. A view takes 690 kB at most, so that all of them and the sharpest ones take 42 MB;
a bike at 20 m takes some 60 kB."""
LONGEST_PX = 480
BETTER = 1.1
"""A view must be so much sharper to take the place of another."""
COVERED = 0.08
"""A bike of which something else covers more is not clear to see."""
NEARER = 0.35
"""What has its foot above this share of a bike's lower part stands behind it, and hides nothing."""
LESS_HIDDEN = 0.1
"""A view that shows so much more of a bike is another view of it."""
SCALE_PX = 96
"""Sharpness is compared at this height: a nearer bike does not win by its size alone, and one that was smaller
loses what it has not got."""
SAME_PLACE_IOU = 0.5
"""Two boxes that overlap so much show the same thing that has no name of its own."""
PLACE_KEPT_S = 30.0
"""For so long the views of such a thing are kept after it was last there: it may be there again."""


@dataclass(frozen=True, slots=True)
class BestShot:
    """A look at a thing: the cut picture, the thing's box within it, and when that was on the frames' clock.

    ``clear`` says that nothing else stood before or behind it and hardly anything moved, ``hidden`` how much of it was hidden.
    ``crop`` and ``thing`` are the picture and the thing in the frame, ``longest_px`` the thing's longer side
    there, ``around`` what else there was. ``veiled`` is how much was hidden or moved, whoever that was.
    """

    bgr: Picture
    box: Box
    clear: bool
    sharpness: float
    moment_s: float
    hidden: float = 0.0
    crop: Box = WHOLE_FRAME
    thing: Box = WHOLE_FRAME
    longest_px: float = 0.0
    veiled: float = 0.0
    around: Surroundings = field(default_factory=Surroundings, compare=False)

    def is_better_than(self, other: BestShot) -> bool:
        """A clear one before a sharp one: a crowd has sharp edges, too."""
        if self.clear != other.clear:
            return self.clear
        if abs(self.veiled - other.veiled) > LESS_HIDDEN:
            return self.veiled < other.veiled
        return self.is_sharper_than(other)

    def is_sharper_than(self, other: BestShot) -> bool:
        return self.sharpness > BETTER * other.sharpness


@dataclass(frozen=True, slots=True)
class Shown:
    """What can be shown of a case's things at one moment; by their names as its members.

    Attributes:
        best: The view that shows most of each; of those of which there is one.
        sharpest: A sharper one of a bike, where that is another.
        instead: The view that shows most of any, where none can be seen as well at this moment.
        hidden: How much of each is hidden at this moment.
        around: What else there is at this moment.
    """

    best: Mapping[str, BestShot] = field(default_factory=dict)
    sharpest: Mapping[str, BestShot] = field(default_factory=dict)
    instead: BestShot | None = None
    hidden: Mapping[str, float] = field(default_factory=dict)
    around: Surroundings = field(default_factory=Surroundings)


@dataclass(frozen=True, slots=True)
class _Thing:
    """Something of which views are kept, as it is in one frame."""

    key: str
    box: Box
    seen_now: bool
    clear: bool
    hidden: float
    bike: bool
    last_s: float = 0.0
    veiled: float = 0.0


class BestShots:
    """Of one camera."""

    def __init__(self) -> None:
        self._views: dict[str, BestShot] = {}
        self._sharpest: dict[str, BestShot] = {}
        self._things: dict[str, _Thing] = {}
        self._places = 0

    def take(
        self,
        frame: Frame,
        tracks: Sequence[Track],
        places: Iterable[Box] = (),
        found: Iterable[Detection] = (),
        around: Callable[[], Surroundings] = Surroundings,
    ) -> None:
        """Look at what stands in sight; forget what is gone.

        Args:
            frame: Now.
            tracks: What is followed, with the bikes that stand.
            places: Where other things stand that may become a case's.
            found: What the detector has found: people whom nobody follows yet hide things, too.
            around: What else there is; asked where anything stands.
        """
        passing = [each.box for each in found if each.label in PEOPLE | VEHICLES]
        bikes = [_bike(track, tracks, passing) for track in tracks if _is_standing_bike(track)]
        passing += [track.box for track in tracks if track.label in PEOPLE | VEHICLES]
        others = self._placed(places, passing, frame.monotonic_s)
        self._things = {each.key: each for each in (*bikes, *others)}
        self._views = {key: view for key, view in self._views.items() if key in self._things}
        self._sharpest = {key: view for key, view in self._sharpest.items() if key in self._views}
        for thing in [each for each in self._things.values() if each.seen_now]:
            difference = around().difference
            moving = 0.0 if difference is None else hidden_share(thing.box, difference.moving)
            calm = thing.clear and moving <= LESS_HIDDEN
            there = replace(thing, clear=calm, veiled=max(thing.hidden, moving))
            if self._is_worth_a_look(there):
                self._keep(there, _view_of(frame, there), around)

    def of(self, member_id: str) -> BestShot | None:
        """The best view of a track so far, by the name it has as a case's member."""
        return self._views.get(member_id)

    def shown_of(self, members: Iterable[Member], around: Surroundings) -> Shown:
        """What can be shown of a case's members now.

        Args:
            members: The case's.
            around: What else there is now.
        """
        keys = {member.member_id: self._key_of(member) for member in members}
        known = {name: key for name, key in keys.items() if key is not None}
        best = {name: self._views[key] for name, key in known.items() if key in self._views}
        return Shown(
            best=best,
            sharpest={
                name: view
                for name, key in known.items()
                if (view := self._sharpest.get(key)) is not None and view is not best.get(name)
            },
            instead=self.better_than_now(known.values()),
            hidden={name: self._things[key].hidden for name, key in known.items()},
            around=around,
        )

    def better_than_now(self, keys: Iterable[str]) -> BestShot | None:
        """The view that shows most of any of these; None if as much can be seen of one at this moment."""
        known = [key for key in keys if key in self._things]
        views = [self._views[key] for key in known if key in self._views]
        if not views:
            return None
        best = min(views, key=lambda view: view.hidden)
        hidden_now = min(self._things[key].hidden for key in known)
        return best if best.hidden < hidden_now - LESS_HIDDEN else None

    def _key_of(self, member: Member) -> str | None:
        """Under which name a member's views are kept."""
        if member.label in BIKES:
            return member.member_id if member.member_id in self._things else None
        places = [each for each in self._things.values() if not each.bike]
        best = max(places, key=lambda each: each.box.iou(member.box), default=None)
        if best is None or best.box.iou(member.box) < SAME_PLACE_IOU:
            return None
        return best.key

    def _placed(self, places: Iterable[Box], passing: Sequence[Box], now_s: float) -> list[_Thing]:
        """Things without a name of their own, called as before where one was in the same place."""
        before = {each.key: each for each in self._things.values() if not each.bike}
        here = []
        for box in list(places)[:MAX_PLACES]:
            same = max(before.values(), key=lambda each: each.box.iou(box), default=None)
            if same is not None and same.box.iou(box) >= SAME_PLACE_IOU:
                key = before.pop(same.key).key
            else:
                self._places += 1
                key = f"place {self._places}"
            hidden = hidden_share(box, _before(box, passing))
            here.append(_Thing(key, box, True, hidden <= COVERED, hidden, bike=False, last_s=now_s))
        gone = (each for each in before.values() if 0 <= now_s - each.last_s <= PLACE_KEPT_S)
        here += [replace(each, seen_now=False, clear=False, hidden=1.0) for each in gone]
        return here[:MAX_PLACES]

    def _is_worth_a_look(self, thing: _Thing) -> bool:
        """Whether a view of it now may be better than the one there is, and has room."""
        best = self._views.get(thing.key)
        if best is None:
            bikes = sum(self._things[key].bike for key in self._views)
            return not thing.bike or bikes < MAX_VIEWS
        return thing.clear > best.clear or thing.veiled <= max(
            best.veiled + LESS_HIDDEN, HIDDEN_ABOVE
        )

    def _keep(self, thing: _Thing, view: BestShot, around: Callable[[], Surroundings]) -> None:
        best, sharpest = self._views.get(thing.key), self._sharpest.get(thing.key)
        is_best = best is None or view.is_better_than(best)
        is_sharpest = (
            thing.bike
            and view.hidden <= HIDDEN_ABOVE
            and (sharpest is None or view.is_sharper_than(sharpest))
        )
        if is_best or is_sharpest:
            view = replace(view, around=around())
        if is_best:
            self._views[thing.key] = view
        if is_sharpest:
            self._sharpest[thing.key] = view


def _is_standing_bike(track: Track) -> bool:
    return track.label in BIKES and track.still_since_s is not None


def _bike(bike: Track, tracks: Sequence[Track], passing: Sequence[Box]) -> _Thing:
    hidden = _hidden(bike, tracks, passing)
    key, clear = str(bike.track_id), _is_clear(bike, tracks)
    return _Thing(key, bike.box, bike.seen_now, clear, hidden, bike=True)


def _is_clear(bike: Track, tracks: Iterable[Track]) -> bool:
    return not any(
        bike.box.covered_by(other.box) > COVERED
        for other in tracks
        if other.track_id != bike.track_id
    )


def _hidden(bike: Track, tracks: Iterable[Track], passing: Sequence[Box]) -> float:
    """How much of a bike is hidden, 0 to 1; all of it if it is not seen."""
    if not bike.seen_now:
        return 1.0
    others = [other.box for other in tracks if other.track_id != bike.track_id]
    return hidden_share(bike.box, _before(bike.box, [*others, *passing]))


def _before(box: Box, others: Iterable[Box]) -> Iterator[Box]:
    """What of these stands before a thing, by where it stands on the ground."""
    lowest = box.bottom - NEARER * box.height
    return (other for other in others if other.bottom >= lowest)


def _view_of(frame: Frame, thing: _Thing) -> BestShot:
    box, bgr = thing.box, frame.bgr()
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
    return BestShot(
        kept,
        inner,
        thing.clear,
        _sharpness(kept),
        frame.monotonic_s,
        thing.hidden,
        crop=Box(left / width, top / height, right / width, bottom / height),
        thing=box,
        longest_px=longer_side_px(box, bgr),
        veiled=thing.veiled,
    )


def _sharpness(bgr: Picture) -> float:
    """The variance of the Laplacian (Pech-Pacheco et al., 2000) of the brightness."""
    grey = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
    size = (max(1, round(grey.shape[1] * SCALE_PX / grey.shape[0])), SCALE_PX)
    return float(cv2.Laplacian(cv2.resize(grey, size), cv2.CV_32F).var())
