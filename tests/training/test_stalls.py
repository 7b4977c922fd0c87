"""Promises of the stalls' benchmark: what it lays is where it says, and only a name there counts."""

from __future__ import annotations

import random
from pathlib import Path

import click
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import inference
from benchmarks import stalls
from tests.support.compositing import SPRITES
from training.datasets.readers import Labelled
from training.datasets.rendered import transparent_cut_out
from training.evaluate.judging import StreetJudge
from training.street.stall_kinds import BUILDS, random_stall


@pytest.fixture
def street(tmp_path: Path) -> Labelled:
    """A street of plain pavement."""
    path = tmp_path / "street.png"
    ground = np.random.default_rng(3).normal(120, 6, (600, 800, 3))
    cv2.imwrite(str(path), ground.clip(0, 255).astype(np.uint8))
    return Labelled(path, "pavement", (), (), frozenset())


def test_a_stall_that_was_laid_is_told_with_its_build_size_and_score(street: Labelled) -> None:
    path = street.path.with_name("51-004-cart-parasol.png")
    path.write_bytes((SPRITES / "stall.png").read_bytes())
    judge = StreetJudge(inference.find_model("street"))
    laid = [stalls.lay(judge, street, path, np.random.default_rng(seed)) for seed in range(4)]
    told = [each for each in laid if each is not None]
    assert {each.build for each in told} == {"cart, parasol"}
    assert all(5 < each.side_px < 416 for each in told)
    assert max(each.score for each in told) > 0.5


def test_a_thing_that_is_no_stall_has_no_score(street: Labelled) -> None:
    blank = np.full((120, 90, 4), 200, np.uint8)
    path = street.path.with_name("51-005-table-bare.png")
    cv2.imwrite(str(path), blank)
    judge = StreetJudge(inference.find_model("street"))
    laid = stalls.lay(judge, street, path, np.random.default_rng(1))
    assert laid is not None
    assert laid.score < 0.25


def test_a_stall_s_own_box_lies_beside_its_picture(tmp_path: Path) -> None:
    path = tmp_path / "51-006-tent-bare.png"
    path.write_bytes((SPRITES / "stall.png").read_bytes())
    assert transparent_cut_out(path).box == (0, 0, 1, 1)
    path.with_suffix(".json").write_text('{"box": [0.1, 0.2, 0.9, 1.0]}')
    assert transparent_cut_out(path).box == (0.1, 0.2, 0.9, 1.0)


@pytest.mark.parametrize("text", ["{", "[]", '{"box": [0, 0, 1]}', '{"box": [0.5, 0, 0.4, 1]}'])
def test_a_box_that_is_none_is_refused_with_its_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "51-006-tent-bare.png"
    path.write_bytes((SPRITES / "stall.png").read_bytes())
    path.with_suffix(".json").write_text(text)
    with pytest.raises(click.ClickException, match=r"51-006-tent-bare\.json"):
        transparent_cut_out(path)


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_a_drawn_stall_stands_on_the_ground_and_says_what_it_is(seed: int) -> None:
    drawn = random_stall(random.Random(seed))
    build, cover = drawn.build.split("-")
    assert build in BUILDS
    assert cover in {"bare", "parasol"}
    corners = np.concatenate([mesh.vertices for mesh in drawn.stall])
    assert -0.05 <= corners[:, 2].min() <= 0.06
    assert 0.1 < corners[:, 2].max() < 3.5
    assert np.ptp(corners[:, 0]) < 4.5
    assert len(drawn.people) <= 3
    for somebody in drawn.people:
        assert 1.2 < somebody.vertices[:, 2].max() < 2.1


def test_a_model_that_is_not_there_or_finds_nothing_is_refused() -> None:
    with pytest.raises(click.ClickException, match="street-640"):
        stalls.judge_of("nowhere")
    with pytest.raises(click.ClickException, match="no detector"):
        stalls.judge_of("bin-state")
    assert stalls.judge_of(str(inference.find_model("street"))).folder.name == "street"


def test_a_picture_without_a_transparent_ground_is_refused(street: Labelled) -> None:
    with pytest.raises(click.ClickException, match="transparent"):
        transparent_cut_out(street.path)
