"""Misparked bikes: left in a no-parking zone, outside every bay, for longer than allowed.

Where no-parking zones overlap, a bike belongs to one of them: to the one it belongs to already as
long as it stays there, else to the first that was drawn, of those whose rule holds.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pydantic import Field

from agent.domain.labels import BIKES, PEOPLE, TAKEN_FOR_BIKES
from agent.domain.measure import Measure
from agent.domain.scene import Box, Doubt, Finding, Member, Stay, Track, Zone, ZoneKind
from agent.domain.zones import in_force, inside
from agent.perception.dwell import FOOT_SLACK
from agent.perception.verifier_answers import VerifierAnswers
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
    from collections.abc import Sequence

    from wording.messages import Said

KIND = "misparked_bike"
NO_PARKING, BAY = ZoneKind("no_parking"), ZoneKind("bay", judged=False)
ZONES = (NO_PARKING, BAY)
NEEDS = Needs(dwell={NO_PARKING: BIKES, BAY: BIKES}, optional_classifiers=frozenset({VERIFIER}))
TWO_WHEELERS, ALIKE = frozenset({"two_wheelers"}), frozenset({"people", "vehicle"})
"""Who stands at a bike, and the car behind it, are in the verifier's picture too."""
ANSWERS = Answers("bicycle", yes="bike", no="no_bike")
MEASURES = {
    "dwell_s": MeasureWords(said("seconds standing"), said("standing (s)")),
    "support": MeasureWords(said("share of model runs that saw it"), said("seen")),
    "confidence": MeasureWords(said("confidence of the model"), said("confidence")),
    "ridden_share": MeasureWords(said("share of model runs with a rider"), said("ridden")),
    **VERIFIED,
}
WARNED_BY = frozenset({"support", "confidence", "ridden_share"})
EXAMPLES = (
    Example(
        zone=NO_PARKING,
        polygon=((0.0, 0.4), (1.0, 0.4), (1.0, 1.0), (0.0, 1.0)),
        things=(Standing(Box(0.45, 0.5, 0.6, 0.75), 20, 60, "bicycle"),),
        begins_s=20,
        ends_s=60,
        settings={"allowed_s": 10, "clear_after_s": 5},
    ),
)
IN_SIGHT_S = 1.5
"""A bike last seen longer ago than this is hidden: its case opens when it is seen again."""
DOUBT = 0.15
"""A confidence or a support this near to its threshold is doubtful."""
SETTLED_S = 2.0
"""A bike that stands for less than this may only be passing: it keeps no zone from being clear."""
SAME_PLACE_IOU = 0.6
"""At this overlap both boxes are of one thing."""
WITHIN_STALL, STALL_WIDTHS, STALL_HEIGHTS, BEHIND_FOOT = 0.8, 0.6, 0.15, 0.05
"""The wheels of a goods tricycle: so much of them lies within the stall, and they stand where it stands
but for so much of its height. They are at least so wide for its width, or, where one alone is seen, so
much of its height behind the stall's foot: a bike before a stall is narrower and stands nearer."""
PART_CONFIDENCE, LEVEL, HARDLY = 0.75, 0.015, 0.5
"""What is less sure than so many times a stall, and stands no more than this part of the stall's height
nearer, is a wheel, a sack or a crate of it, and so is what is hardly so sure and stands on its ground at all:
of a real bike there the network is as sure as of the stall."""
ASPECT = 9 / 16
"""A way across is a smaller fraction of the picture than the same way up."""


def called(count: int) -> Said:
    """What people call the kind of case."""
    return said_many("misparked bike", "misparked bikes", count)


class Settings(VerifiedSettings):
    """Tuning of the scenario."""

    min_support: float = Field(default=0.5, ge=0, le=1)
    """Share of the unhidden looks at a standing bike in which the network must have seen it."""
    min_confidence: float = Field(default=0.35, ge=0, le=1)
    """The network's confidence in a bike, smoothed over its sights."""
    ridden_share: float = Field(default=0.7, gt=0, le=1)
    """A bike with somebody on it for more than this share of its stay is not parked."""


