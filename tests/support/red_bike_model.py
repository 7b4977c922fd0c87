"""A detector to which everything red is a bicycle, without training: a real network for the real runtime.

It averages redness over the cells of the coarsest YOLOX grid and calls a red cell a bicycle of three cells' width.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save_model

if TYPE_CHECKING:
    from pathlib import Path

    from onnx import NodeProto


SIDE_PX = 416
_COARSE = (SIDE_PX // 32) ** 2
_FINER = (SIDE_PX // 8) ** 2 + (SIDE_PX // 16) ** 2


def write_model(folder: Path, *, blue_hangs: bool = False) -> None:
    """Write the model ``street`` into a folder of models.

    Args:
        folder: Where models are looked for.
        blue_hangs: Whether the network never comes back from a picture with something blue in it.
    """
    place = folder / "street"
    place.mkdir(parents=True)
    # Redness of BGR, 0 to 1 for what is more red than anything else.
    weights = np.array([-0.5, -0.5, 1.0], np.float32).reshape(1, 3, 1, 1) / 120
    box = np.tile(np.array([0.5, 0.5, np.log(3), np.log(3)]), (1, _FINER + _COARSE, 1))
    constants = {
        "weights": weights,
        "low": np.float32(0),
        "high": np.float32(1),
        "column": np.array([1, _COARSE, 1], np.int64),
        "finer": np.zeros((1, _FINER, 1), np.float32),
        "box": box.astype(np.float32),
        "certain": np.ones((1, _FINER + _COARSE, 1), np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["images", "weights"], ["redness"]),
        helper.make_node(
            "AveragePool", ["redness"], ["pooled"], kernel_shape=[32, 32], strides=[32, 32]
        ),
        helper.make_node("Clip", ["pooled", "low", "high"], ["clipped"]),
        helper.make_node("Reshape", ["clipped", "column"], ["coarse"]),
        helper.make_node("Concat", ["finer", "coarse"], ["objectness"], axis=1),
        helper.make_node("Concat", ["box", "objectness", "certain"], ["output"], axis=2),
    ]
    if blue_hangs:
        nodes[-1].output[0] = "judged"
        nodes += _endless_when_blue(constants)
    size = [1, 3, SIDE_PX, SIDE_PX]
    answer = [1, _FINER + _COARSE, 6]
    graph = helper.make_graph(
        nodes,
        "red",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, size)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, answer)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    save_model(model, str(place / "model.onnx"))
    digest = hashlib.sha256((place / "model.onnx").read_bytes()).hexdigest()
    (place / "manifest.toml").write_text(
        f"""
name = "street"
version = "0.0.0"
family = "yolox"
file = "model.onnx"
sha256 = "{digest}"
licence = "Apache-2.0"
provenance = "made up by a test"
[input]
name = "images"
width = {SIDE_PX}
height = {SIDE_PX}
colour = "BGR"
resize = "letterbox"
[output]
name = "output"
shape = {answer}
[[classes]]
name = "red"
meaning = "bicycle"
threshold = 0.5
""",
        encoding="utf-8",
    )


def _endless_when_blue(constants: dict[str, Any]) -> list[NodeProto]:
    """From ``judged`` to ``output`` by a loop that has no end once anything is blue."""
    constants |= {
        "blueness": np.array([1, -0.5, -0.5], np.float32).reshape(1, 3, 1, 1) / 120,
        "blue": np.float32(0.8),
    }
    states = [("on", TensorProto.BOOL), ("kept", TensorProto.FLOAT)]
    body = helper.make_graph(
        [helper.make_node("Identity", [f"{name}_in"], [f"{name}_out"]) for name, _ in states],
        "round",
        [
            helper.make_tensor_value_info("count", TensorProto.INT64, []),
            *(helper.make_tensor_value_info(f"{name}_in", kind, None) for name, kind in states),
        ],
        [helper.make_tensor_value_info(f"{name}_out", kind, None) for name, kind in states],
    )
    return [
        helper.make_node("Conv", ["images", "blueness"], ["blue_map"]),
        helper.make_node("ReduceMax", ["blue_map"], ["bluest"], keepdims=0),
        helper.make_node("Greater", ["bluest", "blue"], ["endless"]),
        helper.make_node("Loop", ["", "endless", "judged"], ["output"], body=body),
    ]


@pytest.fixture
def red_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of models in force: it has ``street``, which calls red things bicycles."""
    write_model(tmp_path / "models")
    monkeypatch.setenv("KERBWATCH_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"
