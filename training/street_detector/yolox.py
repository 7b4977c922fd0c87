"""YOLOX-nano as a trainable network, straight from its ONNX file and back into it.

The weights live in the ONNX graph under their own names, so the trained file is the start's graph
with other numbers in it: nothing about the device's decoding can drift. The few operators that
YOLOX-nano uses are run by torch here; a general converter would want torchvision, which has no
CPU build beside the torch this project trains with.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from training.street_detector.classes import COCO_ROWS, STREET_CLASSES

INPUT_PX = 416
STRIDES = (8, 16, 32)
# COCO's nearest things give the new rows a direction to start from: furniture under a parasol,
# upright boxes, soft bags.
NEAREST_COCO_ROWS = {"stall": (13, 60, 25), "bin": (58, 28, 72), "rubbish": (24, 26, 28)}
SILENT_BIAS = -10.0
NEW_CLASS_BIAS = -3.0
_HEAD = "head.{part}_preds.{level}.{kind}"


def _tensors(model: onnx.ModelProto) -> dict[str, NDArray[Any]]:
    return {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}


def _store(model: onnx.ModelProto, values: Mapping[str, NDArray[Any]]) -> None:
    for each in model.graph.initializer:
        if each.name in values:
            each.CopyFrom(numpy_helper.from_array(values[each.name].copy(), each.name))


def _new_row(weight: NDArray[Any], bias: NDArray[Any], name: str, silent: bool) -> tuple[Any, Any]:
    if name in COCO_ROWS:
        return weight[COCO_ROWS[name]], bias[COCO_ROWS[name]]
    if silent:
        return np.zeros_like(weight[0]), np.float32(SILENT_BIAS)
    near = list(NEAREST_COCO_ROWS[name])
    return weight[near].mean(axis=0) * 0.5, np.float32(NEW_CLASS_BIAS)


def rehead(start: Path, silent: bool = False) -> onnx.ModelProto:
    """The COCO network with its class rows replaced by the street classes.

    Args:
        start: The YOLOX-nano ONNX file with 80 COCO classes.
        silent: Give classes that COCO lacks rows that never fire, instead of rows to train from.

    Returns:
        A model whose output is (1, 3549, 5 + 10).
    """
    model = onnx.load(start)
    tensors = _tensors(model)
    changed: dict[str, NDArray[Any]] = {}
    for level in range(len(STRIDES)):
        weight_name = _HEAD.format(part="cls", level=level, kind="weight")
        bias_name = _HEAD.format(part="cls", level=level, kind="bias")
        weight, bias = tensors[weight_name], tensors[bias_name]
        rows = [_new_row(weight, bias, name, silent) for name in STREET_CLASSES]
        changed[weight_name] = np.stack([row for row, _ in rows]).astype(np.float32)
        changed[bias_name] = np.array([offset for _, offset in rows], dtype=np.float32)
    columns = 5 + len(STREET_CLASSES)
    for node in model.graph.node:
        if node.op_type == "Reshape":
            changed[node.input[1]] = np.array([1, columns, -1], dtype=np.int64)
    _store(model, changed)
    shape = model.graph.output[0].type.tensor_type.shape
    shape.dim[2].dim_value = columns
    del model.graph.value_info[:]
    onnx.checker.check_model(model)
    return model


class YoloxNet(nn.Module):
    """The ONNX graph run by torch, up to the raw heads (no sigmoid), for any batch size."""

    def __init__(self, model: onnx.ModelProto) -> None:
        super().__init__()
        self._constants: dict[str, list[float]] = {}
        self._names: dict[str, str] = {}
        floats: dict[str, nn.Parameter] = {}
        for name, value in _tensors(model).items():
            if (value.dtype == np.float32 and value.ndim and value.size > 4) or "preds" in name:
                self._names[name] = "w_" + name.replace(".", "_")
                floats[self._names[name]] = nn.Parameter(torch.from_numpy(value.copy()))
            else:
                self._constants[name] = value.reshape(-1).tolist()
        self.weights = nn.ParameterDict(floats)
        self._heads = self._find_heads(model)
        self._plan = self._plan_of(model)

    @staticmethod
    def _find_heads(model: onnx.ModelProto) -> list[tuple[str, str, str]]:
        by_weight = {
            node.input[1]: node.output[0] for node in model.graph.node if node.op_type == "Conv"
        }
        return [
            (
                by_weight[_HEAD.format(part="reg", level=level, kind="weight")],
                by_weight[_HEAD.format(part="obj", level=level, kind="weight")],
                by_weight[_HEAD.format(part="cls", level=level, kind="weight")],
            )
            for level in range(len(STRIDES))
        ]

    def _plan_of(self, model: onnx.ModelProto) -> list[tuple[str, list[str], str, dict[str, Any]]]:
        """The nodes the heads need, in order, with ``x * sigmoid(x)`` joined into SiLU."""
        wanted = {name for head in self._heads for name in head}
        plan: list[tuple[str, list[str], str, dict[str, Any]]] = []
        gates: dict[str, str] = {}
        for node in model.graph.node:
            if node.op_type == "Sigmoid":
                gates[node.output[0]] = node.input[0]
                continue
            facts = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
            kind, inputs = node.op_type, list(node.input)
            if kind == "Mul" and gates.get(inputs[1]) == inputs[0]:
                kind, inputs = "SiLU", inputs[:1]
            elif any(name in gates for name in inputs):
                continue  # joins the heads behind their sigmoids: training wants the logits
            plan.append((kind, inputs, node.output[0], facts))
            wanted.discard(node.output[0])
            if not wanted:
                return plan
        raise ValueError(f"the graph lacks the heads {sorted(wanted)}")

    def _run(self, kind: str, inputs: list[str], facts: dict[str, Any], at: Any) -> Tensor:
        if kind == "Conv":
            return functional.conv2d(
                at(inputs[0]),
                at(inputs[1]),
                at(inputs[2]),
                stride=facts["strides"],
                padding=facts["pads"][:2],
                groups=facts["group"],
            )
        if kind == "SiLU":
            return functional.silu(at(inputs[0]))
        if kind == "Concat":
            return torch.cat([at(name) for name in inputs], dim=facts["axis"])
        if kind == "Add":
            total: Tensor = at(inputs[0]) + at(inputs[1])
            return total
        if kind == "MaxPool":
            return functional.max_pool2d(
                at(inputs[0]), facts["kernel_shape"], facts["strides"], facts["pads"][:2]
            )
        if kind == "Slice":
            axis, step = (int(self._constants[name][0]) for name in inputs[3:5])
            start = int(self._constants[inputs[1]][0])
            window = [slice(None)] * axis + [slice(start, None, step)]
            part: Tensor = at(inputs[0])[tuple(window)]
            return part
        if kind == "Resize":
            return functional.interpolate(at(inputs[0]), scale_factor=2.0, mode="nearest")
        raise NotImplementedError(f"YOLOX-nano does not use {kind}")

    def forward(self, images: Tensor) -> Tensor:
        """Raw heads.

        Args:
            images: (batch, 3, H, W), BGR, 0 to 255.

        Returns:
            (batch, anchors, 5 + classes): undecoded boxes, objectness logit, class logits.
        """
        values: dict[str, Tensor] = {"images": images}

        def at(name: str) -> Tensor:
            known = self._names.get(name)
            return self.weights[known] if known is not None else values[name]

        for kind, inputs, output, facts in self._plan:
            values[output] = self._run(kind, inputs, facts, at)
        levels = [
            torch.cat([values[name] for name in head], dim=1).flatten(2) for head in self._heads
        ]
        return torch.cat(levels, dim=2).transpose(1, 2)

    def write_into(self, model: onnx.ModelProto) -> None:
        """Put the present weights back into the graph they came from, by name."""
        _store(
            model,
            {
                name: self.weights[key].detach().cpu().numpy().astype(np.float32)
                for name, key in self._names.items()
            },
        )


def anchor_points(size_px: int = INPUT_PX) -> tuple[Tensor, Tensor]:
    """Grid corner (anchors, 2) in cells and stride (anchors,) of every output row."""
    corners, strides = [], []
    for stride in STRIDES:
        cells = size_px // stride
        rows, columns = torch.meshgrid(torch.arange(cells), torch.arange(cells), indexing="ij")
        corners.append(torch.stack([columns, rows], dim=-1).reshape(-1, 2).float())
        strides.append(torch.full((cells * cells,), float(stride)))
    return torch.cat(corners), torch.cat(strides)


def decode_boxes(raw: Tensor, corners: Tensor, strides: Tensor) -> Tensor:
    """Raw box columns (..., anchors, 4) to centre x, centre y, width, height in pixels."""
    centre = (raw[..., :2] + corners) * strides[:, None]
    return torch.cat([centre, raw[..., 2:4].clamp(max=8).exp() * strides[:, None]], dim=-1)
