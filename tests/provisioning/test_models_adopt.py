"""``kerbwatch models adopt``: a published ONNX file becomes a model folder that was tried."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from onnx import load, save_model

from agent.inference import load_manifest, open_detector
from provisioning.cli import main
from provisioning.commands.models_adopt import FAMILIES
from tests.support.command_line import adopt
from tests.support.decoding import COCO_MODEL as COCO
from tests.support.paths import SHARED
from tests.support.red_models import OUTPUTS, red_graph

NANODET = SHARED / "weights" / "nanodet_plus" / "nanodet_plus_m_1.5x_416.onnx"


@pytest.mark.slow
@pytest.mark.parametrize("family", sorted(OUTPUTS))
def test_a_file_alone_becomes_a_model_that_finds_its_thing(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = red_graph(family)
    graph.metadata_props.add(key="names", value="{0: 'motorbike'}")
    save_model(graph, str(tmp_path / "published.onnx"))
    ran = adopt(tmp_path / "published.onnx", tmp_path, family)
    assert ran.exit_code == 0, ran.output
    monkeypatch.setenv("KERBWATCH_MODELS", str(tmp_path))
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[16:24, 32:40] = (0, 0, 255)
    (found,) = open_detector("taken", 1).detect(picture)
    assert found.label == "motorcycle"
    box = found.box
    assert box.left + box.right == pytest.approx(2 * 36 / 64, abs=0.02)
    assert box.top + box.bottom == pytest.approx(2 * 20 / 64, abs=0.02)


def test_class_names_come_from_the_file_that_is_given(tmp_path: Path) -> None:
    save_model(red_graph("yolov8"), str(tmp_path / "published.onnx"))
    (tmp_path / "names.txt").write_text("zebra\n", encoding="utf-8")
    names = str(tmp_path / "names.txt")
    assert adopt(tmp_path / "published.onnx", tmp_path, "yolov8", "--names", names).exit_code == 0
    (only,) = load_manifest(tmp_path / "taken").classes
    assert (only.name, only.meaning) == ("zebra", "")


@pytest.mark.slow
def test_what_would_stay_readable_in_its_pictures_is_said(tmp_path: Path) -> None:
    save_model(red_graph("yolov8"), str(tmp_path / "published.onnx"))

    def said_of(name: str) -> str:
        (tmp_path / "names.txt").write_text(f"{name}\n", encoding="utf-8")
        given = "--names", str(tmp_path / "names.txt")
        ran = adopt(tmp_path / "published.onnx", tmp_path, "yolov8", *given)
        assert ran.exit_code == 0, ran.output
        shutil.rmtree(tmp_path / "taken")
        return " ".join(ran.output.split())

    of_a_tricycle = said_of("Tricycle")
    assert "Neither looked for nor redacted: Tricycle." in of_a_tricycle
    assert "no head is redacted" in of_a_tricycle
    assert "no number plate is redacted" in of_a_tricycle
    of_a_van = said_of("Van")
    assert "Neither looked for" not in of_a_van
    assert "no number plate" not in of_a_van
    assert "no head is redacted" in of_a_van
    of_a_rider = said_of("rider")
    assert "no head is redacted" not in of_a_rider
    assert "no number plate is redacted" in of_a_rider


def test_what_does_not_fit_leaves_no_folder_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("no network", encoding="utf-8")
    save_model(red_graph("detr"), str(tmp_path / "detr.onnx"))
    (tmp_path / "names.txt").write_text("a\nb\nc\nd\n", encoding="utf-8")
    for ran, said in (
        (adopt(tmp_path / "text.onnx", tmp_path, "yolov8"), "text.onnx"),
        (adopt(tmp_path / "detr.onnx", tmp_path, "yolox"), "output.shape"),
        (
            adopt(tmp_path / "detr.onnx", tmp_path, "detr", "--names", str(tmp_path / "names.txt")),
            "output.shape",
        ),
    ):
        assert ran.exit_code == 3, ran.output
        assert said in ran.output
        assert not (tmp_path / "taken").exists()


def test_a_model_of_that_name_is_never_written_over(tmp_path: Path) -> None:
    save_model(red_graph("yolov8"), str(tmp_path / "published.onnx"))
    assert adopt(tmp_path / "published.onnx", tmp_path, "yolov8").exit_code == 0
    before = (tmp_path / "taken" / "manifest.toml").read_bytes()
    again = adopt(tmp_path / "published.onnx", tmp_path, "yolov8")
    assert again.exit_code == 3
    assert "already" in again.output
    assert (tmp_path / "taken" / "manifest.toml").read_bytes() == before


@pytest.mark.slow
def test_a_size_left_open_must_be_said(tmp_path: Path) -> None:
    save_model(red_graph("yolov8"), str(tmp_path / "fixed.onnx"))
    graph = load(str(tmp_path / "fixed.onnx"))
    for axis in (2, 3):
        graph.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = "side"
    save_model(graph, str(tmp_path / "open.onnx"))
    ran = adopt(tmp_path / "open.onnx", tmp_path, "yolov8")
    assert ran.exit_code == 3
    assert "--size" in ran.output
    ran = adopt(tmp_path / "open.onnx", tmp_path, "yolov8", "--size", "64", "64")
    assert ran.exit_code == 0, ran.output
    assert load_manifest(tmp_path / "taken").input.width == 64


@pytest.mark.skipif(not COCO.is_file(), reason="no ../shared/weights: the published file is there")
def test_the_published_yolox_of_the_documents_is_taken(tmp_path: Path) -> None:
    ran = adopt(COCO, tmp_path, "yolox")
    assert ran.exit_code == 0, ran.output
    assert len(load_manifest(tmp_path / "taken").classes) == 80


@pytest.mark.skipif(
    not NANODET.is_file(), reason="no ../shared/weights: the published file is there"
)
def test_the_published_nanodet_plus_is_taken_and_fed_as_it_was_trained(tmp_path: Path) -> None:
    ran = adopt(NANODET, tmp_path, "nanodet_plus")
    assert ran.exit_code == 0, ran.output
    told = load_manifest(tmp_path / "taken")
    assert len(told.classes) == 80
    assert (told.input.colour, told.input.resize) == ("BGR", "stretch")
    assert told.input.mean == (103.53, 116.28, 123.675)


def test_a_nanodet_plus_under_another_name_is_known(tmp_path: Path) -> None:
    save_model(red_graph("nanodet_plus"), str(tmp_path / "published.onnx"))
    for family in ("yolox", "yolov8"):
        ran = adopt(tmp_path / "published.onnx", tmp_path, family)
        assert ran.exit_code == 3
        assert "--family nanodet_plus" in ran.output


def test_every_family_that_detects_can_be_adopted() -> None:
    option = next(
        each
        for each in main.commands["models"].commands["adopt"].params  # type: ignore[attr-defined]
        if each.name == "family"
    )
    assert tuple(option.type.choices) == FAMILIES