@dataclass(slots=True)
class _Riding:
    """How often a standing bike was looked at, and how often somebody was on it."""

    looks: int = 0
    ridden: int = 0

    @property
    def share(self) -> float:
        return self.ridden / self.looks if self.looks else 0.0


@dataclass(slots=True)
class _Place:
    """What is remembered of one zone."""

    allowed_s: float
    """How long a bike may stand in it."""
    last_present_s: float | None = None
    clear_since_s: float | None = None
    riding: dict[int, _Riding] = field(default_factory=dict)
    verified: dict[int, VerifierAnswers] = field(default_factory=dict)
    """Track → what the verifier said of it."""
    cases: set[int] = field(default_factory=set)
    """Tracks of which it was said that they are there for too long."""
    taken_back: dict[str, Any] = field(default_factory=dict)
    """Why there is no case any more though something stands there."""


class MisparkedBikes:
    """The scenario on one camera."""

    def __init__(self, settings: Settings, zones: Sequence[Zone]) -> None:
        self._settings = settings
        self._bays = [zone for zone in zones if zone.kind == BAY]
        self._zones = [zone for zone in zones if zone.kind == NO_PARKING]
        self._places = {zone.zone_id: _Place(settings.allowed_in(zone)) for zone in self._zones}
        self._verifier = VerifierClient(settings.question(TWO_WHEELERS, ALIKE))
        self._zone_of: dict[int, str] = {}
        """Track → the zone it belongs to."""
        self._no_bikes: set[int] = set()
        """Tracks that are called bikes and are rather something else."""
        self._pending: dict[str, float] = {}
        """Zone → since when the first thing that may be a bike stands there."""
        self._measures: dict[str, tuple[Measure, ...]] = {}
        self._doubts: list[Doubt] = []

    def judge(self, moment: Moment) -> Judgement:
        """Say of each no-parking zone whether bikes have overstayed in it."""
        # What waits behind a blocked view waits on, with its first picture.
        self._pending = {z: s for z, s in self._pending.items() if z in moment.unseen}
        self._measures, self._doubts = {}, []
        self._zone_of = self._belonging(moment)
        self._no_bikes = self._mistakes(moment)
        findings = (
            self._judge_zone(zone, moment)
            for zone in self._zones
            if zone.zone_id not in moment.unseen
        )
        found = tuple(finding for finding in findings if finding is not None)
        return Judgement(
            found,
            dict(self._pending),
            self._measures,
            tuple(self._doubts),
            self._verifier.suppressed(),
        )

    def _belonging(self, moment: Moment) -> dict[int, str]:
        """Track → the one zone to which it belongs, of those in which it stays."""
        rests = {track: zone for track, zone in self._zone_of.items() if zone in moment.unseen}
        belonging = dict(rests)
        for zone in self._zones:  # in the order in which they were drawn
            if not in_force(zone, moment.local):
                continue
            for stay in moment.stays:
                if stay.zone_id == zone.zone_id and stay.track_id not in rests:
                    before = self._zone_of.get(stay.track_id) == zone.zone_id
                    if before or stay.track_id not in belonging:
                        belonging[stay.track_id] = zone.zone_id
        return belonging

    def _mistakes(self, moment: Moment) -> set[int]:
        """Tracks that are rather something else than bikes.

        What was so when it was last seen is so still: a wheel is none the more a bike because its stall
        is pushed away first.
        """
        others = [
            track
            for track in moment.tracks
            if track.label in TAKEN_FOR_BIKES and track.still_since_s is not None
        ]
        return {
            track.track_id
            for track in moment.tracks
            if track.label in BIKES
            and (
                any(_is_rather(other, track) for other in others)
                or (not track.seen_now and track.track_id in self._no_bikes)
            )
        }

    def _judge_zone(self, zone: Zone, moment: Moment) -> Finding | None:
        place = self._places[zone.zone_id]
        standing = self._standing(zone, moment) if in_force(zone, moment.local) else []
        parked = self._verified(zone, standing, self._parked(standing, place, moment), moment)
        if standing:
            self._measures[zone.zone_id] = self._measured(standing, place)
            self._doubts += self._doubtful(zone, standing)
        maybe = [stay for stay, _ in standing if not place.verified[stay.track_id].refused]
        if maybe:
            # The first picture is taken at once: who brought the bike may still hold it.
            self._pending[zone.zone_id] = min(stay.entered_s for stay in maybe)
        settled = any(stay.dwell_s >= SETTLED_S for stay, _ in parked)
        if settled:
            place.clear_since_s = None
        overdue = [pair for pair in parked if self._is_overdue(pair[0], place, moment.now_s)]
        if overdue:
            until_s = max(track.until_s for _, track in overdue)
            place.last_present_s = max(until_s, place.last_present_s or until_s)
            place.taken_back = {}
            return self._present(place, zone, overdue) if _in_sight(overdue, moment.now_s) else None
        if settled or not moment.observation.looked_at(zone.box.centre):
            return None
        return self._absent(zone, place, moment.now_s)

    def _verified(
        self,
        zone: Zone,
        standing: Sequence[tuple[Stay, Track]],
        parked: Sequence[tuple[Stay, Track]],
        moment: Moment,
    ) -> list[tuple[Stay, Track]]:
        """Of what is parked, all that is nothing else by the verifier's word."""
        place = self._places[zone.zone_id]
        place.verified = {
            stay.track_id: place.verified.get(stay.track_id, VerifierAnswers())
            for stay, _ in standing
        }
        place.cases &= place.verified.keys()
        in_sight = [
            (track.box, place.verified[track.track_id], stay.dwell_s / place.allowed_s)
            for stay, track in parked
            if track.seen_now
        ]
        self._verifier.ask(in_sight, moment)
        kept = []
        for stay, track in parked:
            told = place.verified[stay.track_id]
            if told.rules_out(is_case=stay.track_id in place.cases):
                self._rule_out(zone, stay, told)
            else:
                kept.append((_as_it_is(stay, told, moment.now_s), track))
        return kept

    def _rule_out(self, zone: Zone, stay: Stay, told: VerifierAnswers) -> None:
        """What is parked is no bike by the verifier's word alone."""
        place = self._places[zone.zone_id]
        if stay.track_id in place.cases:
            place.cases.discard(stay.track_id)
            told.took_back, place.last_present_s = True, told.turned_s
            place.taken_back = self._verifier.ended(told)
        elif stay.dwell_s < place.allowed_s:
            return
        self._verifier.suppress(zone.zone_id, told)

    def _is_overdue(self, stay: Stay, place: _Place, now_s: float) -> bool:
        if stay.dwell_s < place.allowed_s:
            return False
        return stay.track_id in place.cases or not place.verified[stay.track_id].awaits(now_s)

    def _standing(self, zone: Zone, moment: Moment) -> list[tuple[Stay, Track]]:
        """Whatever may be a bike and belongs to the zone, outside every bay."""
        bays = {bay.zone_id for bay in self._bays}
        in_bay = {stay.track_id for stay in moment.stays if stay.zone_id in bays}
        tracks = {
            track.track_id: track
            for track in moment.tracks
            if track.label in BIKES
            and self._zone_of.get(track.track_id) == zone.zone_id
            and track.track_id not in in_bay
            and not any(_is_in_bay(track.box, bay) for bay in self._bays)
            and track.track_id not in self._no_bikes
        }
        return [
            (stay, tracks[stay.track_id])
            for stay in moment.stays
            if stay.zone_id == zone.zone_id and stay.track_id in tracks
        ]

    def _parked(
        self, standing: Sequence[tuple[Stay, Track]], place: _Place, moment: Moment
    ) -> list[tuple[Stay, Track]]:
        """Of those, the ones that are bikes for sure and stand by themselves."""
        people = [track.box for track in moment.tracks if track.label in PEOPLE and track.seen_now]
        parked = []
        riding: dict[int, _Riding] = {}
        for stay, track in standing:
            if not self._is_sure(track):
                continue
            seen = place.riding.get(stay.track_id, _Riding())
            riding[stay.track_id] = seen
            seen.looks += 1
            seen.ridden += any(_rides(person, track) for person in people)
            if seen.share <= self._settings.ridden_share:
                parked.append((stay, track))
        place.riding = riding
        return parked

    def _measured(
        self, standing: Sequence[tuple[Stay, Track]], place: _Place
    ) -> tuple[Measure, ...]:
        """What is held against the thresholds, for the bike that is nearest to a case."""
        settings = self._settings
        stay, track = max(standing, key=lambda pair: (self._is_sure(pair[1]), pair[0].dwell_s))
        ridden = place.riding.get(stay.track_id, _Riding()).share
        return (
            Measure("dwell_s", stay.dwell_s, place.allowed_s),
            Measure("support", track.support, settings.min_support),
            Measure("confidence", track.confidence, settings.min_confidence),
            Measure("ridden_share", ridden, settings.ridden_share, "at_most"),
            *self._verifier.measured(place.verified[stay.track_id], must_confirm=False),
        )

    def _is_sure(self, track: Track) -> bool:
        settings = self._settings
        return track.support >= settings.min_support and track.confidence >= settings.min_confidence

    def _doubtful(self, zone: Zone, standing: Sequence[tuple[Stay, Track]]) -> list[Doubt]:
        """Of what has settled, is in sight and may be a bike: what is just one, or just none."""
        settings = self._settings
        return [
            Doubt(zone.zone_id, track.label, track.confidence, track.box.grown(0.25))
            for stay, track in standing
            if stay.dwell_s >= SETTLED_S
            and track.seen_now
            and (
                abs(track.confidence - settings.min_confidence) < DOUBT
                or abs(track.support - settings.min_support) < DOUBT
            )
        ]

    def _present(self, place: _Place, zone: Zone, overdue: Sequence[tuple[Stay, Track]]) -> Finding:
        place.cases |= {track.track_id for _, track in overdue}
        members = tuple(
            Member(str(track.track_id), track.label, track.box, stay.entered_s, track.until_s)
            for stay, track in sorted(overdue, key=lambda pair: pair[0].entered_s)
        )
        return Finding(
            KIND,
            zone.zone_id,
            zone.place_id,
            "present",
            since_s=members[0].since_s,
            confidence=max(track.confidence for _, track in overdue),
            members=members,
            reason={
                "bikes": len(members),
                "support": round(min(track.support for _, track in overdue), 3),
                **self._verifier.reason(place.verified[int(members[0].member_id)]),
            },
        )

    def _absent(self, zone: Zone, place: _Place, now_s: float) -> Finding | None:
        if place.clear_since_s is None:
            place.clear_since_s = now_s
        if now_s - place.clear_since_s < self._settings.clear_after_s:
            return None
        since_s = now_s if place.last_present_s is None else place.last_present_s
        return Finding(
            KIND, zone.zone_id, zone.place_id, "absent", since_s=since_s, reason=place.taken_back
        )

    def resume(self, zone_id: str, unseen_s: float) -> None:
        """A zone is seen again: how long it has been clear counts anew; the timer counts the stays."""
        if zone_id in self._places:
            self._places[zone_id].clear_since_s = None
            for told in self._places[zone_id].verified.values():
                told.resume(unseen_s)

    def snapshot(self) -> dict[str, Any]:
        """The state to keep over a restart: when each zone was last occupied, by what, and the riders."""
        return {
            zone_id: {
                "last_present_s": place.last_present_s,
                "tracks": [track for track, belongs in self._zone_of.items() if belongs == zone_id],
                "riding": {
                    str(track_id): [seen.looks, seen.ridden]
                    for track_id, seen in place.riding.items()
                },
                "verified": {str(key): asdict(told) for key, told in place.verified.items()},
                "cases": sorted(place.cases),
                "taken_back": place.taken_back,
            }
            for zone_id, place in self._places.items()
        }

    def restore(self, snapshot: dict[str, Any], shift_s: float) -> None:
        """Restore a snapshot; ``shift_s`` is added to its times."""
        for zone_id, saved in snapshot.items():
            if zone_id in self._places:
                last_s = saved["last_present_s"]
                self._zone_of |= dict.fromkeys(saved.get("tracks", ()), zone_id)
                place = self._places[zone_id] = _Place(
                    self._places[zone_id].allowed_s,
                    None if last_s is None else last_s + shift_s,
                    riding={int(key): _Riding(*value) for key, value in saved["riding"].items()},
                    cases=set(saved.get("cases", ())),
                    taken_back=saved.get("taken_back", {}),
                )
                for key, told in saved.get("verified", {}).items():
                    place.verified[int(key)] = VerifierAnswers.restored(told)
                    place.verified[int(key)].resume(shift_s)


