"""Promises of ``./evaluate``: any usual folder is read, faults name their place, figures add up."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from tests.support.colour_verifier import BGR_OF, write_verifier
from tests.support.paths import ROOT
from tests.support.staged_clips import BUNDLED
from training.datasets.groups import digest_of
from training.evaluate.__main__ import main
from training.evaluate.figures import false_share_at_recall, two_sided
from training.evaluate.labels import KNOWN
from training.evaluate.metrics import calibration_error
from training.evaluate.sources import (
    CROWD,
    SHOP_GOODS,
    SourceError,
    look_through,
    read_folder,
    read_set,
)

MODELS = ROOT / "models"


def frames(*seconds: float) -> list[NDArray[np.uint8]]:
    clip = cv2.VideoCapture(str(BUNDLED / "clip.mp4"))
    found = []
    for each in seconds:
        clip.set(cv2.CAP_PROP_POS_MSEC, each * 1000)
        arrived, frame = clip.read()
        assert arrived
        found.append(np.asarray(frame, np.uint8))
    return found


def bin_crop(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    zones = json.loads((BUNDLED / "zones.json").read_text())["zones"]
    corners = np.array(next(zone["polygon"] for zone in zones if zone["kind"] == "bin"))
    height, width = frame.shape[:2]
    (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
    return frame[int(top * height) : int(bottom * height), int(left * width) : int(right * width)]


def save(path: Path, picture: NDArray[np.uint8]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), picture)
    return path


@pytest.fixture(scope="module")
def bins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each label, from the example street: empty at first, later overflowing."""
    folder = tmp_path_factory.mktemp("data")
    for label, seconds in (("empty", (6, 14, 22, 30)), ("Full", (50, 58, 66, 74))):
        for second, frame in zip(seconds, frames(*seconds), strict=True):
            save(folder / "street_bins" / label / f"{second}.png", bin_crop(frame))
    save(folder / "street_bins" / "perhaps" / "1.png", bin_crop(frames(10)[0]))
    return folder


def judge(data: Path, out: Path, *more: str) -> dict[str, object]:
    ran = CliRunner().invoke(main, [str(data), "--out", str(out / "report.json"), *more])
    assert ran.exit_code == 0, ran.output
    told: dict[str, object] = json.loads((out / "report.json").read_text())
    return told | {"printed": ran.output}


def refused(data: Path) -> str:
    ran = CliRunner().invoke(main, [str(data), "--out", str(data / "report.json")])
    assert ran.exit_code == 1
    assert isinstance(ran.exception, SystemExit)
    return ran.output


