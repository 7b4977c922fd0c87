"""Promises about what the verifier's word does to cases: it refuses, confirms and ends, and is done without."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from dataclasses import replace as changed
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pydantic import ValidationError

from agent.config.loading import from_tables
from agent.domain.scene import Box, Detection, Finding, Stay
from agent.perception.background_model import NewThing, Novelty
from agent.perception.verifier_answers import VerifierAnswers
from agent.runtime.replay import replay
from agent.scenarios import Judgement, Standing, Suppressed, VerifiedSettings, load_scenario
from agent.scenarios._verifier_client import VerifierClient
from agent.scenarios.street_vending import EXAMPLES as VENDING
from tests.support.colour_verifier import write_verifier
from tests.support.drawn_street import play
from tests.support.scenes import VerifierScores, bike_at, looked, moment, person_at, sure_of, zone
from tests.support.sites import drawn_camera, site_of
from tests.support.sites import zone as site_zone

if TYPE_CHECKING:
    from pathlib import Path

    from agent.domain.scene import Track
    from agent.scenarios import Example, Scenario

GOODS = Box(0.4, 0.4, 0.6, 0.7)
KEEPER = Box(0.62, 0.5, 0.68, 0.72)
HEAP = Box(0.45, 0.6, 0.55, 0.72)
BIKE = Box(0.45, 0.5, 0.6, 0.75)
UNSURE = {"stall": 0.3, "rubbish": 0.3, "two_wheelers": 0.3, "vehicle": 0.1}
SOON = {"allowed_s": 10, "clear_after_s": 5, "verify_every_s": 5}


@dataclass
class Told:
    """What was said on a drawn street."""

    present_s: list[float] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    suppressed: list[Suppressed] = field(default_factory=list)


def on_a_street(
    scenario: str,
    *things: Standing,
    verified: bool = True,
    ends_s: float = 90,
    boots_at_s: float = math.inf,
) -> Told:
    """Everything that a scenario says of things that stand on its own example's street."""
    example = load_scenario(scenario).EXAMPLES[0]
    example = changed(example, things=things, settings={**example.settings, **SOON}, ends_s=ends_s)
    told = Told()
    for now_s, findings, pipeline in play(
        scenario, example, verified=verified, boots_at_s=boots_at_s
    ):
        there = [finding for finding in findings if finding.state == "present"]
        told.findings += findings
        told.present_s += [now_s] * bool(there)
        told.suppressed += pipeline.judgements[scenario].suppressed
    return told


def stall_like(label: str | None, means: Mapping[str, float]) -> tuple[Standing, Standing]:
    """Something new in a no-vending zone, and somebody who stays with it."""
    return Standing(GOODS, 20, 90, label, means), Standing(KEEPER, 20, 90, "person")


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        pytest.param("stall", "people", id="a crowd that the detector calls a stall"),
        pytest.param("umbrella", "nothing", id="the parasol of a café"),
        pytest.param("stall", "shop_goods", id="goods before a shop"),
        pytest.param("stall", "vehicle", id="a parked tricycle"),
    ],
)
def test_what_the_detector_calls_a_stall_and_the_verifier_something_else_is_no_case(
    label: str, kind: str
) -> None:
    told = on_a_street("street_vending", *stall_like(label, sure_of(kind)))
    assert told.present_s == []
    assert [each.seen_as for each in told.suppressed] == [kind], "it is said, and once"
    assert on_a_street("street_vending", *stall_like(label, {}), verified=False).present_s


def test_goods_without_a_name_are_vending_at_once_by_the_verifiers_word() -> None:
    confirmed = on_a_street("street_vending", *stall_like(None, sure_of("stall")))
    waited = on_a_street("street_vending", *stall_like(None, UNSURE))
    assert confirmed.present_s[0] == pytest.approx(32, abs=3)
    assert waited.present_s[0] == pytest.approx(52, abs=3)


def test_goods_that_nobody_attends_are_no_vending_whatever_the_verifier_says() -> None:
    goods = Standing(GOODS, 20, 90, "stall", sure_of("stall"))
    assert on_a_street("street_vending", goods).present_s == []


