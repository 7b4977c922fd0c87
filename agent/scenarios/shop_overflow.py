"""Goods put out before a shop: something new stands where a shop front is drawn, and the verifier calls it that.

A detector has no name for what a shop puts on its pavement, and what is new there may be a parcel, a bench or a
parked cart. So nothing but the verifier's word opens a case, and without a verifier the scenario is silent. A
stall is no shop's: the word for it neither opens a case here nor ends one. Nobody need be with the goods.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import Field

from agent.domain.labels import BIKES, PEOPLE, VEHICLES
from agent.domain.measure import Measure
from agent.domain.scene import Box, Doubt, Finding, Member, Zone, ZoneKind
from agent.domain.zones import in_force
from agent.perception.standing_candidates import Candidate, Seen, ZoneCandidates
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

KIND = "shop_overflow"
SHOP_FRONT = ZoneKind("shop_front")
ZONES = (SHOP_FRONT,)
SHOP_GOODS = "shop_goods"
NEEDS = Needs(
    background_s=24 * 3600.0,
    optional_classifiers=frozenset({VERIFIER}),
    silent_without=frozenset({VERIFIER}),
)
"""What a shop puts out in the morning is still there in the evening: it must not become ground before."""
ANSWERS = Answers(SHOP_GOODS, yes="shop_overflow", no="no_shop_overflow")
MEASURES = {
    "stood_s": MeasureWords(said("seconds standing while watched"), said("standing (s)")),
    **VERIFIED,
}
WARNED_BY = frozenset({"verified"})
EXAMPLES = (
    Example(
        zone=SHOP_FRONT,
        polygon=((0.0, 0.4), (1.0, 0.4), (1.0, 1.0), (0.0, 1.0)),
        things=(Standing(Box(0.4, 0.5, 0.6, 0.72), 20, 60, means={SHOP_GOODS: 0.9}),),
        begins_s=20,
        ends_s=60,
        settings={"allowed_s": 10, "clear_after_s": 5, "verify_every_s": 5},
        verified=True,
    ),
)
ALIKE = frozenset({"stall"})
LARGEST_THING = 0.4
"""Something new that takes up more of the frame than this is the light or the weather."""
EXPLAINED = 0.4
"""What people, bikes or vehicles cover so much of is them."""


class Settings(VerifiedSettings):
    """Tuning of the scenario."""

    allowed_s: float = Field(default=600.0, gt=0)
    """How long goods may stand there before it is a case: what is delivered is carried in meanwhile."""
    min_area: float = Field(default=0.001, ge=0, lt=1)
    """What takes up less of the picture than this share is not asked about."""


@dataclass(slots=True)
class _Goods(Candidate):
    """Something new that stands before a shop, while it may become a case."""

    watched_since_s: float = 0.0

    TIMES = (*Candidate.TIMES, "watched_since_s")

    def begin(self, now_s: float) -> None:
        self.watched_since_s = now_s

    def restart(self) -> None:
        """It has become what it was not."""
        self.since_s = self.watched_since_s = self.verification.since_s or self.since_s

    def stood_s(self) -> float:
        """For how long it has stood while it was watched."""
        return max(0.0, self.last_s - max(self.since_s, self.watched_since_s))


class ShopOverflow:
    """The scenario on one camera."""

    def __init__(self, settings: Settings, zones: Sequence[Zone]) -> None:
        self._settings = settings
        self._zones = [zone for zone in zones if zone.kind == SHOP_FRONT]
        self._allowed_s = settings.allowed_by_zone(self._zones)
        self._goods = ZoneCandidates(self._zones, _Goods)
        self._verifier = VerifierClient(settings.question(frozenset({SHOP_GOODS}), ALIKE))

    def judge(self, moment: Moment) -> Judgement:
        """Say of each shop front whether goods stand before it for longer than allowed."""
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
        standing = self._goods.belonging(self._standing(moment), moment.local, self._may_be_goods)
        seen = [zone for zone in self._zones if zone.zone_id not in moment.unseen]
        for zone in seen:
            self._goods.follow(zone, standing[zone.zone_id], moment.observation, moment.now_s)
        self._verify([zone for zone in seen if in_force(zone, moment.local)], moment)
        for zone in seen:
            finding = self._judge_zone(zone, moment)
            if finding is not None:
                yield finding

    def _standing(self, moment: Moment) -> Iterable[Seen]:
        """What is new and is neither people nor bikes nor vehicles."""
        assert moment.novelty is not None
        others = BIKES | VEHICLES | PEOPLE
        explained = [track.box for track in moment.tracks if track.label in others]
        for thing in moment.novelty.things:
            if sum(thing.box.covered_by(box) for box in explained) < EXPLAINED:
                yield Seen.of(thing)

    def _may_be_goods(self, seen: Seen) -> bool:
        return self._settings.min_area <= seen.box.area <= LARGEST_THING

    def _verify(self, zones: Sequence[Zone], moment: Moment) -> None:
        there = [
            one
            for zone in zones
            for one in self._goods.by_zone[zone.zone_id]
            if one.missed_s is None
        ]
        for one in self._verifier.ask_about(there, self._stood_share, moment):
            one.restart()

    def _has_stood(self, one: _Goods) -> bool:
        """Whether it has stood for longer than it may."""
        return one.stood_s() >= self._allowed_s[one.zone_id]

    def _stood_share(self, one: _Goods) -> float:
        """For which share of the time that it may it has stood."""
        return one.stood_s() / self._allowed_s[one.zone_id]

    def _judge_zone(self, zone: Zone, moment: Moment) -> Finding | None:
        cases = self._verifier.cases(zone, self._goods, self._is_overdue, moment)
        if cases:
            self._goods.present(zone, cases)
            return self._present(zone, cases)
        return self._goods.absent(
            KIND, zone, moment.observation, moment.now_s, self._settings.clear_after_s
        )

    def _is_overdue(self, one: _Goods) -> bool:
        """What has been a case is one while it stands; nothing becomes one but by the verifier's word."""
        if one.is_case:
            return True
        return one.verification.confirmed and self._has_stood(one)

    def _present(self, zone: Zone, cases: Sequence[_Goods]) -> Finding:
        goods = sorted(cases, key=lambda one: one.since_s)
        told = [one.verification.probability(self._verifier.question.kinds) or 0.0 for one in goods]
        return Finding(
            KIND,
            zone.zone_id,
            zone.place_id,
            "present",
            since_s=goods[0].since_s,
            confidence=max(told),
            members=tuple(
                Member(one.name, SHOP_GOODS, one.box, one.since_s, one.until_s) for one in goods
            ),
            reason=self._verifier.reason(goods[0].verification),
        )

    def _candidates(self) -> dict[str, list[_Goods]]:
        """Zone → what stands in it and may be goods, by what is known so far."""
        found = {
            zone_id: [one for one in goods if one.is_case or not one.verification.refused]
            for zone_id, goods in self._goods.by_zone.items()
        }
        return {zone_id: goods for zone_id, goods in found.items() if goods}

    def _pending(self) -> dict[str, float]:
        return {
            zone_id: min(one.since_s for one in goods)
            for zone_id, goods in self._candidates().items()
        }

    def _measures(self) -> dict[str, tuple[Measure, ...]]:
        """Zone → what the rule goes by, for what is nearest to a case."""
        nearest = {
            zone_id: max(
                goods, key=lambda one: (one.is_case, one.verification.confirmed, one.stood_s())
            )
            for zone_id, goods in self._candidates().items()
        }
        return {
            zone_id: (
                Measure("stood_s", one.stood_s(), self._allowed_s[zone_id]),
                *self._verifier.measured(one.verification, must_confirm=not one.is_case),
            )
            for zone_id, one in nearest.items()
        }

    def _doubts(self) -> tuple[Doubt, ...]:
        """What has stood for long enough and is, by the verifier, neither goods of a shop nor anything else."""
        return tuple(
            Doubt(zone_id, SHOP_GOODS, told, one.box.grown(0.25))
            for zone_id, goods in self._candidates().items()
            for one in goods
            if one.missed_s is None
            and self._has_stood(one)
            and not one.verification.confirmed
            and (told := one.verification.probability(self._verifier.question.kinds)) is not None
        )

    def resume(self, zone_id: str, unseen_s: float) -> None:
        """A zone is seen again: what stands there has stood none the longer."""
        self._goods.resume(zone_id, unseen_s)

    def snapshot(self) -> dict[str, Any]:
        """The state to keep over a restart: what stands in each zone."""
        return self._goods.snapshot()

    def restore(self, snapshot: dict[str, Any], shift_s: float) -> None:
        """Restore a snapshot; ``shift_s`` is added to its times."""
        self._goods.restore(snapshot, shift_s)


def called(count: int) -> Said:
    """What people call the kind of case."""
    return said_many("shop goods outside", "shop goods outside", count)


def build(settings: Settings, zones: Sequence[Zone]) -> ShopOverflow:
    """Build the scenario for the zones of one camera."""
    return ShopOverflow(settings, zones)