@pytest.fixture(scope="module")
def report(bins: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    out = tmp_path_factory.mktemp("out")
    return judge(bins, out, "--model", "bin-state") | {"out": out}


def only_row(report: dict[str, object]) -> dict[str, object]:
    rows = report["results"]
    assert isinstance(rows, list)
    assert len(rows) == 1
    row: dict[str, object] = rows[0]
    return row


@pytest.mark.slow
def test_a_folder_for_each_label_is_judged_with_every_figure(report: dict[str, object]) -> None:
    row = only_row(report)
    figures = row["figures"]
    assert isinstance(figures, dict)
    assert (row["task"], row["pictures"]) == ("bin_state", 8)
    assert sum(figures["confusion"].values()) == 8
    for name in ("roc_auc", "balanced_accuracy", "recall", "calibration_error", "cannot_tell"):
        each = figures[name]
        assert 0 <= each["low"] <= each["value"] <= each["high"] <= 1, name


def test_frames_of_one_view_are_one_group_and_not_eight_places(report: dict[str, object]) -> None:
    groups = only_row(report)["groups"]
    assert isinstance(groups, int)
    assert groups < 8


def test_the_report_names_model_machine_and_command(report: dict[str, object]) -> None:
    models = report["models"]
    assert isinstance(models, list)
    [model] = models
    assert model["name"] == "bin-state"
    assert len(model["sha256"]) == 64
    assert "Python" in str(report["made_on"])


def test_the_worst_mistakes_are_a_picture_beside_the_report(report: dict[str, object]) -> None:
    assert isinstance(report["out"], Path)
    sheet = cv2.imread(str(report["out"] / str(report["contact_sheet"])))
    assert sheet is not None


def test_a_label_that_says_nothing_is_named_and_can_be_given_a_meaning(
    bins: Path, tmp_path: Path, report: dict[str, object]
) -> None:
    assert "perhaps" not in json.dumps(report["results"])
    told = judge(bins, tmp_path, "--model", "bin-state", "--means", "perhaps=no_overflowing")
    assert only_row(told)["pictures"] == 9
    wrong = CliRunner().invoke(main, [str(bins), "--means", "perhaps=ufo"])
    assert wrong.exit_code == 2
    assert "no_overflowing" in wrong.output


def test_pictures_that_made_the_model_are_left_out_and_counted(bins: Path, tmp_path: Path) -> None:
    model = tmp_path / "mine"
    shutil.copytree(MODELS / "bin-state", model)
    parts = ("train", "tune", "held_out")
    rows = [
        {"file": path.name, "group": "g", "part": part, "digest": digest_of(path)}
        for path, part in zip(
            sorted((bins / "street_bins" / "empty").iterdir()), parts, strict=False
        )
    ]
    (model / "groups.json").write_text(json.dumps(rows))
    manifest = (model / "manifest.toml").read_text().replace('name = "bin-state"', 'name = "mine"')
    (model / "manifest.toml").write_text(manifest)
    told = judge(bins, tmp_path, "--model", str(model))
    assert only_row(told)["pictures"] == 6
    assert told["models"][0]["left_out_as_trained_on"] == 2  # type: ignore[index]
    everything = judge(bins, tmp_path, "--model", str(model), "--all")
    assert only_row(everything)["pictures"] == 8


def coco(folder: Path, **change: object) -> Path:
    save(folder / "set" / "pictures" / "a.jpg", frames(40)[0])
    told: dict[str, object] = {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "categories": [{"id": 3, "name": "bicycle"}, {"id": 4, "name": "kite"}],
        "annotations": [
            {"image_id": 1, "category_id": 3, "bbox": [10, 20, 30, 40]},
            {"image_id": 1, "category_id": 3, "bbox": [0, 0, 5, 5], "iscrowd": 1},
            {"image_id": 1, "category_id": 4, "bbox": [1, 2, 3, 4]},
        ],
    }
    (folder / "set" / "labels.json").write_text(json.dumps(told | change))
    return folder


def test_coco_boxes_are_read_with_crowds_apart_and_unknown_classes_left_out(tmp_path: Path) -> None:
    [item] = read_folder(coco(tmp_path))["set"]
    assert item.boxes == (("bicycle", (10, 20, 40, 60)), ("crowd", (0, 0, 5, 5)))
    assert item.boxed == {"bicycle"}


def test_boxes_are_judged_by_their_average_precision(tmp_path: Path) -> None:
    told = judge(coco(tmp_path / "data"), tmp_path, "--model", "street")
    rows = told["results"]
    assert isinstance(rows, list)
    [boxes] = [row for row in rows if row["task"] == "boxes: bicycle"]
    assert boxes["figures"]["truths"] == 1
    assert 0 <= boxes["figures"]["ap"]["value"] <= boxes["figures"]["ap50"]["value"] <= 1


def yolo(folder: Path, line: str) -> Path:
    save(folder / "set" / "images" / "a.jpg", frames(40)[0])
    (folder / "set" / "data.yaml").write_text("names:\n  0: motorbike\n  1: kite\n")
    (folder / "set" / "labels").mkdir()
    (folder / "set" / "labels" / "a.txt").write_text(f"0 0.5 0.5 0.5 0.5\n\n{line}\n")
    return folder


def test_yolo_boxes_are_read_in_pixels(tmp_path: Path) -> None:
    [item] = read_folder(yolo(tmp_path, "1 0.1 0.1 0.1 0.1"))["set"]
    assert item.boxes == (("motorcycle", (320.0, 180.0, 960.0, 540.0)),)


@pytest.mark.parametrize("line", ["7 0.1 0.1 0.1 0.1", "0 0.1 0.1", "bike 1 2 3 4"])
def test_a_bad_line_is_named_with_what_is_allowed(tmp_path: Path, line: str) -> None:
    said = refused(yolo(tmp_path, line))
    assert "a.txt, line 3" in said
    assert "four fractions" in said


def test_a_broken_coco_file_is_named(tmp_path: Path) -> None:
    assert "labels.json" in refused(coco(tmp_path, annotations=[{"image_id": 1}]))


def test_a_folder_without_pictures_is_refused_with_what_a_set_has(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "manifest.json" in refused(tmp_path)


def test_a_file_that_is_no_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "set" / "full").mkdir(parents=True)
    (tmp_path / "set" / "full" / "a.jpg").write_text("not a picture")
    with pytest.raises(SourceError, match=r"a\.jpg"):
        read_folder(tmp_path)


def test_everything_unreadable_is_named_at_once_and_the_rest_is_judged(tmp_path: Path) -> None:
    data = tmp_path / "data"
    save(data / "bins" / "a.png", bin_crop(frames(6)[0]))
    (data / "bins" / "broken.jpg").write_text("not a picture")
    rows = [{"file": name, "label": "Empty"} for name in ("a.png", "broken.jpg", "gone.jpg")]
    (data / "bins" / "manifest.json").write_text(json.dumps({"items": rows}))
    (data / "torn").mkdir()
    (data / "torn" / "manifest.json").write_text('{"items": [')
    (data / "odd").mkdir()
    (data / "odd" / "manifest.json").write_text('[{"file": "a.png", "label": ["x"]}]')
    told = judge(data, tmp_path, "--model", "bin-state")
    assert only_row(told)["pictures"] == 1
    faults = told["faults"]
    assert isinstance(faults, list)
    assert len(faults) == 4
    for name in ("broken.jpg", "gone.jpg", "torn/manifest.json", "odd/manifest.json: item 0"):
        assert any(name in fault for fault in faults), name
        assert name in str(told["printed"])


def test_training_is_told_of_every_unreadable_picture_together(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / "set" / "full").mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / "full" / name).write_text("not a picture")
    with pytest.raises(SourceError, match=r"(?s)a\.jpg.*b\.jpg"):
        read_folder(tmp_path)


