"""Overflowing bins: each bin is a zone drawn at installation; its crop is judged at intervals.

A bin that was drawn twice is one bin: it is judged in the first zone whose rule holds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import Field

from agent.domain.labels import PASSING
from agent.domain.measure import Measure
from agent.domain.scene import Box, Doubt, Finding, Member, Zone, ZoneKind, middle
from agent.domain.zones import around_the_same_thing, in_force
from agent.scenarios import (
    Answers,
    Example,
    Judgement,
    MeasureWords,
    Moment,
    Needs,
    ScenarioSettings,
    Standing,
)
from wording.messages import said, said_many

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wording.messages import Said

KIND = "overflowing_bin"
BIN = ZoneKind("bin", around_a_thing=True)
ZONES = (BIN,)
BIN_STATE = "bin_state"
NEEDS = Needs(classifiers=frozenset({BIN_STATE}))
ANSWERS = Answers("overflowing", yes="overflowing", no="not_overflowing")
MEASURES = {
    "full_s": MeasureWords(said("seconds seen to be full"), said("full (s)")),
    "score": MeasureWords(said("smoothed overflow score"), said("score")),
    "last_score": MeasureWords(said("last overflow score"), said("last score")),
}
WARNED_BY = frozenset({"score", "last_score"})
EXAMPLES = (
    Example(
        zone=BIN,
        polygon=((0.4, 0.4), (0.6, 0.4), (0.6, 0.8), (0.4, 0.8)),
        things=(Standing(Box(0.42, 0.6, 0.58, 0.78), 20, 60, means={"overflowing": 0.95}),),
        begins_s=20,
        ends_s=60,
        settings={"allowed_s": 10, "clear_after_s": 5, "every_s": 1, "smooth_s": 3},
    ),
)
BEFORE_SHARE = 0.25
"""What has its foot in the zone's lowest part, or below it, stands before the bin."""
FULL = 0.5
"""A single score from which on the bin seems to overflow."""
SETTLE_LOOKS = 3
SETTLED = 0.1
"""A changed bin is judged until so many scores in a row are this near to the smoothed one."""
SAME_THING_IOU = 0.6
"""What the network also calls a bin at this overlap is the bin itself."""
GRACE_S = 0.6
"""Somebody missed for a moment is still there; somebody not seen for longer has gone."""


def called(count: int) -> Said:
    """What people call the kind of case."""
    return said_many("overflowing bin", "overflowing bins", count)


class Settings(ScenarioSettings):
    """Tuning of the scenario."""

    every_s: float = Field(default=10.0, gt=0)
    """How often a bin whose picture changed is judged."""
    look_again_s: float = Field(default=300.0, gt=0)
    """How often a bin whose picture did not change is judged."""
    smooth_s: float = Field(default=20.0, gt=0)
    """Time constant of the smoothed score."""
    open_above: float = Field(default=0.6, gt=0, lt=1)
    clear_below: float = Field(default=0.4, gt=0, lt=1)
    hidden_share: float = Field(default=0.1, gt=0, le=1)
    """A bin covered this much by something before it is not judged."""


@dataclass(slots=True)
class _Bin:
    """What is remembered of one bin."""

    score: float | None = None
    judged_s: float = -math.inf
    known_s: float | None = None
    full_since_s: float | None = None
    """When it became full, as well as that is known."""
    shown_full_s: float | None = None
    """When it was first seen to be full: what is allowed counts from here, as the pictures do."""
    last_full_s: float | None = None
    raw: float = 0.0
    settle: int = 0


