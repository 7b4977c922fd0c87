"""Real things in real places: what is filmed is what the truth says, and the same every time."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.intervals import wilson
from tests.support.staged_clips import Told, site_of, staged
from training.composited import cutouts
from training.composited.cutouts import Entry
from training.composited.places import Place
from training.composited.regions import STALL_KINDS, box_of
from training.composited.scenes import Actor, Problem, Scene, Step, film, shot_at, shots, way
from training.composited.script import all_scenes

RED = (0, 0, 255)
GROUND = ((0.0, 0.4), (1.0, 0.4), (1.0, 1.0), (0.0, 1.0))
PLACE = Place("yard", "set/yard.jpg", 0.5, 0.0, GROUND, ((0.5, 0.9),), noise=1.0)
CRATE = Entry("crate", "stall", "set/crate.png", (0.25, 0.25, 0.75, 0.75), 1.0, "day",
              ((0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75)))  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A set of two pictures: a grey yard, and a red crate on green."""
    folder = tmp_path / "data" / "set"
    folder.mkdir(parents=True)
    cv2.imwrite(str(folder / "yard.jpg"), np.full((240, 320, 3), 128, np.uint8))
    crate = np.full((80, 80, 3), (0, 255, 0), np.uint8)
    crate[20:60, 20:60] = RED
    cv2.imwrite(str(folder / "crate.png"), crate)
    return tmp_path / "data"


def scene_of(*steps: Step, seconds: float = 3.0) -> Scene:
    told = (Problem("street_vending", "no-vending", steps[0].at_s, steps[-1].at_s, "crate"),)
    return Scene("yard-00", PLACE, seconds, 1, actors=(Actor(CRATE, steps),), problems=told)


def redness(picture: cutouts.Picture) -> float:
    """Share of the pixels that are much redder than grey."""
    apart = picture[..., 2].astype(int) - picture[..., 1]
    return float((apart > 60).mean())


def test_what_is_cut_out_is_what_lies_in_its_outline(data: Path) -> None:
    thing = cutouts.cut(CRATE, data)
    inside = thing.matte > 0.9
    assert inside.mean() > 0.7
    assert (thing.picture[inside] == RED).all()


def test_a_thing_is_in_the_picture_from_its_first_step_to_its_last(data: Path) -> None:
    scene = scene_of(*way((0.5, 0.9), (1.0, 2.0)))
    there = {now_s for now_s, picture in shots(scene, data) if redness(picture) > 0.01}
    assert there == {1.0, 1.2, 1.4, 1.6, 1.8}


def test_a_thing_fills_the_box_that_is_told_of_it(data: Path) -> None:
    scene = scene_of(Step(0.0, 0.3, 0.8), Step(2.0, 0.7, 0.9))
    picture = shot_at(scene, data, 1.0)
    box = box_of(scene, scene.actors[0], 1.0, picture.shape, data)
    assert box is not None
    height, width = picture.shape[:2]
    part = picture[
        round(box.top * height) : round(box.bottom * height),
        round(box.left * width) : round(box.right * width),
    ]
    assert redness(part) > 0.8
    assert redness(picture) == pytest.approx(redness(part) * box.area, rel=0.1)


def test_what_stands_nearer_is_larger() -> None:
    near, far = PLACE.height(0.9, 1.75), PLACE.height(0.5, 1.75)
    assert near == pytest.approx(0.45)
    assert far == pytest.approx(0.25)
    assert PLACE.height(-0.1, 1.75) == 0.0


def test_the_same_scene_is_filmed_alike_twice(data: Path) -> None:
    scene = scene_of(*way((0.5, 0.9), (1.0, 2.0)))
    once = [picture for _, picture in shots(scene, data)]
    again = [picture for _, picture in shots(scene, data)]
    assert all(np.array_equal(one, other) for one, other in zip(once, again, strict=True))
    other = [picture for _, picture in shots(replace(scene, seed=2), data)]
    assert not np.array_equal(once[0], other[0])


def test_a_filmed_scene_can_be_replayed_with_its_truth(data: Path, tmp_path: Path) -> None:
    folder = film(scene_of(*way((0.5, 0.9), (1.0, 2.0))), data, tmp_path / "clips")
    assert staged(folder) == [Told("street_vending", "no-vending", 1.0, 2.0)]
    site = site_of(folder, {"street_vending": {"allowed_s": 1}})
    assert {zone.kind for zone in site.zones} == {"no_vending", "no_parking", "no_dumping"}
    assert Path(site.cameras[0].settings["path"]).name == "clip.avi"


def test_every_staged_problem_is_there_for_as_long_as_it_is_told() -> None:
    scenes = all_scenes(cutouts.entries(), seed=1)
    assert len({scene.name for scene in scenes}) == len(scenes)
    told = [(scene, problem) for scene in scenes for problem in scene.problems]
    assert {problem.kind for _, problem in told} == {
        "street_vending", "misparked_bike", "exposed_rubbish", "overflowing_bin",
    }  # fmt: skip
    for scene, problem in told:
        steps = next(one.steps for one in scene.actors if one.thing.name == problem.thing)
        standing = [(a, b) for a, b in pairwise(steps) if (a.x, a.y) == (b.x, b.y)]
        assert [(a.at_s, b.at_s) for a, b in standing] == [(problem.begins_s, problem.ends_s)]
        assert problem.ends_s + 4 <= scene.seconds


def test_nothing_nasty_has_a_problem_and_no_scene_has_the_same_person_twice() -> None:
    for scene in all_scenes(cutouts.entries(), seed=1):
        assert bool(scene.problems) == scene.name.startswith(("problems", "rubbish", "overflow"))
        people = [one.thing.name for one in scene.actors if one.thing.kind == "person"]
        assert len(set(people)) == len(people)
        if not scene.name.startswith(("bollard", "delivery")):
            stalls = [
                one for one in scene.actors if one.thing.kind in STALL_KINDS - {"goods", "cafe"}
            ]
            assert bool(stalls) == scene.name.startswith("problems")


def test_an_interval_holds_its_share_and_narrows_with_the_count() -> None:
    low, high = wilson(8, 10)
    assert low == pytest.approx(0.490, abs=0.001)
    assert high == pytest.approx(0.943, abs=0.001)
    assert wilson(80, 100)[1] - wilson(80, 100)[0] < high - low
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(5, 5)[1] == 1.0
