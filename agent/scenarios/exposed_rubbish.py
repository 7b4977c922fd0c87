"""Exposed rubbish: something low and new lies in a zone without a container, and nobody is with it.

A camera cannot see what a thing is worth to somebody; it sees what was not there before, what has no other
name, and who is at it. What lies at a bin belongs to that bin's case. What people attend is theirs: every
second in which somebody is at a thing takes back two in which nobody was. What the network calls rubbish
waits for the allowed time; what it has no name for waits longer. Where zones overlap, a thing belongs to the
one to which it belongs already, else to the first that was drawn, of those whose rule holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, model_validator

from agent.domain.measure import Measure
from agent.domain.scene import Box, Doubt, Finding, Member, Track, Zone, ZoneKind
from agent.domain.zones import in_force
from agent.perception.standing_candidates import Candidate, Seen, ZoneCandidates
from agent.perception.standing_things import is_same_place
from agent.scenarios import (
    VERIFIER,
    Answers,
    Example,
    Judgement,
    MeasureWords,
    Moment,
    Needs,
    Standing,
    VerifiedSettings,
)
from agent.scenarios._verifier_client import VERIFIED, VerifierClient
from wording.messages import said, said_many

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wording.messages import Said

KIND = "exposed_rubbish"
NO_DUMPING = ZoneKind("no_dumping")
ZONES = (NO_DUMPING,)
NEEDS = Needs(background_s=7 * 86_400.0, optional_classifiers=frozenset({VERIFIER}))
"""What lies for hours is still rubbish: it must not become ground while its case is open."""
ANSWERS = Answers("rubbish", yes="exposed_rubbish", no="no_exposed_rubbish")
MEASURES = {
    "alone_s": MeasureWords(said("seconds lying with nobody at it"), said("alone (s)")),
    "other_share": MeasureWords(said("share of model runs that saw something else"), said("other")),
    "named_share": MeasureWords(said("share of model runs that called it rubbish"), said("named")),
    **VERIFIED,
}
WARNED_BY = frozenset({"other_share"})
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
ALIKE = frozenset({BIN})
"""A container beside it is in the verifier's picture too: what lies at one is told apart without it."""
EXPLAINED = 0.4
"""What other things cover so much of is part of them."""
AT_A_BIN = 0.5
"""What lies within so many times a container's size beside it belongs to it."""
MIN_STRUCTURE = 1.0
"""Where something was taken away there is less to see than the ground showed before."""
TAKEN_BACK = 2.0
"""Seconds alone that each second attended takes back."""
LONGEST_STEP_S = 5.0
"""Between two looks further apart nobody knows who was there."""
ASPECT = 9 / 16
"""A way across is a smaller fraction of the picture than the same way up."""


class Settings(VerifiedSettings):
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

    def longest_s(self, allowed_s: float) -> float:
        return allowed_s * self.unnamed_times


@dataclass(slots=True)
class _Heap(Candidate):
    """Something new that lies, while it may become a case; since when nobody has been at it."""

    alone_s: float = 0.0
    looked_s: float | None = None
    """When its place was last looked at; None: not since it is in sight."""
    looks: int = 0
    other: int = 0
    named: int = 0
    confidence: float = 0.0

    def since_last_look(self, now_s: float) -> float:
        """It is looked at: how long ago the look before was, as far as anybody knows who was there."""
        before_s = now_s if self.looked_s is None else self.looked_s
        self.looked_s = now_s
        return min(now_s - before_s, LONGEST_STEP_S)

    def resume(self, unseen_s: float) -> None:
        Candidate.resume(self, unseen_s)
        self.looked_s = None

    def restart(self, now_s: float) -> None:
        """It has become what it was not: what was counted before is of something else."""
        self.since_s = self.verification.since_s or self.since_s
        self.alone_s = min(self.alone_s, now_s - self.since_s)
        self.looks = self.other = self.named = 0
        self.confidence = 0.0

    def share(self, count: int) -> float:
        return count / self.looks if self.looks else 0.0