@pytest.mark.parametrize(
    ("scenario", "things"),
    [
        ("street_vending", stall_like("stall", UNSURE)),
        ("street_vending", stall_like(None, UNSURE)),
        ("exposed_rubbish", (Standing(HEAP, 20, 90, "rubbish", UNSURE),)),
        ("exposed_rubbish", (Standing(HEAP, 20, 90, None, UNSURE),)),
        ("misparked_bikes", (Standing(BIKE, 20, 90, "bicycle", UNSURE),)),
    ],
)
def test_a_verifier_that_is_not_sure_leaves_the_other_rules_in_force(
    scenario: str, things: tuple[Standing, ...]
) -> None:
    unsure, without = (on_a_street(scenario, *things, verified=known) for known in (True, False))
    assert unsure.present_s == without.present_s != []
    assert unsure.suppressed == []


@pytest.mark.parametrize("kind", ["nothing", "stall", "people"])
def test_fresh_paint_goods_and_people_are_no_rubbish(kind: str) -> None:
    told = on_a_street("exposed_rubbish", Standing(HEAP, 20, 90, "rubbish", sure_of(kind)))
    assert told.present_s == []
    assert [each.seen_as for each in told.suppressed] == [kind]


def test_rubbish_without_a_name_is_a_case_after_the_allowed_time_by_the_verifiers_word() -> None:
    heap = Standing(HEAP, 20, 90, None, sure_of("rubbish"))
    assert on_a_street("exposed_rubbish", heap).present_s[0] == pytest.approx(32, abs=3)


@pytest.mark.parametrize("kind", ["nothing", "stall", "bin"])
def test_a_rack_a_cart_and_a_bollard_are_no_bikes(kind: str) -> None:
    told = on_a_street("misparked_bikes", Standing(BIKE, 20, 90, "bicycle", sure_of(kind)))
    assert told.present_s == []
    assert [each.seen_as for each in told.suppressed] == [kind]


@pytest.mark.parametrize("kind", ["two_wheelers", "people", "vehicle"])
def test_who_stands_at_a_bike_or_parks_behind_it_makes_it_nothing_else(kind: str) -> None:
    told = on_a_street("misparked_bikes", Standing(BIKE, 20, 90, "bicycle", sure_of(kind)))
    assert told.present_s
    assert told.suppressed == []


def test_goods_before_a_shop_are_a_case_and_a_stall_there_is_none() -> None:
    (goods,) = load_scenario("shop_overflow").EXAMPLES[0].things
    assert on_a_street("shop_overflow", changed(goods, means=sure_of("shop_goods"))).present_s
    for kind in ("stall", "vehicle", "nothing"):
        told = on_a_street("shop_overflow", changed(goods, means=sure_of(kind)))
        assert (told.present_s, told.suppressed) == ([], [])


# --- the same thing, of which more and more is said


def vending(**told: Any) -> Scenario:
    module = load_scenario("street_vending")
    return module.build(
        module.Settings(allowed_s=10, clear_after_s=5, **told), [zone("no_vending")]
    )


NAMED = looked(Detection("stall", 0.8, GOODS))


def watch(
    scenario: Scenario,
    seconds: Iterable[int],
    scores: VerifierScores,
    people: tuple[Track, ...] = (person_at(0.63, 0.72),),
) -> list[tuple[int, Judgement]]:
    """Goods that stand from the beginning, with somebody beside them: a second is a moment."""
    cells = np.zeros((20, 40), np.bool_)
    cells[8:14, 16:24] = 1
    told = []
    for now_s in seconds:
        novelty = Novelty(True, (NewThing(GOODS, 48, 0.0, float(now_s)),), cells)
        now = moment(now_s, novelty=novelty, tracks=people, observation=NAMED, scores=scores)
        told.append((now_s, scenario.judge(now)))
    return told


def states(told: list[tuple[int, Judgement]]) -> dict[str, list[int]]:
    """State → the seconds in which it was said."""
    found: dict[str, list[int]] = {"present": [], "absent": []}
    for now_s, judgement in told:
        for finding in judgement.findings:
            found[finding.state].append(now_s)
    return found


