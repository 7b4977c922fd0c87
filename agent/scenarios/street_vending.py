"""Street vending: something new stands in a no-vending zone and people attend it.

A camera cannot see a trade; it sees goods or a cart that were not there before, and somebody who
stays with them. What a vehicle, a bike or the people themselves explain is not goods. Where
no-vending zones overlap, a thing belongs to one of them: to the one it belongs to already, else to the
first that was drawn, of those whose rule holds.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import Field

from agent.domain.labels import BIKES, GOODS, PEOPLE, VEHICLES
from agent.domain.measure import Measure
from agent.domain.scene import Box, Doubt, Finding, Member, Track, Zone, ZoneKind, middle
from agent.domain.zones import in_force, inside
from agent.perception.background_model import ABSORB_S
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

    from wording.messages import Said

KIND = "street_vending"
NO_VENDING = ZoneKind("no_vending")
ZONES = (NO_VENDING,)
NEEDS = Needs(background_s=ABSORB_S)
ANSWERS = Answers("stall", yes="stall", no="no_stall")
MEASURES = {
    "stood_s": MeasureWords(said("seconds standing while watched"), said("standing (s)")),
    "attended_share": MeasureWords(said("share of model runs with a keeper"), said("attended")),
    "supported_share": MeasureWords(said("share of model runs that named it"), said("named")),
    "crowd_share": MeasureWords(said("share of it hidden by people"), said("hidden")),
}
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


class Settings(ScenarioSettings):
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

    @property
    def longest_s(self) -> float:
        return self.allowed_s * self.unsupported_times


@dataclass(frozen=True, slots=True)
class _Seen:
    """Something new that stands at this moment: a stall's track, or cells (0: a track)."""

    box: Box
    since_s: float
    last_s: float
    missed_s: float | None
    cells: int = 0


@dataclass(slots=True)
class _Candidate:
    """Something new that stands, while it may become a case."""

    name: str
    box: Box
    since_s: float
    last_s: float
    missed_s: float | None
    watched_since_s: float
    named_s: float
    most_cells: int = 0
    vending: bool = False
    looks: int = 0
    attended: int = 0
    supported: int = 0
    peopled: float = 0.0
    confidence: float = 0.0
    person_area: float = 0.0
    near_since_s: dict[int, float] = field(default_factory=dict)

    @property
    def until_s(self) -> float:
        """When it was last there, as well as that is known."""
        return middle(self.last_s, self.missed_s)

    def share(self, count: float) -> float:
        return count / self.looks if self.looks else 0.0


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
NEAR_S = 2.0
"""Somebody who is near for less than this is passing by."""
SAME_STAND_S = 0.1
"""Slack in comparing times."""
HIDDEN_FOR_S = 60.0
"""A thing whose place nobody looks at is given up after this time."""
GRACE_S = 2.0
"""A thing out of sight for less than this is still there."""


