"""Compares the reported cases with the staged problems of a rendered street."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from agent.protocol.events import CaseEvent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from agent.protocol.events import Event

_SLACK_S = 5.0
"""A case this close before or after a staged problem is still of that problem."""


class Problem(BaseModel):
    """One staged street problem, in seconds of the clip."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: str
    zone_id: str
    begins_s: float
    ends_s: float | None = None


class Clip(BaseModel):
    """What the clip says of itself."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    seconds: float


class Truth(BaseModel):
    """``truth.json`` beside a rendered clip."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    clip: Clip
    problems: tuple[Problem, ...]


class Reported(NamedTuple):
    """One case as its events told it, in seconds of the clip."""

    kind: str
    zone_id: str
    began_s: float
    ended_s: float | None


class Comparison(NamedTuple):
    """A problem with the case that reported it, or one of the two alone."""

    outcome: Literal["found", "not_found", "false_case"]
    problem: Problem | None
    case: Reported | None


def reported_cases(events: Iterable[Event], clip_began_at: datetime) -> list[Reported]:
    """Put the events of each case together.

    A case ends when its problem was last seen, not when the rule was sure that it is gone.
    """
    cases: dict[str, Reported] = {}
    for event in events:
        if not isinstance(event, CaseEvent):
            continue
        body = event.body
        began_s = (body.began_at - clip_began_at).total_seconds()
        ended_s = None
        if event.type == "case.cleared":
            ended_s = (body.last_present_at - clip_began_at).total_seconds()
        cases[body.case_id] = Reported(body.kind, body.place.zone_id, began_s, ended_s)
    return list(cases.values())


def compare(problems: Sequence[Problem], cases: Sequence[Reported]) -> Iterator[Comparison]:
    """Find the case of each problem; then name the cases that belong to none.

    Several staged problems may be one case: misparked bikes of one zone are.
    """
    unclaimed = set(cases)
    for problem in problems:
        mine = [case for case in cases if _same(problem, case)]
        unclaimed -= set(mine)
        if mine:
            yield Comparison("found", problem, min(mine))
        else:
            yield Comparison("not_found", problem, None)
    for case in sorted(unclaimed, key=lambda case: case.began_s):
        yield Comparison("false_case", None, case)


def _same(problem: Problem, case: Reported) -> bool:
    if (problem.kind, problem.zone_id) != (case.kind, case.zone_id):
        return False
    ends_s = float("inf") if problem.ends_s is None else problem.ends_s
    ended_s = float("inf") if case.ended_s is None else case.ended_s
    return case.began_s <= ends_s + _SLACK_S and ended_s >= problem.begins_s - _SLACK_S
