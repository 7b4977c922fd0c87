"""Street vending: something new stands in a no-vending zone and people attend it.

A camera cannot see a trade; it sees goods or a cart that were not there before, and somebody who
stays with them. What a vehicle, a bike or the people themselves explain is not goods. Where
no-vending zones overlap, a thing belongs to one of them: to the one it belongs to already, else to the
first that was drawn, of those whose rule holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from agent.domain.labels import BIKES, GOODS, PEOPLE, VEHICLES
from agent.domain.measure import Measure
from agent.domain.scene import Box, Doubt, Finding, Member, Track, Zone, ZoneKind
from agent.domain.zones import in_force, inside
from agent.perception.background_model import ABSORB_S
from agent.perception.standing_candidates import GRACE_S, Candidate, Seen, ZoneCandidates
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

KIND = "street_vending"
NO_VENDING = ZoneKind("no_vending")
ZONES = (NO_VENDING,)
NEEDS = Needs(background_s=ABSORB_S, optional_classifiers=frozenset({VERIFIER}))
STALLS = frozenset({"stall"})
ANSWERS = Answers("stall", yes="stall", no="no_stall")
MEASURES = {
    "stood_s": MeasureWords(said("seconds standing while watched"), said("standing (s)")),
    "attended_share": MeasureWords(said("share of model runs with a keeper"), said("attended")),
    "supported_share": MeasureWords(said("share of model runs that named it"), said("named")),
    "crowd_share": MeasureWords(said("share of it hidden by people"), said("hidden")),
    **VERIFIED,
}
WARNED_BY = frozenset({"attended_share"})
EXAMPLES = (
    Example(
        zone=NO_VENDING,
        polygon=((0.0, 0.4), (1.0, 0.4), (1.0, 1.0), (0.0, 1.0)),
        things=(
            Standing(Box(0.4, 0.4, 0.6, 0.7), 20, 60, "stall"),
            Standing(Box(0.62, 0.5, 0.68, 0.72), 20, 60, "person"),
        ),
        begins_s=20,
        ends_s=60,
        settings={"allowed_s": 10, "clear_after_s": 5},
    ),
)


def called(count: int) -> Said:
    """What people call the kind of case."""
    return said_many("street vending", "street vending", count)


class Settings(VerifiedSettings):
    """Tuning of the scenario."""

    attended_share: float = Field(default=0.5, ge=0, le=1)
    """Share of the looks in which somebody must have been with the thing."""
    supported_share: float = Field(default=0.2, ge=0, le=1)
    """Share of the looks in which the network must have seen a stall or a parasol there."""
    unsupported_size: float = Field(default=1.0, gt=0)
    """Without that, the thing must be this many times the size of a person beside it …"""
    unsupported_times: float = Field(default=3.0, ge=1)
    """… and stand for this many times the allowed time."""
    crowd_share: float = Field(default=0.6, gt=0, le=1)
    """A thing that people cover more than this, on average, is the people."""

    def longest_s(self, allowed_s: float) -> float:
        return allowed_s * self.unsupported_times


@dataclass(slots=True)
class _Candidate(Candidate):
    """Something new that stands, while it may become a case."""

    watched_since_s: float = 0.0
    named_s: float = 0.0
    most_cells: int = 0
    looks: int = 0
    attended: int = 0
    supported: int = 0
    peopled: float = 0.0
    confidence: float = 0.0
    person_area: float = 0.0

    TIMES: ClassVar[tuple[str, ...]] = (*Candidate.TIMES, "watched_since_s", "named_s")

    def begin(self, now_s: float) -> None:
        self.watched_since_s = self.named_s = now_s

    def is_shown_by(self, seen: Seen) -> bool:
        # What came to stand only after the last sight of a thing is not that thing.
        return is_same_place(self.box, seen.box) and _stood_already(seen, self)

    def is_left_behind(self, seen: Seen, now_s: float) -> bool:
        if not seen.cells:
            return False
        # What is left of it where people hid the ground while it went, or the ground where it stood,
        # perhaps in another light than it was learned.
        named = self.share(self.supported) >= NAMED_SHARE
        few = seen.cells < REMAINS_SHARE * self.most_cells
        return few or (named and now_s - self.named_s > UNNAMED_S)

    def take(self, seen: Seen) -> None:
        Candidate.take(self, seen)
        if not seen.cells:
            self.named_s = seen.last_s
        self.most_cells = max(self.most_cells, seen.cells)

    def restart(self) -> None:
        """It has become what it was not: what was counted before is of something else."""
        self.since_s = self.watched_since_s = self.verification.since_s or self.since_s
        self.looks = self.attended = self.supported = 0
        self.peopled = self.confidence = 0.0

    def share(self, count: float) -> float:
        return count / self.looks if self.looks else 0.0

    def stood_s(self) -> float:
        """For how long it has stood while it was watched: only then is it known who was there."""
        watched_s = self.last_s - self.watched_since_s + GRACE_S
        return max(0.0, min(self.last_s - self.since_s, watched_s))


MIN_SUPPORT = 0.3
"""Share of the looks at a standing stall in which the network must have been sure of it."""
MIN_NEW, MIN_NEW_IF_SURE = 0.25, 0.12
"""Share of a stall's box that must be new; what has stood there all along has none. At dusk little
of what is new can be told from the ground, so less is asked where the network is sure."""
SURE_CONFIDENCE, SURE_SUPPORT = 0.6, 0.8
DOUBT = 0.2
"""A share of named looks this near to what is needed is doubtful."""
LARGEST_THING = 0.4
"""Something new that takes up more of the frame than this is the light or the weather."""
NAMED_SHARE = 0.5
UNNAMED_S = 2.0
"""A thing that had its name in so many looks, and has not had it for this long, has gone."""
REMAINS_SHARE = 0.35
"""Less than this of the cells that a thing once had is not the thing."""
SAME_STAND_S = 0.1
"""Slack in comparing times."""


class StreetVending:
    """The scenario on one camera."""

    def __init__(self, settings: Settings, zones: Sequence[Zone]) -> None:
        self._settings = settings
        self._zones = [zone for zone in zones if zone.kind == NO_VENDING]
        self._allowed_s = settings.allowed_by_zone(self._zones)
        self._candidates = ZoneCandidates(self._zones, _Candidate)
        self._verifier = VerifierClient(settings.question(STALLS))

    def judge(self, moment: Moment) -> Judgement:
        """Say of each no-vending zone whether somebody sells there."""
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
        standing = self._candidates.belonging(self._standing(moment), moment.local)
        seen = [zone for zone in self._zones if zone.zone_id not in moment.unseen]
        for zone in seen:
            self._candidates.follow(zone, standing[zone.zone_id], moment.observation, moment.now_s)
            for candidate in self._candidates.by_zone[zone.zone_id]:
                self._attend(candidate, moment)
        self._verify([zone for zone in seen if in_force(zone, moment.local)], moment)
        for zone in seen:
            finding = self._judge_zone(zone, moment)
            if finding is not None:
                yield finding

    def _judge_zone(self, zone: Zone, moment: Moment) -> Finding | None:
        vending = self._verifier.cases(zone, self._candidates, self._is_vending, moment)
        if vending:
            self._candidates.present(zone, vending)
            return self._present(zone, vending)
        return self._absent(zone, moment)

    def _verify(self, zones: Sequence[Zone], moment: Moment) -> None:
        """Ask the verifier about what somebody attends or what has a name."""
        pending = [
            one
            for zone in zones
            for one in self._candidates.by_zone[zone.zone_id]
            if (one.attended or one.supported) and one.missed_s is None
        ]
        for one in self._verifier.ask_about(pending, self._stood_share, moment):
            one.restart()

    def _stood_share(self, one: _Candidate) -> float:
        """For which share of the time that it may it has stood."""
        return one.stood_s() / self._allowed_s[one.zone_id]

    def _standing(self, moment: Moment) -> Iterable[Seen]:
        """What is new, stands with its foot in a zone, and is no vehicle."""
        assert moment.novelty is not None
        explained = [track.box for track in moment.tracks if track.label in BIKES | VEHICLES]
        stalls = [
            track
            for track in moment.tracks
            if track.label == "stall"
            and track.still_since_s is not None
            and track.support >= MIN_SUPPORT
            and self._is_in_a_zone(track.box)
            and moment.novelty.share_new(track.box) >= _least_new(track)
        ]
        for track in _without_parts(stalls):
            assert track.still_since_s is not None
            yield Seen(track.box, track.still_since_s, track.last_seen_s, track.missed_since_s)
        for thing in moment.novelty.things:
            if not self._is_in_a_zone(thing.box) or thing.box.area > LARGEST_THING:
                continue
            if any(is_same_place(track.box, thing.box) for track in stalls):
                continue
            if sum(thing.box.covered_by(box) for box in explained) < 0.4:
                yield Seen.of(thing)

    def _is_in_a_zone(self, box: Box) -> bool:
        return any(inside(box.foot, zone) for zone in self._zones)

    def _attend(self, candidate: _Candidate, moment: Moment) -> None:
        """Count who is with the thing, what the network calls it, and how much people cover it."""
        if not moment.observation.looked_at(candidate.box.centre):
            return
        stays = candidate.staying(moment.tracks, moment.now_s)
        candidate.looks += 1
        candidate.attended += bool(stays)
        if stays:
            candidate.person_area = max(track.box.area for track in stays)
        goods = [
            found
            for found in moment.observation.detections
            if found.label in GOODS and found.box.covered_by(candidate.box.grown(0.3)) > 0.5
        ]
        candidate.supported += bool(goods)
        if goods:
            candidate.named_s = moment.now_s
        candidate.confidence = max([candidate.confidence, *(found.confidence for found in goods)])
        people = [track for track in moment.tracks if track.label in PEOPLE and track.seen_now]
        covered = min(1.0, sum(candidate.box.covered_by(track.box) for track in people))
        candidate.peopled += covered

    def _is_vending(self, candidate: _Candidate) -> bool:
        settings = self._settings
        stood_s, allowed_s = candidate.stood_s(), self._allowed_s[candidate.zone_id]
        if stood_s < allowed_s:
            return False
        if candidate.share(candidate.attended) < settings.attended_share:
            return False
        if self._is_named(candidate):
            return True
        if stood_s < settings.unsupported_times * allowed_s:
            return False
        large = candidate.box.area >= settings.unsupported_size * candidate.person_area > 0
        return large and candidate.share(candidate.peopled) < settings.crowd_share

    def _is_named(self, candidate: _Candidate) -> bool:
        """Whether the detector or the verifier calls it a stall."""
        supported = candidate.share(candidate.supported) >= self._settings.supported_share
        return supported or candidate.verification.confirmed

    def _present(self, zone: Zone, vending: Sequence[_Candidate]) -> Finding:
        members = tuple(
            Member(one.name, "stall", one.box, one.since_s, one.until_s)
            for one in sorted(vending, key=lambda one: one.since_s)
        )
        longest = min(vending, key=lambda one: one.since_s)
        attended = longest.share(longest.attended)
        return Finding(
            KIND,
            zone.zone_id,
            zone.place_id,
            "present",
            since_s=longest.since_s,
            confidence=min(1.0, max(0.5 * attended, longest.confidence)),
            members=members,
            reason={
                "attended_share": round(attended, 3),
                "supported_share": round(longest.share(longest.supported), 3),
                "crowd_share": round(longest.share(longest.peopled), 3),
                **self._verifier.reason(longest.verification),
            },
        )

    def _absent(self, zone: Zone, moment: Moment) -> Finding | None:
        there = [one for one in self._candidates.by_zone[zone.zone_id] if one.is_case]
        if there:
            # What was vending still stands; only its keeper is away for the moment.
            self._candidates.present(zone, there)
            return None
        return self._candidates.absent(
            KIND, zone, moment.observation, moment.now_s, self._settings.clear_after_s
        )

    def _known(self) -> dict[str, list[_Candidate]]:
        """Zone → something new that stands in it and that somebody attends or that has a name."""
        found = {
            zone_id: [one for one in candidates if one.attended or one.supported]
            for zone_id, candidates in self._candidates.by_zone.items()
        }
        return {zone_id: candidates for zone_id, candidates in found.items() if candidates}

    def _pending(self) -> dict[str, float]:
        """Zone → since when something stands in it that may be a case."""
        return {
            zone_id: min(one.since_s for one in candidates)
            for zone_id, known in self._known().items()
            if (candidates := [one for one in known if not one.verification.refused])
        }

    def _measures(self) -> dict[str, tuple[Measure, ...]]:
        """Zone → what the rule goes by, for the thing nearest to a case."""
        return {
            zone_id: self._measured(max(found, key=_nearness))
            for zone_id, found in self._known().items()
        }

    def _measured(self, candidate: _Candidate) -> tuple[Measure, ...]:
        settings = self._settings
        supported = candidate.share(candidate.supported)
        named = supported >= settings.supported_share
        times = 1.0 if self._is_named(candidate) else settings.unsupported_times
        measures = (
            Measure("stood_s", candidate.stood_s(), self._allowed_s[candidate.zone_id] * times),
            Measure("attended_share", candidate.share(candidate.attended), settings.attended_share),
            Measure("supported_share", supported, settings.supported_share),
        )
        verified = self._verifier.measured(candidate.verification, must_confirm=not named)
        if named and not verified:
            return measures
        crowd = candidate.share(candidate.peopled)
        most = 1.0 if self._is_named(candidate) else settings.crowd_share
        return (*measures, Measure("crowd_share", crowd, most, "at_most"), *verified)

    def _doubts(self) -> tuple[Doubt, ...]:
        """What stands attended for as long as a stall may, with a name in some of the looks only."""
        settings = self._settings
        return tuple(
            Doubt(zone_id, "stall", one.share(one.supported), one.box.grown(0.25))
            for zone_id, found in self._candidates.by_zone.items()
            for one in found
            if one.missed_s is None
            and one.stood_s() >= self._allowed_s[one.zone_id]
            and one.share(one.attended) >= settings.attended_share
            and abs(one.share(one.supported) - settings.supported_share) < DOUBT
        )

    def resume(self, zone_id: str, unseen_s: float) -> None:
        """A zone is seen again: its candidates are none the older."""
        self._candidates.resume(zone_id, unseen_s)

    def snapshot(self) -> dict[str, Any]:
        """The state to keep over a restart: the candidates of each zone."""
        return self._candidates.snapshot()

    def restore(self, snapshot: dict[str, Any], shift_s: float) -> None:
        """Restore a snapshot; ``shift_s`` is added to its times."""
        self._candidates.restore(snapshot, shift_s)


def _stood_already(seen: Seen, candidate: _Candidate) -> bool:
    """Whether what is seen stood when the candidate was last there; cells tell that less finely."""
    if seen.cells:
        return seen.since_s <= candidate.last_s + SAME_STAND_S
    return seen.since_s < candidate.last_s


def _nearness(one: _Candidate) -> tuple[bool, bool, bool, float]:
    """The greater, the nearer a candidate is to a case."""
    return one.is_case, not one.verification.refused, bool(one.attended), one.stood_s()


def _least_new(stall: Track) -> float:
    sure = stall.confidence >= SURE_CONFIDENCE and stall.support >= SURE_SUPPORT
    return MIN_NEW_IF_SURE if sure else MIN_NEW


def _without_parts(stalls: Sequence[Track]) -> list[Track]:
    """Leave out what is a part of another: the cart under its parasol is one stall with it."""
    whole: list[Track] = []
    for track in sorted(stalls, key=lambda track: -track.box.area):
        if not any(is_same_place(track.box, other.box) for other in whole):
            whole.append(track)
    return whole


def build(settings: Settings, zones: Sequence[Zone]) -> StreetVending:
    """Build the scenario for the zones of one camera."""
    return StreetVending(settings, zones)
