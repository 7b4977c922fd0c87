"""What a model folder promises, and what is said of one that does not keep it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from agent.inference import (
    ModelError,
    family_names,
    find_model,
    list_models,
    load_family,
    load_manifest,
    open_classifier,
    open_detector,
    read_model,
    verify,
)
from agent.inference.session import OnnxSession
from tests.support.paths import ROOT
from tests.support.text_files import replace_in

SIZE_PX = 64
CELLS = 8 * 8 + 4 * 4 + 2 * 2
THINGS = ("person", "bicycle", "", "bin")
STATES = ("not_overflowing", "overflowing")


# --- building models ----------------------------------------------------------------------------


def network(
    path: Path,
    answer: NDArray[Any],
    *,
    size: Sequence[int | str] = (1, 3, SIZE_PX, SIZE_PX),
    names: tuple[str, str] = ("images", "output"),
    element: int = TensorProto.FLOAT,
) -> None:
    """A network that looks at its whole input and then answers the same whatever it saw."""
    dtype = helper.tensor_dtype_to_np_dtype(element)
    source, target = names
    nodes = [
        helper.make_node("ReduceMax", [source], ["brightest"], keepdims=0),
        helper.make_node("Mul", ["brightest", "nothing"], ["unmoved"]),
        helper.make_node("Add", ["answer", "unmoved"], [target]),
    ]
    graph = helper.make_graph(
        nodes,
        "constant",
        [helper.make_tensor_value_info(source, element, size)],
        [helper.make_tensor_value_info(target, element, answer.shape)],
        [
            numpy_helper.from_array(answer.astype(dtype), "answer"),
            numpy_helper.from_array(np.array(0, dtype=dtype), "nothing"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def a_yolox_answer(classes: int = len(THINGS)) -> NDArray[np.float32]:
    """One bicycle of 16 × 8 pixels, centred on (20, 12); every other cell sees nothing."""
    answer = np.zeros((1, CELLS, 5 + classes), dtype=np.float32)
    column, row, stride = 2, 1, 8
    answer[0, row * 8 + column, :5] = [
        20 / stride - column, 12 / stride - row, np.log(16 / stride), np.log(8 / stride), 0.9
    ]  # fmt: skip
    answer[0, row * 8 + column, 6] = 0.8
    return answer


def manifest_text(
    folder: Path,
    family: str = "yolox",
    meanings: Sequence[str] = THINGS,
    shape: Sequence[int] = (1, CELLS, 5 + len(THINGS)),
    **changes: str,
) -> str:
    model = folder / "model.onnx"
    told = {
        "name": folder.name,
        "version": "1.2.3",
        "family": family,
        "file": "model.onnx",
        "sha256": hashlib.sha256(model.read_bytes()).hexdigest() if model.exists() else "0" * 64,
        "licence": "Apache-2.0",
        "provenance": "drawn by a test",
    } | changes
    lines = [f'{key} = "{value}"' for key, value in told.items()]
    lines += [
        '[input]\nname = "images"',
        f"width = {SIZE_PX}\nheight = {SIZE_PX}",
        'layout = "NCHW"\ncolour = "BGR"\nresize = "letterbox"\npad = 114\nscale = 1.0',
        "mean = [0.0, 0.0, 0.0]\nstd = [1.0, 1.0, 1.0]",
        f'[output]\nname = "output"\nshape = {list(shape)}',
    ]
    for index, meaning in enumerate(meanings):
        lines.append(
            f'[[classes]]\nname = "class {index}"\nmeaning = "{meaning}"\nthreshold = 0.35'
        )
    return "\n".join(lines) + "\n"


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in which models are looked for."""
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setenv("KERBWATCH_MODELS", str(folder))
    return folder


def a_detector(models: Path, name: str = "corner") -> Path:
    folder = models / name
    folder.mkdir()
    network(folder / "model.onnx", a_yolox_answer())
    write_manifest(folder)
    return folder


