"""How far what teachers see is believed beside a picture's own labels."""

from __future__ import annotations

import numpy as np
import pytest

from training.street_detector.beliefs import DOUBTED, Belief
from training.street_detector.classes import STREET_CLASSES

HERE, THERE = (0.1, 0.1, 0.3, 0.5), (0.6, 0.6, 0.9, 0.9)


def said(*rows: tuple[str, float, tuple[float, float, float, float]]) -> Belief:
    """What a teacher saw: class, score, box."""
    return Belief(
        np.array([box for _, _, box in rows]).reshape(-1, 4),
        np.array([STREET_CLASSES.index(name) for name, _, _ in rows], int),
        np.array([score for _, score, _ in rows]),
        closed=True,
    )


def beside(belief: Belief, label: str = "stall", known: str = "stall") -> list[tuple[str, float]]:
    """What is believed beside one labelled thing: label and worth."""
    labels, _, worth = belief.beside([label], np.array([THERE]), frozenset({known}))
    return [(label, round(float(each), 3)) for label, each in zip(labels, worth, strict=True)]


@pytest.mark.parametrize(
    ("score", "believed"),
    [(0.9, ("person", 1.0)), (0.45, ("person", 0.75)), (0.2, (DOUBTED, 0.333))],
)
def test_a_person_that_nobody_labelled_counts_by_the_score(
    score: float, believed: tuple[str, float]
) -> None:
    assert beside(said(("person", score, HERE))) == [believed]


def test_what_is_hardly_seen_is_not_mentioned() -> None:
    assert beside(said(("person", 0.1, HERE))) == []


def test_a_class_that_the_set_labels_needs_no_teacher() -> None:
    assert beside(said(("bicycle", 0.9, HERE)), "bicycle", known="bicycle") == []


def test_a_stall_is_not_a_lorry_as_well_but_may_have_a_person_before_it() -> None:
    belief = said(("truck", 0.8, THERE), ("person", 0.8, THERE), ("truck", 0.8, HERE))
    assert beside(belief) == [("person", 1.0), ("truck", 1.0)]


@pytest.mark.parametrize("name", ["bin", "rubbish"])
def test_a_street_model_never_teaches_itself_bins_and_rubbish(name: str) -> None:
    assert [label for label, _ in beside(said((name, 0.95, HERE)))] == [DOUBTED]


def test_what_was_said_of_some_classes_can_be_left_out_or_renamed() -> None:
    belief = said(("motorcycle", 0.9, HERE), ("truck", 0.9, THERE))
    assert beside(belief.only({"motorcycle"}).renamed("motorcycle", "bicycle")) == [
        ("bicycle", 1.0)
    ]