def test_a_case_is_ended_by_several_refusals_and_says_since_when_and_by_what() -> None:
    scenario, scores = vending(), VerifierScores(UNSURE)
    assert states(watch(scenario, range(60), scores))["present"]
    scores.answer = sure_of("vehicle")
    told = watch(scenario, range(60, 240), scores)
    said = states(told)
    assert said["present"][-1] > 60 + 2 * 20, "not by one refusal, nor by two"
    assert said["absent"][0] > said["present"][-1]
    assert max(said["present"]) < min(said["absent"]), "and it does not come back"
    [ended] = {judged.findings[0].since_s for now_s, judged in told if now_s == said["absent"][0]}
    assert ended == pytest.approx(60, abs=10), "it was last there between the answers on both sides"
    reason = next(judged.findings[0].reason for now_s, judged in told if now_s == said["absent"][0])
    assert (reason["ended_by"], reason["seen_as"]) == ("verifier", "vehicle")
    assert [each.seen_as for _, judged in told for each in judged.suppressed] == ["vehicle"]


@pytest.mark.parametrize("kind", ["people", "nothing"])
def test_a_case_that_was_confirmed_is_not_ended_by_a_crowd_or_by_the_dark(kind: str) -> None:
    scenario, scores = vending(), VerifierScores(sure_of("stall"))
    watch(scenario, range(60), scores)
    scores.answer = sure_of(kind)
    assert states(watch(scenario, range(60, 400), scores))["absent"] == []


def test_one_look_into_a_crowd_ends_no_case() -> None:
    scenario, scores = vending(), VerifierScores(UNSURE)
    watch(scenario, range(60), scores)
    asked = scores.asked
    scores.answer = sure_of("people")
    now_s = 60
    while scores.asked == asked:
        watch(scenario, [now_s], scores)
        now_s += 1
    scores.answer = UNSURE
    assert states(watch(scenario, range(now_s, now_s + 200), scores))["absent"] == []


def test_what_people_hide_is_not_asked_about_and_judged_by_the_other_rules() -> None:
    scenario, scores = vending(), VerifierScores(sure_of("people"))
    before = person_at(0.5, 0.72)
    crowd = (before, changed(before, track_id=2, box=GOODS))
    told = watch(scenario, range(60), scores, crowd)
    assert scores.asked == 0
    assert states(told)["present"]


def test_the_second_answer_is_waited_for_before_a_case_opens() -> None:
    """What was hidden until now is asked about twice; the time that it may stand is over already."""
    scenario, scores = vending(), VerifierScores(sure_of("people"))
    before = person_at(0.5, 0.72)
    watch(scenario, range(10), scores, (before, changed(before, track_id=2, box=GOODS)))
    assert states(watch(scenario, range(10, 60), scores))["present"] == []
    assert scores.asked >= 2


def test_a_candidate_is_asked_about_a_few_times_a_minute() -> None:
    scenario, scores = vending(), VerifierScores(sure_of("stall"))
    watch(scenario, range(300), scores)
    assert 300 / 60 <= scores.asked <= 300 / 20


def test_a_street_full_of_candidates_is_asked_about_one_by_one_and_seldom() -> None:
    """Each once before any twice, and never so often that another scenario gets no answer."""
    asked: list[Box] = []

    class Counting(VerifierScores):
        def candidate(self, box: Box) -> Mapping[str, float] | None:
            asked.append(box)
            return self.answer

    question = VerifiedSettings().question(frozenset({"two_wheelers"}))
    verifier, scores = VerifierClient(question), Counting(sure_of("two_wheelers"))
    boxes = [Box(0.02 * index, 0.5, 0.02 * index + 0.02, 0.6) for index in range(40)]
    bikes = [(box, VerifierAnswers(), 1.0) for box in boxes]
    for now_s in range(120):
        verifier.ask(bikes, moment(now_s, scores=scores))
    assert asked == boxes


