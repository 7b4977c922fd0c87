"""Verification of a candidate: when a second network is asked what it is, and what its answers come to. Pure.

The detector looks at the whole street every second; the verifier looks at one candidate, with what stands
around it, and costs several times as much. So it is asked seldom: first when a candidate has stood for some
of the time that it may, then twice within seconds, and from then on at intervals while it stands. One answer
decides nothing. The last ones are pooled by the mean of their log probabilities (the logarithmic opinion pool:
Genest and Zidek, Combining Probability Distributions, Statistical Science 1986). Their weights add up to one,
for answers about one thing that does not move are hardly independent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from agent.domain.labels import CANDIDATE_KINDS
from agent.domain.scene import middle

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from agent.domain.scene import Box

POOLED_ANSWERS = 5
"""So many of the last answers are pooled."""
DECIDING_ANSWERS = 2
"""Fewer decide nothing."""
APART_S = 5.0
"""Until there are so many, the next is asked for after this time: who walks by has gone on then."""
SECOND_WITHIN_S = 8.0
"""After this time without a second answer nobody waits for it any longer."""
FIRST_SHARE = 0.5
"""A candidate is first asked about when it has stood for this share of the time that it may."""
ENDING_ANSWERS = 3
"""What is a case already ends only when so many answers in a row refuse it."""
HIDDEN_SHARE = 0.5
"""What people cover more of than this is not asked about: the answer would be about the people."""
FLOOR = 0.005
"""No answer makes anything less probable than this: a single one that is wrong must not outweigh the rest."""
SETTLED_TIMES = 3.0
"""Where all of the last answers agree, the next is asked for after so many intervals."""
OUTLIVES_S = 900.0
"""For so long answers outlive a verifier that gives none any more: one that failed, or that the device had
nothing to spare for, comes back. Then it is as if it had never been asked."""
BY_CIRCUMSTANCE = frozenset({"people", "nothing"})
"""What anything looks like in a crowd, or at dusk: no reason to take back what was confirmed."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a scenario wants to know of its candidates.

    Attributes:
        kinds: Of ``CANDIDATE_KINDS``, those that confirm a candidate.
        alike: Those that neither confirm nor refuse it.
        confirms: From this probability of ``kinds`` on it is confirmed, 0 to 1.
        refuses: Below this probability it is refused, 0 to 1: what ``kinds`` and ``alike`` have each, on
            average.
        every_s: How often it is asked about while it stands.
    """

    kinds: frozenset[str]
    alike: frozenset[str]
    confirms: float
    refuses: float
    every_s: float

    @property
    def wanted(self) -> frozenset[str]:
        """Of ``CANDIDATE_KINDS``, those that speak against a refusal."""
        return self.kinds | self.alike

    @property
    def refused_below(self) -> float:
        """The least that ``wanted`` must have together.

        A verifier gives a little to every kind. The more kinds are added up, the more they have together
        of what is none of them.
        """
        return min(self.confirms, round(self.refuses * len(self.wanted), 9))  # 3 × 0.05 is 0.15

    def is_refused_by(self, probabilities: Mapping[str, float]) -> bool:
        """Whether probabilities say that it is something else."""
        return _share(probabilities, self.wanted) < self.refused_below

    def is_confirmed_by(self, probabilities: Mapping[str, float]) -> bool:
        """Whether probabilities say that it is what the scenario is about."""
        return _share(probabilities, self.kinds) >= self.confirms


@dataclass(slots=True)
class VerifierAnswers:
    """What the verifier said of one candidate, and what that comes to."""

    answers: list[tuple[float, dict[str, float]]] = field(default_factory=list)
    """The last ones: when, and the probability of each kind."""
    confirmed: bool = False
    """Whether it is what the scenario is about."""
    refused: bool = False
    """Whether it is something else. Neither: the verifier is not sure, or there is none."""
    ever_confirmed: bool = False
    settled: bool = False
    """Whether all of the last answers confirm it, or all refuse it."""
    refusals: int = 0
    """How many of the last answers refuse it, without a break."""
    turned_s: float | None = None
    """When single answers began to refuse it, or ceased to: the middle between those on both sides."""
    since_s: float | None = None
    """Since when it has been what it was not before, as well as that is known; None: all along."""
    took_back: bool = False
    """Whether what was a case is none any more by its word."""
    reported: bool = False
    """Whether it was said that it is no case by its word."""

    @property
    def asked_s(self) -> float:
        """When the last answer was given; minus infinity before the first."""
        return self.answers[-1][0] if self.answers else -math.inf

    def awaits(self, now_s: float) -> bool:
        """Whether the answer that decides is a matter of seconds."""
        return bool(self.answers) and not self.decides and now_s - self.asked_s <= SECOND_WITHIN_S

    @property
    def decides(self) -> bool:
        """Whether there are answers enough to decide anything."""
        return len(self.answers) >= DECIDING_ANSWERS

    def due(self, now_s: float, every_s: float, stood_share: float) -> bool:
        """Whether to ask now.

        Args:
            now_s: On the frames' clock.
            every_s: How often to ask while it stands.
            stood_share: For which share of the time that it may it has stood.
        """
        if not self.answers:
            return stood_share >= FIRST_SHARE
        if not self.decides:
            every_s = min(APART_S, every_s)
        return now_s - self.asked_s >= every_s * (SETTLED_TIMES if self.settled else 1.0)

    def take(self, answer: Mapping[str, float] | None, now_s: float, question: Question) -> bool:
        """Take an answer; None: nobody could give one.

        Args:
            answer: The probability of each of ``CANDIDATE_KINDS``, 0 to 1.
            now_s: On the frames' clock.
            question: What the scenario wants to know.

        Returns:
            Whether it has become what it was not: as that it has stood since :attr:`since_s` only.
        """
        if answer is None:
            if now_s - self.asked_s > OUTLIVES_S:
                self.forget()
            return False
        was_another = self.refused and (self.took_back or self.seen_as not in BY_CIRCUMSTANCE)
        refuses = question.is_refused_by(answer)
        if not self.answers or refuses != bool(self.refusals):
            self.turned_s = middle(self.asked_s, now_s) if self.answers else now_s
        self.refusals = self.refusals + 1 if refuses else 0
        probabilities = {kind: answer.get(kind, 0.0) for kind in CANDIDATE_KINDS}
        self.answers = [*self.answers, (now_s, probabilities)][-POOLED_ANSWERS:]
        self.settled = self._agrees(question)
        pooled = self.pooled()
        self.refused = self.decides and question.is_refused_by(pooled)
        self.confirmed = self.decides and question.is_confirmed_by(pooled)
        self.ever_confirmed |= self.confirmed
        self.took_back &= self.refused
        if was_another and not self.refused:
            self.since_s = self.turned_s
            return True
        return False

    def _agrees(self, question: Question) -> bool:
        all_refuse = self.refusals >= POOLED_ANSWERS
        return all_refuse or (
            len(self.answers) == POOLED_ANSWERS
            and all(question.is_confirmed_by(each) for _, each in self.answers)
        )

    def forget(self) -> None:
        """It is as if nothing had ever been said of it."""
        self.answers, self.refusals, self.turned_s = [], 0, None
        self.confirmed = self.refused = self.settled = False
        self.ever_confirmed = self.took_back = False

    def pooled(self) -> dict[str, float]:
        """The probability of each kind by the last answers together; empty before the first."""
        if not self.answers:
            return {}
        each = {
            kind: math.exp(_mean([math.log(max(FLOOR, told[kind])) for _, told in self.answers]))
            for kind in CANDIDATE_KINDS
        }
        total = sum(each.values())
        return {kind: value / total for kind, value in each.items()}

    def probability(self, kinds: frozenset[str]) -> float | None:
        """How probable it is by the last answers that it is of one of the kinds; None: unknown."""
        return _share(self.pooled(), kinds) if self.decides else None

    @property
    def seen_as(self) -> str:
        """The likeliest of ``CANDIDATE_KINDS``; empty before the first answer."""
        pooled = self.pooled()
        return max(pooled, key=lambda kind: pooled[kind], default="")

    def rules_out(self, *, is_case: bool) -> bool:
        """Whether it is no case by the verifier's word; what is one already is taken back less easily."""
        if not is_case:
            return self.refused
        by_circumstance = self.ever_confirmed and self.seen_as in BY_CIRCUMSTANCE
        return self.refused and self.refusals >= ENDING_ANSWERS and not by_circumstance

    def resume(self, unseen_s: float) -> None:
        """Its place is seen again; that time is not counted."""
        self.answers = [(at_s + unseen_s, told) for at_s, told in self.answers]
        self.turned_s = None if self.turned_s is None else self.turned_s + unseen_s
        self.since_s = None if self.since_s is None else self.since_s + unseen_s

    @classmethod
    def restored(cls, saved: Mapping[str, Any]) -> Self:
        """Restore what :func:`dataclasses.asdict` gave."""
        return cls(**{**saved, "answers": [(at_s, dict(told)) for at_s, told in saved["answers"]]})


def _share(probabilities: Mapping[str, float], kinds: frozenset[str]) -> float:
    return sum(value for kind, value in probabilities.items() if kind in kinds)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def ask_next(
    due: Sequence[tuple[Box, VerifierAnswers]],
    ask: Callable[[Box], Mapping[str, float] | None],
    now_s: float,
    question: Question,
) -> list[VerifierAnswers]:
    """Ask about the one candidate whose turn has come: at any moment one at most.

    Args:
        due: Candidates that may be asked about now.
        ask: Asks the verifier; None: nobody can say.
        now_s: On the frames' clock.
        question: What the scenario wants to know.

    Returns:
        What has become what it was not: as that it has stood since its ``since_s`` only.
    """
    if not due:
        return []
    box, waited_longest = min(due, key=lambda one: one[1].asked_s)
    answer = ask(box)
    if answer is not None:
        return [waited_longest] if waited_longest.take(answer, now_s, question) else []
    for _, each in due:
        each.take(None, now_s, question)
    return []
