"""A network that calls what is red, green or blue a bicycle, one of each at most, and knows where it is exactly.

A real network run by the real runtime: three queries as of a DETR, one for each colour. Several things that
come and go on one street are told apart by it, as a good detector would.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save_model

if TYPE_CHECKING:
    from pathlib import Path

RED, GREEN, BLUE = "#dc1414", "#14b414", "#1428dc"
COLOURS = 3
WIDTH_PX, HEIGHT_PX = 640, 384
"""Larger than the zone on the drawn street, so that one crop shows all of it."""


def _graph() -> Any:
    sides = (("x", 2, WIDTH_PX), ("y", 3, HEIGHT_PX))
    weights = np.full((COLOURS, 3, 1, 1), -0.5, np.float32)
    weights[range(COLOURS), range(COLOURS)] = 1.0
    constants: dict[str, Any] = {
        "weights": weights,
        "least": np.float32(0.3),
        "one": np.float32(1),
        "two": np.float32(2),
        "surely": np.float32(20),
        "half": np.float32(0.5),
        "last_axis": np.array([2]),
    }
    nodes = [
        helper.make_node("Conv", ["images", "weights"], ["colours"]),
        helper.make_node("Greater", ["colours", "least"], ["is_there"]),
        helper.make_node("Cast", ["is_there"], ["there"], to=TensorProto.FLOAT),
    ]
    for name, over, side_px in sides:
        constants[f"over_{name}"] = np.array([over])
        constants[f"{name}_px"] = np.float32(side_px)
        nodes.append(helper.make_node("ReduceMax", ["there", f"over_{name}"], [name], keepdims=0))
        for which, last in (("first", 0), ("last", 1)):
            index, place = f"{which}_{name}_index", f"{which}_{name}"
            told: dict[str, Any] = {"axis": 2, "keepdims": 0, "select_last_index": last}
            nodes.append(helper.make_node("ArgMax", [name], [index], **told))
            nodes.append(helper.make_node("Cast", [index], [place], to=TensorProto.FLOAT))
        nodes += [
            helper.make_node("Add", [f"last_{name}", "one"], [f"end_{name}"]),
            helper.make_node("Add", [f"first_{name}", f"end_{name}"], [f"twice_{name}"]),
            helper.make_node("Div", [f"twice_{name}", "two"], [f"middle_{name}_px"]),
            helper.make_node("Sub", [f"end_{name}", f"first_{name}"], [f"size_{name}_px"]),
        ]
        for fact in ("middle", "size"):
            flat, column = f"{fact}_{name}_share", f"{fact}_{name}"
            nodes.append(helper.make_node("Div", [f"{column}_px", f"{name}_px"], [flat]))
            nodes.append(helper.make_node("Unsqueeze", [flat, "last_axis"], [column]))
    columns = [f"{fact}_{name}" for fact in ("middle", "size") for name, *_ in sides]
    nodes += [
        helper.make_node("Concat", columns, ["boxes"], axis=2),
        helper.make_node("ReduceMax", ["x", "last_axis"], ["any"], keepdims=1),
        helper.make_node("Sub", ["any", "half"], ["centred"]),
        helper.make_node("Mul", ["centred", "surely"], ["logits"]),
    ]
    shapes = {"logits": [1, COLOURS, 1], "boxes": [1, COLOURS, 4]}
    graph = helper.make_graph(
        nodes,
        "coloured bikes",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, HEIGHT_PX, WIDTH_PX])],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in shapes.items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def write_coloured_bikes_model(models: Path) -> None:
    """Write it into a folder of models, as ``street``."""
    place = models / "street"
    place.mkdir(parents=True)
    save_model(_graph(), str(place / "model.onnx"))
    digest = hashlib.sha256((place / "model.onnx").read_bytes()).hexdigest()
    (place / "manifest.toml").write_text(
        f'name = "street"\nversion = "1"\nfamily = "detr"\nfile = "model.onnx"\n'
        f'sha256 = "{digest}"\nlicence = "Apache-2.0"\nprovenance = "made up by a test"\n'
        f'[input]\nname = "images"\nwidth = {WIDTH_PX}\nheight = {HEIGHT_PX}\ncolour = "RGB"\n'
        'scale = 0.00392156862745098\nresize = "stretch"\n'
        f'[output]\nname = "logits"\nshape = [1, {COLOURS}, 1]\nactivation = "sigmoid"\n'
        f'[also.boxes]\nname = "boxes"\nshape = [1, {COLOURS}, 4]\n'
        '[[classes]]\nname = "bike"\nmeaning = "bicycle"\nthreshold = 0.6\n',
        encoding="utf-8",
    )
