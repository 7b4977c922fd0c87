"""The tracker of one camera, designed for things that stand still. Pure.

Street problems stand for minutes while people walk in front of them. So a standing track is
matched first, by where it stands; it is not lost while something hides it; and it goes on
standing, even if the network has a bad moment, as long as its patch of the picture still looks
as it did. Only a place that was looked at, is not hidden and looks different loses its track.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from agent.domain.labels import MADE_OF_PARTS, family_of
from agent.domain.scene import Box, Detection, Observation, Track
from agent.perception.tracking.appearance import look_of, same_look
from agent.perception.tracking.track import (
    INSIDE_SHARE,
    UNSEEN_MAX_S,
    Live,
    hidden_for_s,
    hide,
    postpone,
    public,
    see,
    stayed,
    unhide,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    Luma: TypeAlias = NDArray[np.uint8]


STANDING_IOU = 0.45
"""A detection this close to where a thing stands is that thing."""
WEAK_IOU = 0.6
"""A detection that the network is not sure of must be this close, and its place look as it did: what the
network takes the empty place for is not the thing that stood there."""
ONE_THING_SHARE = 0.8
"""A second box this much inside a thing's, or around it, is no second thing."""
HIDDEN_SHARE = 0.25
"""A standing thing covered this much by something else cannot be missed."""
ASK_EVERY_S = 0.45
"""The look of a thing is compared with what is there now this often at most."""
GONE_AFTER_S = 1.5
"""A standing thing missed for this long, while looked at and not hidden, is gone."""
LOST_AFTER_S = 2.5
"""A moving thing not seen for this long is lost."""


