"""Exposed rubbish: something low and new lies in a zone without a container, and nobody is with it.

A camera cannot see what a thing is worth to somebody; it sees what was not there before, what has no other
name, and who is at it. What lies at a bin belongs to that bin's case. What people attend is theirs: every
second in which somebody is at a thing takes back two in which nobody was. What the network calls rubbish
waits for the allowed time; what it has no name for waits longer. Where zones overlap, a thing belongs to the
one to which it belongs already, else to the first that was drawn, of those whose rule holds.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, model_validator

from agent.domain.labels import PEOPLE
from agent.domain.measure import Measure
from agent.domain.scene import Box, Doubt, Finding, Member, Track, Zone, ZoneKind, middle
from agent.domain.zones import in_force, inside
from agent.perception.standing_things import is_near, is_same_place
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
    from collections.abc import Iterable, Sequence

    from agent.perception.background_model import NewThing
    from wording.messages import Said

KIND = "exposed_rubbish"
NO_DUMPING = ZoneKind("no_dumping")
ZONES = (NO_DUMPING,)
NEEDS = Needs(background_s=7 * 86_400.0)
"""What lies for hours is still rubbish: it must not become ground while its case is open."""
ANSWERS = Answers("rubbish", yes="exposed_rubbish", no="no_exposed_rubbish")
MEASURES = {
    "alone_s": MeasureWords(said("seconds lying with nobody at it"), said("alone (s)")),
    "other_share": MeasureWords(said("share of model runs that saw something else"), said("other")),
    "named_share": MeasureWords(said("share of model runs that called it rubbish"), said("named")),
}
EXAMPLES = (
    Example(
        zone=NO_DUMPING,
        polygon=((0.0, 0.4), (1.0, 0.4), (1.0, 1.0), (0.0, 1.0)),
        things=(
            Standing(Box(0.45, 0.6, 0.55, 0.72), 20, 60),
            Standing(Box(0.58, 0.5, 0.62, 0.74), 18, 24, "person"),
        ),
        begins_s=20,
        ends_s=60,
        settings={"allowed_s": 5, "clear_after_s": 5},
    ),
)

RUBBISH, BIN = "rubbish", "bin"
EXPLAINED = 0.4
"""What other things cover so much of is part of them."""
AT_A_BIN = 0.5
"""What lies within so many times a container's size beside it belongs to it."""
MIN_STRUCTURE = 1.0
"""Where something was taken away there is less to see than the ground showed before."""
NEAR_S = 2.0
"""Somebody who is near for less than this is passing by."""
TAKEN_BACK = 2.0
"""Seconds alone that each second attended takes back."""
GRACE_S, HIDDEN_FOR_S = 2.0, 60.0
"""A thing missed for less than this is still there; one whose place nobody sees is given up after this."""
LONGEST_STEP_S = 5.0
"""Between two moments further apart nobody knows who was there."""
ASPECT = 9 / 16
"""A way across is a smaller fraction of the picture than the same way up."""


class Settings(ScenarioSettings):
    """Tuning of the scenario."""

    unnamed_times: float = Field(default=3.0, ge=1)
    """What the network has no name for must lie for this many times the allowed time."""
    named_share: float = Field(default=0.3, gt=0, le=1)
    """Share of the looks in which the network must have called it rubbish."""
    other_share: float = Field(default=0.3, ge=0, le=1)
    """What was something else, too tall or at a bin in more of the looks than this is no rubbish."""
    min_area: float = Field(default=0.001, ge=0, le=1)
    max_area: float = Field(default=0.05, gt=0, le=1)
    """Sizes between which it may be rubbish, as shares of the picture."""
    max_aspect: float = Field(default=1.5, gt=0)
    """What is taller than so many times its width stands and does not lie; measured in coarse cells."""

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        if self.min_area >= self.max_area:
            raise ValueError(said("min_area must be below max_area"))
        return self

    @property
    def longest_s(self) -> float:
        return self.allowed_s * self.unnamed_times


@dataclass(slots=True)
class _Heap:
    """Something new that lies, while it may become a case."""

    name: str
    box: Box
    alone_since_s: float
    last_s: float
    missed_s: float | None = None
    alone_s: float = 0.0
    looks: int = 0
    other: int = 0
    named: int = 0
    confidence: float = 0.0
    is_case: bool = False
    near_since_s: dict[int, float] = field(default_factory=dict)

    @property
    def until_s(self) -> float:
        """When it was last there, as well as that is known."""
        return middle(self.last_s, self.missed_s)

    def share(self, count: int) -> float:
        return count / self.looks if self.looks else 0.0


