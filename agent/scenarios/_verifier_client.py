"""How a scenario asks the verifier, and what it says of the answers. No scenario itself."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeVar

from agent.domain.labels import PEOPLE
from agent.domain.measure import Measure
from agent.domain.zones import in_force
from agent.perception.standing_candidates import Candidate
from agent.perception.verifier_answers import HIDDEN_SHARE, VerifierAnswers, ask_next
from agent.scenarios import MeasureWords, Suppressed
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from agent.domain.scene import Box, Zone
    from agent.perception.standing_candidates import ZoneCandidates
    from agent.perception.verifier_answers import Question
    from agent.scenarios import Moment

C = TypeVar("C", bound=Candidate)

BETWEEN_S = 3.0
"""A scenario asks no more often than this: a street full of bikes must leave an answer to a stall."""
VERIFIED = {
    "verified": MeasureWords(
        said("the verifier's probability that it is one, or like one"), said("verifier")
    )
}
"""What stands beside a scenario's own measures."""


class VerifierClient:
    """The verifier, as one scenario on one camera asks it.

    Args:
        question: What the scenario wants to know of its candidates.
    """

    def __init__(self, question: Question) -> None:
        self.question = question
        self._answered_s = -math.inf
        self._suppressed: list[Suppressed] = []

    def ask(
        self, candidates: Iterable[tuple[Box, VerifierAnswers, float]], moment: Moment
    ) -> list[VerifierAnswers]:
        """Ask about the candidate whose turn has come, unless people hide it.

        Args:
            candidates: Where each stands, what was said of it, and for which share of the time that it
                may it has stood.
            moment: Now.

        Returns:
            What has become what it was not: as that it has stood since its ``since_s`` only.
        """
        if moment.now_s - self._answered_s < BETWEEN_S:
            return []
        people = [track.box for track in moment.tracks if track.label in PEOPLE and track.seen_now]
        due = [
            (box, verification)
            for box, verification, stood_share in candidates
            if verification.due(moment.now_s, self.question.every_s, stood_share)
            and moment.observation.looked_at(box.centre)
            and sum(box.covered_by(person) for person in people) <= HIDDEN_SHARE
        ]
        return ask_next(due, lambda box: self._answer(box, moment), moment.now_s, self.question)

    def _answer(self, box: Box, moment: Moment) -> Mapping[str, float] | None:
        answer = moment.scores.candidate(box)
        if answer is not None:
            self._answered_s = moment.now_s
        return answer

    def ask_about(
        self, candidates: Sequence[C], stood_share: Callable[[C], float], moment: Moment
    ) -> list[C]:
        """The same of candidates that are followed."""
        turned = self.ask(
            [(one.box, one.verification, stood_share(one)) for one in candidates], moment
        )
        return [one for one in candidates if any(one.verification is each for each in turned)]

    def cases(
        self,
        zone: Zone,
        followed: ZoneCandidates[C],
        is_overdue: Callable[[C], bool],
        moment: Moment,
    ) -> list[C]:
        """Of a zone's candidates, those that are cases now: none while its rule does not hold.

        Args:
            zone: The zone.
            followed: The candidates in all zones.
            is_overdue: Whether one is a case by every other rule.
            moment: Now.
        """
        if not in_force(zone, moment.local):
            return []
        there = followed.by_zone[zone.zone_id]
        for one in there:
            if one.is_case and one.verification.rules_out(is_case=True):
                followed.take_back(zone, one, self.ended(one.verification))
                self.suppress(zone.zone_id, one.verification)
        overdue = [one for one in there if is_overdue(one)]
        for one in overdue:
            if one.verification.rules_out(is_case=one.is_case):
                self.suppress(zone.zone_id, one.verification)
            elif not one.verification.awaits(moment.now_s):
                one.is_case = True
        return [one for one in overdue if one.is_case]

    def suppress(self, zone_id: str, verification: VerifierAnswers) -> None:
        """Say, once, that something is no case by the verifier's word alone."""
        if not verification.reported:
            verification.reported = True
            self._suppressed.append(Suppressed(zone_id, verification.seen_as))

    def suppressed(self) -> tuple[Suppressed, ...]:
        """What was suppressed since this was last asked."""
        told, self._suppressed = tuple(self._suppressed), []
        return told

    def measured(self, verification: VerifierAnswers, *, must_confirm: bool) -> tuple[Measure, ...]:
        """What it said, beside the least that is needed; nothing where it was never asked.

        What is alike counts where it must not be refused, and does not where it must be confirmed.

        Args:
            verification: Of the candidate.
            must_confirm: Whether it is a case by the verifier's word only.
        """
        if not verification.answers:
            return ()
        asked = self.question
        told = verification.probability(asked.kinds if must_confirm else asked.wanted)
        needed = asked.confirms if must_confirm else asked.refused_below
        return (Measure("verified", math.nan if told is None else told, needed),)

    def reason(self, verification: VerifierAnswers) -> dict[str, Any]:
        """What it said, as facts of a case; nothing where it was not asked often enough."""
        told = verification.probability(self.question.kinds)
        return {} if told is None else {"verified": round(told, 3), "seen_as": verification.seen_as}

    def ended(self, verification: VerifierAnswers) -> dict[str, Any]:
        """Why a case ended that the verifier has ended."""
        return {"ended_by": "verifier", **self.reason(verification)}
