"""What the verifier's candidates promise; torch is not needed for any of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain.labels import CANDIDATE_KINDS as KINDS
from agent.domain.scene import Box, Detection
from training.evaluate.candidates import CONFIRMS, REFUSES, Asked, Place, places_of, together
from training.evaluate.judging import Sight
from training.evaluate.sources import Item
from training.verifier.candidates import (
    Candidate,
    Proposal,
    Scene,
    Thing,
    candidates_of,
    only,
    shares_of,
    told,
    touching_groups,
)
from training.verifier.mixture import KIND_WEIGHTS, chances

STALL = Thing("stall", (0.1, 0.2, 0.5, 0.8))
EDGES = st.tuples(*[st.floats(0, 0.4)] * 2, *[st.floats(0.5, 1)] * 2)


def scene(**changes: object) -> Scene:
    """A street by day without anything in it, but for what is changed."""
    empty = Scene(Path("street.jpg"), "vending_streets", "source", "train", False, ())
    return replace(empty, **changes)  # type: ignore[arg-type]


@given(EDGES, st.lists(st.tuples(st.sampled_from(KINDS[1:7]), EDGES), max_size=4))
def test_shares_of_a_place_add_up_to_one(
    box: tuple[float, ...], things: list[tuple[str, tuple[float, ...]]]
) -> None:
    found = [Thing(kind, edges) for kind, edges in things]  # type: ignore[arg-type]
    assert sum(shares_of(box, found)) == pytest.approx(1)  # type: ignore[arg-type]


def test_a_place_on_a_stall_is_one_beside_it_is_none_and_between_is_not_told() -> None:
    street = scene(things=[STALL])
    assert told((0.12, 0.22, 0.5, 0.8), street) == only("stall")
    assert told((0.6, 0.2, 0.9, 0.8), street) == only("nothing")
    assert told((0.4, 0.2, 0.7, 0.8), street) is None


def test_a_place_is_what_covers_most_of_it_and_a_mixture_keeps_its_shares() -> None:
    street = scene(believed=[Thing("two_wheelers", (0.0, 0.0, 0.5, 1.0))])
    assert told((0.1, 0.1, 0.5, 0.9), street) == only("two_wheelers")
    shares = told((0.1, 0.1, 0.9, 0.9), street)
    assert shares is not None
    assert shares[KINDS.index("two_wheelers")] == pytest.approx(0.5, abs=0.05)
    assert shares[KINDS.index("nothing")] == pytest.approx(0.5, abs=0.05)


def test_nothing_is_told_of_what_nobody_can_judge() -> None:
    assert told((0.1, 0.1, 0.3, 0.3), scene(unsure=[(0.0, 0.0, 0.4, 0.4)])) is None


def test_a_row_of_bikes_is_a_candidate_of_its_own() -> None:
    bikes = [(0.1, 0.5, 0.2, 0.7), (0.21, 0.5, 0.3, 0.7), (0.8, 0.5, 0.9, 0.7)]
    assert touching_groups(bikes, 0.3) == [(0.1, 0.5, 0.3, 0.7)]
    found = candidates_of(
        scene(things=[Thing("two_wheelers", box) for box in bikes]), 0, np.random.default_rng(1)
    )
    assert [(each.source, each.kind) for each in found] == [
        *[("label", "two_wheelers")] * 3,
        ("group", "two_wheelers"),
    ]


def test_a_candidate_tells_how_sure_the_detector_was_of_a_stall_there() -> None:
    seen = [Proposal("stall", 0.3, (0.1, 0.2, 0.5, 0.75)), Proposal("car", 0.9, STALL.box)]
    found = candidates_of(scene(things=[STALL], proposed=seen), 0, np.random.default_rng(1))
    assert [(each.source, each.detected) for each in found] == [
        ("label", 0.3),
        ("detector", 0.3),
        ("detector", 0.3),
    ]


def test_kinds_are_drawn_by_their_weight_and_no_place_is_most_of_one() -> None:
    many = [Candidate(scene(), STALL.box, only("stall"), "label")] * 100
    few = [Candidate(scene(group="other"), STALL.box, only("stall"), "label")]
    bins = [Candidate(scene(set_name="bins"), STALL.box, only("bin"), "detector")] * 3
    drawn = chances([*many, *few, *bins])
    assert drawn.sum() == pytest.approx(1)
    assert drawn[-3:].sum() / drawn.sum() == pytest.approx(
        KIND_WEIGHTS["bin"] / (KIND_WEIGHTS["bin"] + KIND_WEIGHTS["stall"])
    )
    assert drawn[100] / drawn[:100].sum() == pytest.approx(0.1)


@pytest.fixture
def item(tmp_path: Path) -> Item:
    """A picture of 200 by 100 pixels with a stall in its left half."""
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.zeros((100, 200, 3), np.uint8))
    boxes = (("stall", (20.0, 10.0, 80.0, 90.0)),)
    return Item(path, "vending_streets", "stall", boxes, frozenset({"stall"}), "g", "0f" * 8)


def seen(confidence: float, box: Box, label: str = "stall") -> Detection:
    """A detection as a sight holds it."""
    return Detection(label, confidence, box)


def test_fixed_candidates_are_the_labels_moved_about_and_all_that_a_detector_proposes(
    item: Item,
) -> None:
    sight = Sight(
        (
            seen(0.4, Box(0.1, 0.1, 0.4, 0.8)),
            seen(0.06, Box(0.6, 0.1, 0.9, 0.9), "bin"),
            seen(0.2, Box(0.3, 0.1, 0.7, 0.9)),
            seen(0.04, Box(0.7, 0.5, 0.9, 0.9)),
        )
    )
    places = places_of(item, sight, (200, 100), without_stall=False)
    assert [(place.kind, place.detected) for place in places] == [
        ("stall", 0.4),
        ("stall", 0.4),
        ("stall", 0.4),
        (None, 0.0),
    ]
    labelled = Box(0.1, 0.1, 0.4, 0.9)
    for place in places[:2]:
        for edge in ("left", "right"):
            assert abs(getattr(place.box, edge) - getattr(labelled, edge)) <= 0.2 * 0.3 + 1e-9
    assert places == places_of(item, sight, (200, 100), without_stall=False)


def test_of_a_picture_that_says_nothing_of_stalls_only_its_own_boxes_are_asked(item: Item) -> None:
    silent = replace(item, boxes=(("bicycle", (20, 10, 80, 90)),), boxed=frozenset({"bicycle"}))
    sight = Sight((seen(0.4, Box(0.5, 0.1, 0.9, 0.8)),))
    asked = places_of(silent, sight, (200, 100), without_stall=False)
    assert [place.kind for place in asked] == ["two_wheelers"] * 2
    asked = places_of(silent, sight, (200, 100), without_stall=True)
    assert [place.kind for place in asked] == ["two_wheelers", "two_wheelers", None]


@pytest.mark.parametrize(
    ("detected", "stall", "so"),
    [
        (0.3, REFUSES, True),
        (0.3, REFUSES - 0.01, False),
        (0.1, CONFIRMS - 0.01, False),
        (0.1, CONFIRMS, True),
        (0.0, REFUSES, False),
    ],
)
def test_together_a_named_place_is_a_stall_unless_refused_and_an_unnamed_one_if_confirmed(
    item: Item, detected: float, stall: float, so: bool
) -> None:
    asked = Asked(Place(item, Box(0.1, 0.1, 0.4, 0.9), None, detected), {"stall": stall})
    assert together(asked, named_from=0.2) is so


def test_the_edge_of_a_shops_goods_is_neither_goods_nor_nothing() -> None:
    street = scene(things=[Thing("shop_goods", (0.0, 0.0, 0.5, 1.0))])
    assert told((0.0, 0.1, 0.5, 0.9), street) == only("shop_goods")
    assert told((0.4, 0.1, 0.9, 0.9), street) is None
    assert told((0.6, 0.1, 0.9, 0.9), street) == only("nothing")