@dataclass(slots=True)
class _Ground:
    """What is remembered of one zone."""

    heaps: list[_Heap] = field(default_factory=list)
    judged_s: float | None = None
    last_present_s: float | None = None
    clear_since_s: float | None = None


class ExposedRubbish:
    """The scenario on one camera."""

    def __init__(self, settings: Settings, zones: Sequence[Zone]) -> None:
        self._settings = settings
        self._zones = [zone for zone in zones if zone.kind == NO_DUMPING]
        self._containers = [zone.box for zone in zones if zone.kind.around_a_thing]
        self._grounds = {zone.zone_id: _Ground() for zone in self._zones}
        self._count = 0

    def judge(self, moment: Moment) -> Judgement:
        """Say of each zone whether rubbish lies in it for longer than allowed."""
        findings = tuple(self._findings(moment))
        return Judgement(findings, self._pending(), self._measures(), self._doubts())

    def _findings(self, moment: Moment) -> Iterable[Finding]:
        if moment.novelty is None or not moment.novelty.learned:
            return
        lying = self._by_zone(moment)
        for zone in self._zones:
            if zone.zone_id not in moment.unseen:
                finding = self._judge_zone(zone, lying[zone.zone_id], moment)
                if finding is not None:
                    yield finding

    def _judge_zone(self, zone: Zone, lying: Sequence[NewThing], moment: Moment) -> Finding | None:
        ground = self._grounds[zone.zone_id]
        ground.heaps = self._follow(zone, lying, moment)
        step_s = 0.0 if ground.judged_s is None else moment.now_s - ground.judged_s
        ground.judged_s = moment.now_s
        for heap in ground.heaps:
            self._look_at(heap, moment, min(step_s, LONGEST_STEP_S))
        ruling = in_force(zone, moment.local)
        overdue = [heap for heap in ground.heaps if ruling and self._is_overdue(heap)]
        for heap in overdue:
            heap.is_case = True
        if overdue:
            ground.last_present_s = max(heap.until_s for heap in overdue)
            ground.clear_since_s = None
            return self._present(zone, overdue)
        return self._absent(zone, ground, moment)

    def _by_zone(self, moment: Moment) -> dict[str, list[NewThing]]:
        """Zone → what lies now and belongs to it."""
        assert moment.novelty is not None
        found: dict[str, list[NewThing]] = {zone.zone_id: [] for zone in self._zones}
        ruling = [zone for zone in self._zones if in_force(zone, moment.local)]
        for thing in moment.novelty.things:
            held = [zone for zone in self._zones if self._holds(zone, thing)]
            around = [zone for zone in self._zones if inside(thing.box.foot, zone)]
            if held or (around and self._may_begin(thing)):
                choice = sorted((held + around), key=lambda zone: zone not in ruling)
                found[choice[0].zone_id].append(thing)
        return found

    def _may_begin(self, thing: NewThing) -> bool:
        """Whether something new was put down and has the size of rubbish; dusk may take that from it later."""
        sized = self._settings.min_area <= thing.box.area <= self._settings.max_area
        return sized and thing.structure >= MIN_STRUCTURE

    def _holds(self, zone: Zone, thing: NewThing) -> bool:
        """Whether something is followed in a zone already."""
        heaps = self._grounds[zone.zone_id].heaps
        return any(is_same_place(heap.box, thing.box) for heap in heaps)

    def _follow(self, zone: Zone, lying: Sequence[NewThing], moment: Moment) -> list[_Heap]:
        """Match what lies now to what lay so far; keep what may still be there."""
        left, kept = list(self._grounds[zone.zone_id].heaps), []
        for thing in lying:
            same = [heap for heap in left if is_same_place(heap.box, thing.box)]
            if same:
                heap = min(same, key=lambda heap: heap.alone_since_s)
                left = [other for other in left if other not in same]
            else:
                self._count += 1
                name = f"{zone.zone_id}-{self._count}"
                heap = _Heap(name, thing.box, thing.since_s, thing.last_s)
            heap.box, heap.missed_s = thing.box, None
            heap.last_s = max(heap.last_s, thing.last_s)
            kept.append(heap)
        return kept + [heap for heap in left if self._still_there(heap, moment, zone)]

    def _still_there(self, heap: _Heap, moment: Moment, zone: Zone) -> bool:
        """Whether what is not seen now may be there; note when it went."""
        if heap.missed_s is None and moment.observation.looked_at(heap.box.centre):
            heap.missed_s = moment.now_s
        missed_s, longest_s = (
            (heap.last_s, HIDDEN_FOR_S) if heap.missed_s is None else (heap.missed_s, GRACE_S)
        )
        if moment.now_s - missed_s <= longest_s:
            return True
        if heap.is_case:
            self._grounds[zone.zone_id].last_present_s = heap.until_s
        return False

    def _look_at(self, heap: _Heap, moment: Moment, step_s: float) -> None:
        """Count who is at it, what else it may be, and for how long nobody was there."""
        if heap.missed_s is not None or not moment.observation.looked_at(heap.box.centre):
            return
        covered = _is_covered(heap.box, moment)
        hidden = covered and self._is_rubbish(heap)  # what stands before it tells nothing of it
        if not hidden:
            heap.looks += 1
            heap.other += covered or self._is_something_else(heap.box, moment)
            names = [
                found.confidence
                for found in moment.observation.detections
                if found.label == RUBBISH and is_same_place(found.box, heap.box)
            ]
            heap.named += bool(names)
            heap.confidence = max([heap.confidence, *names])
        if not self._is_attended(heap, moment):
            heap.alone_s += 0.0 if hidden else step_s
            return
        heap.alone_s = max(0.0, heap.alone_s - TAKEN_BACK * step_s)
        if heap.alone_s == 0.0 and not heap.is_case:
            heap.alone_since_s = moment.now_s

    def _is_attended(self, heap: _Heap, moment: Moment) -> bool:
        """Whether somebody stays at it, or stands there."""
        near = {
            track.track_id: track
            for track in moment.tracks
            if track.label in PEOPLE and track.seen_now and is_near(track, heap.box)
        }
        heap.near_since_s = {
            track_id: heap.near_since_s.get(track_id, moment.now_s) for track_id in near
        }
        return any(
            moment.now_s - since_s >= NEAR_S or near[track_id].still_since_s is not None
            for track_id, since_s in heap.near_since_s.items()
        )

    def _is_something_else(self, box: Box, moment: Moment) -> bool:
        """Whether it stands upright, or lies at a container."""
        if ASPECT * box.height > self._settings.max_aspect * box.width:
            return True
        bins = [track.box for track in moment.tracks if track.label == BIN and _stands(track)]
        return any(bin_.grown(AT_A_BIN).overlap(box) > 0 for bin_ in (*bins, *self._containers))

    def _needed_s(self, heap: _Heap) -> float:
        named = heap.share(heap.named) >= self._settings.named_share
        return self._settings.allowed_s * (1.0 if named else self._settings.unnamed_times)

    def _is_rubbish(self, heap: _Heap) -> bool:
        return heap.looks > 0 and heap.share(heap.other) <= self._settings.other_share

    def _is_overdue(self, heap: _Heap) -> bool:
        if not self._is_rubbish(heap):
            return False
        return heap.is_case or heap.alone_s >= self._needed_s(heap)

    def _present(self, zone: Zone, overdue: Sequence[_Heap]) -> Finding:
        heaps = sorted(overdue, key=lambda heap: heap.alone_since_s)
        first = heaps[0]
        named, other = first.share(first.named), first.share(first.other)
        return Finding(
            KIND,
            zone.zone_id,
            zone.place_id,
            "present",
            since_s=first.alone_since_s,
            confidence=min(1.0, max(0.5 * (1.0 - other), first.confidence)),
            members=tuple(Member(one.name, RUBBISH, one.box, one.alone_since_s) for one in heaps),
            reason={"named_share": round(named, 3), "other_share": round(other, 3)},
        )

    def _absent(self, zone: Zone, ground: _Ground, moment: Moment) -> Finding | None:
        if not moment.observation.looked_at(zone.box.centre):
            return None
        if ground.clear_since_s is None:
            ground.clear_since_s = moment.now_s
        if moment.now_s - ground.clear_since_s < self._settings.clear_after_s:
            return None
        last_s, ground.last_present_s = ground.last_present_s, None
        since_s = moment.now_s if last_s is None else last_s
        return Finding(KIND, zone.zone_id, zone.place_id, "absent", since_s=since_s)

    def _candidates(self) -> dict[str, list[_Heap]]:
        """Zone → what may become a case there, or is one."""
        found = {
            zone_id: [heap for heap in ground.heaps if self._is_rubbish(heap)]
            for zone_id, ground in self._grounds.items()
        }
        return {zone_id: heaps for zone_id, heaps in found.items() if heaps}

    def _pending(self) -> dict[str, float]:
        return {
            zone_id: min(heap.alone_since_s for heap in heaps)
            for zone_id, heaps in self._candidates().items()
        }

    def _measures(self) -> dict[str, tuple[Measure, ...]]:
        """Zone → what the rule goes by, for what has lain alone for longest."""
        longest = {
            zone_id: max(heaps, key=lambda heap: heap.alone_s)
            for zone_id, heaps in self._candidates().items()
        }
        settings = self._settings
        return {
            zone_id: (
                Measure("alone_s", heap.alone_s, self._needed_s(heap)),
                Measure("other_share", heap.share(heap.other), settings.other_share, "at_most"),
                Measure("named_share", heap.share(heap.named), settings.named_share),
            )
            for zone_id, heap in longest.items()
        }

    def _doubts(self) -> tuple[Doubt, ...]:
        """What has lain for as long as rubbish may, and has no name."""
        return tuple(
            Doubt(zone_id, RUBBISH, heap.share(heap.named), heap.box.grown(0.25))
            for zone_id, heaps in self._candidates().items()
            for heap in heaps
            if heap.missed_s is None
            and heap.alone_s >= self._settings.allowed_s
            and heap.share(heap.named) < self._settings.named_share
        )

    def resume(self, zone_id: str, unseen_s: float) -> None:
        """A zone is seen again: what lies there has lain none the longer."""
        ground = self._grounds.get(zone_id)
        if ground is None:
            return
        for heap in ground.heaps:
            heap.alone_since_s += unseen_s
            heap.last_s += unseen_s
            heap.missed_s, heap.near_since_s = None, {}
        ground.judged_s = ground.clear_since_s = None

    def snapshot(self) -> dict[str, Any]:
        """What must outlive a restart: what lies in each zone."""
        return {
            "count": self._count,
            "grounds": {
                zone_id: {
                    "last_present_s": ground.last_present_s,
                    "heaps": [
                        {**dataclasses.asdict(heap), "box": dataclasses.astuple(heap.box)}
                        for heap in ground.heaps
                    ],
                }
                for zone_id, ground in self._grounds.items()
            },
        }

    def restore(self, snapshot: dict[str, Any], shift_s: float) -> None:
        """Take up a snapshot; ``shift_s`` is added to its times."""
        self._count = snapshot["count"]
        for zone_id, saved in snapshot["grounds"].items():
            if zone_id in self._grounds:
                last_s = saved["last_present_s"]
                self._grounds[zone_id] = _Ground(
                    [_restored(heap, shift_s) for heap in saved["heaps"]],
                    last_present_s=None if last_s is None else last_s + shift_s,
                )


def _restored(saved: dict[str, Any], shift_s: float) -> _Heap:
    return _Heap(
        **{
            **saved,
            "box": Box(*saved["box"]),
            "alone_since_s": saved["alone_since_s"] + shift_s,
            "last_s": saved["last_s"] + shift_s,
            "missed_s": None,
            "near_since_s": {},
        }
    )


def _is_covered(box: Box, moment: Moment) -> bool:
    """Whether things that have another name are there, or stand before it."""
    others = [track.box for track in moment.tracks if track.label != RUBBISH]
    return sum(box.covered_by(other) for other in others) >= EXPLAINED


def _stands(track: Track) -> bool:
    return track.still_since_s is not None


def called(count: int) -> Said:
    """What people call the kind of case."""
    return said_many("exposed rubbish", "exposed rubbish", count)


def build(settings: Settings, zones: Sequence[Zone]) -> ExposedRubbish:
    """Build the scenario for the zones of one camera."""
    return ExposedRubbish(settings, zones)