def test_where_the_verifier_goes_the_rules_of_before_hold_again() -> None:
    scenario, scores = vending(), VerifierScores(sure_of("people"))
    assert states(watch(scenario, range(60), scores))["present"] == []
    scores.answer = None
    assert states(watch(scenario, range(60, 900), scores))["present"] == []
    assert states(watch(scenario, range(900, 1200), scores))["present"][-1] == 1199


def test_a_restart_keeps_what_the_verifier_said() -> None:
    before, scores = vending(), VerifierScores(sure_of("people"))
    watch(before, range(60), scores)
    after = vending()
    after.restore(json.loads(json.dumps(before.snapshot())), shift_s=0)
    nobody = VerifierScores(None)
    told = watch(after, range(60, 100), nobody)
    assert states(told)["present"] == [], "nobody was asked again, and it is refused all the same"
    assert [judged.suppressed for _, judged in told] == [()] * 40, "and that is not said again"


@pytest.mark.parametrize(
    ("scenario", "things"),
    [
        ("street_vending", stall_like("stall", sure_of("vehicle"))),
        ("exposed_rubbish", (Standing(HEAP, 20, 90, "rubbish", sure_of("nothing")),)),
        ("misparked_bikes", (Standing(BIKE, 20, 90, "bicycle", sure_of("nothing")),)),
    ],
)
def test_what_was_refused_before_a_restart_is_refused_after_it_and_not_said_again(
    scenario: str, things: tuple[Standing, ...]
) -> None:
    told = on_a_street(scenario, *things, boots_at_s=60)
    assert told.present_s == []
    assert len(told.suppressed) == 1


def test_a_bike_that_is_none_by_several_answers_is_a_case_no_more_and_says_since_when() -> None:
    module, scores = load_scenario("misparked_bikes"), VerifierScores(UNSURE)
    scenario = module.build(module.Settings(allowed_s=10, clear_after_s=5), [zone("no_parking")])
    found: dict[str, list[tuple[int, Finding]]] = {"present": [], "absent": []}
    suppressed = 0
    for now_s in range(240):
        scores.answer = UNSURE if now_s < 60 else sure_of("nothing")
        bike = bike_at(0.5, 0.7, since_s=0, now_s=now_s)
        stays = (Stay(bike.track_id, "no_parking", 0, now_s),)
        judged = scenario.judge(moment(now_s, tracks=(bike,), stays=stays, scores=scores))
        suppressed += len(judged.suppressed)
        for finding in judged.findings:
            found[finding.state].append((now_s, finding))
    assert found["present"][0][0] == 10
    assert 100 < found["present"][-1][0] < found["absent"][0][0]
    ended = found["absent"][0][1]
    assert ended.since_s == pytest.approx(60, abs=10)
    assert (ended.reason["ended_by"], ended.reason["seen_as"]) == ("verifier", "nothing")
    assert suppressed == 1


def test_what_an_agent_without_a_verifier_wrote_down_is_taken_up() -> None:
    before, scores = vending(), VerifierScores(None)
    watch(before, range(60), scores)
    saved = json.loads(json.dumps(before.snapshot()))
    del saved["taken_back"]
    [stall] = saved["candidates"]["no_vending"]
    del stall["verification"]
    stall["vending"] = stall.pop("is_case")
    after = vending()
    after.restore(saved, shift_s=0)
    assert states(watch(after, range(60, 70), scores))["present"] == list(range(60, 70))


def test_a_vehicle_that_becomes_a_stall_has_stood_as_one_since_then() -> None:
    scenario, scores = vending(), VerifierScores(sure_of("vehicle"))
    watch(scenario, range(100), scores)
    scores.answer = sure_of("stall")
    told = watch(scenario, range(100, 300), scores)
    first = next(judged.findings[0] for _, judged in told if judged.findings[0].state == "present")
    assert first.since_s == pytest.approx(100, abs=11)


def test_a_stall_that_comes_out_of_a_crowd_has_stood_there_all_along() -> None:
    scenario, scores = vending(), VerifierScores(sure_of("people"))
    watch(scenario, range(100), scores)
    scores.answer = sure_of("stall")
    told = watch(scenario, range(100, 300), scores)
    first = next(judged.findings[0] for _, judged in told if judged.findings[0].state == "present")
    assert first.since_s == 0


