"""A street on which everything red is a bicycle: a whole site in seconds, without a trained model.

The network is a real one, run by the real runtime: it averages redness over the cells of the
coarsest YOLOX grid and calls a red cell a bicycle of three cells' width.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from onnx import TensorProto, helper, numpy_helper, save_model

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from onnx import NodeProto

SIDE_PX = 416
COMES_S, GOES_S, ENDS_S = 1.0, 5.0, 8.0
FRAMES_PER_S = 5
_RED_BGR, _DARK_BGR = (20, 20, 220), (10, 10, 90)
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


def write_site(folder: Path) -> None:
    """Write a site whose clip shows one red thing that comes, stands and goes."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "site.toml").write_text(
        """
[site]
tenant = "example"
device_id = "red-corner"
address = "Example Road 1"
[[cameras]]
camera_id = "street"
driver = "video_file"
settings = { path = "clip.mp4" }
[scenarios.misparked_bikes]
allowed_s = 2
clear_after_s = 1
""",
        encoding="utf-8",
    )
    polygon = [[0.05, 0.05], [0.95, 0.05], [0.95, 0.95], [0.05, 0.95]]
    zone = {"zone_id": "kerb", "camera_id": "street", "kind": "no_parking", "polygon": polygon}
    (folder / "zones.json").write_text(json.dumps({"zones": [zone]}), encoding="utf-8")
    problem = {
        "kind": "misparked_bike",
        "zone_id": "kerb",
        "object": "red",
        "begins_s": COMES_S,
        "ends_s": GOES_S,
    }
    truth = {"clip": {"seconds": ENDS_S}, "problems": [problem], "distractors": []}
    (folder / "truth.json").write_text(json.dumps(truth), encoding="utf-8")
    _write_clip(folder / "clip.mp4")


def _write_clip(path: Path) -> None:
    width, height = 640, 360
    writer = cv2.VideoWriter(
        str(path), cv2.VideoWriter.fourcc(*"mp4v"), FRAMES_PER_S, (width, height)
    )
    assert writer.isOpened()
    paving = _paving(width, height)
    for index in range(int(ENDS_S * FRAMES_PER_S)):
        picture = paving.copy()
        if COMES_S <= index / FRAMES_PER_S < GOES_S:
            cv2.rectangle(picture, (280, 150), (380, 250), _RED_BGR, thickness=-1)
            for left in range(290, 380, 20):  # what stands is known by its texture
                cv2.rectangle(picture, (left, 150), (left + 4, 250), _DARK_BGR, thickness=-1)
        writer.write(picture)
    writer.release()


def _paving(width: int, height: int) -> NDArray[np.uint8]:
    """Slabs of different greys, uint8 (height, width, 3)."""
    greys = np.random.default_rng(7).integers(80, 170, (height // 20, width // 20), np.uint8)
    slabs = cv2.resize(greys, (width, height), interpolation=cv2.INTER_NEAREST)
    return np.repeat(slabs[:, :, None], 3, axis=2).astype(np.uint8)
