"""Promises about what the verifier's answers come to: asked seldom, and one answer decides nothing."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain.labels import CANDIDATE_KINDS
from agent.domain.scene import Box
from agent.perception.verifier_answers import (
    APART_S,
    DECIDING_ANSWERS,
    ENDING_ANSWERS,
    OUTLIVES_S,
    POOLED_ANSWERS,
    Question,
    VerifierAnswers,
    ask_next,
)
from tests.support.scenes import sure_of

EVERY_S = 20.0
QUESTION = Question(frozenset({"stall"}), frozenset(), confirms=0.6, refuses=0.1, every_s=EVERY_S)
Answer = dict[str, float]


def told(*answers: Answer | None, every_s: float = EVERY_S) -> VerifierAnswers:
    """What answers at intervals come to."""
    verification = VerifierAnswers()
    for index, answer in enumerate(answers):
        verification.take(answer, index * every_s, QUESTION)
    return verification


def test_one_answer_decides_nothing_and_two_do() -> None:
    once, twice = told(sure_of("stall")), told(sure_of("stall"), sure_of("stall"))
    assert (once.confirmed, once.probability(QUESTION.kinds)) == (False, None)
    assert twice.confirmed
    once, twice = told(sure_of("people")), told(sure_of("people"), sure_of("people"))
    assert (once.refused, twice.refused, twice.seen_as) == (False, True, "people")


def test_one_wrong_answer_among_right_ones_changes_nothing() -> None:
    stall, people = sure_of("stall"), sure_of("people")
    for wrong in range(POOLED_ANSWERS):
        answers = [people if index == wrong else stall for index in range(POOLED_ANSWERS)]
        assert told(*answers).confirmed, f"wrong at {wrong}"
        answers = [stall if index == wrong else people for index in range(POOLED_ANSWERS)]
        assert not told(*answers).confirmed, f"wrong at {wrong}"


def test_an_answer_that_is_not_sure_neither_confirms_nor_refuses() -> None:
    unsure = told(*[sure_of("stall", 0.3)] * POOLED_ANSWERS)
    assert (unsure.confirmed, unsure.refused) == (False, False)


def test_what_is_alike_refuses_nothing_and_confirms_nothing() -> None:
    question = Question(frozenset({"stall"}), frozenset({"shop_goods"}), 0.6, 0.1, EVERY_S)
    verification = VerifierAnswers()
    for now_s in range(3):
        verification.take(sure_of("shop_goods"), now_s, question)
    assert (verification.confirmed, verification.refused) == (False, False)


def test_the_little_that_every_kind_is_given_keeps_nothing_from_being_refused() -> None:
    """However many kinds are alike: what the verifier said of white letters in a corner of the picture."""
    letters = dict.fromkeys(CANDIDATE_KINDS, 0.012) | {
        "two_wheelers": 0.041,
        "people": 0.017,
        "nothing": 0.87,
    }
    bikes = Question(frozenset({"two_wheelers"}), frozenset({"people", "vehicle"}), 0.4, 0.05, 20)
    verification = VerifierAnswers()
    for now_s in range(DECIDING_ANSWERS):
        verification.take(letters, now_s, bikes)
    assert verification.refused


def test_what_is_confirmed_is_not_refused_however_the_thresholds_are_set() -> None:
    bikes = Question(frozenset({"two_wheelers"}), frozenset({"people", "vehicle"}), 0.4, 0.3, 20)
    verification = VerifierAnswers()
    for now_s in range(DECIDING_ANSWERS):
        verification.take(sure_of("two_wheelers", 0.45), now_s, bikes)
    assert (verification.confirmed, verification.refused) == (True, False)


def test_a_case_ends_by_several_refusals_in_a_row_and_not_by_two() -> None:
    parked = [sure_of("vehicle")] * ENDING_ANSWERS
    assert told(*parked[:-1]).rules_out(is_case=False)
    assert not told(*parked[:-1]).rules_out(is_case=True)
    assert told(*parked).rules_out(is_case=True)


@pytest.mark.parametrize(
    ("kind", "ends"), [("people", False), ("nothing", False), ("vehicle", True)]
)
def test_what_was_confirmed_is_not_taken_back_for_a_crowd_or_the_dusk(
    kind: str, ends: bool
) -> None:
    answers = [*[sure_of("stall")] * 3, *[sure_of(kind)] * 20]
    assert told(*answers).rules_out(is_case=True) is ends


def test_it_is_first_asked_after_half_of_the_time_then_within_seconds_then_at_intervals() -> None:
    """At longer ones where all of the last answers agree, until one does not."""
    verification = VerifierAnswers()
    assert not verification.due(0.0, EVERY_S, stood_share=0.4)
    assert verification.due(0.0, EVERY_S, stood_share=0.5)
    asked_s = []
    for now_s in range(250):
        if verification.due(now_s, EVERY_S, stood_share=0.5):
            verification.take(sure_of("stall" if now_s < 180 else "people"), now_s, QUESTION)
            asked_s.append(now_s)
    assert asked_s == [0, 5, 25, 45, 65, 125, 185, 205, 225, 245]


def test_the_second_answer_is_waited_for_only_for_seconds() -> None:
    verification = told(sure_of("stall"))
    assert verification.awaits(APART_S)
    assert not verification.awaits(2 * APART_S)
    assert not VerifierAnswers().awaits(0.0), "nobody waits for a verifier that never spoke"


def test_answers_outlive_the_verifier_for_a_while_only() -> None:
    verification = told(sure_of("people"), sure_of("people"))
    last_s = verification.asked_s
    verification.take(None, last_s + OUTLIVES_S, QUESTION)
    assert verification.refused
    verification.take(None, last_s + OUTLIVES_S + 1, QUESTION)
    assert verification == VerifierAnswers()


def test_what_becomes_what_it_was_not_is_so_since_the_answers_turned() -> None:
    verification = told(*[sure_of("vehicle")] * 2)
    stall = sure_of("stall")
    turned = [verification.take(stall, now_s, QUESTION) for now_s in (40, 60, 80, 100, 120)]
    assert turned.count(True) == 1
    assert verification.since_s == 30, (
        "the middle between the last refusal and the first that is none"
    )


def test_who_comes_out_of_a_crowd_has_stood_there_all_along() -> None:
    verification = told(*[sure_of("people")] * 2)
    assert not any(
        verification.take(sure_of("stall"), now_s, QUESTION) for now_s in range(40, 200, 20)
    )
    assert not verification.refused
    assert verification.since_s is None


def test_the_one_that_has_waited_longest_is_asked_about_and_no_other() -> None:
    asked: list[Box] = []

    def answer(box: Box) -> Answer:
        asked.append(box)
        return sure_of("stall")

    boxes = [Box(0.1 * index, 0.5, 0.1 * index + 0.05, 0.6) for index in range(3)]
    due = [(box, VerifierAnswers()) for box in boxes]
    for now_s in range(3):
        ask_next(due, answer, now_s, QUESTION)
    assert asked == boxes


def test_where_nobody_answers_all_that_was_said_grows_old() -> None:
    box = Box(0.1, 0.5, 0.2, 0.6)
    due = [(box, told(sure_of("people"), sure_of("people"))) for _ in range(3)]
    ask_next(due, lambda _: None, 2000.0, QUESTION)
    assert [each for _, each in due] == [VerifierAnswers()] * 3


probabilities = st.lists(
    st.floats(0, 1), min_size=len(CANDIDATE_KINDS), max_size=len(CANDIDATE_KINDS)
)
steps = st.lists(st.tuples(st.integers(1, 200), st.none() | probabilities), max_size=40)


@given(steps, st.integers(0, 40), st.integers(-(10**6), 10**6))
def test_whatever_is_answered_the_verdict_is_one_and_a_restart_changes_nothing(
    told: list[tuple[int, list[float] | None]], restart: int, shift_s: int
) -> None:
    """Any answers at any times: never both verdicts, never by fewer answers, and the same after a restart."""
    here, there, now_s, moved_s = VerifierAnswers(), VerifierAnswers(), 0, 0
    for index, (step_s, values) in enumerate(told):
        if index == restart:
            there = VerifierAnswers.restored(json.loads(json.dumps(asdict(here))))
            there.resume(shift_s)
            moved_s = shift_s
        now_s += step_s
        answer = None
        if values is not None:
            total = sum(values) or 1.0
            answer = {
                kind: value / total for kind, value in zip(CANDIDATE_KINDS, values, strict=True)
            }
        turned = here.take(answer, now_s, QUESTION)
        assert there.take(answer, now_s + moved_s, QUESTION) is turned
        for each in (here, there):
            assert not (each.confirmed and each.refused)
            assert len(each.answers) <= POOLED_ANSWERS
            assert each.decides or not (each.confirmed or each.refused)
            assert not each.rules_out(is_case=True) or each.rules_out(is_case=False)
            if each.rules_out(is_case=True):
                assert each.refusals >= ENDING_ANSWERS >= DECIDING_ANSWERS
            pooled = each.pooled()
            assert not pooled or sum(pooled.values()) == pytest.approx(1.0)
        assert (here.confirmed, here.refused, here.refusals) == (
            there.confirmed,
            there.refused,
            there.refusals,
        )
        assert here.pooled() == there.pooled()
        if here.turned_s is not None:
            assert there.turned_s == pytest.approx(here.turned_s + moved_s, abs=1e-6)