class OverflowingBins:
    """The scenario on one camera."""

    def __init__(self, settings: Settings, zones: Sequence[Zone]) -> None:
        self._settings = settings
        self._zones = [zone for zone in zones if zone.kind == BIN]
        self._bins = {zone.zone_id: _Bin() for zone in self._zones}
        self._allowed_s = settings.allowed_by_zone(self._zones)
        self._drawn_before = {
            zone.zone_id: [one for one in self._zones[:index] if around_the_same_thing(one, zone)]
            for index, zone in enumerate(self._zones)
        }

    def judge(self, moment: Moment) -> Judgement:
        """Judge the bins whose turn it is, and say of each whether it overflows."""
        findings = (
            self._judge_zone(zone, moment)
            for zone in self._zones
            if zone.zone_id not in moment.unseen
        )
        return Judgement(
            tuple(finding for finding in findings if finding is not None),
            self._pending(),
            self._measures(moment.now_s),
            self._doubts(moment.now_s),
        )

    def _judge_zone(self, zone: Zone, moment: Moment) -> Finding | None:
        if any(in_force(one, moment.local) for one in self._drawn_before[zone.zone_id]):
            self._bins[zone.zone_id] = _Bin()  # what it knew may be of another day
            return Finding(KIND, zone.zone_id, zone.place_id, "absent", moment.now_s)
        seen = self._bins[zone.zone_id]
        if not in_force(zone, moment.local) or self._hidden(zone, moment):
            return None
        changed = any(zone.box.overlap(box) > 0 for box in moment.changed)
        if self._due(seen, moment.now_s, changed=changed):
            self._take(
                seen, moment.scores.probability(BIN_STATE, "overflowing", zone), moment.now_s
            )
        elif not changed:
            seen.known_s = moment.now_s
        return self._finding(zone, seen, moment.now_s)

    def _hidden(self, zone: Zone, moment: Moment) -> bool:
        """Whether something stands before the bin, or might and was not looked for."""
        if not moment.observation.looked_at(zone.box.centre):
            return True
        # What stands behind the bin does not hide it: its foot is higher in the picture.
        before = zone.box.bottom - BEFORE_SHARE * zone.box.height
        itself = [track.box for track in moment.tracks if track.label == "bin"]
        return any(
            track.label in PASSING
            and moment.now_s - track.last_seen_s <= GRACE_S
            and track.box.bottom >= before
            and zone.box.covered_by(track.box) >= self._settings.hidden_share
            and not any(track.box.iou(box) > SAME_THING_IOU for box in itself)
            for track in moment.tracks
        )

    def _due(self, seen: _Bin, now_s: float, *, changed: bool) -> bool:
        if changed:
            seen.settle = SETTLE_LOOKS
        age_s = now_s - seen.judged_s
        return age_s >= (self._settings.every_s if seen.settle else self._settings.look_again_s)

    def _take(self, seen: _Bin, raw: float, now_s: float) -> None:
        """Smooth the score over time: a single wrong judgement changes nothing."""
        age_s = min(now_s - seen.judged_s, self._settings.smooth_s)
        weight = 1.0 - math.exp(-max(age_s, self._settings.every_s) / self._settings.smooth_s)
        seen.score = raw if seen.score is None else seen.score + weight * (raw - seen.score)
        self._date(seen, raw, now_s)
        settled = abs(raw - seen.score) < SETTLED
        seen.settle = max(0, seen.settle - 1) if settled else SETTLE_LOOKS
        seen.judged_s = seen.known_s = now_s
        seen.raw = raw

    def _date(self, seen: _Bin, raw: float, now_s: float) -> None:
        """Say when it became full, or ceased to be.

        Who fills or empties a bin stands before it: it happened between the last moment that its
        state was known and now, and the middle errs least. That it is full again must be seen twice
        in a row to date anything: one wrong judgement, of somebody who walks by, does not.
        """
        changed_s = now_s if seen.known_s is None else middle(seen.known_s, now_s)
        if raw >= FULL:
            if seen.full_since_s is None:
                seen.full_since_s, seen.shown_full_s = changed_s, now_s
            if seen.raw >= FULL or seen.last_full_s is None:
                seen.last_full_s = now_s
            return
        if seen.raw >= FULL and seen.last_full_s == seen.judged_s:
            seen.last_full_s = changed_s
        if seen.score is not None and seen.score < self._settings.clear_below:
            seen.full_since_s = seen.shown_full_s = None

    def _finding(self, zone: Zone, seen: _Bin, now_s: float) -> Finding | None:
        if seen.score is None:
            return None
        reason = {"score": round(seen.score, 3), "last_score": round(seen.raw, 3)}
        full_since_s, shown_full_s = seen.full_since_s, seen.shown_full_s
        over = seen.score >= self._settings.open_above
        if over and full_since_s is not None and shown_full_s is not None:
            if now_s - shown_full_s < self._allowed_s[zone.zone_id]:
                return None
            member = Member(zone.zone_id, "bin", zone.box, full_since_s, seen.last_full_s)
            return Finding(
                KIND,
                zone.zone_id,
                zone.place_id,
                "present",
                full_since_s,
                seen.score,
                (member,),
                reason,
            )
        if seen.score < self._settings.clear_below:
            since_s = now_s if seen.last_full_s is None else seen.last_full_s
            if now_s - since_s >= self._settings.clear_after_s or seen.last_full_s is None:
                return Finding(KIND, zone.zone_id, zone.place_id, "absent", since_s, reason=reason)
        return None

    def _pending(self) -> dict[str, float]:
        """Zone → since when its bin seems to overflow."""
        return {
            zone_id: seen.full_since_s
            for zone_id, seen in self._bins.items()
            if seen.full_since_s is not None
        }

    def _measures(self, now_s: float) -> dict[str, tuple[Measure, ...]]:
        """Zone → what the rule goes by, where the bin was seen to be full."""
        return {
            zone_id: (
                Measure("full_s", max(0.0, now_s - seen.shown_full_s), self._allowed_s[zone_id]),
                Measure("score", seen.score, self._settings.open_above),
                Measure("last_score", seen.raw, FULL),
            )
            for zone_id, seen in self._bins.items()
            if seen.shown_full_s is not None and seen.score is not None
        }

    def _doubts(self, now_s: float) -> tuple[Doubt, ...]:
        """The bins judged now with neither a yes nor a no."""
        settings = self._settings
        return tuple(
            Doubt(zone.zone_id, "bin", seen.raw, zone.box)
            for zone in self._zones
            if (seen := self._bins[zone.zone_id]).judged_s == now_s
            and settings.clear_below <= seen.raw < settings.open_above
        )

    def resume(self, zone_id: str, unseen_s: float) -> None:
        """A bin is seen again: it is judged at once, and what it was meanwhile is not known."""
        if zone_id not in self._bins:
            return
        seen = self._bins[zone_id]
        if seen.full_since_s is not None and seen.shown_full_s is not None:
            seen.full_since_s += unseen_s
            seen.shown_full_s += unseen_s
        seen.known_s, seen.settle = None, SETTLE_LOOKS

    def snapshot(self) -> dict[str, Any]:
        """The state to keep over a restart: each bin's smoothed score and its times."""
        return {
            zone_id: {
                "score": seen.score,
                "judged_s": seen.judged_s,
                "full_since_s": seen.full_since_s,
                "shown_full_s": seen.shown_full_s,
                "last_full_s": seen.last_full_s,
                "raw": seen.raw,
            }
            for zone_id, seen in self._bins.items()
            if seen.score is not None
        }

    def restore(self, snapshot: dict[str, Any], shift_s: float) -> None:
        """Restore a snapshot; ``shift_s`` is added to its times."""
        for zone_id, saved in snapshot.items():
            if zone_id in self._bins:
                times = {
                    name: None if saved.get(name) is None else saved[name] + shift_s
                    for name in ("full_since_s", "shown_full_s", "last_full_s")
                }
                self._bins[zone_id] = _Bin(
                    score=saved["score"],
                    judged_s=saved["judged_s"] + shift_s,
                    raw=saved["raw"],
                    settle=3,
                    **times,
                )


def build(settings: Settings, zones: Sequence[Zone]) -> OverflowingBins:
    """Build the scenario for the zones of one camera."""
    return OverflowingBins(settings, zones)