def test_what_is_measured_shows_the_verifiers_word_beside_its_threshold() -> None:
    scenario, scores = vending(), VerifierScores(sure_of("vehicle"))
    *_, (_, last) = watch(scenario, range(60), scores)
    [measure] = [each for each in last.measures["no_vending"] if each.name == "verified"]
    assert measure.value < measure.threshold == VerifiedSettings().verifier_refuses
    assert not measure.fulfilled
    assert last.pending == {}, "nothing waits for a case"


@pytest.mark.slow
@pytest.mark.parametrize("verifier", ["verifier", ""])
def test_goods_before_a_shop_on_a_drawn_clip_are_one_case_and_none_without_a_verifier(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verifier: str
) -> None:
    """The whole way, with a real network to which green things are goods of a shop: footage in, events out."""
    monkeypatch.setenv("KERBWATCH_MODELS", str(tmp_path / "models"))
    write_verifier(tmp_path / "models")
    crate = {"colour": "#00ff00", "from_s": 20, "to_s": 80, "left": 0.45, "top": 0.5}
    crates = [crate | {"width": 0.12, "height": 0.2}]
    front = site_zone(
        zone_id="front", kind="shop_front", polygon=[[0, 0.4], [1, 0.4], [1, 1], [0, 1]]
    )
    clip = drawn_camera(width=640, height=360, seconds=110, frames_per_s=5, things=crates)
    site = site_of(
        cameras=[clip],
        models={"verifier": verifier},
        scenarios={"shop_overflow": {"allowed_s": 10, "clear_after_s": 5, "verify_every_s": 10}},
        zones=[front],
    )
    report = replay(from_tables(site), base=tmp_path, frames_per_s=2, out=tmp_path / "out")
    told = [json.loads(line) for line in report.lines]
    if not verifier:
        assert told == []
        return
    assert [event["type"] for event in told] == ["case.opened", "case.cleared"]
    opened = told[0]["body"]
    assert (opened["kind"], opened["code"]["code"]) == ("shop_overflow", "09005")
    assert opened["reason"]["seen_as"] == "shop_goods"
    began_at = datetime.fromisoformat(opened["began_at"])
    assert began_at.minute * 60 + began_at.second == pytest.approx(20, abs=3)


def examples() -> list[tuple[str, Example]]:
    names = ("street_vending", "exposed_rubbish", "misparked_bikes")
    return [(name, example) for name in names for example in load_scenario(name).EXAMPLES]


@pytest.mark.parametrize(("name", "example"), examples())
def test_a_restart_in_the_middle_of_the_looks_changes_nothing(name: str, example: Example) -> None:
    things = tuple(changed(each, means=UNSURE) for each in example.things)
    example = changed(example, things=things, settings={**example.settings, **SOON}, verified=True)
    runs = [
        [
            (now_s, finding.state)
            for now_s, findings, _ in play(name, example, boots_at_s=boots_at_s)
            for finding in findings
        ]
        for boots_at_s in (27, 1e9)
    ]
    assert runs[0][-1] == runs[1][-1]
    assert next(each for each in runs[0] if each[1] == "present")[0] == pytest.approx(
        next(each for each in runs[1] if each[1] == "present")[0], abs=3
    )


def test_the_example_of_vending_is_one_with_and_without_a_verifier_that_agrees() -> None:
    stall, keeper = VENDING[0].things
    means = changed(VENDING[0], things=(changed(stall, means=sure_of("stall")), keeper))
    runs = [
        [(now_s, each.state) for now_s, findings, _ in play("street_vending", means, verified=known)
         for each in findings]
        for known in (True, False)
    ]  # fmt: skip
    assert runs[0] == runs[1]


def test_thresholds_that_leave_no_room_for_doubt_are_refused() -> None:
    with pytest.raises(ValidationError, match="verifier_refuses must be below verifier_confirms"):
        VerifiedSettings(verifier_refuses=0.6, verifier_confirms=0.6)
