"""Promises of each scenario; what all of them promise stands in ``test_contract.py``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import time

import numpy as np
import pytest

from agent.domain.scene import Box, Detection, Finding, Stay, Track, Zone
from agent.domain.schedule import Window
from agent.perception.background_model import NewThing, Novelty
from agent.perception.dwell import DwellTimer
from agent.scenarios import (
    Scenario,
    misparked_bikes,
    overflowing_bins,
    street_vending,
)
from tests.support.scenes import FixedScores, bike_at, box_at, looked, moment, person_at, zone

STREET = [
    zone("no_parking"),
    zone("no_vending"),
    zone("bin"),
    zone("bay", ((0, 0.9), (1, 0.9), (1, 1))),
]
GOODS = Box(0.4, 0.4, 0.6, 0.7)


# --- misparked bikes


def bikes(**told: float) -> Scenario:
    settings = misparked_bikes.Settings(allowed_s=10, clear_after_s=5).model_copy(update=told)
    return misparked_bikes.build(settings, STREET)


def parked(now_s: float, *tracks: Track, **known: object) -> list[Finding]:
    stays = [
        Stay(track.track_id, "no_parking", track.still_since_s, now_s - track.still_since_s)
        for track in tracks
        if track.still_since_s is not None
    ]
    return [] if not tracks and not known else _judge(now_s, tracks, stays, known)


def _judge(
    now_s: float, tracks: tuple[Track, ...], stays: list[Stay], known: dict[str, object]
) -> list[Finding]:
    scenario = known.pop("by")
    assert isinstance(scenario, misparked_bikes.MisparkedBikes)
    people = known.pop("people", ())
    now = moment(now_s, tracks=(*tracks, *people), stays=stays, **known)  # type: ignore[misc]
    return list(scenario.judge(now).findings)


def test_a_bike_is_misparked_only_after_the_allowed_time() -> None:
    scenario = bikes()
    bike = bike_at(0.5, 0.7, since_s=0)
    assert parked(9.9, bike, by=scenario) == []
    [finding] = parked(10.0, bike, by=scenario)
    assert (finding.state, finding.since_s) == ("present", 0)


def test_a_case_opens_only_when_a_picture_can_show_the_bike() -> None:
    scenario = bikes()
    hidden = replace(bike_at(0.5, 0.7, since_s=0), last_seen_s=8, seen_now=False)
    assert parked(12, hidden, by=scenario) == []
    [finding] = parked(15, replace(hidden, last_seen_s=15, seen_now=True), by=scenario)
    assert (finding.state, finding.since_s) == ("present", 0)


def test_every_overdue_bike_is_counted_and_dated() -> None:
    scenario = bikes()
    old, young, fresh = (
        bike_at(0.2, 0.7, track_id=1, since_s=0),
        bike_at(0.5, 0.7, track_id=2, since_s=4),
        bike_at(0.8, 0.7, track_id=3, since_s=10),
    )
    [finding] = parked(15, old, young, fresh, by=scenario)
    assert [(member.member_id, member.since_s) for member in finding.members] == [
        ("1", 0),
        ("2", 4),
    ]


def test_a_bike_in_a_bay_is_lawful() -> None:
    scenario = bikes()
    assert parked(60, bike_at(0.9, 0.95, since_s=0), by=scenario) == []


def test_a_bike_whose_foot_the_picture_cuts_off_is_in_the_bay_that_ends_there() -> None:
    cut = replace(bike_at(0.9, 0.95, since_s=0), box=Box(0.85, 0.9, 0.95, 1.0))
    bay = zone("bay", ((0.5, 0.8), (1, 0.8), (1, 1), (0.5, 1)))
    settings = misparked_bikes.Settings(allowed_s=10)
    street = misparked_bikes.build(settings, [zone("no_parking"), bay])
    assert parked(60, cut, by=street) == []


def test_a_bike_with_its_rider_on_it_is_not_parked() -> None:
    scenario = bikes()
    bike = bike_at(0.5, 0.7, since_s=0)
    rider = person_at(0.5, 0.69)
    for now_s in range(60):
        findings = parked(now_s, bike, by=scenario, people=(rider,))
        assert all(finding.state == "absent" for finding in findings)


def test_the_wheels_of_a_goods_tricycle_are_no_misparked_bike() -> None:
    scenario = bikes()
    wheels = replace(bike_at(0.5, 0.7, since_s=0), confidence=0.5)
    at = wheels.box
    whole = Box(at.left - 0.02, at.top - 0.25, at.right + 0.02, at.bottom + 0.02)
    stall = replace(wheels, track_id=77, label="stall", box=whole, confidence=0.9)
    assert parked(12, wheels, by=scenario, people=(stall,)) == []
    [before_it] = parked(12, wheels, by=bikes(), people=(replace(stall, box=whole.grown(0.5)),))
    assert before_it.state == "present"
    [surer] = parked(12, replace(wheels, confidence=0.95), by=bikes(), people=(stall,))
    assert surer.state == "present"


def test_one_wheel_of_a_goods_tricycle_is_none_but_a_bike_before_a_stall_is() -> None:
    wheel = replace(bike_at(0.5, 0.7, since_s=0), confidence=0.5)
    at = wheel.box
    beside, above = 2 * at.width, 2 * at.height
    whole = Box(at.left - 0.01, at.top - above, at.right + beside, at.bottom + 0.2 * at.height)
    stall = replace(wheel, track_id=77, label="stall", box=whole, confidence=0.9)
    assert parked(12, wheel, by=bikes(), people=(stall,)) == []
    farther = replace(whole, bottom=at.bottom - 0.05 * at.height)
    [before_it] = parked(12, wheel, by=bikes(), people=(replace(stall, box=farther),))
    assert before_it.state == "present"


@pytest.mark.parametrize(
    ("confidence", "nearer", "is_a_bike"),
    [
        (0.6, 0.0, False),
        (0.6, 0.015, True),
        (0.4, 0.015, False),
        (0.8, 0.0, True),
        (0.4, 0.06, True),
    ],
)
def test_what_the_network_doubts_where_a_sure_stall_stands_is_a_part_of_the_stall(
    confidence: float, nearer: float, is_a_bike: bool
) -> None:
    wheel = replace(bike_at(0.5, 0.7, since_s=0), confidence=confidence)
    at = wheel.box
    whole = Box(at.left - 0.01, at.top - 0.2, at.right + 0.2, at.bottom - nearer)
    stall = replace(wheel, track_id=77, label="stall", box=whole, confidence=0.9)
    assert bool(parked(12, wheel, by=bikes(), people=(stall,))) is is_a_bike


def test_a_wheel_is_none_the_more_a_bike_because_its_stall_is_pushed_away_first() -> None:
    scenario = bikes()
    wheel = replace(bike_at(0.5, 0.7, since_s=0), confidence=0.5)
    at = wheel.box
    whole = Box(at.left - 0.01, at.top - 0.2, at.right + 0.2, at.bottom)
    stall = replace(wheel, track_id=77, label="stall", box=whole, confidence=0.9)
    assert parked(12, wheel, by=scenario, people=(stall,)) == []
    away = replace(stall, still_since_s=None)
    unseen = replace(wheel, seen_now=False, last_seen_s=12)
    assert parked(12.5, unseen, by=scenario, people=(away,)) == []
    [left_behind] = parked(13, replace(wheel, last_seen_s=13), by=scenario, people=(away,))
    assert left_behind.state == "present"


def test_a_bike_whose_box_misses_its_bay_by_less_than_boxes_tremble_is_in_it() -> None:
    bay = zone("bay", ((0, 0.5), (0.3, 0.5), (0.3, 0.7), (0, 0.7)))
    settings = misparked_bikes.Settings(allowed_s=10)
    for x, y, lawful in ((0.305, 0.71, True), (0.29, 0.73, False), (0.33, 0.69, False)):
        street = misparked_bikes.build(settings, [zone("no_parking"), bay])
        assert (parked(60, bike_at(x, y, since_s=0), by=street) == []) is lawful


@pytest.mark.parametrize("label", ["bin", "rubbish"])
def test_what_the_network_rather_calls_rubbish_is_no_misparked_bike(label: str) -> None:
    heap = replace(bike_at(0.5, 0.7, since_s=0), confidence=0.4)
    surer = replace(heap, track_id=77, label=label, confidence=0.8)
    assert parked(12, heap, by=bikes(), people=(surer,)) == []
    at = surer.box
    beside = replace(at, left=at.left + at.width, right=at.right + at.width)
    bags_beside = replace(surer, box=beside)
    [finding] = parked(12, heap, by=bikes(), people=(bags_beside,))
    assert finding.state == "present"


def test_somebody_passing_before_a_bike_does_not_excuse_it() -> None:
    scenario = bikes()
    bike = bike_at(0.5, 0.7, since_s=0)
    for now_s in range(10):
        people = (person_at(0.5, 0.69),) if now_s in (4, 5, 6) else ()
        parked(now_s, bike, by=scenario, people=people)
    [finding] = parked(10, bike, by=scenario)
    assert finding.state == "present"


def test_what_the_network_hardly_ever_sees_is_no_bike() -> None:
    scenario = bikes()
    doubtful = replace(bike_at(0.5, 0.7, since_s=0), support=0.1)
    assert parked(60, doubtful, by=scenario) == []


def test_a_zone_is_clear_only_after_it_was_seen_in_order_for_a_while() -> None:
    scenario = bikes()
    parked(20, replace(bike_at(0.5, 0.7, since_s=0), last_seen_s=20), by=scenario)
    assert scenario.judge(moment(21)).findings == ()
    assert scenario.judge(moment(25)).findings == ()
    [finding] = scenario.judge(moment(26)).findings
    assert (finding.state, finding.since_s) == ("absent", 20)


# --- one thing is one case, however the zones were drawn

UPPER = zone("no_parking", ((0, 0), (1, 0), (1, 0.72), (0, 0.72)), zone_id="upper")
LOWER = zone("no_parking", ((0, 0.68), (1, 0.68), (1, 1), (0, 1)), zone_id="lower")
BELOW = zone("no_parking", ((0, 0.72), (1, 0.72), (1, 1), (0, 1)), zone_id="below")


class Kerb:
    """A kerb with some zones, watched second by second."""

    def __init__(self, *zones: Zone) -> None:
        self.zones = zones
        self.settings = misparked_bikes.Settings(allowed_s=10, clear_after_s=5)
        self.timers = [
            DwellTimer(one, beside=[other for other in zones if other.kind == one.kind])
            for one in zones
        ]
        self.scenario = misparked_bikes.build(self.settings, zones)

    def told(self, now_s: float, bike: Track | None, **known: object) -> list[tuple[str, str]]:
        tracks = [] if bike is None else [replace(bike, last_seen_s=now_s)]
        stays = [stay for timer in self.timers for stay in timer.update(tracks, now_s)]
        judged = self.scenario.judge(moment(now_s, tracks=tracks, stays=stays, **known))
        return [(finding.zone_id, finding.state) for finding in judged.findings]

    def restart(self) -> None:
        saved = json.loads(json.dumps(self.scenario.snapshot()))
        self.scenario = misparked_bikes.build(self.settings, self.zones)
        self.scenario.restore(saved, shift_s=0)


def zones_with_a_case(kerb: Kerb, feet: Iterable[float]) -> set[str]:
    """A bike whose foot is at these heights, one a second; it is never seen to move."""
    told = set()
    for now_s, y in enumerate(feet):
        told |= set(kerb.told(now_s, bike_at(0.5, y, since_s=0)))
    return {zone_id for zone_id, state in told if state == "present"}


@pytest.mark.parametrize("second", [LOWER, BELOW], ids=["overlapping", "side by side"])
@pytest.mark.parametrize(
    ("feet", "belongs_to"),
    [
        ([0.7] * 30, "upper"),
        ([0.71, 0.73] * 20, "upper"),
        ([0.71] * 5 + [0.8] * 30, "upper"),
        ([0.8] * 5 + [0.65] * 30, "second"),
        ([0.8] * 5 + [0.7] * 30, "second"),
    ],
    ids=["in both or the first", "flips", "drifts down", "drifts up", "drifts into both"],
)
def test_a_bike_belongs_to_one_zone_as_long_as_it_does_not_move(
    second: Zone, feet: list[float], belongs_to: str
) -> None:
    expected = second.zone_id if belongs_to == "second" else belongs_to
    assert zones_with_a_case(Kerb(UPPER, second), feet) == {expected}


def test_the_zone_that_was_drawn_first_has_what_comes_to_stand_in_both() -> None:
    assert zones_with_a_case(Kerb(LOWER, UPPER), [0.7] * 30) == {"lower"}


def test_a_bike_belongs_to_the_same_zone_after_a_restart() -> None:
    kerb = Kerb(UPPER, LOWER)
    assert zones_with_a_case(kerb, [0.8] * 12) == {"lower"}
    kerb.restart()
    for now_s in range(12, 30):
        told = kerb.told(now_s, bike_at(0.5, 0.7, since_s=0))
        assert ("lower", "present") in told
        assert ("upper", "present") not in told


def test_while_the_first_zones_rule_rests_the_other_has_what_stands_in_both() -> None:
    morning = replace(UPPER, permitted=(Window((1, 2, 3, 4, 5, 6, 7), time(0), time(23)),))
    assert zones_with_a_case(Kerb(morning, LOWER), [0.7] * 30) == {"lower"}


def test_what_belongs_to_a_zone_that_cannot_be_seen_opens_no_case_in_the_other() -> None:
    kerb = Kerb(UPPER, LOWER)
    kerb.told(0, bike_at(0.5, 0.7, since_s=0))
    for now_s in range(1, 30):
        told = kerb.told(now_s, bike_at(0.5, 0.7, since_s=0), unseen=frozenset({"upper"}))
        assert ("lower", "present") not in told


def test_the_second_case_that_an_older_agent_opened_is_cleared() -> None:
    kerb = Kerb(UPPER, LOWER)
    kerb.scenario.restore(
        {name: {"last_present_s": 0.0, "riding": {}} for name in ("upper", "lower")}, shift_s=0
    )
    told = [kerb.told(now_s, bike_at(0.5, 0.7, since_s=-60)) for now_s in range(10)]
    assert ("upper", "present") in told[0]
    assert ("lower", "absent") in told[-1]


def test_a_bike_whose_foot_trembles_at_the_edge_of_its_bay_stays_in_order() -> None:
    bay = zone("bay", ((0, 0.6), (1, 0.6), (1, 0.7), (0, 0.7)))
    feet = [0.69] * 20 + [0.71, 0.69, 0.71, 0.71] * 5
    assert zones_with_a_case(Kerb(zone("no_parking"), bay), feet) == set()


def test_one_stall_in_two_zones_is_one_case() -> None:
    left = zone("no_vending", ((0, 0), (0.55, 0), (0.55, 1), (0, 1)), zone_id="left")
    right = zone("no_vending", ((0.45, 0), (1, 0), (1, 1), (0.45, 1)), zone_id="right")
    scenario = street_vending.build(
        street_vending.Settings(allowed_s=10, clear_after_s=5), [left, right]
    )
    findings = []
    for now_s in range(40):
        # Its foot is in both, then in the right one alone.
        shift = 0.0 if now_s < 15 else 0.08
        box = replace(GOODS, left=GOODS.left + shift, right=GOODS.right + shift)
        stall = replace(STALL, box=box)
        findings += watch_street(
            scenario,
            now_s,
            now_s + 1,
            novelty=new_thing(box),
            tracks=(VENDOR,),
            observation=looked(stall),
        )
    assert {each.zone_id for each in findings if each.state == "present"} == {"left"}


def test_a_bin_that_was_drawn_twice_is_one_bin() -> None:
    near = ((0.1, 0.1), (0.9, 0.1), (0.9, 0.8), (0.1, 0.8))
    zones = [zone("bin", zone_id="bin-1"), zone("bin", near, zone_id="bin-2")]
    settings = overflowing_bins.Settings(allowed_s=10, every_s=1, smooth_s=3, look_again_s=30)
    scenario = overflowing_bins.build(settings, zones)
    findings = list(watch_bin(scenario, FixedScores(0.9), 0, 60))
    assert {each.zone_id for each in findings if each.state == "present"} == {"bin-1"}
    assert {each.zone_id for each in findings if each.state == "absent"} == {"bin-2"}


def test_two_bins_side_by_side_are_two() -> None:
    left, right = ((0.1, 0.1), (0.5, 0.1), (0.5, 0.9), (0.1, 0.9)), (
        (0.4, 0.1), (0.9, 0.1), (0.9, 0.9), (0.4, 0.9),
    )  # fmt: skip
    zones = [zone("bin", left, zone_id="bin-1"), zone("bin", right, zone_id="bin-2")]
    settings = overflowing_bins.Settings(allowed_s=10, every_s=1, smooth_s=3, look_again_s=30)
    scenario = overflowing_bins.build(settings, zones)
    findings = list(watch_bin(scenario, FixedScores(0.9), 0, 60))
    assert {each.zone_id for each in findings if each.state == "present"} == {"bin-1", "bin-2"}


# --- overflowing bins


def bins(**told: float) -> Scenario:
    settings = overflowing_bins.Settings(
        allowed_s=10, clear_after_s=2, every_s=1, smooth_s=3, look_again_s=30
    )
    return overflowing_bins.build(settings.model_copy(update=told), STREET)


def watch_bin(
    scenario: Scenario, scores: FixedScores, begin_s: int, end_s: int, *others: Track
) -> Iterator[Finding]:
    for now_s in range(begin_s, end_s):
        yield from scenario.judge(
            moment(now_s, scores=scores, tracks=others, changed=(Box(0, 0, 1, 1),))
        ).findings


def test_a_bin_that_overflows_for_the_allowed_time_is_a_case_since_it_began() -> None:
    scenario, scores = bins(), FixedScores(0.05)
    assert {f.state for f in watch_bin(scenario, scores, 0, 20)} == {"absent"}
    scores.value = 0.95
    findings = [f for f in watch_bin(scenario, scores, 20, 40) if f.state == "present"]
    assert findings
    assert findings[0].since_s == 19.5


def test_a_bin_whose_picture_stayed_the_same_was_full_until_just_before_it_changed() -> None:
    scenario, scores = bins(), FixedScores(0.95)
    list(watch_bin(scenario, scores, 0, 30))
    for now_s in range(30, 200):
        scenario.judge(moment(now_s, scores=scores))
    scores.value = 0.05
    cleared = [f for f in watch_bin(scenario, scores, 200, 215) if f.state == "absent"]
    assert cleared[0].since_s == 199.5


def test_one_wrong_judgement_opens_nothing() -> None:
    scenario, scores = bins(), FixedScores(0.05)
    list(watch_bin(scenario, scores, 0, 20))
    scores.value = 0.99
    findings = list(watch_bin(scenario, scores, 20, 21))
    scores.value = 0.05
    findings += watch_bin(scenario, scores, 21, 60)
    assert {finding.state for finding in findings} == {"absent"}


def test_an_emptied_bin_is_cleared_and_says_until_when_it_was_full() -> None:
    scenario, scores = bins(), FixedScores(0.95)
    list(watch_bin(scenario, scores, 0, 30))
    scores.value = 0.05
    findings = list(watch_bin(scenario, scores, 30, 45))
    cleared = [finding for finding in findings if finding.state == "absent"]
    assert cleared
    assert cleared[0].since_s == 29.5


def test_one_wrong_judgement_after_a_bin_was_emptied_does_not_date_it_later() -> None:
    scenario, scores = bins(), FixedScores(0.95)
    list(watch_bin(scenario, scores, 0, 30))
    findings: list[Finding] = []
    for now_s, scores.value in enumerate([0.05, 0.6, *[0.05] * 13], start=30):
        findings += watch_bin(scenario, scores, now_s, now_s + 1)
    cleared = [finding for finding in findings if finding.state == "absent"]
    assert cleared[0].since_s == 29.5


def test_a_bin_that_is_full_again_is_full_until_it_is_seen_empty_again() -> None:
    scenario, scores = bins(), FixedScores(0.95)
    list(watch_bin(scenario, scores, 0, 30))
    scores.value = 0.05
    list(watch_bin(scenario, scores, 30, 32))
    scores.value = 0.95
    list(watch_bin(scenario, scores, 32, 40))
    scores.value = 0.05
    cleared = [f for f in watch_bin(scenario, scores, 40, 55) if f.state == "absent"]
    assert cleared[0].since_s == 39.5


def test_a_bin_was_emptied_in_the_middle_between_its_last_two_sights() -> None:
    scenario, scores = bins(), FixedScores(0.95)
    list(watch_bin(scenario, scores, 0, 30))
    scores.value = 0.05
    emptier = replace(person_at(0.5, 0.9), box=box_at(0.5, 0.9, width=0.3, height=0.6))
    for now_s in range(30, 35):
        assert (
            list(watch_bin(scenario, scores, now_s, now_s + 1, replace(emptier, last_seen_s=now_s)))
            == []
        )
    cleared = [f for f in watch_bin(scenario, scores, 35, 45) if f.state == "absent"]
    assert cleared[0].since_s == 32


def test_a_bin_behind_somebody_is_not_judged() -> None:
    scenario, scores = bins(), FixedScores(0.95)
    before = replace(person_at(0.5, 0.9), box=box_at(0.5, 0.9, width=0.3, height=0.6))
    for now_s in range(40):
        there = replace(before, last_seen_s=now_s)
        assert list(watch_bin(scenario, scores, now_s, now_s + 1, there)) == []
    assert scores.asked == 0


def test_somebody_who_has_gone_hides_no_bin() -> None:
    scenario, scores = bins(), FixedScores(0.95)
    gone = replace(person_at(0.5, 0.9), box=box_at(0.5, 0.9, width=0.3, height=0.6))
    list(watch_bin(scenario, scores, 1, 5, gone))
    assert scores.asked == 4


def test_somebody_behind_a_bin_does_not_hide_it() -> None:
    scenario, scores = bins(), FixedScores(0.95)
    behind = replace(person_at(0.5, 0.6), box=box_at(0.5, 0.6, width=0.3, height=0.5))
    assert list(watch_bin(scenario, scores, 0, 40, behind)) != []


def test_a_bin_whose_picture_does_not_change_is_seldom_judged() -> None:
    scenario, scores = bins(), FixedScores(0.05)
    for now_s in range(100):
        scenario.judge(moment(now_s, scores=scores))
    assert 1 <= scores.asked <= 8


# --- street vending


def new_thing(box: Box = GOODS, since_s: float = 0.0) -> Novelty:
    standing = np.zeros((20, 40), np.bool_)
    standing[int(box.top * 20) : int(box.bottom * 20), int(box.left * 40) : int(box.right * 40)] = 1
    return Novelty(True, (NewThing(box, int(standing.sum()), since_s, since_s),), standing)


NOTHING_NEW = Novelty(True, (), np.zeros((20, 40), np.bool_))
VENDOR = person_at(0.63, 0.72)
STALL = Detection("stall", 0.8, GOODS)


def vending(**told: float) -> Scenario:
    settings = street_vending.Settings(allowed_s=10, clear_after_s=5)
    return street_vending.build(settings.model_copy(update=told), STREET)


def watch_street(scenario: Scenario, begin_s: int, end_s: int, **known: object) -> list[Finding]:
    """A second is a moment; what is new is seen at each of them."""
    findings: list[Finding] = []
    for now_s in range(begin_s, end_s):
        novelty = known.get("novelty", NOTHING_NEW)
        assert isinstance(novelty, Novelty)
        things = tuple(replace(thing, last_s=float(now_s)) for thing in novelty.things)
        now = {**known, "novelty": replace(novelty, things=things)}
        findings += scenario.judge(moment(now_s, **now)).findings
    return findings


def test_new_goods_with_somebody_beside_them_are_vending() -> None:
    findings = watch_street(
        vending(), 0, 30, novelty=new_thing(), tracks=(VENDOR,), observation=looked(STALL)
    )
    first, *_ = [finding for finding in findings if finding.state == "present"]
    assert first.since_s == 0


def test_goods_that_the_pictures_lower_edge_cuts_off_are_vending() -> None:
    cut = Box(0.4, 0.8, 0.6, 1.0)
    findings = watch_street(
        vending(),
        0,
        30,
        novelty=new_thing(cut),
        tracks=(person_at(0.63, 1.0),),
        observation=looked(Detection("stall", 0.8, cut)),
    )
    assert "present" in {finding.state for finding in findings}


@pytest.mark.parametrize(("gap_widths", "attended"), [(1.4, True), (2.0, False)])
def test_who_stands_a_step_beside_the_goods_attends_them_and_who_stands_two_does_not(
    gap_widths: float, attended: bool
) -> None:
    beside = person_at(GOODS.right + gap_widths * VENDOR.box.width, GOODS.bottom)
    findings = watch_street(
        vending(), 0, 30, novelty=new_thing(), tracks=(beside,), observation=looked(STALL)
    )
    assert ("present" in {finding.state for finding in findings}) == attended


def test_large_new_goods_without_a_name_are_vending_after_three_times_as_long() -> None:
    scenario = vending()
    early = watch_street(scenario, 0, 29, novelty=new_thing(), tracks=(VENDOR,))
    late = watch_street(scenario, 29, 40, novelty=new_thing(), tracks=(VENDOR,))
    assert "present" not in {finding.state for finding in early}
    assert "present" in {finding.state for finding in late}


def test_a_bag_put_down_beside_somebody_is_not_vending() -> None:
    bag = Box(0.6, 0.66, 0.63, 0.7)
    findings = watch_street(vending(), 0, 60, novelty=new_thing(bag), tracks=(VENDOR,))
    assert all(finding.state == "absent" for finding in findings)


def test_goods_that_nobody_attends_are_not_vending() -> None:
    findings = watch_street(vending(), 0, 60, novelty=new_thing(), observation=looked(STALL))
    assert all(finding.state == "absent" for finding in findings)


def test_a_short_delivery_stop_is_not_vending() -> None:
    scenario = vending()
    findings = watch_street(scenario, 0, 8, novelty=new_thing(), tracks=(VENDOR,))
    findings += watch_street(scenario, 8, 60)
    assert all(finding.state == "absent" for finding in findings)


def test_a_parked_car_with_people_beside_it_is_not_vending() -> None:
    car = Track(3, "car", GOODS, 0.9, 0.0, 0.0, 0.0, True)
    findings = watch_street(vending(), 0, 60, novelty=new_thing(), tracks=(VENDOR, car))
    assert all(finding.state == "absent" for finding in findings)


def test_a_crowd_alone_is_not_vending() -> None:
    crowd = tuple(
        Track(10 + i, "person", box_at(x, 0.7, 0.08, 0.3), 0.9, 0.0, 0.0, 0.0, True)
        for i, x in enumerate((0.42, 0.47, 0.52, 0.58))
    )
    findings = watch_street(vending(), 0, 60, novelty=new_thing(), tracks=crowd)
    assert all(finding.state == "absent" for finding in findings)


def test_permitted_market_hours_are_no_vending() -> None:
    always = (Window((1, 2, 3, 4, 5, 6, 7), time(0), time(0)),)
    market = replace(zone("no_vending"), permitted=always)
    scenario = street_vending.build(street_vending.Settings(allowed_s=10), [market])
    findings = watch_street(
        scenario, 0, 60, novelty=new_thing(), tracks=(VENDOR,), observation=looked(STALL)
    )
    assert all(finding.state == "absent" for finding in findings)


def test_a_keeper_who_is_away_for_a_moment_does_not_clear_the_case() -> None:
    scenario = vending()
    watch_street(scenario, 0, 30, novelty=new_thing(), tracks=(VENDOR,), observation=looked(STALL))
    away = watch_street(scenario, 30, 60, novelty=new_thing(), observation=looked(STALL))
    assert all(finding.state == "present" for finding in away)


def test_a_stall_that_left_is_cleared_with_its_last_moment() -> None:
    scenario = vending()
    watch_street(scenario, 0, 30, novelty=new_thing(), tracks=(VENDOR,), observation=looked(STALL))
    [first, *_] = [f for f in watch_street(scenario, 30, 60) if f.state == "absent"]
    assert first.since_s == pytest.approx(29, abs=1)
