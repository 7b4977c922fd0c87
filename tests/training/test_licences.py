"""The table of licences: one source for every card and NOTICE, held against what the sets say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.paths import ROOT
from training.datasets.licences import SETS, licence_table, may_train, notice, stated

DATA = ROOT.parent / "shared" / "data"
MODELS = sorted(path.parent for path in ROOT.glob("models/*/groups.json"))
SPOKEN = ("MIT", "CC BY")

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the picture sets are not there")


def manifest_of(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((DATA / name / "manifest.json").read_text("utf-8"))
    return content


def said_by(name: str) -> set[str]:
    """Every licence that a set's manifest tells, of the set or of its items."""
    content = manifest_of(name)
    each = {item["licence"] for item in content["items"] if "licence" in item}
    return each | ({content["licence"]} if "licence" in content else set())


@needs_data
def test_every_set_that_lies_there_has_its_row_and_every_row_its_set() -> None:
    assert {each.name for each in DATA.iterdir() if each.is_dir()} == set(SETS)


@needs_data
@pytest.mark.parametrize("name", sorted(set(SETS) - {"coco_mini"}))
def test_a_licence_counts_as_stated_where_the_manifest_states_one(name: str) -> None:
    told = said_by(name)
    assert told
    unclear = any(
        word in each for each in told for word in ("none stated", "unclear", "no licence stated")
    )
    assert stated(name) is not unclear


@needs_data
@pytest.mark.parametrize("name", sorted(set(SETS) - {"coco_mini"}))
def test_the_licence_in_the_table_is_the_manifests(name: str) -> None:
    told = " ".join(said_by(name))
    for word in SPOKEN:
        if word in SETS[name].licence:
            assert word in told


@needs_data
@pytest.mark.parametrize("name", sorted(set(SETS) - {"coco_mini"}))
def test_the_source_in_the_table_is_the_manifests(name: str) -> None:
    content = manifest_of(name)
    told = json.dumps(content)
    repository, comma, commit = SETS[name].source.partition(", commit ")
    if comma:
        assert repository in told
        assert f'"{commit}' in told
    else:
        sources = {(each.get("source_repo") or each.get("source")) for each in content["items"]}
        assert len(sources) > 1


@needs_data
def test_a_set_of_which_some_pictures_may_not_train_says_so() -> None:
    barred = {
        name
        for name in set(SETS) - {"coco_mini"}
        if any(not item.get("may_train", True) for item in manifest_of(name)["items"])
    }
    for name in barred:
        assert SETS[name].use == "judge" or "only judge" in SETS[name].note


def test_what_may_only_judge_teaches_under_no_choice() -> None:
    judges = [each.name for each in SETS.values() if each.use == "judge"]
    assert "llvip_night" in judges
    assert not any(may_train(name, chosen) for name in judges for chosen in ("all", "stated"))


def test_a_set_that_states_no_licence_teaches_only_while_all_may() -> None:
    assert may_train("malta_bags")
    assert not may_train("malta_bags", "stated")
    assert may_train("amsterdam_garbage", "stated")


def test_what_was_drawn_here_needs_no_licence() -> None:
    assert may_train("rendered", "stated")
    assert licence_table(["rendered"]) == licence_table([])
    assert "rendered streets" in notice("model", ["rendered"], "MobileNetV2, ImageNet")


def test_a_set_that_nobody_knows_is_refused() -> None:
    with pytest.raises(KeyError):
        may_train("found_somewhere")


def test_a_notice_names_every_set_its_licence_and_the_start() -> None:
    text = notice(
        "x", ["malta_bags", "coco_mini"], "YOLOX-nano, COCO", ["NanoDet-Plus-m-1.5x, COCO"]
    )
    for part in (
        "malta_bags",
        "SaulVas",
        "Used internally",
        "coco_mini",
        "Flickr",
        "Megvii",
        "Rangi",
    ):
        assert part in text


@pytest.mark.parametrize("folder", MODELS, ids=lambda folder: folder.name)
def test_what_taught_a_shipped_model_may_teach(folder: Path) -> None:
    rows = json.loads((folder / "groups.json").read_text(encoding="utf-8"))
    taught = {row["file"].partition("/")[0] for row in rows if row["part"] in {"train", "tune"}}
    assert "amsterdam_garbage" in taught
    assert all(may_train(name) for name in taught)


@needs_data
@pytest.mark.parametrize("folder", MODELS, ids=lambda folder: folder.name)
def test_a_picture_that_its_set_keeps_from_training_taught_no_shipped_model(folder: Path) -> None:
    rows = json.loads((folder / "groups.json").read_text(encoding="utf-8"))
    taught = {row["file"] for row in rows if row["part"] != "held_out"}
    barred = {
        f"{name}/{item['file']}"
        for name in set(SETS) - {"coco_mini"}
        for item in manifest_of(name)["items"]
        if not item.get("may_train", True)
    }
    assert barred
    assert barred.isdisjoint(taught)