def _as_it_is(stay: Stay, told: VerifierAnswers, now_s: float) -> Stay:
    """A stay, since it is of a bike: what stood there before may have been something else."""
    if told.since_s is None or told.since_s <= stay.entered_s:
        return stay
    return replace(stay, entered_s=told.since_s, dwell_s=now_s - told.since_s)


def _in_sight(overdue: Sequence[tuple[Stay, Track]], now_s: float) -> bool:
    """Whether a picture taken now would show one of the bikes, and not who stands before it."""
    return any(now_s - track.last_seen_s <= IN_SIGHT_S for _, track in overdue)


def _rides(person_box: Any, bike: Track) -> bool:
    """Whether somebody sits on the bike or holds it: their feet are at its wheels."""
    x, y = person_box.foot
    box = bike.box
    return bool(
        box.left <= x <= box.right
        and box.top + 0.5 * box.height <= y <= box.bottom + 0.1 * box.height
        and person_box.covered_by(box) >= 0.2
    )


def _is_rather(other: Track, bike: Track) -> bool:
    """Whether a bike is something else that the network is surer of, or a stall's wheels."""
    if other.confidence <= bike.confidence:
        return False
    if bike.box.iou(other.box) >= SAME_PLACE_IOU:
        return True
    if other.label != "stall":
        return False
    return _carries(bike.box, other.box, bike.confidence / other.confidence)


def _carries(bike: Box, stall: Box, as_sure: float) -> bool:
    """Whether a bike is a part of a stall.

    The wheels of a goods tricycle, or something of which the network is only ``as_sure`` (0 to 1) as
    of the stall.
    """
    behind = stall.bottom - bike.bottom
    return (
        bike.covered_by(stall) >= WITHIN_STALL
        and abs(behind) <= STALL_HEIGHTS * stall.height
        and (
            bike.width >= STALL_WIDTHS * stall.width
            or behind >= BEHIND_FOOT * stall.height
            or (as_sure < PART_CONFIDENCE and behind >= -LEVEL * stall.height)
            or as_sure < HARDLY
        )
    )


def _is_in_bay(bike: Box, bay: Zone) -> bool:
    """No box is known better than the slack, and a crop that shows the zone may cut the bay beside it."""
    x, y = bike.foot
    slack = FOOT_SLACK * bike.height
    steps = (0.0, slack, -slack)
    return any(inside((x + ASPECT * dx, y + dy), bay) for dx in steps for dy in steps)


def build(settings: Settings, zones: Sequence[Zone]) -> MisparkedBikes:
    """Build the scenario for the zones of one camera."""
    return MisparkedBikes(settings, zones)