class ExposedRubbish:
    """The scenario on one camera."""

    def __init__(self, settings: Settings, zones: Sequence[Zone]) -> None:
        self._settings = settings
        self._zones = [zone for zone in zones if zone.kind == NO_DUMPING]
        self._containers = [zone.box for zone in zones if zone.kind.around_a_thing]
        self._allowed_s = settings.allowed_by_zone(self._zones)
        self._heaps = ZoneCandidates(self._zones, _Heap)
        self._verifier = VerifierClient(settings.question(frozenset({RUBBISH}), ALIKE))

    def judge(self, moment: Moment) -> Judgement:
        """Say of each zone whether rubbish lies in it for longer than allowed."""
        findings = tuple(self._findings(moment))
        return Judgement(
            findings,
            self._pending(),
            self._measures(),
            self._doubts(),
            self._verifier.suppressed(),
        )

    def _findings(self, moment: Moment) -> Iterable[Finding]:
        if moment.novelty is None or not moment.novelty.learned:
            return
        things = map(Seen.of, moment.novelty.things)
        lying = self._heaps.belonging(things, moment.local, self._may_begin)
        seen = [zone for zone in self._zones if zone.zone_id not in moment.unseen]
        for zone in seen:
            self._heaps.follow(zone, lying[zone.zone_id], moment.observation, moment.now_s)
            for heap in self._heaps.by_zone[zone.zone_id]:
                self._look_at(heap, moment)
        self._verify([zone for zone in seen if in_force(zone, moment.local)], moment)
        for zone in seen:
            finding = self._judge_zone(zone, moment)
            if finding is not None:
                yield finding

    def _judge_zone(self, zone: Zone, moment: Moment) -> Finding | None:
        overdue = self._verifier.cases(zone, self._heaps, self._is_overdue, moment)
        if overdue:
            self._heaps.present(zone, overdue)
            return self._present(zone, overdue)
        return self._absent(zone, moment)

    def _verify(self, zones: Sequence[Zone], moment: Moment) -> None:
        """Ask the verifier about what lies in sight and has nobody near."""
        lying = [
            heap
            for zone in zones
            for heap in self._heaps.by_zone[zone.zone_id]
            if self._is_rubbish(heap)
            and heap.missed_s is None
            and not heap.near_since_s
            and not _is_covered(heap.box, moment)
        ]
        for heap in self._verifier.ask_about(lying, self._alone_share, moment):
            heap.restart(moment.now_s)

    def _alone_share(self, heap: _Heap) -> float:
        """For which share of the time that it may it has lain alone."""
        return heap.alone_s / self._allowed_s[heap.zone_id]

    def _may_begin(self, thing: Seen) -> bool:
        """Whether something new was put down and has the size of rubbish; dusk may take that from it later."""
        sized = self._settings.min_area <= thing.box.area <= self._settings.max_area
        return sized and thing.structure >= MIN_STRUCTURE

    def _look_at(self, heap: _Heap, moment: Moment) -> None:
        """Count who is at it, what else it may be, and for how long nobody was there."""
        if heap.missed_s is not None:
            heap.looked_s = None
        if heap.missed_s is not None or not moment.observation.looked_at(heap.box.centre):
            return
        step_s = heap.since_last_look(moment.now_s)
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
        if not heap.staying(moment.tracks, moment.now_s):
            heap.alone_s += 0.0 if hidden else step_s
            return
        heap.alone_s = max(0.0, heap.alone_s - TAKEN_BACK * step_s)
        if heap.alone_s == 0.0 and not heap.is_case:
            heap.since_s = moment.now_s

    def _is_something_else(self, box: Box, moment: Moment) -> bool:
        """Whether it stands upright, or lies at a container."""
        if ASPECT * box.height > self._settings.max_aspect * box.width:
            return True
        bins = [track.box for track in moment.tracks if track.label == BIN and _stands(track)]
        return any(bin_.grown(AT_A_BIN).overlap(box) > 0 for bin_ in (*bins, *self._containers))

    def _needed_s(self, heap: _Heap) -> float:
        named = heap.verification.confirmed or self._is_named(heap)
        return self._allowed_s[heap.zone_id] * (1.0 if named else self._settings.unnamed_times)

    def _is_named(self, heap: _Heap) -> bool:
        return heap.share(heap.named) >= self._settings.named_share

    def _is_rubbish(self, heap: _Heap) -> bool:
        return heap.looks > 0 and heap.share(heap.other) <= self._settings.other_share

    def _is_overdue(self, heap: _Heap) -> bool:
        if not self._is_rubbish(heap):
            return False
        return heap.is_case or heap.alone_s >= self._needed_s(heap)

    def _present(self, zone: Zone, overdue: Sequence[_Heap]) -> Finding:
        heaps = sorted(overdue, key=lambda heap: heap.since_s)
        first = heaps[0]
        named, other = first.share(first.named), first.share(first.other)
        return Finding(
            KIND,
            zone.zone_id,
            zone.place_id,
            "present",
            since_s=first.since_s,
            confidence=min(1.0, max(0.5 * (1.0 - other), first.confidence)),
            members=tuple(
                Member(one.name, RUBBISH, one.box, one.since_s, one.until_s) for one in heaps
            ),
            reason={
                "named_share": round(named, 3),
                "other_share": round(other, 3),
                **self._verifier.reason(first.verification),
            },
        )

    def _absent(self, zone: Zone, moment: Moment) -> Finding | None:
        return self._heaps.absent(
            KIND, zone, moment.observation, moment.now_s, self._settings.clear_after_s
        )

    def _candidates(self) -> dict[str, list[_Heap]]:
        """Zone → what may become a case there, or is one."""
        found = {
            zone_id: [heap for heap in heaps if self._is_rubbish(heap)]
            for zone_id, heaps in self._heaps.by_zone.items()
        }
        return {zone_id: heaps for zone_id, heaps in found.items() if heaps}

    def _pending(self) -> dict[str, float]:
        return {
            zone_id: min(heap.since_s for heap in heaps)
            for zone_id, candidates in self._candidates().items()
            if (heaps := [heap for heap in candidates if not heap.verification.refused])
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
                *self._verifier.measured(heap.verification, must_confirm=not self._is_named(heap)),
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
            and heap.alone_s >= self._allowed_s[heap.zone_id]
            and heap.share(heap.named) < self._settings.named_share
        )

    def resume(self, zone_id: str, unseen_s: float) -> None:
        """A zone is seen again: what lies there has lain none the longer."""
        self._heaps.resume(zone_id, unseen_s)

    def snapshot(self) -> dict[str, Any]:
        """What must outlive a restart: what lies in each zone."""
        return self._heaps.snapshot()

    def restore(self, snapshot: dict[str, Any], shift_s: float) -> None:
        """Take up a snapshot; ``shift_s`` is added to its times."""
        self._heaps.restore(snapshot, shift_s)


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