@pytest.mark.parametrize(
    ("label", "claim"),
    [
        ("No-Bike", ("bicycle", False)),
        (" Rubbish outside ", ("overflowing", True)),
        ("NOT OVERFLOWING", ("overflowing", False)),
        ("Street Vendor", ("stall", True)),
        ("without stall", ("stall", False)),
        ("满溢", ("overflowing", True)),
        ("half full", None),
        ("motor-bike", None),
        ("unlabelled", None),
    ],
)
def test_a_label_is_known_however_it_is_spelt_and_never_guessed(
    label: str, claim: tuple[str, bool] | None
) -> None:
    assert KNOWN.of(label) == claim


def test_coco_files_are_found_where_coco_keeps_them(tmp_path: Path) -> None:
    folder = coco(tmp_path) / "set"
    (folder / "annotations").mkdir()
    (folder / "labels.json").rename(folder / "annotations" / "instances_val.json")
    [item] = look_through(tmp_path).sets["set"]
    assert item.boxed == {"bicycle"}


def test_a_yolo_picture_in_capitals_is_read_and_a_missing_one_is_named(tmp_path: Path) -> None:
    folder = yolo(tmp_path, "1 0.1 0.1 0.1 0.1") / "set"
    (folder / "images" / "a.jpg").rename(folder / "images" / "a.JPG")
    (folder / "labels" / "b.txt").write_text("0 0.5 0.5 0.5 0.5")
    found = look_through(tmp_path)
    assert [item.path.name for item in found.sets["set"]] == ["a.JPG"]
    assert len(found.faults) == 1
    assert "images/b" in found.faults[0]


def test_the_calibration_error_is_the_gap_between_saying_and_being() -> None:
    truth = np.array([1, 1, 1, 0])
    assert calibration_error(truth, np.full(4, 0.75)) == pytest.approx(0)
    assert calibration_error(truth, np.full(4, 0.25)) == pytest.approx(0.5)


def test_false_pictures_are_counted_where_nine_of_ten_are_found() -> None:
    truth = np.array([1] * 10 + [0] * 10)
    score = np.concatenate([np.linspace(0.1, 1, 10), np.linspace(0, 0.45, 10)])
    assert false_share_at_recall(truth, score) == pytest.approx(0.6)