def a_classifier(models: Path, answer: Sequence[float], name: str = "state") -> Path:
    folder = models / name
    folder.mkdir()
    network(folder / "model.onnx", np.array([answer], dtype=np.float32))
    write_manifest(folder, family="classifier", meanings=STATES, shape=(1, 2))
    return folder


def write_manifest(folder: Path, **told: Any) -> None:
    (folder / "manifest.toml").write_text(manifest_text(folder, **told), encoding="utf-8")


def change(folder: Path, old: str, new: str) -> None:
    replace_in(folder / "manifest.toml", old, new)


def faults_of(folder: Path) -> tuple[str, ...]:
    with pytest.raises(ModelError) as refused:
        verify(folder)
    assert refused.value.name == folder.name
    return refused.value.faults


GREY = np.full((48, 32, 3), 128, dtype=np.uint8)


# --- models that are sound ----------------------------------------------------------------------


def test_a_detector_gives_street_meanings_in_fractions_of_the_picture(models: Path) -> None:
    a_detector(models)
    [bicycle] = open_detector("corner", threads=1).detect(GREY)
    assert bicycle.label == "bicycle"
    assert bicycle.confidence == pytest.approx(0.9 * 0.8)
    # 32 × 48 pixels fill 43 × 64 of the input, from its top left corner on.
    box = bicycle.box
    assert (box.left, box.right) == pytest.approx((12 / 43, 28 / 43))
    assert (box.top, box.bottom) == pytest.approx((8 / 64, 16 / 64))


def test_a_classifier_gives_the_probability_of_each_state(models: Path) -> None:
    a_classifier(models, [0.25, 0.75])
    classifier = open_classifier("state", threads=1)
    assert classifier.probabilities(GREY) == {"not_overflowing": 0.25, "overflowing": 0.75}
    assert classifier.thresholds == {"not_overflowing": 0.35, "overflowing": 0.35}


def test_a_classifier_of_bare_scores_turns_them_into_probabilities(models: Path) -> None:
    folder = a_classifier(models, [1000.0, 1000.0 + np.log(3)])
    change(folder, "shape = [1, 2]", 'shape = [1, 2]\nactivation = "softmax"')
    probabilities = open_classifier("state", threads=1).probabilities(GREY)
    assert probabilities["overflowing"] == pytest.approx(0.75, abs=1e-4)
    assert sum(probabilities.values()) == pytest.approx(1)


def test_a_threshold_for_measuring_replaces_every_class_s_own(models: Path) -> None:
    a_detector(models)
    assert open_detector("corner", threads=1, threshold=0.73).detect(GREY) == []
    assert len(open_detector("corner", threads=1, threshold=0.71).detect(GREY)) == 1


def test_a_model_says_which_it_is(models: Path) -> None:
    folder = a_detector(models)
    detector = open_detector("corner", threads=1)
    assert detector.used.name == "corner"
    assert detector.used.version == "1.2.3"
    assert detector.used.sha256 == hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    assert detector.input_size_px == (SIZE_PX, SIZE_PX)


def test_a_model_counts_its_runs_and_the_time_they_took(models: Path) -> None:
    a_detector(models)
    detector = open_detector("corner", threads=1)
    assert (detector.session.runs, detector.session.seconds) == (0, 0.0)
    detector.detect(GREY)
    after_one_s = detector.session.seconds
    detector.detect(GREY)
    assert detector.session.runs == 2
    assert 0 < after_one_s < detector.session.seconds


def test_an_empty_picture_is_refused(models: Path) -> None:
    a_detector(models)
    with pytest.raises(ValueError, match="0 × 48 pixels is empty"):
        open_detector("corner", threads=1).detect(GREY[:, :0])


def test_a_dimension_that_the_network_leaves_open_fits(models: Path) -> None:
    folder = a_detector(models)
    network(folder / "model.onnx", a_yolox_answer(), size=("batch", 3, "height", "width"))
    write_manifest(folder)
    assert verify(folder).name == "corner"


# --- models that are not ------------------------------------------------------------------------


