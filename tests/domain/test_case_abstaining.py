"""Promises of cases whose place cannot be seen: nothing is claimed of them, and they go on."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from agent.domain.case_lifecycle import Cases, Change
from agent.domain.scene import Finding, Unseen
from tests.support.cases import absent, cases, present
from tests.support.scenes import NOON

CAMERAS = ("north", "south")


def zone_of(camera: str) -> str:
    return f"{camera}-zone-kerb"


def tell(known: Cases, now_s: float, finding: Finding, camera: str = "north") -> list[Change]:
    own = replace(finding, zone_id=zone_of(camera))
    return known.update(camera, [own], now_s, NOON + timedelta(seconds=now_s))


def blind(known: Cases, now_s: float, camera: str = "north") -> list[Change]:
    return known.abstain([zone_of(camera)], {zone_of(camera): Unseen("view_moved", now_s)})


def sees(known: Cases, camera: str = "north") -> list[Change]:
    return known.abstain([zone_of(camera)], {})


def test_a_case_whose_place_cannot_be_seen_abstains_once() -> None:
    known = cases()
    [opened] = tell(known, 10, present())
    [abstained] = blind(known, 20)
    assert (abstained.type, abstained.case.case_id) == ("case.abstained", opened.case.case_id)
    assert (abstained.case.abstained_s, abstained.case.abstained_because) == (20, "view_moved")
    assert blind(known, 21) == []
    sees(known)
    assert blind(known, 30) == []  # it was not seen again in between


def test_a_case_that_is_seen_again_goes_on_and_says_so() -> None:
    known = cases()
    [opened] = tell(known, 10, present())
    blind(known, 20)
    assert sees(known) == []
    [again] = tell(known, 50, present())
    assert (again.type, again.case.case_id) == ("case.persisting", opened.case.case_id)
    assert again.case.abstained_s is None
    assert [change.type for change in blind(known, 60)] == ["case.abstained"]


def test_of_what_went_unseen_no_more_is_claimed_than_was_seen() -> None:
    known = cases()
    tell(known, 10, present())
    tell(known, 18, present())
    blind(known, 20)
    sees(known)
    [cleared] = tell(known, 500, absent(since_s=490))
    assert (cleared.type, cleared.case.last_present_s) == ("case.cleared", 18)


def test_a_case_abstains_only_when_no_camera_that_saw_it_can_see_it() -> None:
    known = cases()
    tell(known, 10, present())
    tell(known, 11, present(), camera="south")
    assert blind(known, 20) == []
    assert [change.type for change in blind(known, 25, camera="south")] == ["case.abstained"]


def test_a_blind_camera_does_not_keep_another_from_clearing_what_it_has_seen() -> None:
    known = cases()
    tell(known, 10, present())
    tell(known, 11, present(), camera="south")
    blind(known, 20)
    [cleared] = tell(known, 40, absent(since_s=30), camera="south")
    assert cleared.type == "case.cleared"


def test_who_never_saw_a_problem_does_not_clear_it_because_another_is_blind() -> None:
    known = cases()
    tell(known, 10, present())
    blind(known, 20)
    assert tell(known, 40, absent(since_s=30), camera="south") == []
    assert len(known.open) == 1


def test_an_abstention_outlives_a_restart() -> None:
    known = cases()
    tell(known, 10, present())
    blind(known, 20)
    again = Cases(lambda _at: "new", open_cases=known.open)
    assert blind(again, 30) == []
    assert [change.type for change in tell(again, 50, present())] == ["case.persisting"]


class Crossing(RuleBasedStateMachine):
    """Two cameras of one place, in any order of seeing, missing and going blind."""

    def __init__(self) -> None:
        super().__init__()
        self.known, self.now_s = cases(), 0.0
        self.blind: set[str] = set()
        self.types: list[str] = []

    def hear(self, changes: list[Change]) -> None:
        self.types += [change.type for change in changes]

    @rule(camera=st.sampled_from(CAMERAS), there=st.booleans(), step_s=st.floats(0.1, 60))
    def look(self, camera: str, there: bool, step_s: float) -> None:
        self.now_s += step_s
        if camera not in self.blind:  # the pipeline says nothing of what cannot be seen
            self.hear(tell(self.known, self.now_s, present() if there else absent(), camera))

    @rule(camera=st.sampled_from(CAMERAS), step_s=st.floats(0.1, 60))
    def go_blind(self, camera: str, step_s: float) -> None:
        self.now_s += step_s
        self.blind.add(camera)
        self.hear(blind(self.known, self.now_s, camera))

    @rule(camera=st.sampled_from(CAMERAS))
    def see_again(self, camera: str) -> None:
        self.blind.discard(camera)
        before = len(self.types)
        self.hear(sees(self.known, camera))
        assert self.types[before:] == []

    @invariant()
    def every_abstention_belongs_to_an_open_case_and_is_told_once(self) -> None:
        state, abstained = "none", False
        for each in self.types:
            if each == "case.opened":
                assert state == "none"
                state = "open"
            elif each == "case.abstained":
                assert state == "open"
                assert not abstained
                abstained = True
            elif each == "case.persisting":
                assert state == "open"
                abstained = False
            else:
                assert state == "open"
                state, abstained = "none", False
        for case in self.known.open:
            assert (case.abstained_s is not None) == abstained

    @invariant()
    def with_all_cameras_blind_nothing_is_claimed(self) -> None:
        if self.blind == set(CAMERAS) and self.known.open:
            assert all(case.abstained_s is not None for case in self.known.open)


TestCrossing = Crossing.TestCase