class Tracker:
    """Follows the things of one camera from observation to observation.

    Args:
        birth_confidence: Per label, the confidence that begins a track. Weaker detections only
            continue one. Labels that are not named begin a track at any confidence.
    """

    def __init__(self, birth_confidence: Mapping[str, float] | None = None) -> None:
        self._birth = dict(birth_confidence or {})
        self._live: list[Live] = []
        self._held: list[Live] = []
        """What stands where the view is blocked: as it was, and none the older."""
        self._next_id = 1
        self._now_s = float("-inf")
        self._step_s = 0.0
        self._observation: Observation | None = None

    def update(
        self, observation: Observation, now_s: float, luma: Luma | None = None
    ) -> list[Track]:
        """Take one frame's observation and return every track that goes on.

        Args:
            observation: What was looked at and seen.
            now_s: The frame's ``monotonic_s``. Must not go back.
            luma: The frame's brightness (h, w); without it nothing is held by appearance.

        Raises:
            ValueError: Time went back.
        """
        self._advance(now_s)
        self._hold(lambda track: observation.hides(track.anchor))
        if observation is self._observation and self._settled():
            self._go_on()
        else:
            self._join(observation, luma)
        self._observation = observation
        return [public(track) for track in self._live]

    def hold(self, now_s: float) -> None:
        """Let a moment pass in which nothing can be seen: what stands is kept, none the older.

        Args:
            now_s: The frame's ``monotonic_s``. Must not go back.

        Raises:
            ValueError: Time went back.
        """
        self._advance(now_s)
        self._hold(lambda _: True)
        self._live, self._observation = [], None

    def _advance(self, now_s: float) -> None:
        if now_s < self._now_s:
            raise ValueError(f"time went back from {self._now_s} s to {now_s} s")
        self._step_s = 0.0 if self._now_s == float("-inf") else now_s - self._now_s
        self._now_s = now_s

    def _hold(self, unseen: Callable[[Live], bool]) -> None:
        """Set aside what stands and cannot be seen; take up again what can."""
        everything = sorted(self._live + self._held, key=lambda track: track.track_id)
        self._held = [track for track in everything if track.standing and unseen(track)]
        if not self._held:
            self._live = everything
            return
        self._live = [track for track in everything if track not in self._held]
        for track in self._held:
            postpone(track, self._step_s)

    def _settled(self) -> bool:
        """Whether the same sight again could tell nothing new."""
        return all(track.standing and track.moved_at_s is None for track in self._live)

    def _go_on(self) -> None:
        """Continue all tracks: nothing was inferred and nothing has changed."""
        for track in self._live:
            if track.seen_now:
                track.last_seen_s = self._now_s
            elif track.missed_since_s is None and track.hidden_at_s is not None:
                hide(track, self._now_s)
        self._live = [track for track in self._live if self._goes_on(track, self._now_s)]

    def _join(self, observation: Observation, luma: Luma | None) -> None:
        now_s = self._now_s
        left = _without_parts(observation.detections)
        for track in self._live:
            track.seen_now = False
        standing = [track for track in self._live if track.standing]
        left = self._match(
            standing, left, luma, lambda track, found: self._standing_score(track, found, luma)
        )
        # As in ByteTrack (arXiv 2110.06864), what the network is sure of goes first: else a doubtful
        # part of a thing could carry its track on, and the whole of it, in plain view, have none.
        sure = self._match_moving([found for found in left if self._sure(found)], luma)
        self._match_moving(
            [d for d in left if not self._sure(d) and not any(_one_thing(d, s) for s in sure)], luma
        )
        for track in self._live:
            if not track.seen_now:
                self._miss(track, observation, luma)
        self._live = [track for track in self._live if self._goes_on(track, now_s)]
        self._begin(sure, now_s)

    def _match_moving(self, detections: list[Detection], luma: Luma | None) -> list[Detection]:
        """Pair the tracks not seen yet by where they should be; return the detections left over."""
        unseen = [track for track in self._live if not track.seen_now]
        return self._match(
            unseen, detections, luma, lambda track, found: self._moving_score(track, found, luma)
        )

    def _match(
        self,
        tracks: Sequence[Live],
        detections: list[Detection],
        luma: Luma | None,
        score: Callable[[Live, Detection], float],
    ) -> list[Detection]:
        """Pair tracks with detections, best first; return the detections left over."""
        families = [family_of(found.label) for found in detections]
        pairs = []
        for i, track in enumerate(tracks):
            family = track.family
            for j, detection in enumerate(detections):
                if families[j] == family and (value := score(track, detection)) > 0:
                    pairs.append((-value, i, j))
        used_tracks: set[int] = set()
        used_detections: set[int] = set()
        for _, i, j in sorted(pairs):
            if i not in used_tracks and j not in used_detections:
                used_tracks.add(i)
                used_detections.add(j)
                sure = self._sure(detections[j])
                see(tracks[i], detections[j], self._now_s, luma, sure=sure)
        return [d for j, d in enumerate(detections) if j not in used_detections]

    def _sure(self, detection: Detection) -> bool:
        return detection.confidence >= self._birth.get(detection.label, 0.0)

    def _standing_score(self, track: Live, detection: Detection, luma: Luma | None) -> float:
        """Overlap with where the thing stands; 0 if it is something else."""
        iou = track.anchor.iou(detection.box)
        if not self._sure(detection):
            return iou if iou >= WEAK_IOU and not self._changed(track, luma) else 0.0
        if iou >= STANDING_IOU:
            return iou
        inside = detection.box.covered_by(track.anchor) >= INSIDE_SHARE
        return iou if inside and iou > 0.2 else 0.0

    def _doubtful_sight(self, track: Live, detection: Detection) -> bool:
        """Whether the network may see the thing where it stands, and is not sure."""
        return (
            not self._sure(detection)
            and family_of(detection.label) == track.family
            and track.anchor.iou(detection.box) >= WEAK_IOU
        )

    def _moving_score(self, track: Live, detection: Detection, luma: Luma | None) -> float:
        """Nearness to where a moving thing should be by now, in parts of its own size."""
        if track.standing and not self._sure(detection):
            return 0.0  # a doubtful sight elsewhere moves nothing that stands
        since_s = self._now_s - track.last_seen_s
        x, y = track.box.centre
        x += track.velocity[0] * since_s
        y += track.velocity[1] * since_s
        dx, dy = detection.box.centre[0] - x, detection.box.centre[1] - y
        width = max(track.box.width, detection.box.width)
        height = max(track.box.height, detection.box.height)
        reach = 0.4 + 1.2 * since_s
        if track.standing:
            reach = min(reach, 0.8)
        # The frame is wider than high: a fraction of its width is a longer way than of its height.
        distance = float(np.hypot(dx / max(width, 0.6 * height), dy / height))
        if distance >= reach:
            return 0.0
        areas = sorted((track.box.area, detection.box.area))
        similar = areas[0] > 0.35 * areas[1]
        return 1.0 - distance / reach if similar and not self._alike(track, luma) else 0.0

    def _miss(self, track: Live, observation: Observation, luma: Luma | None) -> None:
        """A track no detection matched: hidden, held by its looks, or really missed."""
        if not observation.looked_at(track.box.centre):
            return
        if _hidden(track, observation.detections) or any(
            self._doubtful_sight(track, found) for found in observation.detections
        ):
            track.missed_since_s = None
            stayed(track)
            hide(track, self._now_s)
            return
        track.looks += 1
        track.hidden_at_s = None
        if self._alike(track, luma):
            stayed(track)
            track.seen_now, track.last_seen_s = True, self._now_s
            unhide(track)
            return
        if track.missed_since_s is None:
            track.missed_since_s = self._now_s

    def _alike(self, track: Live, luma: Luma | None) -> bool:
        """Whether the place of a standing thing still looks as when it was last seen there."""
        if not track.standing or track.look is None:
            return False
        if self._now_s - track.asked_at_s >= ASK_EVERY_S:
            now = look_of(luma, track.anchor)
            track.looks_alike = now is not None and same_look(track.look, now)
            track.asked_at_s = self._now_s
        return track.looks_alike

    def _changed(self, track: Live, luma: Luma | None) -> bool:
        """Whether the place of a standing thing is known to look otherwise by now."""
        return luma is not None and track.look is not None and not self._alike(track, luma)

    def _goes_on(self, track: Live, now_s: float) -> bool:
        if track.seen_now:
            return True
        if not track.standing:
            return now_s - track.last_seen_s <= LOST_AFTER_S
        if track.hidden_s > hidden_for_s(track) or now_s - track.last_seen_s > UNSEEN_MAX_S:
            return False
        return track.missed_since_s is None or now_s - track.missed_since_s < GONE_AFTER_S

    def _begin(self, detections: Iterable[Detection], now_s: float) -> None:
        """Begin a track for each sure detection that has none."""
        for detection in detections:
            if self._already_stands(detection):
                continue
            track = Live(
                self._next_id,
                detection.label,
                detection.box,
                detection.confidence,
                now_s,
                now_s,
                detection.box,
                now_s,
                votes={detection.label: detection.confidence},
            )
            self._next_id += 1
            self._live.append(track)

    def _already_stands(self, detection: Detection) -> bool:
        """A second box on a thing that has its track is not a second thing."""
        return any(track.seen_now and _one_thing(detection, track) for track in self._live)

    def snapshot(self) -> dict[str, Any]:
        """The state to keep over a restart, as JSON: the standing tracks."""
        return {
            "next_id": self._next_id,
            "standing": [
                {
                    "track_id": track.track_id,
                    "label": track.label,
                    "anchor": dataclasses.astuple(track.anchor),
                    "confidence": track.confidence,
                    "first_seen_s": track.first_seen_s,
                    "last_seen_s": track.last_seen_s,
                    "anchor_since_s": track.anchor_since_s,
                    "looks": track.looks,
                    "hits": track.hits,
                }
                for track in self._live + self._held
                if track.standing
            ],
        }

    def restore(self, snapshot: Mapping[str, Any], shift_s: float) -> None:
        """Restore a snapshot; ``shift_s`` is added to its times (another boot's clock)."""
        self._next_id = int(snapshot["next_id"])
        for saved in snapshot["standing"]:
            anchor = Box(*saved["anchor"])
            track = Live(
                saved["track_id"],
                saved["label"],
                anchor,
                saved["confidence"],
                saved["first_seen_s"] + shift_s,
                saved["last_seen_s"] + shift_s,
                anchor,
                saved["anchor_since_s"] + shift_s,
                looks=saved["looks"],
                hits=saved["hits"],
                votes={saved["label"]: float(saved["hits"])},
            )
            self._live.append(track)


def _one_thing(a: Detection, b: Detection | Live) -> bool:
    """Whether two boxes of one family lie so much in one another that they show one thing."""
    nested = max(a.box.covered_by(b.box), b.box.covered_by(a.box)) > ONE_THING_SHARE
    return nested and family_of(a.label) == family_of(b.label)


def _without_parts(detections: Sequence[Detection]) -> list[Detection]:
    """Leave out the parts of what is seen as a whole, and more surely so."""
    return [
        part
        for part in detections
        if part.label not in MADE_OF_PARTS
        or not any(
            whole.confidence > part.confidence and _one_thing(part, whole) for whole in detections
        )
    ]


def _hidden(track: Live, detections: Sequence[Detection]) -> bool:
    """Whether something of another family, standing nearer, covers the track's place."""
    return any(
        track.anchor.covered_by(detection.box) >= HIDDEN_SHARE
        and detection.box.bottom >= track.anchor.bottom - 0.35 * track.anchor.height
        for detection in detections
        if family_of(detection.label) != track.family
    )
