"""Real things set down in a real place: an attended stall is one case, and what only looks like a problem is none."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from agent.runtime.replay import replay
from tests.support.paths import SHARED
from tests.support.staged_clips import site_of
from training.composited import cutouts
from training.composited.places import FRAMES_PER_S
from training.composited.scenes import Scene, film
from training.composited.script import scene_named

DATA = SHARED / "data"
SHORT = {
    "misparked_bikes": {"allowed_s": 6},
    "street_vending": {"allowed_s": 6},
    "exposed_rubbish": {"allowed_s": 5, "clear_after_s": 3},
}
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (DATA / "vending_streets").exists(),
        reason="the real pictures are not part of the project (../shared/data)",
    ),
]


def opened(scene: Scene, folder: Path) -> Counter[str]:
    """The kinds of cases that a scene opens."""
    clip = film(scene, DATA, folder)
    report = replay(site_of(clip, SHORT), base=clip, frames_per_s=FRAMES_PER_S)
    return Counter(event.body.kind for event in report.events if event.type == "case.opened")


def staged(name: str) -> Scene:
    return scene_named(name, cutouts.entries(), seed=1)


def test_a_real_stall_that_somebody_attends_is_one_case(tmp_path: Path) -> None:
    scene = staged("problems-03")
    stall, keeper = scene.actors[:2]
    alone = replace(scene, actors=(stall, keeper), problems=(), seconds=20, cloud_s=None)
    assert opened(alone, tmp_path) == {"street_vending": 1}


def test_a_cart_that_leaves_at_once_is_no_case(tmp_path: Path) -> None:
    scene = staged("delivery-carts-00")
    cart, keeper = scene.actors[:2]
    assert opened(replace(scene, actors=(cart, keeper), seconds=22), tmp_path) == {}


@pytest.mark.parametrize(("name", "seconds"), [("empty-rack-00", 20), ("people-talking-01", 30)])
def test_an_empty_rack_and_people_who_talk_are_no_case(
    name: str, seconds: float, tmp_path: Path
) -> None:
    assert opened(replace(staged(name), seconds=seconds), tmp_path) == {}
