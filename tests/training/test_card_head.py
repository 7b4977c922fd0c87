"""The first lines of every card: what another corner can expect, and whose pictures taught."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.card_head import Figure, Head, share_of
from training.evaluate.folds import spread
from training.evaluate.metrics import Interval

FIRST = Figure("recall of stalls", "35 with", folds=spread([0.7, 0.8, 0.9]), aim="≥ 0.75", met=True)
HEAD = Head([FIRST], "5 folds by source, 3 times", 12, "3 networks, 4 margins", ["malta_bags"])


@given(st.integers(1, 400), st.data())
def test_the_interval_of_a_share_holds_it_and_stays_between_nothing_and_all(
    count: int, data: st.DataObject
) -> None:
    share = share_of(data.draw(st.integers(0, count)), count)
    assert 0 <= share.low <= share.value <= share.high <= 1
    assert share.low < share.high


def test_no_mistake_in_few_pictures_is_no_proof_of_none() -> None:
    assert share_of(0, 10).high == pytest.approx(0.2775, abs=1e-4)  # Wilson's, from the tables
    assert share_of(5, 10).low == pytest.approx(0.2366, abs=1e-4)
    assert share_of(0, 1000).high < 0.004


def test_a_share_of_nothing_is_none() -> None:
    assert math.isnan(share_of(0, 0).value)


def test_a_card_begins_with_what_another_corner_can_expect() -> None:
    head, lead, *_ = HEAD.text().split("\n\n")
    assert head == "## What to expect"
    assert "recall of stalls 0.800 ± 0.100 (0.700–0.900)" in lead


def test_a_card_whose_first_figure_is_of_one_part_alone_is_refused() -> None:
    lucky = replace(FIRST, folds=None, once=Interval(0.984, 0.95, 1.0))
    with pytest.raises(ValueError, match="over folds"):
        replace(HEAD, figures=[lucky]).text()


def test_day_and_night_stand_apart_and_what_was_not_measured_is_a_dash() -> None:
    row = replace(FIRST, night=Interval(0.9, 0.8, 0.95)).row()
    assert row[-2:] == ["–", "0.900 (0.800–0.950)"]


def test_a_figure_without_a_spread_does_not_pretend_to_one() -> None:
    assert replace(FIRST, folds=spread([])).row()[2] == "–"
    assert replace(FIRST, folds=spread([0.7])).row()[2] == "0.700, one fold"


def test_a_figure_below_its_aim_says_so() -> None:
    assert "falls short" in replace(FIRST, met=False).row()[1]
    assert "falls short" not in FIRST.row()[1]


def test_the_number_of_choices_and_the_licences_are_told() -> None:
    text = HEAD.text()
    assert "12 choices were tried" in text
    assert "| malta_bags | none stated | no |" in text
    assert "(`--licences stated`): Not measured." in text
