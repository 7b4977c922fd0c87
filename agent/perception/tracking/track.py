"""The state of one track: its position, whether it stands, whether it is hidden. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from agent.domain.labels import WALKS_AWAY, family_of
from agent.domain.scene import Box, Detection, Track
from agent.perception.tracking.appearance import look_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Luma: TypeAlias = NDArray[np.uint8]

HIDDEN_MIN_S, HIDDEN_TIMES = 5.0, 2.0
"""A hidden thing is given up after this multiple of the time that it was seen to stand."""
SURE_IOU = 0.7
"""Only a sight this close renews what is known of a thing's look."""
SAME_PLACE_IOU = 0.55
"""A matched box this close to the anchor has not moved."""
INSIDE_SHARE = 0.85
"""A box this much inside the anchor is the same thing, partly hidden."""
STILL_AFTER_S = 1.0
"""A thing that keeps its place this long stands."""
MOVED_AFTER_S = 0.8
"""A standing thing seen elsewhere for this long, and not where it stood, has moved."""
LOOK_EVERY_S = 1.0
"""The look of a standing thing is renewed this often at most."""
UNSEEN_MAX_S = 120.0
"""Hidden or not looked for, it is given up after this time without a sight of it."""


@dataclass(slots=True, eq=False)
class Live:
    """A track's inner state."""

    track_id: int
    label: str
    box: Box
    confidence: float
    first_seen_s: float
    last_seen_s: float
    anchor: Box
    anchor_since_s: float
    looks: int = 1
    hits: int = 1
    velocity: tuple[float, float] = (0.0, 0.0)
    missed_since_s: float | None = None
    hidden_s: float = 0.0
    hidden_at_s: float | None = None
    """When it was last found to be hidden, since it was last seen."""
    moved_at_s: float | None = None
    moved_to: Box | None = None
    seen_now: bool = True
    look: NDArray[np.float32] | None = None
    look_at_s: float = 0.0
    looks_alike: bool = False
    """Whether its place still looked as it did when that was last asked."""
    asked_at_s: float = float("-inf")
    votes: dict[str, float] = field(default_factory=dict)

    @property
    def standing(self) -> bool:
        return self.last_seen_s - self.anchor_since_s >= STILL_AFTER_S

    @property
    def family(self) -> str:
        return family_of(self.label)


def hide(track: Live, now_s: float) -> None:
    """Count the time from one look at which it was hidden to the next, looked for or not."""
    if track.hidden_at_s is not None:
        track.hidden_s += now_s - track.hidden_at_s
    track.hidden_at_s = now_s


def stayed(track: Live) -> None:
    """What was seen elsewhere a moment ago was not this thing: it stands where it stood."""
    track.moved_at_s = track.moved_to = None


def unhide(track: Live) -> None:
    track.missed_since_s, track.hidden_s, track.hidden_at_s = None, 0.0, None


def postpone(track: Live, by_s: float) -> None:
    """Let time pass without it."""
    track.first_seen_s += by_s
    track.last_seen_s += by_s
    track.anchor_since_s += by_s
    track.look_at_s += by_s
    track.missed_since_s = track.moved_at_s = track.moved_to = track.hidden_at_s = None


def see(track: Live, detection: Detection, now_s: float, luma: Luma | None, *, sure: bool) -> None:
    """Join a detection to its track and decide whether the thing moved."""
    since_s = now_s - track.last_seen_s
    if since_s > 0:
        old, new = track.box.centre, detection.box.centre
        track.velocity = (
            0.5 * track.velocity[0] + 0.5 * (new[0] - old[0]) / since_s,
            0.5 * track.velocity[1] + 0.5 * (new[1] - old[1]) / since_s,
        )
    track.seen_now = True
    if astray(track, detection.box, now_s):
        return
    track.looks += 1
    track.hits += sure
    unhide(track)
    if sure:
        track.confidence += 0.2 * (detection.confidence - track.confidence)
    votes = track.votes
    votes[detection.label] = votes.get(detection.label, 0.0) + detection.confidence
    track.label = max(sorted(votes), key=lambda label: votes[label])
    track.last_seen_s = now_s
    settle(track, detection.box, now_s, luma, sure=sure)


def in_its_place(track: Live, box: Box) -> bool:
    """Whether the box shows the thing where it stands, perhaps partly hidden."""
    hidden = track.standing and box.covered_by(track.anchor) >= INSIDE_SHARE
    return hidden or box.iou(track.anchor) >= SAME_PLACE_IOU


def astray(track: Live, box: Box, now_s: float) -> bool:
    """Whether a standing thing is seen elsewhere, and has not been for long.

    Such a box may be wrong, or somebody else's in passing: it tells nothing of what stands, not
    even that it is there. A thing has moved when it stays away.
    """
    if not track.standing or in_its_place(track, box):
        return False
    if track.moved_at_s is None:
        track.moved_at_s, track.moved_to = now_s, box
    return now_s - track.moved_at_s < MOVED_AFTER_S


def settle(track: Live, box: Box, now_s: float, luma: Luma | None, *, sure: bool) -> None:
    """Keep the anchor while the thing stands; move it when the thing has moved."""
    iou = box.iou(track.anchor)
    if iou >= SAME_PLACE_IOU:
        track.box = blend(track.box, box) if track.standing else box
        stayed(track)
        if track.standing:
            track.anchor = blend(track.anchor, box, 0.1)
        # From a doubtful or shifted sight the empty place could be learned as the thing.
        old = now_s - track.look_at_s >= LOOK_EVERY_S
        if track.look is None or (old and sure and iou >= SURE_IOU):
            track.look, track.look_at_s = look_of(luma, track.anchor), now_s
            track.asked_at_s = float("-inf")
        return
    if in_its_place(track, box):
        return
    if track.moved_to is not None and track.moved_to.iou(box) >= SAME_PLACE_IOU:
        assert track.moved_at_s is not None
        now_s = track.moved_at_s  # it stands where it was first seen away
    track.box = track.anchor = box
    track.anchor_since_s = now_s
    track.moved_at_s = track.moved_to = None
    track.looks, track.hits = 1, int(sure)
    track.look = None  # that of a moving thing is of no use


def blend(old: Box, new: Box, share: float = 0.3) -> Box:
    return Box(
        old.left + share * (new.left - old.left),
        old.top + share * (new.top - old.top),
        old.right + share * (new.right - old.right),
        old.bottom + share * (new.bottom - old.bottom),
    )


def hidden_for_s(track: Live) -> float:
    """How long it may be out of sight: what was hardly seen is not believed in for long."""
    if track.label in WALKS_AWAY:
        return HIDDEN_MIN_S
    stood_s = track.last_seen_s - track.anchor_since_s
    return min(UNSEEN_MAX_S, max(HIDDEN_MIN_S, HIDDEN_TIMES * stood_s))


def public(track: Live) -> Track:
    return Track(
        track.track_id,
        track.label,
        track.anchor if track.standing else track.box,
        track.confidence,
        track.first_seen_s,
        track.last_seen_s,
        track.anchor_since_s if track.standing else None,
        track.seen_now,
        track.hits / track.looks,
        track.missed_since_s,
    )
