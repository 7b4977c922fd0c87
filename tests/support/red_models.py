"""A network of each family of detectors that calls a red cell a bicycle."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper, save_model

SIDE_PX, CELL_PX = 64, 8
CELLS = (SIDE_PX // CELL_PX) ** 2
NANODET_MEAN, NANODET_STD = (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)
NANODET_PLACES = CELLS + 4 * 4 + 2 * 2 + 1


def _centres() -> NDArray[np.float32]:
    """The middle of each cell with a box of three cells, (CELLS, 4) in pixels."""
    row, column = np.mgrid[: SIDE_PX // CELL_PX, : SIDE_PX // CELL_PX]
    sides = np.full(CELLS, 3 * CELL_PX)
    x, y = (column.ravel() + 0.5) * CELL_PX, (row.ravel() + 0.5) * CELL_PX
    return np.stack([x, y, sides, sides], axis=1).astype(np.float32)


def red_graph(family: str) -> Any:
    """A network of a family's shape that calls a red cell a bicycle; scores of its only class."""
    pixels = _centres()
    redness = np.array([1.0, -0.5, -0.5])
    bias = np.zeros(1)
    if family == "nanodet_plus":  # fed with BGR, less a mean and divided
        redness = redness[::-1] / 255
        redness, bias = redness * NANODET_STD, np.array([redness @ NANODET_MEAN])
    weights = redness.astype(np.float32).reshape(1, 3, 1, 1)
    constants: dict[str, Any] = {
        "weights": weights,
        "bias": bias.astype(np.float32),
        "low": np.float32(0),
        "high": np.float32(1),
    }
    nodes = [
        helper.make_node(
            "AveragePool", ["images"], ["cells"], kernel_shape=[CELL_PX] * 2, strides=[CELL_PX] * 2
        ),
        helper.make_node("Conv", ["cells", "weights", "bias"], ["redness"]),
        helper.make_node("Clip", ["redness", "low", "high"], ["score"]),
    ]
    inputs = [("images", TensorProto.FLOAT, [1, 3, SIDE_PX, SIDE_PX])]
    if family == "nanodet_plus":
        # A cell's point is its upper left corner: the box reaches one stride up, two down.
        logits = np.full((1, CELLS, 4, 8), -50, np.float32)
        logits[:, :, :2, 1] = logits[:, :, 2:, 2] = 50
        coarse = np.zeros((1, NANODET_PLACES - CELLS, 33), np.float32)
        constants |= {
            "flat": np.array([1, CELLS, 1]),
            "sides": logits.reshape(1, CELLS, 32),
            "coarse": coarse,
        }
        nodes += [
            helper.make_node("Reshape", ["score", "flat"], ["scores"]),
            helper.make_node("Concat", ["scores", "sides"], ["fine"], axis=2),
            helper.make_node("Concat", ["fine", "coarse"], ["output"], axis=1),
        ]
        outputs = [("output", TensorProto.FLOAT, [1, NANODET_PLACES, 33])]
    elif family == "yolov8":
        constants |= {"flat": np.array([1, 1, CELLS]), "places": pixels.T[None]}
        nodes += [
            helper.make_node("Reshape", ["score", "flat"], ["scores"]),
            helper.make_node("Concat", ["places", "scores"], ["output"], axis=1),
        ]
        outputs = [("output", TensorProto.FLOAT, [1, 5, CELLS])]
    elif family == "detr":
        constants |= {
            "flat": np.array([1, CELLS, 1]),
            "half": np.float32(0.5),
            "steep": np.float32(20),
            "places": pixels[None] / SIDE_PX,
        }
        nodes += [
            helper.make_node("Reshape", ["score", "flat"], ["scores"]),
            helper.make_node("Sub", ["scores", "half"], ["shifted"]),
            helper.make_node("Mul", ["shifted", "steep"], ["logits"]),
            helper.make_node("Identity", ["places"], ["boxes"]),
        ]
        outputs = [
            ("logits", TensorProto.FLOAT, [1, CELLS, 1]),
            ("boxes", TensorProto.FLOAT, [1, CELLS, 4]),
        ]
    else:
        x, y, width, height = pixels.T / SIDE_PX
        corners = np.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], axis=1)
        constants |= {
            "flat": np.array([1, CELLS]),
            "corners": corners[None].astype(np.float32),
            "kinds": np.zeros((1, CELLS), np.int64),
        }
        inputs.append(("orig_target_sizes", TensorProto.INT64, [1, 2]))
        nodes += [
            helper.make_node("Reshape", ["score", "flat"], ["scores"]),
            helper.make_node("Cast", ["orig_target_sizes"], ["size"], to=TensorProto.FLOAT),
            helper.make_node("Concat", ["size", "size"], ["scale"], axis=1),
            helper.make_node("Mul", ["corners", "scale"], ["boxes"]),
            helper.make_node("Identity", ["kinds"], ["labels"]),
        ]
        outputs = [
            ("scores", TensorProto.FLOAT, [1, CELLS]),
            ("boxes", TensorProto.FLOAT, [1, CELLS, 4]),
            ("labels", TensorProto.INT64, [1, CELLS]),
        ]
    graph = helper.make_graph(
        nodes,
        "red",
        [helper.make_tensor_value_info(*each) for each in inputs],
        [helper.make_tensor_value_info(*each) for each in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


OUTPUTS = {
    "nanodet_plus": f'[output]\nname = "output"\nshape = [1, {NANODET_PLACES}, 33]\n',
    "yolov8": f'[output]\nname = "output"\nshape = [1, 5, {CELLS}]\n',
    "detr": f'[output]\nname = "logits"\nshape = [1, {CELLS}, 1]\nactivation = "sigmoid"\n'
    f'[also.boxes]\nname = "boxes"\nshape = [1, {CELLS}, 4]\n',
    "detr_deployed": f'[output]\nname = "scores"\nshape = [1, {CELLS}]\n'
    f'[also.boxes]\nname = "boxes"\nshape = [1, {CELLS}, 4]\n'
    f'[also.labels]\nname = "labels"\nshape = [1, {CELLS}]\nkind = "int64"\n',
}


def write_red_model(folder: Path, family: str) -> Path:
    place = folder / "red"
    place.mkdir(parents=True)
    save_model(red_graph(family), str(place / "model.onnx"))
    digest = hashlib.sha256((place / "model.onnx").read_bytes()).hexdigest()
    resize = "letterbox_centred" if family == "yolov8" else "stretch"
    fed = 'colour = "RGB"\nscale = 0.00392156862745098\n'
    if family == "nanodet_plus":
        fed = f'colour = "BGR"\nmean = {list(NANODET_MEAN)}\nstd = {list(NANODET_STD)}\n'
    sizes = 'sizes = "orig_target_sizes"\n' if family == "detr_deployed" else ""
    (place / "manifest.toml").write_text(
        f'name = "red"\nversion = "1"\nfamily = "{family}"\nfile = "model.onnx"\n'
        f'sha256 = "{digest}"\nlicence = "Apache-2.0"\nprovenance = "made up by a test"\n'
        f'[input]\nname = "images"\nwidth = {SIDE_PX}\nheight = {SIDE_PX}\n{fed}'
        f'resize = "{resize}"\n{sizes}'
        f'{OUTPUTS[family]}[[classes]]\nname = "red"\nmeaning = "bicycle"\nthreshold = 0.6\n',
        encoding="utf-8",
    )
    return place
