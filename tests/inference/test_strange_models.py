"""Networks, manifests and names as strangers bring them: taken rightly, or refused with what to do."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result
from onnx import TensorProto, helper, numpy_helper

from agent.config import loading
from agent.domain.ids import RandomIds
from agent.inference import Detector, ModelError, load_manifest, open_detector, read_model, verify
from agent.inference.external_weights import wanted_weights
from agent.protocol.base import ClockReading
from agent.protocol.heartbeat import AS_WRITTEN
from agent.runtime.composition import assemble
from agent.telemetry.status_file import Software
from provisioning.adoption import trial
from provisioning.check.findings import Device
from provisioning.check.running_agent import _of_software
from provisioning.cli import main
from tests.support import red_bike_model, red_bike_site
from tests.support.command_line import kerbwatch
from tests.support.red_models import write_red_model
from tests.support.text_files import replace_in

SIDE_PX = 64
CELLS = 8 * 8 + 4 * 4 + 2 * 2
GREY = np.full((48, 32, 3), 128, dtype=np.uint8)
NAMES = ["person", "bicycle", "car", "c3"]
PICTURE = [1, 3, SIDE_PX, SIDE_PX]
FLOAT, HALF, BYTES, INT64 = (
    TensorProto.FLOAT,
    TensorProto.FLOAT16,
    TensorProto.UINT8,
    TensorProto.INT64,
)


def yolov8_answer(score: float = 0.9) -> np.ndarray[Any, Any]:
    """A person in the middle."""
    answer = np.zeros((1, 4 + len(NAMES), CELLS), np.float32)
    answer[0, :5, 0] = 32, 32, 10, 20, score
    return answer


def network(
    *answers: np.ndarray[Any, Any],
    takes: tuple[int, Sequence[int | str]] = (FLOAT, PICTURE),
    gives: int = FLOAT,
    also_takes: tuple[tuple[str, int, list[int]], ...] = (),
    metadata: dict[str, str] | None = None,
    opset: int = 17,
    ir: int = 9,
) -> onnx.ModelProto:
    """A network that ignores its picture and answers what it was given."""
    kind, shape = takes
    nodes = [
        helper.make_node("Cast", ["images"], ["picture"], to=FLOAT),
        helper.make_node("ReduceMean", ["picture"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "nothing"], ["unmoved"]),
    ]
    constants = [numpy_helper.from_array(np.array(0, np.float32), "nothing")]
    outputs = []
    for index, answer in enumerate(answers):
        constants.append(numpy_helper.from_array(answer.astype(np.float32), f"answer{index}"))
        nodes += [
            helper.make_node("Add", [f"answer{index}", "unmoved"], [f"sum{index}"]),
            helper.make_node("Cast", [f"sum{index}"], [f"output{index}"], to=gives),
        ]
        outputs.append(helper.make_tensor_value_info(f"output{index}", gives, answer.shape))
    inputs = [helper.make_tensor_value_info("images", kind, shape)]
    inputs += [helper.make_tensor_value_info(*each) for each in also_takes]
    graph = helper.make_graph(nodes, "strange", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir)
    told = (
        {"names": str(dict(enumerate(NAMES))), "task": "detect"} if metadata is None else metadata
    )
    for key, value in told.items():
        model.metadata_props.add(key=key, value=value)
    return model


def adopt(file: Path, family: str = "yolov8", *more: str, name: str = "taken") -> Result:
    words = ["models", "adopt", str(file), "--name", name, "--family", family, *more]
    words += ["--licence", "MIT", "--provenance", "a test", "--into", str(file.parent / "models")]
    return CliRunner().invoke(main, words)


def saved(model: onnx.ModelProto, folder: Path) -> Path:
    onnx.save(model, str(folder / "strange.onnx"))
    return folder / "strange.onnx"


def refused(ran: Result, file: Path) -> str:
    assert ran.exit_code == 3, ran.output
    assert not isinstance(ran.exception, Exception), ran.exception
    models = file.parent / "models"
    assert not models.exists() or list(models.iterdir()) == []
    return " ".join(ran.output.split())


# --- shapes that exporters write ------------------------------------------------------------------------


def test_what_is_of_the_family_is_taken_and_finds_its_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = adopt(saved(network(yolov8_answer()), tmp_path))
    assert ran.exit_code == 0, ran.output
    assert "person, bicycle, car" in ran.output
    monkeypatch.setenv("KERBWATCH_MODELS", str(tmp_path / "models"))
    [found] = open_detector("taken", 1).detect(GREY)
    assert found.label == "person"


def test_a_size_and_a_batch_that_are_left_open_are_taken_with_a_size(tmp_path: Path) -> None:
    model = network(yolov8_answer(), takes=(FLOAT, ["batch", 3, "height", "width"]))
    ran = adopt(saved(model, tmp_path), "yolov8", "--size", "64", "64")
    assert ran.exit_code == 0, ran.output


END_TO_END = np.zeros((1, 300, 6))
MASKS = np.zeros((1, 32, 16, 16))
V5 = np.zeros((1, 3 * CELLS, 5 + len(NAMES)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "family", "word"),
    [
        (network(END_TO_END), "yolov8", "nms=False"),
        (network(END_TO_END, metadata={}), "yolov8", "nms=False"),
        (network(END_TO_END, metadata={}), "yolox", "nms=False"),
        (network(np.zeros((1, 4 + 4 + 32, CELLS)), MASKS), "yolov8", "segmentation"),
        (network(np.zeros((1, 4 + 4 + 32, CELLS)), MASKS, metadata={}), "yolov8", "segmentation"),
        (network(np.zeros((1, 56, CELLS)), metadata={"task": "pose"}), "yolov8", "'pose'"),
        (network(V5, metadata={"names": str(NAMES)}), "yolov8", "YOLOv5"),
        (network(V5, metadata={}), "yolox", "YOLOv5"),
        (network(yolov8_answer(), metadata={}), "yolox", "--family yolov8"),
        (network(np.zeros((1, CELLS, 9)), metadata={}), "yolov8", "--family yolox"),
        (network(np.zeros((1, 77, 55)), metadata={}), "yolov8", "--names"),
        (network(yolov8_answer(), metadata={"names": "{0: 'a'}"}), "yolov8", "4 classes, and 1"),
        (network(np.repeat(yolov8_answer(), 8, 0), takes=(FLOAT, [8, *PICTURE[1:]])), "yolov8", "batch=1"),
        (network(np.repeat(yolov8_answer(), 8, 0)), "yolov8", "batch=1"),
        (network(yolov8_answer(), takes=(HALF, PICTURE)), "yolov8", "half=False"),
        (network(yolov8_answer(), gives=HALF), "yolov8", "half=False"),
        (network(yolov8_answer(), takes=(FLOAT, [1, 64, 64, 3])), "yolov8", "NCHW"),
        (network(yolov8_answer(), takes=(BYTES, [1, 64, 64, 3])), "yolov8", "float32"),
        (network(yolov8_answer(), takes=(FLOAT, [1, 1, 64, 64])), "yolov8", "three colours"),
        (network(yolov8_answer(), takes=(FLOAT, [1, 3, 10**5, 10**5])), "yolov8", "at most 4194304"),
        (network(yolov8_answer(), takes=(FLOAT, [1, 12])), "yolov8", "no picture"),
        (network(yolov8_answer(), opset=40), "yolov8", "newer onnxruntime"),
        (network(yolov8_answer(), ir=99), "yolov8", "newer onnxruntime"),
        (network(yolov8_answer(), also_takes=(("im_shape", FLOAT, [1, 2]),)), "yolov8", "im_shape"),
        (network(np.zeros((1, 9, 91)), np.zeros((1, 9, 4)), metadata={}), "detr", "--names"),
        (network(np.zeros((1, 9)), np.zeros((1, 9, 4)), metadata={}), "detr_deployed", "--family detr"),
    ],
)  # fmt: skip
def test_what_is_not_of_the_family_is_refused_with_what_to_do(
    model: onnx.ModelProto, family: str, word: str, tmp_path: Path
) -> None:
    file = saved(model, tmp_path)
    assert word in refused(adopt(file, family), file)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "git lfs pull"),
        (b"<!DOCTYPE html><html>Not Found</html>", "a web page"),
        (b"PK\x03\x04weights", "export it to ONNX"),
        (b"no network at all", "strange.onnx: the file is no ONNX network"),
    ],
)
def test_a_file_that_is_no_network_is_told_for_what_it_is(
    content: bytes, word: str, tmp_path: Path
) -> None:
    file = tmp_path / "strange.onnx"
    file.write_bytes(content)
    assert word in refused(adopt(file), file)


# --- networks that do not end ---------------------------------------------------------------------------


def looping(grows: bool) -> onnx.ModelProto:
    """A network with a loop that has no end; it may double what it carries in each turn."""
    kept = [helper.make_node("Concat", ["carried", "carried"], ["more"], axis=0)]
    body = helper.make_graph(
        [helper.make_node("Identity", ["on"], ["still"]), *(kept if grows else [
            helper.make_node("Identity", ["carried"], ["more"])])],
        "body",
        [helper.make_tensor_value_info("turn", INT64, []),
         helper.make_tensor_value_info("on", TensorProto.BOOL, []),
         helper.make_tensor_value_info("carried", FLOAT, [None])],
        [helper.make_tensor_value_info("still", TensorProto.BOOL, []),
         helper.make_tensor_value_info("more", FLOAT, [None])],
    )  # fmt: skip
    model = network(yolov8_answer())
    model.graph.initializer.extend([
        numpy_helper.from_array(np.array(2**62), "turns"),
        numpy_helper.from_array(np.array(True), "go"),
        numpy_helper.from_array(np.array([-1]), "flat"),
    ])  # fmt: skip
    model.graph.node.insert(1, helper.make_node("Reshape", ["picture", "flat"], ["begin"]))
    model.graph.node.insert(
        2, helper.make_node("Loop", ["turns", "go", "begin"], ["looped"], body=body)
    )
    model.graph.node[3].input[0] = "looped"
    return model


@pytest.mark.slow
def test_a_network_without_an_end_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "LIMIT_S", 6.0)
    file = saved(looping(grows=False), tmp_path)
    assert "within 6 s" in refused(adopt(file), file)


@pytest.mark.slow
def test_a_network_that_takes_all_memory_takes_only_its_own_process(tmp_path: Path) -> None:
    file = saved(looping(grows=True), tmp_path)
    word = refused(adopt(file), file)
    assert "more memory than there is" in word or "ended by signal" in word


@pytest.mark.slow
def test_verifying_a_network_without_an_end_comes_to_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert adopt(saved(network(yolov8_answer()), tmp_path)).exit_code == 0
    folder = tmp_path / "models" / "taken"
    before = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    onnx.save(looping(grows=False), str(folder / "model.onnx"))
    after = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    change(folder, before, after)
    monkeypatch.setenv("KERBWATCH_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(trial, "LIMIT_S", 6.0)
    ran = kerbwatch("models", "verify")
    assert ran.exit_code == 1
    assert "too slow, or never ends" in ran.output


def test_an_interrupted_call_leaves_no_model_and_hinders_no_other(tmp_path: Path) -> None:
    file = saved(looping(grows=False), tmp_path)
    words = ["adopt", str(file), "--name", "taken", "--family", "yolov8", "--licence", "MIT"]
    words += ["--provenance", "a test", "--into", str(tmp_path / "models")]
    command = [sys.executable, "-c", "from provisioning.cli import main; main()", "models", *words]
    begun = subprocess.Popen(command)
    staged = tmp_path / "models" / ".taken.adopting" / "taken" / "model.onnx"
    deadline_s = time.monotonic() + 60
    while not staged.exists():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    begun.send_signal(signal.SIGKILL)
    begun.wait()
    assert not (tmp_path / "models" / "taken").exists()
    ran = adopt(saved(network(yolov8_answer()), tmp_path))
    assert ran.exit_code == 0, ran.output
    assert [each.name for each in (tmp_path / "models").iterdir()] == ["taken"]


# --- names ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["../../x", "/tmp/x", "a/b", "", ".", "..", "-x", "UPPER", "a b", "a\0b", "a\nb", "a" * 65, "ѕtreet", "ａ"],
)  # fmt: skip
def test_a_name_that_is_no_folder_s_is_refused_before_anything_is_read(
    name: str, tmp_path: Path
) -> None:
    file = tmp_path / "strange.onnx"
    file.write_bytes(b"not looked at")
    before = sorted(tmp_path.parent.iterdir())
    word = refused(adopt(file, name=name), file)
    assert "1 to 64 of a-z, 0-9, - and _" in word
    assert sorted(tmp_path.parent.iterdir()) == before


def test_a_character_that_only_looks_right_is_named(tmp_path: Path) -> None:
    file = saved(network(yolov8_answer()), tmp_path)
    assert "U+0455" in refused(adopt(file, name="ѕtreet"), file)


def test_no_other_model_s_name_is_taken_even_from_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_red_model(tmp_path / "elsewhere", "yolov8")
    monkeypatch.setenv("KERBWATCH_MODELS", str(tmp_path / "elsewhere"))
    file = saved(network(yolov8_answer()), tmp_path)
    assert "there already" in refused(adopt(file, name="red"), file)


def test_a_name_that_a_broken_link_holds_is_not_taken(tmp_path: Path) -> None:
    file = saved(network(yolov8_answer()), tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "taken").symlink_to(tmp_path / "nowhere")
    ran = adopt(file)
    assert ran.exit_code == 3
    assert "there already" in ran.output


@pytest.mark.slow
@pytest.mark.parametrize(
    "content",
    [
        "person\nbicycle\ncar\nc3\n",
        "\ufeffperson\r\nbicycle\r\ncar\r\nc3\r\n",
        "\n  person  \n\nbicycle\t\ncar\nc3",
        "person\rbicycle\rcar\rc3",
        "0: person\n1: bicycle\n2: car\n3: c3\n",
        "1 person\n2 bicycle\n3 car\n4 c3\n",
        "'person',\n'bicycle',\n'car',\n'c3',\n",
        "- person\n- bicycle\n- car\n- c3\n",
        '- "person"\n- "bicycle"\n- "car"\n- "c3"\n',
    ],
)
def test_class_names_are_read_as_people_keep_them(content: str, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_bytes(content.encode())
    file = saved(network(yolov8_answer(), metadata={}), tmp_path)
    ran = adopt(file, "yolov8", "--names", str(tmp_path / "names.txt"))
    assert ran.exit_code == 0, ran.output
    classes = load_manifest(tmp_path / "models" / "taken").classes
    assert [each.name for each in classes] == NAMES
    assert classes[0].meaning == "person"


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("行人\n自行车\n".encode("gb18030"), "line 1 is not UTF-8"),
        ("person\n自行车\n".encode("gb18030"), "line 2 is not UTF-8"),
        ("person\nbicycle\ncar\nc3\n".encode("utf-16"), "UTF-16"),
        ("person\nbicycle\ncar\nc3\n".encode("utf-16-le"), "UTF-16"),
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"person\nbicycle\nperson\nc3\n", "given twice: person"),
        (b"per\x1b[31mson\nbicycle\ncar\nc3\n", "U+001B"),
        ("per\u200bson\nbicycle\ncar\nc3\n".encode(), "U+200B"),
        (b"person\nbicycle\n", "4 classes, and 2 are named"),
        (b"person\n" * 700_000, "larger than"),
    ],
)
def test_class_names_that_cannot_be_read_rightly_are_refused(
    content: bytes, word: str, tmp_path: Path
) -> None:
    (tmp_path / "names.txt").write_bytes(content)
    file = saved(network(yolov8_answer(), metadata={}), tmp_path)
    assert word in refused(adopt(file, "yolov8", "--names", str(tmp_path / "names.txt")), file)


@pytest.mark.slow
@pytest.mark.parametrize("names", ["[" * 100_000, "{0: " * 5000, "{'a': 1, 2: 3}", "1 +", "{}"])
def test_names_inside_the_file_that_are_none_are_left_out(names: str, tmp_path: Path) -> None:
    ran = adopt(saved(network(yolov8_answer(), metadata={"names": names}), tmp_path))
    assert ran.exit_code == 0, ran.output
    assert "these are used: none" in ran.output
    assert "--names" in ran.output


# --- weights beside the network -------------------------------------------------------------------------


def with_weights_beside(folder: Path, location: str = "strange.onnx.data") -> Path:
    file = folder / "strange.onnx"
    onnx.save(
        network(yolov8_answer()), str(file), save_as_external_data=True, location=location,
        size_threshold=16,
    )  # fmt: skip
    return file


def test_weights_beside_the_network_are_taken_along_and_hashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = with_weights_beside(tmp_path)
    ran = adopt(file)
    assert ran.exit_code == 0, ran.output
    monkeypatch.setenv("KERBWATCH_MODELS", str(tmp_path / "models"))
    monkeypatch.chdir(tmp_path)
    detector = open_detector("taken", 1)
    assert [each.label for each in detector.detect(GREY)] == ["person"]
    folder = tmp_path / "models" / "taken"
    listed = subprocess.run(
        ["sha256sum", "model.onnx", "strange.onnx.data"],
        cwd=folder, capture_output=True, check=True,
    )  # fmt: skip
    assert detector.used.sha256 == hashlib.sha256(listed.stdout).hexdigest()


def test_an_agent_with_weights_beside_runs_what_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert adopt(with_weights_beside(tmp_path)).exit_code == 0
    monkeypatch.setenv("KERBWATCH_MODELS", str(tmp_path / "models"))
    used = open_detector("taken", 1).used
    software = Software(
        pid=1,
        agent_version=version("kerbwatch"),
        configuration_sha256="",
        settings_sha256="",
        configuration=AS_WRITTEN,
        models=(used,),
    )
    assert list(_of_software(software, Device(tmp_path, tmp_path, None))) == []


@pytest.mark.slow
def test_changed_weights_are_found_and_never_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert adopt(with_weights_beside(tmp_path)).exit_code == 0
    folder = tmp_path / "models" / "taken"
    content = (folder / "strange.onnx.data").read_bytes()
    (folder / "strange.onnx.data").write_bytes(bytes(255 - each for each in content))
    monkeypatch.setenv("KERBWATCH_MODELS", str(tmp_path / "models"))
    ran = kerbwatch("models", "verify")
    assert ran.exit_code == 1
    assert "weights: strange.onnx.data has" in ran.output
    with pytest.raises(ModelError, match=r"strange\.onnx\.data has"):
        open_detector("taken", 1)


def test_weights_that_no_manifest_names_are_refused_wherever_they_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert adopt(with_weights_beside(tmp_path)).exit_code == 0
    folder = tmp_path / "models" / "taken"
    digest = hashlib.sha256((folder / "strange.onnx.data").read_bytes()).hexdigest()
    change(folder, f'[weights]\n"strange.onnx.data" = "{digest}"\n', "")
    monkeypatch.chdir(folder)  # where the runtime would look by itself
    with pytest.raises(
        ModelError, match=r"keeps its weights in strange\.onnx\.data, .* names none"
    ):
        verify(folder)


def test_weights_that_are_missing_or_lie_elsewhere_are_told(tmp_path: Path) -> None:
    file = with_weights_beside(tmp_path)
    (tmp_path / "strange.onnx.data").unlink()
    assert "must lie beside it: No such file" in refused(adopt(file), file)
    (tmp_path / "strange.onnx.data").symlink_to("/etc/hostname")
    assert "a link out of its folder" in refused(adopt(file), file)
    for place in ("../elsewhere.data", "/etc/hostname", "sub/strange.data", "*/_ORT_MEM_ADDR_/*"):
        model = onnx.load(str(file), load_external_data=False)
        for tensor in model.graph.initializer:
            for entry in tensor.external_data:
                entry.value = place if entry.key == "location" else entry.value
        onnx.save(model, str(file))
        assert "export it again with all weights" in refused(adopt(file), file)


def test_the_bytes_that_were_hashed_are_those_that_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert adopt(saved(network(yolov8_answer()), tmp_path)).exit_code == 0
    folder = tmp_path / "models" / "taken"
    stored = read_model(folder)
    onnx.save(network(yolov8_answer(score=0.0)), str(folder / "model.onnx"))
    assert [each.label for each in Detector(stored, 1).detect(GREY)] == ["person"]


def test_weights_inside_of_branches_and_functions_are_found() -> None:
    tensor = TensorProto(name="far", data_type=FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="far.data")
    constant = helper.make_node("Constant", [], ["far"], value=tensor)
    branch = helper.make_graph([constant], "branch", [], [])
    inner = helper.make_node("If", ["on"], ["out"], then_branch=branch, else_branch=branch)
    function = helper.make_function("own", "Far", [], ["far"], [constant], [])
    model = helper.make_model(helper.make_graph([inner], "outer", [], []))
    assert wanted_weights(model.SerializeToString()) == {"far.data"}
    model = helper.make_model(helper.make_graph([], "outer", [], []), functions=[function])
    assert wanted_weights(model.SerializeToString()) == {"far.data"}
    tensor.data_location = TensorProto.DEFAULT
    model = helper.make_model(helper.make_graph([], "outer", [], [], [tensor]))
    assert wanted_weights(model.SerializeToString()) == frozenset()


# --- manifests ------------------------------------------------------------------------------------------


def change(folder: Path, old: str, new: str) -> None:
    replace_in(folder / "manifest.toml", old, new)


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("width = 64", "width = 1000000000", "input.width: Input should be less than or equal to"),
        ("width = 64\nheight = 64", "width = 4096\nheight = 4096", "at most 4194304"),
        ("shape = [1, 5, 64]", "shape = [1, 5, 1000000000]", "output.shape.2"),
        ("shape = [1, 5, 64]", "shape = [9999, 9999, 9999]", "at most 33554432 values"),
        ("shape = [1, 5, 64]", "shape = [1, 5, -64]", "output.shape.2"),
        ("shape = [1, 5, 64]", f"shape = {[1] * 9}", "at most 8 entries"),
        ("scale = 0.00392156862745098", "scale = inf", "input.scale"),
        ("scale = 0.00392156862745098", "scale = 1e300", "values of 2.55e+302"),
        ("threshold = 0.6", "threshold = nan", "threshold"),
        ("threshold = 0.6", "threshold = 1.01", "threshold"),
        ('name = "images"', f'name = "{"i" * 300}"', "at most 256 characters"),
        ('licence = "Apache-2.0"', f'licence = "{"x" * 5000}"', "at most 256 characters"),
        ('licence = "Apache-2.0"', r'licence = "A\u001b[31m"', "U+001B in licence"),
        ('licence = "Apache-2.0"', r'licence = "A\u202e"', "U+202E in licence"),
        ('licence = "Apache-2.0"', "licence = " + "[" * 100_000, "32 deep"),
        ('licence = "Apache-2.0"', "licence = " + "[" * 400 + "]" * 400, "32 deep"),
        ('licence = "Apache-2.0"', ".".join("a" * 100_000) + " = 1", "32 deep"),
        ('file = "model.onnx"', 'file = "../red/model.onnx"', "file: "),
        ("[input]", '[weights]\n"../x" = "' + "0" * 64 + '"\n[input]', "weights"),
        ("[input]", '[weights]\n"manifest.toml" = "' + "0" * 64 + '"\n[input]', "weights"),
        ("[[classes]]", '[[classes]]\nname = "x"\nmeaning = ""\nthreshold = 0.5\n' * 10_001 + "[[classes]]",
         "at most 10000 entries"),
    ],
)  # fmt: skip
def test_a_manifest_that_says_too_much_is_refused(
    old: str, new: str, word: str, tmp_path: Path
) -> None:
    folder = write_red_model(tmp_path, "yolov8")
    change(folder, old, new)
    with pytest.raises(ModelError) as error:
        read_model(folder)
    assert word in "\n".join(error.value.faults)


def test_a_manifest_s_file_is_an_ordinary_one_of_its_folder(tmp_path: Path) -> None:
    folder = write_red_model(tmp_path, "yolov8")
    (folder / "model.onnx").rename(tmp_path / "elsewhere.onnx")
    (folder / "model.onnx").symlink_to(tmp_path / "elsewhere.onnx")
    with pytest.raises(ModelError, match="a link out of its folder"):
        read_model(folder)
    (folder / "model.onnx").unlink()
    os.mkfifo(folder / "model.onnx")
    with pytest.raises(ModelError, match="no ordinary file"):
        read_model(folder)
    (folder / "model.onnx").unlink()
    with (folder / "model.onnx").open("wb") as opened:
        opened.truncate(10**12)
    with pytest.raises(ModelError, match="too large"):
        read_model(folder)


def test_a_folder_that_is_no_model_s_is_in_nobody_s_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_red_model(tmp_path, "yolov8")
    for name in (".half.adopting", "My Model", "a\x1b[31m"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.toml").write_text("", encoding="utf-8")
    monkeypatch.setenv("KERBWATCH_MODELS", str(tmp_path))
    ran = kerbwatch("models", "list")
    assert ran.exit_code == 0, ran.output
    assert "red" in ran.output
    assert "\x1b" not in ran.output
    assert "'My Model'" in ran.output
    assert r"'a\x1b[31m'" in ran.output
    assert "adopting" not in ran.output


def test_a_changed_manifest_is_another_model_to_the_audit_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    red_bike_model.write_model(tmp_path / "models")
    monkeypatch.setenv("KERBWATCH_MODELS", str(tmp_path / "models"))
    red_bike_site.write_red_site(tmp_path)
    before = facts_of(tmp_path)
    change(tmp_path / "models" / "street", "threshold = 0.5", "threshold = 0.51")
    after = facts_of(tmp_path)
    assert list(before) == list(after) == ["model street"]
    assert before != after


def facts_of(site: Path) -> dict[str, str]:
    """What the audit log is told of the models of a site."""
    parts = assemble(
        loading.load(site),
        state_dir=site / "state",
        evidence_dir=site / "state" / "evidence",
        ids=RandomIds(),
        clock=lambda _: ClockReading(state="replay", boot_id="boot", monotonic_s=0),
        boot_id="boot",
    )
    with closing(parts):
        return parts.networks.facts
