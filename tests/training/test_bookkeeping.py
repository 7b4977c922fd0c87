"""What the training's own bookkeeping promises; torch is not needed for any of it."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path

import click
import numpy as np
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import still_sequences
from tests.support.paths import ROOT
from training.datasets.augment import letterbox
from training.datasets.groups import join_similar, split_groups
from training.datasets.readers import Labelled, join_touching
from training.datasets.splits import SHARES as STREET_SHARES
from training.datasets.splits import Split, known_of, split_known, write_groups
from training.evaluate.metrics import (
    Scored,
    average_precision,
    balanced_accuracy,
    bootstrap,
    iou_matrix,
    roc_auc,
)
from training.model_folder import hand_on, version_of
from training.street_detector.classes import STREET_CLASSES
from training.street_detector.judge import (
    Found,
    Judged,
    best_threshold,
    decode,
    quiet_threshold,
    suppress,
)
from training.street_detector.pictures import (
    CutOut,
    Example,
    Scene,
    composed,
    device_windows,
    relit,
    take_window,
)

MODELS = sorted(path.parent for path in (ROOT / "models").glob("*/manifest.toml"))
SHARES = {"train": 0.7, "tune": 0.1, "held_out": 0.2}
EMPTY = np.zeros((0, 4))


@given(st.lists(st.integers(0, 12).map(str), min_size=1, max_size=60), st.integers(0, 5))
def test_every_group_has_one_part_whatever_the_seed(groups: list[str], seed: int) -> None:
    parts = split_groups(groups, seed, SHARES)
    assert set(parts) == set(groups)
    assert set(parts.values()) <= set(SHARES)
    assert parts == split_groups(groups[::-1], seed, SHARES)


def test_a_split_comes_near_its_shares_when_groups_are_small() -> None:
    groups = [f"g{index}" for index in range(200)]
    parts = list(split_groups(groups, 1, SHARES).values())
    assert [parts.count(name) for name in SHARES] == [140, 20, 40]


def test_a_place_that_would_be_most_of_a_held_out_part_is_trained_on() -> None:
    groups = ["busy corner"] * 60 + [f"g{index}" for index in range(40)]
    assert split_groups(groups, 1, SHARES)["busy corner"] == "train"


def test_streets_of_equal_size_reach_every_part() -> None:
    groups = [f"street {index // 6}" for index in range(90)]
    assert set(split_groups(groups, 1, SHARES).values()) == set(SHARES)


def test_likeness_joins_through_a_chain() -> None:
    angles = np.radians([0, 20, 40, 120])
    features = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert join_similar(features, similarity=0.9) == [0, 0, 0, 3]


def test_boxes_cut_by_tile_borders_become_one() -> None:
    halves = [(0.0, 0.0, 10.0, 10.0), (10.5, 2.0, 20.0, 9.0), (40.0, 40.0, 50.0, 50.0)]
    assert join_touching(halves, gap_px=1) == [(0.0, 0.0, 20.0, 10.0), (40.0, 40.0, 50.0, 50.0)]


def test_a_perfect_order_has_area_one_and_a_blind_one_a_half() -> None:
    truth = np.array([0, 0, 1, 1])
    assert roc_auc(truth, np.array([0.1, 0.2, 0.3, 0.4])) == 1.0
    assert roc_auc(truth, np.full(4, 0.5)) == 0.5


def test_balanced_accuracy_does_not_reward_the_common_answer() -> None:
    truth = np.array([1] * 9 + [0])
    assert balanced_accuracy(truth, np.ones(10), threshold=0.5) == 0.5


def test_pictures_of_one_place_widen_the_interval() -> None:
    truth = np.repeat([0, 1, 0, 1, 0, 1, 0, 1], 5)
    score = np.repeat([0.1, 0.9, 0.7, 0.4, 0.2, 0.8, 0.6, 0.5], 5)
    alone = bootstrap(roc_auc, truth, score, [str(index) for index in range(40)], rounds=200)
    joined = bootstrap(roc_auc, truth, score, [str(index // 5) for index in range(40)], rounds=200)
    assert alone.value == joined.value
    assert joined.high - joined.low > alone.high - alone.low


def test_a_second_detection_of_one_thing_is_a_false_one() -> None:
    truth = np.array([[0.0, 0.0, 10.0, 10.0], [50.0, 50.0, 60.0, 60.0]])
    once = Scored(truth, np.array([0.9, 0.8]), truth, EMPTY)
    twice = Scored(truth[[0, 0, 1]], np.array([0.9, 0.85, 0.8]), truth, EMPTY)
    assert average_precision([once], iou=0.5) == pytest.approx(1.0)
    assert average_precision([twice], iou=0.5) < 0.9


def test_a_detection_in_a_crowd_counts_neither_way() -> None:
    truth = np.array([[0.0, 0.0, 10.0, 10.0]])
    crowd = np.array([[20.0, 20.0, 40.0, 40.0]])
    boxes, scores = np.concatenate([crowd, truth]), np.array([0.9, 0.8])
    assert average_precision([Scored(boxes, scores, truth, crowd)], 0.5) == pytest.approx(1.0)
    assert average_precision([Scored(boxes, scores, truth, EMPTY)], 0.5) == pytest.approx(0.5)


def test_a_window_carries_its_boxes_along() -> None:
    picture = np.zeros((360, 640, 3), np.uint8)
    picture[100:150, 300:380] = 255
    boxes = np.array([[300.0, 100.0, 380.0, 150.0], [0.0, 0.0, 205.0, 90.0]])
    scene = Scene(picture, ("bin", "car"), boxes, frozenset({"bin"}))
    example = take_window(scene, (200.0, 50.0, 500.0, 350.0))
    rows, columns = np.nonzero(example.picture[..., 0] > 200)
    seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert np.abs(example.boxes[0] - seen).max() <= 2
    assert len(example.boxes) == 1, "a sliver of the car is left: nobody is judged on it"
    assert example.exhaustive.sum() == 1


def test_windows_cover_the_whole_picture() -> None:
    covered = np.zeros((960, 1280), bool)
    for left, top, right, bottom in device_windows(1280, 960):
        assert right - left == bottom - top == 600
        covered[int(top) : int(np.ceil(bottom)), int(left) : int(np.ceil(right))] = True
    assert covered.all()


def test_a_letterbox_keeps_the_shape_of_things() -> None:
    square, scale = letterbox(np.full((100, 200, 3), 7, np.uint8), 416)
    assert square.shape == (416, 416, 3)
    assert scale == pytest.approx(2.08)
    assert (square[:208] == 7).all()
    assert (square[209:] == 114).all()


def test_suppression_keeps_the_surest_of_a_heap() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [30, 30, 40, 40]], float)
    assert suppress(boxes, np.array([0.5, 0.9, 0.3]), iou=0.6).tolist() == [1, 2]


def test_decoding_places_the_first_cell_of_each_stride() -> None:
    output = np.zeros((3549, 15))
    output[:, 4], output[:, 5] = 0.5, 0.5
    boxes, scores = decode(output)
    assert boxes[0].tolist() == [-4, -4, 4, 4]
    assert boxes[52 * 52].tolist() == [-8, -8, 8, 8]
    assert boxes[52 * 52 + 26 * 26].tolist() == [-16, -16, 16, 16]
    assert scores[0, 0] == 0.25
    assert iou_matrix(boxes[:1], boxes[:1])[0, 0] == pytest.approx(1.0)


@pytest.mark.parametrize("folder", MODELS, ids=lambda folder: folder.name)
def test_a_models_papers_agree_with_its_file(folder: Path) -> None:
    manifest = tomllib.loads((folder / "manifest.toml").read_text(encoding="utf-8"))
    model = folder / manifest["file"]
    assert hashlib.sha256(model.read_bytes()).hexdigest() == manifest["sha256"]
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    [taken], [given_back] = session.get_inputs(), session.get_outputs()
    spec = manifest["input"]
    assert taken.name == spec["name"]
    assert taken.shape == [1, 3, spec["height"], spec["width"]]
    assert given_back.name == manifest["output"]["name"]
    assert given_back.shape == manifest["output"]["shape"]
    extra = {"yolox": 5, "nanodet_plus": 4 * 8, "classifier": 0}[manifest["family"]]
    assert len(manifest["classes"]) + extra == given_back.shape[-1]
    assert all(0 < each["threshold"] < 1 for each in manifest["classes"])
    assert (folder / "NOTICE").read_text(encoding="utf-8").strip()
    assert manifest["version"] in (folder / "CARD.md").read_text(encoding="utf-8")


def test_a_model_made_from_another_keeps_its_papers_but_for_what_it_is(tmp_path: Path) -> None:
    source, out = MODELS[0], tmp_path / "made"
    out.mkdir()
    (out / "model.onnx").write_bytes(b"another network")
    hand_on(source, out, r"of \1 “it”", version="9.9.9")
    before, after = (
        tomllib.loads((folder / "manifest.toml").read_text(encoding="utf-8"))
        for folder in (source, out)
    )
    assert after == before | {
        "name": "made",
        "version": "9.9.9",
        "sha256": hashlib.sha256(b"another network").hexdigest(),
        "provenance": r"of \1 “it”",
    }
    assert (out / "groups.json").read_bytes() == (source / "groups.json").read_bytes()
    assert version_of(out) == "9.9.9"


@pytest.mark.parametrize("folder", MODELS, ids=lambda folder: folder.name)
def test_no_group_of_a_published_split_straddles_two_parts(folder: Path) -> None:
    rows = json.loads((folder / "groups.json").read_text(encoding="utf-8"))
    parts: dict[str, set[str]] = {}
    for row in rows:
        parts.setdefault(row["group"], set()).add(row["part"])
    assert rows
    assert all(len(each) == 1 for each in parts.values())


def test_the_bins_that_are_judged_as_stills_were_held_out_of_the_shipped_model() -> None:
    rows = json.loads((ROOT / "models/bin-state/groups.json").read_text(encoding="utf-8"))
    parts = {row["file"]: row["part"] for row in rows}
    judged = {
        file for triple in still_sequences.named("overflowing_bin") for file in triple.values()
    }
    assert {parts[file] for file in judged} == {"held_out"}


def _streets(
    folder: Path, count: int, seed: int = 1, kept: Mapping[str, str] | None = None
) -> Split:
    """One picture each of so many places."""
    folder.mkdir(parents=True, exist_ok=True)
    items = []
    for index in range(count):
        path = folder / f"{index}.jpg"
        path.write_bytes(b"%d" % index)
        items.append(Labelled(path, "somewhere", (), (), frozenset(), f"place {index}"))
    return split_known(items, [str(item.place) for item in items], seed, kept)


def test_what_an_earlier_model_was_made_with_stays_in_its_part(tmp_path: Path) -> None:
    first = _streets(tmp_path / "pictures", 40)
    write_groups(tmp_path / "groups.json", [first])
    later = _streets(tmp_path / "pictures", 90, seed=2, kept=known_of(tmp_path).parts)
    assert later.parts[:40] == first.parts
    assert set(later.parts[40:]) == set(STREET_SHARES)


def test_the_pictures_of_an_earlier_model_are_published_with_those_of_the_next(
    tmp_path: Path,
) -> None:
    earlier, later = tmp_path / "earlier", tmp_path / "later"
    earlier.mkdir()
    later.mkdir()
    write_groups(earlier / "groups.json", [_streets(tmp_path / "pictures", 30)])
    fewer = _streets(tmp_path / "pictures", 10, kept=known_of(earlier).parts)
    write_groups(later / "groups.json", [fewer], earlier)
    assert known_of(later) == known_of(earlier)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "groups.json"),
        ("[]]", "groups.json"),
        ('[{"file": "a", "part": "train"}]', "group"),
        ('[{"file": "a", "group": "g", "part": "mine"}]', "held_out"),
    ],
)
def test_a_folder_that_does_not_tell_its_pictures_is_refused_as_a_beginning(
    tmp_path: Path, content: str | None, told: str
) -> None:
    if content is not None:
        (tmp_path / "groups.json").write_text(content)
    with pytest.raises(click.ClickException, match=told):
        known_of(tmp_path)


def _streets_where_a_stall_scores(*scores: float) -> Judged:
    picture = np.zeros((416, 416, 3), np.uint8)
    nothing = np.zeros((0, 4))
    example = Example(picture, nothing, np.zeros(0, int), nothing, np.zeros(10, bool), False)
    stall, box = np.array([STREET_CLASSES.index("stall")]), np.array([[10.0, 10, 90, 90]])
    found = [Found(box, np.array([score]), stall) for score in scores]
    return Judged([example] * len(scores), found)


def test_a_stall_s_threshold_is_the_lowest_that_leaves_nineteen_streets_of_twenty_quiet() -> None:
    calm = _streets_where_a_stall_scores(*[0.1] * 30)
    loud = _streets_where_a_stall_scores(*[0.1] * 7, 0.42, 0.33, 0.33)
    assert quiet_threshold([calm], "stall") == 0.2
    assert quiet_threshold([calm, loud], "stall") == 0.35
    assert quiet_threshold([loud], "stall") == 0.45
    assert quiet_threshold([loud], "bin") == 0.2
    assert quiet_threshold([_streets_where_a_stall_scores(0.95)], "stall") == 0.9


def test_people_are_rather_seen_too_often_than_too_seldom() -> None:
    """Of twenty, six are seen at 0.3 only, as are twelve that are nobody."""
    there, nobody = np.array([[0, 0, 50, 80]]), np.array([[200, 200, 250, 280]])
    for name, expected in (("bicycle", 0.35), ("person", 0.25)):
        index = np.array([STREET_CLASSES.index(name)])
        every = np.ones(len(STREET_CLASSES), bool)
        picture = np.zeros((416, 416, 3), np.uint8)
        example = Example(picture, there, index, np.zeros((0, 4)), every, rendered=False)
        found = [Found(there, np.array([0.6]), index)] * 14
        found += [Found(there, np.array([0.3]), index)] * 6
        empty = Example(picture, there[:0], index[:0], np.zeros((0, 4)), every, rendered=False)
        false = [Found(nobody, np.array([0.3]), index)] * 12
        judged = Judged([example] * 20 + [empty] * 12, found + false)
        assert best_threshold([judged], name) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(6))
def test_a_stall_s_box_leaves_out_the_people_at_it(seed: int) -> None:
    street = Scene(np.zeros((400, 600, 3), np.uint8), (), EMPTY, frozenset())
    picture = np.full((80, 100, 3), 60, np.uint8)
    picture[20:, 30:] = 240
    with_people = CutOut(picture, np.ones((80, 100), np.float32), "stall", (0.3, 0.25, 1, 1))
    made = composed(street, [with_people], np.random.default_rng(seed), most=1)
    rows, columns = np.nonzero(made.picture[..., 0] > 150)
    bright = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert np.abs(made.boxes[0] - bright).max() <= 1.5


def test_a_stall_laid_on_a_street_that_nobody_boxed_teaches_nothing_of_its_bins() -> None:
    random = np.random.default_rng(3)
    street = Scene(np.full((400, 600, 3), 90, np.uint8), (), EMPTY, frozenset(), unlabelled=True)
    stall = CutOut(np.full((60, 90, 3), 200, np.uint8), np.ones((60, 90), np.float32), "stall")
    made = composed(street, [relit(stall, random)], random)
    assert set(made.labels) == {"stall"}
    assert made.exhaustive == {"stall"}
    assert made.unlabelled