class StreetVending:
    """The scenario on one camera."""

    def __init__(self, settings: Settings, zones: Sequence[Zone]) -> None:
        self._settings = settings
        self._zones = [zone for zone in zones if zone.kind == NO_VENDING]
        self._candidates: dict[str, list[_Candidate]] = {zone.zone_id: [] for zone in self._zones}
        self._last_present_s: dict[str, float] = {}
        self._clear_since_s: dict[str, float] = {}
        self._count = 0

    def judge(self, moment: Moment) -> Judgement:
        """Say of each no-vending zone whether somebody sells there."""
        findings = tuple(self._findings(moment))
        return Judgement(findings, self._pending(), self._measures(), self._doubts())

    def _findings(self, moment: Moment) -> Iterable[Finding]:
        if moment.novelty is None or not moment.novelty.learned:
            return
        standing = self._by_zone(moment)
        for zone in self._zones:
            if zone.zone_id not in moment.unseen:
                finding = self._judge_zone(zone, standing[zone.zone_id], moment)
                if finding is not None:
                    yield finding

    def _judge_zone(self, zone: Zone, standing: Sequence[_Seen], moment: Moment) -> Finding | None:
        candidates = self._follow(zone, standing, moment)
        self._candidates[zone.zone_id] = candidates
        for candidate in candidates:
            self._attend(candidate, moment)
        if not in_force(zone, moment.local):
            candidates = []
        vending = [one for one in candidates if self._is_vending(one)]
        for one in vending:
            one.vending = True
        if vending:
            self._last_present_s[zone.zone_id] = max(one.until_s for one in vending)
            self._clear_since_s.pop(zone.zone_id, None)
            return self._present(zone, vending)
        return self._absent(zone, moment)

    def _by_zone(self, moment: Moment) -> dict[str, list[_Seen]]:
        """Zone → what stands now and belongs to it."""
        found: dict[str, list[_Seen]] = {zone.zone_id: [] for zone in self._zones}
        ruling = [zone for zone in self._zones if in_force(zone, moment.local)]
        for seen in self._standing(moment):
            held = [zone for zone in self._zones if self._holds(zone, seen)]
            around = [zone for zone in self._zones if inside(seen.box.foot, zone)]
            choice = sorted((held + around), key=lambda zone: zone not in ruling)
            found[choice[0].zone_id].append(seen)
        return found

    def _holds(self, zone: Zone, seen: _Seen) -> bool:
        """Whether something seen is followed in a zone already."""
        return any(
            is_same_place(one.box, seen.box) and _stood_already(seen, one)
            for one in self._candidates[zone.zone_id]
        )

    def _follow(self, zone: Zone, standing: Sequence[_Seen], moment: Moment) -> list[_Candidate]:
        """Match what is new and stands now to the candidates so far."""
        left = self._candidates[zone.zone_id]
        kept: list[_Candidate] = []
        for seen in standing:
            # What came to stand only after the last sight of a thing is not that thing.
            same = [
                one
                for one in left
                if is_same_place(one.box, seen.box) and _stood_already(seen, one)
            ]
            if not same:
                self._count += 1
                name = f"{zone.zone_id}-{self._count}"
                kept.append(_begun(name, seen, moment.now_s))
                continue
            first = min(same, key=lambda one: one.since_s)
            if seen.cells and seen.cells < REMAINS_SHARE * first.most_cells:
                continue  # what is left of it where people hid the ground while it went
            left = [one for one in left if one not in same]
            if seen.cells and self._lost_its_name(first, moment.now_s):
                left.append(first)
                continue  # the ground where it stood, perhaps in another light than it was learned
            first.box, first.missed_s = seen.box, seen.missed_s
            first.last_s = max(first.last_s, seen.last_s)
            if not seen.cells:
                first.named_s = seen.last_s
            first.most_cells = max(first.most_cells, seen.cells)
            kept.append(first)
        return kept + self._unseen(zone, left, moment)

    def _unseen(self, zone: Zone, left: Sequence[_Candidate], moment: Moment) -> list[_Candidate]:
        """Of the candidates not seen now, those that are still there; note when the others went."""
        kept = []
        for one in left:
            if one.missed_s is None and moment.observation.looked_at(one.box.centre):
                one.missed_s = moment.now_s
            if self._still_there(one, moment):
                kept.append(one)
            elif one.vending:
                self._last_present_s[zone.zone_id] = one.until_s
        return kept

    def _lost_its_name(self, candidate: _Candidate, now_s: float) -> bool:
        """Whether the network saw a stall there most of the time, and now no more."""
        named = candidate.share(candidate.supported) >= NAMED_SHARE
        return named and now_s - candidate.named_s > UNNAMED_S

    def _still_there(self, candidate: _Candidate, moment: Moment) -> bool:
        if candidate.missed_s is not None:
            return moment.now_s - candidate.missed_s <= GRACE_S
        return moment.now_s - candidate.last_s < HIDDEN_FOR_S

    def _standing(self, moment: Moment) -> Iterable[_Seen]:
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
            yield _Seen(track.box, track.still_since_s, track.last_seen_s, track.missed_since_s)
        for thing in moment.novelty.things:
            if not self._is_in_a_zone(thing.box) or thing.box.area > LARGEST_THING:
                continue
            if any(is_same_place(track.box, thing.box) for track in stalls):
                continue
            if sum(thing.box.covered_by(box) for box in explained) < 0.4:
                yield _Seen(thing.box, thing.since_s, thing.last_s, None, thing.cells)

    def _is_in_a_zone(self, box: Box) -> bool:
        return any(inside(box.foot, zone) for zone in self._zones)

    def _attend(self, candidate: _Candidate, moment: Moment) -> None:
        """Count who is with the thing, what the network calls it, and how much people cover it."""
        if not moment.observation.looked_at(candidate.box.centre):
            return
        people = [track for track in moment.tracks if track.label in PEOPLE and track.seen_now]
        near = {track.track_id: track for track in people if is_near(track, candidate.box)}
        candidate.near_since_s = {
            track_id: candidate.near_since_s.get(track_id, moment.now_s) for track_id in near
        }
        stays = [
            near[track_id]
            for track_id, since_s in candidate.near_since_s.items()
            if moment.now_s - since_s >= NEAR_S or near[track_id].still_since_s is not None
        ]
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
        covered = min(1.0, sum(candidate.box.covered_by(track.box) for track in people))
        candidate.peopled += covered

    def _stood_s(self, candidate: _Candidate) -> float:
        """For how long it has stood while it was watched: only then is it known who was there."""
        watched_s = candidate.last_s - candidate.watched_since_s + GRACE_S
        return max(0.0, min(candidate.last_s - candidate.since_s, watched_s))

    def _is_vending(self, candidate: _Candidate) -> bool:
        settings = self._settings
        stood_s = self._stood_s(candidate)
        if stood_s < settings.allowed_s:
            return False
        if candidate.share(candidate.attended) < settings.attended_share:
            return False
        if candidate.share(candidate.supported) >= settings.supported_share:
            return True
        if stood_s < settings.unsupported_times * settings.allowed_s:
            return False
        large = candidate.box.area >= settings.unsupported_size * candidate.person_area > 0
        return large and candidate.share(candidate.peopled) < settings.crowd_share

    def _present(self, zone: Zone, vending: Sequence[_Candidate]) -> Finding:
        members = tuple(
            Member(one.name, "stall", one.box, one.since_s)
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
            },
        )

    def _absent(self, zone: Zone, moment: Moment) -> Finding | None:
        zone_id = zone.zone_id
        there = [one for one in self._candidates[zone_id] if one.vending]
        if there:
            # What was vending still stands; only its keeper is away for the moment.
            self._last_present_s[zone_id] = max(one.until_s for one in there)
            self._clear_since_s.pop(zone_id, None)
            return None
        if not moment.observation.looked_at(zone.box.centre):
            return None
        clear_since_s = self._clear_since_s.setdefault(zone_id, moment.now_s)
        if moment.now_s - clear_since_s < self._settings.clear_after_s:
            return None
        since_s = self._last_present_s.pop(zone_id, moment.now_s)
        return Finding(KIND, zone_id, zone.place_id, "absent", since_s=since_s)

    def _pending(self) -> dict[str, float]:
        """Zone → since when something new stands in it that somebody attends or that has a name."""
        return {
            zone_id: min(one.since_s for one in candidates)
            for zone_id, found in self._candidates.items()
            if (candidates := [one for one in found if one.attended or one.supported])
        }

    def _measures(self) -> dict[str, tuple[Measure, ...]]:
        """Zone → what the rule goes by, for the thing nearest to a case."""
        return {
            zone_id: self._measured(
                max(found, key=lambda one: (one.vending, bool(one.attended), self._stood_s(one)))
            )
            for zone_id, found in self._candidates.items()
            if any(one.attended or one.supported for one in found)
        }

    def _measured(self, candidate: _Candidate) -> tuple[Measure, ...]:
        settings = self._settings
        supported = candidate.share(candidate.supported)
        named = supported >= settings.supported_share
        needed_s = settings.allowed_s * (1.0 if named else settings.unsupported_times)
        measures = (
            Measure("stood_s", self._stood_s(candidate), needed_s),
            Measure("attended_share", candidate.share(candidate.attended), settings.attended_share),
            Measure("supported_share", supported, settings.supported_share),
        )
        if named:
            return measures
        crowd = candidate.share(candidate.peopled)
        return (*measures, Measure("crowd_share", crowd, settings.crowd_share, "at_most"))

    def _doubts(self) -> tuple[Doubt, ...]:
        """What stands attended for as long as a stall may, with a name in some of the looks only."""
        settings = self._settings
        return tuple(
            Doubt(zone_id, "stall", one.share(one.supported), one.box.grown(0.25))
            for zone_id, found in self._candidates.items()
            for one in found
            if one.missed_s is None
            and self._stood_s(one) >= settings.allowed_s
            and one.share(one.attended) >= settings.attended_share
            and abs(one.share(one.supported) - settings.supported_share) < DOUBT
        )

    def resume(self, zone_id: str, unseen_s: float) -> None:
        """A zone is seen again: its candidates are none the older."""
        for one in self._candidates.get(zone_id, ()):
            one.since_s += unseen_s
            one.last_s += unseen_s
            one.watched_since_s += unseen_s
            one.named_s += unseen_s
            one.missed_s = None
            one.near_since_s = {}
        self._clear_since_s.pop(zone_id, None)

    def snapshot(self) -> dict[str, Any]:
        """The state to keep over a restart: the candidates of each zone."""
        return {
            "count": self._count,
            "last_present_s": dict(self._last_present_s),
            "candidates": {
                zone_id: [
                    {
                        **dataclasses.asdict(one),
                        "box": dataclasses.astuple(one.box),
                        "near_since_s": {},
                    }
                    for one in found
                ]
                for zone_id, found in self._candidates.items()
            },
        }

    def restore(self, snapshot: dict[str, Any], shift_s: float) -> None:
        """Restore a snapshot; ``shift_s`` is added to its times."""
        self._count = snapshot["count"]
        self._last_present_s = {
            zone_id: last_s + shift_s for zone_id, last_s in snapshot["last_present_s"].items()
        }
        for zone_id, found in snapshot["candidates"].items():
            if zone_id in self._candidates:
                self._candidates[zone_id] = [
                    _Candidate(
                        **{
                            **saved,
                            "box": Box(*saved["box"]),
                            "since_s": saved["since_s"] + shift_s,
                            "last_s": saved["last_s"] + shift_s,
                            "missed_s": None,
                            "watched_since_s": saved["watched_since_s"] + shift_s,
                            "named_s": saved["named_s"] + shift_s,
                        }
                    )
                    for saved in found
                ]


def _begun(name: str, seen: _Seen, now_s: float) -> _Candidate:
    return _Candidate(name, seen.box, seen.since_s, seen.last_s, seen.missed_s, now_s, now_s)


def _stood_already(seen: _Seen, candidate: _Candidate) -> bool:
    """Whether what is seen stood when the candidate was last there; cells tell that less finely."""
    if seen.cells:
        return seen.since_s <= candidate.last_s + SAME_STAND_S
    return seen.since_s < candidate.last_s


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