def test_a_model_that_is_not_installed_is_refused_with_those_that_are(models: Path) -> None:
    a_detector(models)
    with pytest.raises(ModelError, match=r"no such model; there are: .*corner"):
        open_detector("cornr", threads=1)


@pytest.mark.parametrize("name", ["../models/corner", "", "/", "corner/"])
def test_a_name_cannot_leave_the_models_folder(models: Path, name: str) -> None:
    a_detector(models)
    with pytest.raises(ModelError):
        find_model(name)


def test_a_model_file_that_was_changed_is_not_opened(models: Path) -> None:
    folder = a_detector(models)
    with (folder / "model.onnx").open("ab") as opened:
        opened.write(b"\0")
    [fault] = faults_of(folder)
    assert fault.startswith("sha256: model.onnx has ")


def test_a_model_file_that_is_missing_is_named(models: Path) -> None:
    folder = a_detector(models)
    (folder / "model.onnx").unlink()
    assert faults_of(folder) == ("file: model.onnx: No such file or directory",)


def test_every_fault_of_a_manifest_is_told_at_once(models: Path) -> None:
    folder = a_detector(models)
    change(folder, 'family = "yolox"', 'family = "yolo99"')
    change(folder, 'meaning = "bicycle"', 'meaning = "unicycle"')
    change(folder, 'resize = "letterbox"', 'resize = "letterbox"\ncolor = "RGB"')
    change(folder, "std = [1.0, 1.0, 1.0]", "std = [1.0, 0.0, 1.0]")
    change(folder, 'licence = "Apache-2.0"\n', "")
    with (folder / "model.onnx").open("ab") as opened:
        opened.write(b"\0")
    faults = "\n".join(faults_of(folder))
    for part in (
        "family: no family 'yolo99'; there are: classifier, detr, detr_deployed, nanodet_plus, yolov8, yolox",
        "classes.1.meaning: Input should be one of: 'person', ",
        "(given: 'unicycle')",
        "input.color: no such key",
        "input.std.1: Input should be greater than 0",
        "licence: missing",
        "sha256: model.onnx has ",
    ):
        assert part in faults
    assert len(faults_of(folder)) == 6


def test_a_manifest_under_another_folder_s_name_is_refused(models: Path) -> None:
    folder = a_detector(models)
    change(folder, 'name = "corner"', 'name = "street"')
    change(folder, 'name = "class 3"', 'name = "class 1"')
    assert faults_of(folder) == (
        "name: is 'street', its folder 'corner'",
        "classes: given twice: class 1",
    )


@pytest.mark.parametrize("text", ["name = ", "\N{REPLACEMENT CHARACTER}"])
def test_a_manifest_that_is_no_toml_is_refused(models: Path, text: str) -> None:
    folder = a_detector(models)
    (folder / "manifest.toml").write_text(text, encoding="utf-8")
    assert faults_of(folder)[0].startswith("manifest.toml: not readable as TOML")


def test_a_folder_without_a_manifest_is_refused(models: Path) -> None:
    with pytest.raises(ModelError, match="No such file"):
        load_manifest(models)


@pytest.mark.parametrize("file", ["../model.onnx", "sub/model.onnx", "model.pt"])
def test_a_model_file_lies_in_its_folder_and_is_onnx(models: Path, file: str) -> None:
    folder = a_detector(models)
    change(folder, 'file = "model.onnx"', f'file = "{file}"')
    assert any(fault.startswith("file: ") for fault in faults_of(folder))


def test_classes_that_do_not_fit_the_output_are_refused_with_what_would(models: Path) -> None:
    folder = a_detector(models)
    write_manifest(folder, meanings=(*THINGS, "car"))
    [fault] = faults_of(folder)
    assert fault == (
        "output.shape: 5 classes on 64 × 64 make [1, 84, 10], the manifest says [1, 84, 9]"
    )


