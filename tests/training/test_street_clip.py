"""The rendered clips, their truth and their zones belong together; no Blender is needed here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.support.paths import ROOT
from training.street.clip import planned_truth, zones
from training.street.story import FPS, plan
from training.street.video import sha256_of

BUNDLED = ROOT / "examples" / "street"
HELD_OUT = [ROOT / "tests" / "support" / "clips" / f"seed-{seed}" for seed in (505, 606, 707)]
CLIPS = [BUNDLED, *HELD_OUT]
MAX_BYTES = {BUNDLED: 8_000_000} | dict.fromkeys(HELD_OUT, 1_250_000)
ALLOWED_S = 10


@pytest.fixture(params=CLIPS, ids=lambda folder: folder.name)
def folder(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


def read(folder: Path, name: str) -> dict[str, Any]:
    return dict(json.loads((folder / name).read_text()))


def planned(folder: Path) -> Any:
    clip = read(folder, "truth.json")["clip"]
    return plan(clip["seed"], clip["seconds"], (clip["width"], clip["height"]))


def test_the_same_seed_plans_the_same_clip(folder: Path) -> None:
    assert planned(folder) == planned(folder)


def test_another_seed_plans_another_clip() -> None:
    assert plan(101, 75, (640, 360)).problems != plan(202, 75, (640, 360)).problems


def test_the_truth_is_what_the_seed_plans(folder: Path) -> None:
    truth, made = read(folder, "truth.json"), planned_truth(planned(folder))
    assert {name: truth[name] for name in made} == json.loads(json.dumps(made))


def test_the_zones_are_what_the_seed_plans(folder: Path) -> None:
    made = zones(planned(folder))["zones"]
    for zone, again in zip(read(folder, "zones.json")["zones"], made, strict=True):
        assert {**zone, "polygon": 0} == {**again, "polygon": 0}
        assert np.allclose(zone["polygon"], again["polygon"], atol=0.002)


def test_the_clip_is_the_one_the_truth_describes(folder: Path) -> None:
    clip = read(folder, "truth.json")["clip"]
    path = folder / clip["file"]
    assert sha256_of(path) == clip["sha256"]
    assert path.stat().st_size <= MAX_BYTES[folder]
    video = cv2.VideoCapture(str(path))
    try:
        assert video.get(cv2.CAP_PROP_FRAME_WIDTH) == clip["width"]
        assert video.get(cv2.CAP_PROP_FRAME_HEIGHT) == clip["height"]
        assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(clip["fps"]) == FPS
        assert video.get(cv2.CAP_PROP_FRAME_COUNT) == pytest.approx(clip["seconds"] * FPS, abs=1)
        assert video.read()[0]
    finally:
        video.release()


def test_each_problem_lies_in_its_zone_and_in_no_other_of_its_kind(folder: Path) -> None:
    truth = read(folder, "truth.json")
    polygons = {
        z["zone_id"]: np.array(z["polygon"], np.float32)
        for z in read(folder, "zones.json")["zones"]
    }
    for problem in truth["problems"]:
        left, top, right, bottom = truth["objects"][problem["object"]]["box"]
        middle = (top + bottom) / 2 if problem["kind"] == "overflowing_bin" else bottom
        point = ((left + right) / 2, middle)
        assert cv2.pointPolygonTest(polygons[problem["zone_id"]], point, False) > 0
        assert cv2.pointPolygonTest(polygons["bay"], point, False) < 0


def test_every_clip_shows_each_kind_of_problem_for_long_enough(folder: Path) -> None:
    truth = read(folder, "truth.json")
    kinds = {p["kind"] for p in truth["problems"]}
    assert kinds == {"misparked_bike", "street_vending", "overflowing_bin"}
    for problem in truth["problems"]:
        assert problem["ends_s"] - problem["begins_s"] >= 3 * ALLOWED_S


def test_a_group_hides_the_misparked_bicycle_for_a_few_seconds(folder: Path) -> None:
    truth = read(folder, "truth.json")
    [hiding] = [d for d in truth["distractors"] if d["what"] == "group_hides_bike"]
    hidden = [
        t for t, share in truth["objects"]["bike-1"]["visible"]
        if share < 0.3 and hiding["begins_s"] - 4 <= t <= hiding["ends_s"] + 4
    ]  # fmt: skip
    assert 3 <= max(hidden) - min(hidden) <= 7


def test_what_must_raise_nothing_is_there_too(folder: Path) -> None:
    truth = read(folder, "truth.json")
    whats = {d["what"] for d in truth["distractors"]}
    assert whats >= {
        "crowd",
        "parked_car",
        "ridden_bike",
        "lawful_bike",
        "light_change",
        "group_hides_bike",
    }


def test_most_of_a_clip_is_away_from_begins_and_ends(folder: Path) -> None:
    truth = read(folder, "truth.json")
    turns = [p[key] for p in truth["problems"] for key in ("begins_s", "ends_s")]
    frames = np.arange(0, truth["clip"]["seconds"], 1 / FPS)
    near = np.any([np.abs(frames - turn) <= 2 for turn in turns], axis=0)
    assert near.mean() <= 0.34
