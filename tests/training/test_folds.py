"""What repeated grouped folds promise, and what the reader of real stalls makes of a set."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.datasets import vending_streets as vending
from training.datasets.readers import CROWD
from training.evaluate.folds import grouped_folds, joined_groups, set_aside, spread

ROWS = st.lists(
    st.tuples(st.sampled_from("abcdefghijkl"), st.sampled_from(("stall", "nothing", "bin"))),
    min_size=12,
    max_size=80,
).filter(lambda rows: len({group for group, _ in rows}) >= 3)


@given(ROWS, st.integers(0, 5))
def test_every_shuffle_judges_each_row_once_and_no_group_straddles(
    rows: list[tuple[str, str]], seed: int
) -> None:
    groups, labels = [row[0] for row in rows], [row[1] for row in rows]
    found = grouped_folds(groups, labels, folds=3, repeats=2, seed=seed)
    for repeat in (0, 1):
        mine = [fold for fold in found if fold.repeat == repeat]
        judged = np.concatenate([fold.test for fold in mine])
        assert sorted(judged) == list(range(len(rows)))
    for fold in found:
        assert not {groups[row] for row in fold.train} & {groups[row] for row in fold.test}
        assert sorted([*fold.train, *fold.test]) == list(range(len(rows)))


def test_a_rare_label_is_in_every_fold_where_groups_allow() -> None:
    groups = [f"place {row // 2}" for row in range(200)]
    labels = ["stall" if row < 20 else "nothing" for row in range(200)]
    for fold in grouped_folds(groups, labels, folds=5, repeats=3, seed=4):
        assert Counter(labels[row] for row in fold.test) == {"stall": 4, "nothing": 36}


def test_the_same_seed_divides_alike_and_another_does_not() -> None:
    groups, labels = [str(row) for row in range(60)], ["x"] * 60

    def tests(seed: int) -> list[list[int]]:
        return [fold.test.tolist() for fold in grouped_folds(groups, labels, seed=seed)]

    assert tests(1) == tests(1)
    assert tests(1) != tests(2)
    assert tests(1)[:5] != tests(1)[5:10]


def test_more_folds_than_groups_are_refused() -> None:
    with pytest.raises(ValueError, match="5 folds of 2 groups"):
        grouped_folds(["a", "b", "a"], ["x", "x", "x"])


def test_what_is_set_aside_has_its_share_of_each_label_and_large_groups_too() -> None:
    sizes = [12, 12, 12, 12, 12] + [2] * 45
    groups = [str(place) for place, size in enumerate(sizes) for _ in range(size)]
    labels = ["stall" if int(group) % 3 == 0 else "nothing" for group in groups]
    kept, aside = set_aside(groups, labels, 0.2, seed=3)
    assert not {groups[row] for row in kept} & {groups[row] for row in aside}
    for label in ("stall", "nothing"):
        share = sum(labels[row] == label for row in aside) / labels.count(label)
        assert share == pytest.approx(0.2, abs=0.1)
    assert max(Counter(groups[row] for row in aside).values()) == 12


def test_rows_with_any_key_in_common_share_a_group() -> None:
    keys = [("repo 1", "near 5"), ("repo 2",), ("near 5", "repo 2"), (), ("repo 3",), ()]
    groups = joined_groups(keys)
    assert groups[0] == groups[1] == groups[2] == "repo 1"
    assert len(set(groups)) == 4


def test_the_spread_of_a_figure_leaves_out_folds_that_have_none() -> None:
    told = spread([0.5, float("nan"), 0.9])
    assert (told.mean, told.low, told.high, told.folds) == (0.7, 0.5, 0.9, 2)
    assert told.deviation == pytest.approx(0.2828, abs=1e-4)
    assert str(told) == "0.700 ± 0.283 (0.500–0.900)"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three pictures: stalls, a stall that cannot be boxed and may only judge, and none.

    As in the real set the papers tell a size from before the pictures were shrunk.
    """
    folder = tmp_path / vending.SET
    folder.mkdir()
    for name in "abc":
        cv2.imwrite(str(folder / f"{name}.jpg"), np.zeros((100, 200, 3), np.uint8))
    item = {"width": 400, "height": 200, "kind": "street", "licence": "none stated"}
    items = [
        item | {"file": "a.jpg", "label": "stall", "source_repo": "x/y", "may_train": True},
        item | {"file": "b.jpg", "label": "stall", "source_repo": "x/y", "may_train": False},
        item | {"file": "c.jpg", "label": "no_stall", "source_repo": "z/y", "may_train": True},
    ]
    boxes = [
        {"xyxy_fraction": [0.1, 0.2, 0.5, 1.0], "flag": flag}
        for flag in ("", "row", "spill", "ignore")
    ]
    note = {"light": "night", "view": "eye", "watermark": True, "usable": True, "boxes": boxes}
    notes = {"a.jpg": note, "b.jpg": note | {"usable": False}}
    (folder / "manifest.json").write_text(json.dumps({"items": items}))
    (folder / "boxes.json").write_text(json.dumps({"pictures": notes}))
    ours = {"c.jpg": note | {"light": "day", "watermark": False, "boxes": []}}
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "vending_streets.json").write_text(json.dumps(ours))
    monkeypatch.setattr(vending, "LABELS", tmp_path / "labels")
    return tmp_path


def test_a_picture_of_the_vending_streets_tells_all_that_is_known_of_it(data: Path) -> None:
    stalls, unboxed, none = vending.vending_streets(data)
    assert [each.flag for each in stalls.stalls] == ["", "row", "spill", "ignore"]
    assert stalls.stalls[0].edges == (20.0, 20.0, 100.0, 100.0)
    assert (stalls.light, stalls.watermark, stalls.source_repo) == ("night", True, "x/y")
    assert (unboxed.usable, unboxed.may_train, unboxed.stalls) == (False, False, ())
    assert (none.has_stall, none.light, none.stalls) == (False, "day", ())


def test_a_detector_learns_stalls_and_is_excused_from_goods_and_from_what_is_ignored(
    data: Path,
) -> None:
    stalls, none = vending.for_detector(vending.vending_streets(data))
    assert stalls.labels == ("stall", "stall", CROWD, CROWD)
    assert (none.labels, none.exhaustive) == ((), frozenset({"stall"}))
    assert stalls.place == "x/y"


def test_what_may_only_judge_is_in_no_part_and_the_others_each_in_one(data: Path) -> None:
    parts = vending.parts_of(vending.vending_streets(data))
    assert parts.keys() == {"a.jpg", "c.jpg"}
    assert set(parts.values()) <= {"train", "tune", "held_out"}