def test_a_set_of_one_kind_has_a_rate_but_no_accuracy() -> None:
    figures = two_sided(np.zeros(4), np.array([0.1, 0.2, 0.9, 0.1]), 0.5, list("abcd"))
    assert figures["false_positives_per_picture"]["value"] == 0.25
    assert "roc_auc" not in figures
    assert figures["recall"]["value"] is None


def test_stalls_noted_in_fractions_are_read_with_their_light_and_source(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.zeros((50, 100, 3), np.uint8))
    item = {"width": 200, "height": 100, "label": "stall", "place": "unknown"}
    items = [item | {"file": f"{name}.png", "source_repo": f"{name}/x"} for name in "abc"]
    boxes = [
        {"xyxy_fraction": [0, 0, 0.5, 1], "flag": "row"},
        {"xyxy_fraction": [0.5, 0, 1, 1], "flag": "spill"},
        {"xyxy_fraction": [0.5, 0, 0.6, 1], "flag": "ignore"},
    ]
    note = {"light": "night", "usable": True, "boxes": boxes}
    pictures = {"a.png": note, "b.png": note | {"usable": False, "light": "day"}}
    (tmp_path / "manifest.json").write_text(json.dumps({"items": items}))
    (tmp_path / "boxes.json").write_text(json.dumps({"pictures": pictures}))
    whole, unusable, unknown = read_set(tmp_path)
    assert whole.boxes == (
        ("stall", (0, 0, 50, 50)),
        (CROWD, (50, 0, 100, 50)),
        (SHOP_GOODS, (50, 0, 100, 50)),
        (CROWD, (50, 0, 60, 50)),
    )
    assert (whole.boxed, whole.night, whole.group) == (frozenset({"stall"}), True, "a/x")
    assert (unusable.boxed, unusable.boxes, unusable.night) == (frozenset(), (), False)
    assert (unknown.night, unknown.boxed, unknown.group) == (None, frozenset(), "unknown")


def test_a_verifier_is_judged_on_boxes_by_day_and_night_and_its_worst_is_shown(
    tmp_path: Path,
) -> None:
    street = np.full((240, 320, 3), 110, np.uint8)
    by_day, by_night = street.copy(), street.copy()
    by_day[60:180, 40:140] = BGR_OF["stall"]
    by_night[60:180, 40:140] = BGR_OF["vehicle"]
    folder = tmp_path / "data" / "market"
    save(folder / "a.png", by_day)
    save(folder / "b.png", by_night)
    items = [
        {"file": f"{name}.png", "label": "stall", "width": 320, "height": 240} for name in "ab"
    ]
    boxes = [{"xyxy_fraction": [0.125, 0.25, 0.4375, 0.75], "flag": ""}]
    notes = {
        f"{name}.png": {"light": light, "usable": True, "boxes": boxes}
        for name, light in (("a", "day"), ("b", "night"))
    }
    (folder / "manifest.json").write_text(json.dumps({"items": items}))
    (folder / "boxes.json").write_text(json.dumps({"pictures": notes}))
    verifier = str(write_verifier(tmp_path / "models"))
    told = judge(
        tmp_path / "data", tmp_path, "--model", str(MODELS / "street"), "--model", verifier
    )
    rows = told["results"]
    assert isinstance(rows, list)
    [row] = [each for each in rows if each["task"] == "candidates: stall"]
    figures = row["figures"]
    assert figures["stalls_recall_by_day"]["value"] == 1
    assert figures["stalls_recall_by_night"]["value"] == 0
    assert figures["stalls_recall"]["n"] == figures["stall_told"]["n"] >= 4
    assert "candidates: stall by verifier" in str(told["printed"])
    assert (tmp_path / "report.jpg").stat().st_size > 0


def test_a_verifier_without_a_detector_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "data" / "no_stall" / "a.png", np.zeros((48, 48, 3), np.uint8))
    verifier = str(write_verifier(tmp_path / "models"))
    ran = CliRunner().invoke(main, [str(tmp_path / "data"), "--model", verifier])
    assert ran.exit_code == 1
    assert "what a detector proposes" in ran.output
