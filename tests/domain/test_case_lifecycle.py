"""Promises about cases: one street problem is one case."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from agent.domain.case_lifecycle import Cases, Change
from agent.domain.scene import Finding
from tests.support.cases import absent, cases, present
from tests.support.scenes import NOON

PLACES = ("kerb", "corner")
CAMERAS = ("north", "south")


def tell(known: Cases, now_s: float, *findings: Finding, camera: str = "north") -> list[Change]:
    # A zone is one camera's: what two cameras share is the place.
    own = [replace(each, zone_id=f"{camera}-{each.zone_id}") for each in findings]
    return known.update(camera, own, now_s, NOON + timedelta(seconds=now_s))


def test_a_problem_that_goes_on_is_opened_once() -> None:
    known = cases()
    [opened] = tell(known, 10, present(since_s=3))
    assert (opened.type, opened.case.began_s, opened.case.opened_s) == ("case.opened", 3, 10)
    for now_s in range(11, 60):
        assert tell(known, now_s, present(since_s=3)) == []


def test_an_open_case_is_reported_again_at_intervals() -> None:
    known = cases(persist_every_s=20)
    tell(known, 10, present())
    types = [change.type for now_s in range(11, 75) for change in tell(known, now_s, present())]
    assert types == ["case.persisting"] * 3


def test_a_cleared_case_says_when_the_thing_was_last_there() -> None:
    known = cases()
    [opened] = tell(known, 10, present(since_s=2))
    [cleared] = tell(known, 40, absent(since_s=30))
    assert cleared.type == "case.cleared"
    assert cleared.case.case_id == opened.case.case_id
    assert (cleared.case.last_present_s, cleared.case.cleared_s) == (30, 40)
    assert known.open == ()


def test_a_place_of_which_nothing_is_said_stays_as_it_was() -> None:
    known = cases()
    tell(known, 10, present())
    tell(known, 500)
    assert len(known.open) == 1


def test_two_kinds_of_problem_at_one_place_are_two_cases() -> None:
    known = cases()
    tell(known, 10, present(), present(kind="street_vending"))
    assert len(known.open) == 2


def test_cameras_that_see_one_place_share_its_case_and_clear_it_together() -> None:
    known = cases()
    assert len(tell(known, 10, present(), camera="north")) == 1
    assert tell(known, 11, present(), camera="south") == []
    assert tell(known, 20, absent(), camera="north") == []
    [cleared] = tell(known, 21, absent(), camera="south")
    assert cleared.type == "case.cleared"


def test_a_case_that_was_open_before_a_restart_is_not_opened_again() -> None:
    before = cases()
    [opened] = tell(before, 10, present())
    after = Cases(lambda _at: "another", open_cases=before.open)
    after.shift("north", 100)
    assert tell(after, 115, present()) == []
    [cleared] = tell(after, 140, absent(since_s=130))
    assert cleared.case.case_id == opened.case.case_id
    assert cleared.case.opened_s == 110


class LifeOfCases(RuleBasedStateMachine):
    """Whatever cameras say in whatever order: at most one open case a place, and no lost end."""

    def __init__(self) -> None:
        super().__init__()
        self.known = cases(persist_every_s=50)
        self.now_s = 0.0
        self.opened: dict[str, str] = {}

    @rule(
        place=st.sampled_from(PLACES),
        camera=st.sampled_from(CAMERAS),
        there=st.booleans(),
        step_s=st.floats(0, 100),
    )
    def say(self, place: str, camera: str, there: bool, step_s: float) -> None:
        self.now_s += step_s
        finding = present(place, self.now_s) if there else absent(place, self.now_s)
        for change in tell(self.known, self.now_s, finding, camera=camera):
            if change.type == "case.opened":
                assert place not in self.opened
                self.opened[place] = change.case.case_id
            else:
                assert self.opened[place] == change.case.case_id
            if change.type == "case.cleared":
                del self.opened[place]

    @invariant()
    def open_cases_are_those_opened_and_not_cleared(self) -> None:
        assert {case.place_id: case.case_id for case in self.known.open} == self.opened


TestLifeOfCases = LifeOfCases.TestCase
