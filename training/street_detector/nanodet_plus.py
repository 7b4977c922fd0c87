"""NanoDet-Plus as a trainable network, straight from its ONNX file and back into it, for any size.

Lyu, "NanoDet-Plus", https://github.com/RangiLyu/nanodet (Apache-2.0). Each place on four grids has a score
for each class and, for each side of its box, the logits of eight distances, 0 to 7 strides; the
side lies at their mean (Li et al., "Generalized Focal Loss", arXiv:2006.04388).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.onnx_graph import OnnxGraph, store, tensors
from training.street_detector.class_rows import street_rows
from training.street_detector.classes import STREET_CLASSES

INPUT_PX = 416
STRIDES = (8, 16, 32, 64)
DISTANCES = 8
SIDES = 4
MEAN = (103.53, 116.28, 123.675)
STD = (57.375, 57.12, 58.395)
COCO_CLASS_COUNT = 80
SILENT_BIAS = -12.0
NEW_CLASS_BIAS = -4.0


def places(size_px: int) -> int:
    """How many rows the output has for a square input: a grid is rounded up at the edge."""
    return sum((-(-size_px // stride)) ** 2 for stride in STRIDES)


def _heads(model: onnx.ModelProto) -> list[str]:
    """The edges behind the last convolutions, by level: classes, then distances."""
    graph = model.graph
    made_by = {name: node for node in graph.node for name in node.output}
    [joined] = made_by[graph.output[0].name].input  # the last Transpose turns the joined levels
    found = []
    for level in made_by[joined].input:
        name = level
        while made_by[name].op_type != "Conv":
            name = made_by[name].input[0]
        found.append(name)
    return found


def rehead(start: Path, silent: bool = False) -> onnx.ModelProto:
    """The COCO network with its class rows replaced by the street classes.

    Args:
        start: The NanoDet-Plus ONNX file with 80 COCO classes.
        silent: Give classes that COCO lacks rows that never fire, instead of rows to train from.

    Returns:
        A model whose output is (1, places, 10 + 32), for the start's size.
    """
    model = onnx.load(start)
    known = tensors(model)
    by_output = {node.output[0]: node for node in model.graph.node}
    changed: dict[str, NDArray[Any]] = {}
    for edge in _heads(model):
        weight_name, bias_name = by_output[edge].input[1:]
        weight, bias = known[weight_name], known[bias_name]
        rows = street_rows(weight, bias, NEW_CLASS_BIAS, SILENT_BIAS if silent else None)
        for name, mine, whole in zip((weight_name, bias_name), rows, (weight, bias), strict=True):
            changed[name] = np.concatenate([mine, whole[COCO_CLASS_COUNT:]])
        for node in model.graph.node:
            if edge in node.input and node.op_type == "Split":
                sizes = [len(STREET_CLASSES), SIDES * DISTANCES]
                changed[node.input[1]] = np.array(sizes, dtype=np.int64)
    store(model, changed)
    return resized(model, INPUT_PX, INPUT_PX)


def resized(model: onnx.ModelProto, size_px: int, old_px: int = INPUT_PX) -> onnx.ModelProto:
    """The same weights for another input size; the reshapes of the graph name it.

    Args:
        model: A NanoDet-Plus graph; it is changed.
        size_px: A multiple of 32.
        old_px: The size that the graph names now.

    Raises:
        ValueError: The size is no multiple of 32.
    """
    if size_px % 32:
        raise ValueError("the size must be a multiple of 32")
    known, changed = tensors(model), {}
    columns = len(STREET_CLASSES) + SIDES * DISTANCES
    for node in model.graph.node:
        if node.op_type != "Reshape":
            continue
        shape = known[node.input[1]]
        if len(shape) == 3:  # a level of the output, flattened
            changed[node.input[1]] = np.array([0, columns, -1], dtype=np.int64)
        elif shape[0] == -1:  # the end of a channel shuffle
            stride = old_px // int(shape[2])
            cells = size_px // stride
            changed[node.input[1]] = np.array([-1, shape[1], cells, cells], dtype=np.int64)
    store(model, changed)
    edges = (
        (model.graph.input[0], (1, 3, size_px, size_px)),
        (model.graph.output[0], (1, places(size_px), columns)),
    )
    for port, sizes in edges:
        for dimension, size in zip(port.type.tensor_type.shape.dim, sizes, strict=True):
            dimension.dim_value = size
    del model.graph.value_info[:]
    onnx.checker.check_model(model)
    return model


class NanoDetNet(OnnxGraph):
    """The ONNX graph run by torch, up to the raw heads (no sigmoid), for any batch and size."""

    def __init__(self, model: onnx.ModelProto, half: bool = False) -> None:
        heads = _heads(model)
        super().__init__(model, heads, half)
        self.columns = len(STREET_CLASSES) + SIDES * DISTANCES
        behind = {node.output[0]: node for node in model.graph.node}
        self._last = [name for edge in heads for name in behind[edge].input[1:]]

    def head_weights(self) -> list[Tensor]:
        """The last convolutions' weights, which hold the new rows."""
        return [self.weight(name) for name in self._last]

    def forward(self, images: Tensor) -> Tensor:
        """Raw heads.

        Args:
            images: (batch, 3, H, W), BGR, less ``MEAN``, divided by ``STD``.

        Returns:
            (batch, places, classes + 32): class logits, then eight distance logits for each of left,
            top, right and bottom.
        """
        levels = [edge.float().flatten(2) for edge in self.edges(images)]
        return torch.cat(levels, dim=2).transpose(1, 2)


def normalised(pictures: NDArray[np.uint8]) -> Tensor:
    """BGR pictures (batch, H, W, 3) as the network's input."""
    mean, std = (torch.tensor(each)[:, None, None] for each in (MEAN, STD))
    images = torch.from_numpy(pictures).permute(0, 3, 1, 2).float()
    return ((images - mean) / std).contiguous(memory_format=torch.channels_last)


def place_points(size_px: int) -> tuple[Tensor, Tensor]:
    """Point (places, 2) in pixels and stride (places,) of every output row of a square input."""
    points, strides = [], []
    for stride in STRIDES:
        along = torch.arange(-(-size_px // stride)) * float(stride)
        rows, columns = torch.meshgrid(along, along, indexing="ij")
        points.append(torch.stack([columns, rows], dim=-1).reshape(-1, 2))
        strides.append(torch.full((len(along) ** 2,), float(stride)))
    return torch.cat(points), torch.cat(strides)


def decode_boxes(distances: Tensor, points: Tensor, strides: Tensor) -> Tensor:
    """Distance logits (..., 32) to corner boxes (..., 4) in pixels."""
    shares = distances.unflatten(-1, (SIDES, DISTANCES)).softmax(dim=-1)
    steps = torch.arange(DISTANCES, dtype=shares.dtype, device=shares.device)
    reach = shares @ steps * strides[..., None]
    return torch.cat([points - reach[..., :2], points + reach[..., 2:]], dim=-1)