def test_a_state_is_no_thing_to_detect_and_a_thing_is_no_state(models: Path) -> None:
    folder = a_detector(models)
    change(folder, 'meaning = "bin"', 'meaning = "overflowing"')
    assert faults_of(folder) == (
        "classes: 'class 3' means 'overflowing', which is no thing to detect",
    )
    folder = a_classifier(models, [0.5, 0.5])
    change(folder, 'meaning = "overflowing"', 'meaning = "bin"')
    assert faults_of(folder) == (
        "classes: 'class 1' means 'bin', which is none of overflowing, not_overflowing",
    )


def test_a_grid_that_does_not_fit_the_input_is_refused(models: Path) -> None:
    folder = a_detector(models)
    change(folder, "width = 64", "width = 60")
    assert "input: width and height must be multiples of 32" in faults_of(folder)


def test_a_classifier_is_no_detector_and_a_detector_no_classifier(models: Path) -> None:
    a_detector(models)
    a_classifier(models, [0.5, 0.5])
    with pytest.raises(ModelError, match="classifier gives probabilities, not detections"):
        open_detector("state", threads=1)
    with pytest.raises(ModelError, match="yolox gives detections, not probabilities"):
        open_classifier("corner", threads=1)


def test_every_difference_between_network_and_manifest_is_told_at_once(models: Path) -> None:
    folder = a_detector(models)
    network(
        folder / "model.onnx",
        a_yolox_answer(classes=6),
        size=(1, 3, 32, 32),
        names=("pixels", "output"),
        element=TensorProto.DOUBLE,
    )
    write_manifest(folder)
    assert faults_of(folder) == (
        "input.name: the network has no input 'images'; there are: pixels",
        "output: 'output' is tensor(double), tensor(float) is expected",
        "output.shape: the network has [1, 84, 11], the manifest says [1, 84, 9]",
    )


def test_a_network_of_another_input_size_is_refused(models: Path) -> None:
    folder = a_detector(models)
    network(folder / "model.onnx", a_yolox_answer(), size=(1, 3, 32, 32))
    write_manifest(folder)
    assert faults_of(folder) == (
        "input.shape: the network has [1, 3, 32, 32], the manifest says [1, 3, 64, 64]",
    )


def test_a_file_that_is_no_network_is_refused(models: Path) -> None:
    folder = a_detector(models)
    (folder / "model.onnx").write_bytes(b"this is no network")
    write_manifest(folder)
    [fault] = faults_of(folder)
    assert fault.startswith("model.onnx: ")


def test_a_network_that_answers_nonsense_is_refused(models: Path) -> None:
    folder = a_detector(models)
    network(folder / "model.onnx", np.full_like(a_yolox_answer(), np.nan))
    write_manifest(folder)
    assert faults_of(folder) == ("its output for a black picture is not finite",)


# --- where models and families are found --------------------------------------------------------


def test_the_folder_that_is_told_comes_before_the_source_s_own(models: Path) -> None:
    a_detector(models, "street")
    assert find_model("street") == models / "street"
    assert "street" in list_models()


def test_models_of_the_source_tree_are_found_without_being_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("KERBWATCH_MODELS", raising=False)
    for name in list_models():
        assert (find_model(name) / "manifest.toml").is_file()


@pytest.mark.parametrize("name", family_names())
def test_every_family_in_the_folder_says_what_it_gives_and_can_be_built(name: str) -> None:
    family = load_family(name)
    assert family.GIVES in {"detections", "probabilities"}
    assert callable(family.faults)
    assert callable(family.Decoder)


@pytest.mark.parametrize(
    "folder",
    sorted(path.parent for path in ROOT.glob("models/*/model.onnx")),
    ids=lambda p: p.name,
)
def test_every_model_of_ours_is_what_its_manifest_says(folder: Path) -> None:
    stored = read_model(folder)
    manifest, session = verify(folder), OnnxSession(stored, threads=1)
    tensor = np.full(manifest.input.shape, 0.5, dtype=np.float32)
    answer = session.run(tensor)
    assert answer.shape == manifest.output.shape
    assert np.isfinite(answer).all()
