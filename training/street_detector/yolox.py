"""YOLOX-nano as a trainable network, straight from its ONNX file and back into it.

The network runs as :class:`training.onnx_graph.OnnxGraph`; here is what is YOLOX's own: its heads, the
rows of its classes, and how its boxes are decoded.
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
STRIDES = (8, 16, 32)
SILENT_BIAS = -10.0
NEW_CLASS_BIAS = -3.0
_PARTS = ("reg", "obj", "cls")
_HEAD = "head.{part}_preds.{level}.{kind}"


def _find_heads(model: onnx.ModelProto) -> list[str]:
    """The edges behind the last convolutions: box, objectness and classes of each level."""
    behind = {node.input[1]: node.output[0] for node in model.graph.node if node.op_type == "Conv"}
    return [
        behind[_HEAD.format(part=part, level=level, kind="weight")]
        for level in range(len(STRIDES))
        for part in _PARTS
    ]


def rehead(start: Path, silent: bool = False) -> onnx.ModelProto:
    """The COCO network with its class rows replaced by the street classes.

    Args:
        start: The YOLOX-nano ONNX file with 80 COCO classes.
        silent: Give classes that COCO lacks rows that never fire, instead of rows to train from.

    Returns:
        A model whose output is (1, 3549, 5 + 10).
    """
    model = onnx.load(start)
    known = tensors(model)
    changed: dict[str, NDArray[Any]] = {}
    for level in range(len(STRIDES)):
        weight_name = _HEAD.format(part="cls", level=level, kind="weight")
        bias_name = _HEAD.format(part="cls", level=level, kind="bias")
        changed[weight_name], changed[bias_name] = street_rows(
            known[weight_name], known[bias_name], NEW_CLASS_BIAS, SILENT_BIAS if silent else None
        )
    columns = 5 + len(STREET_CLASSES)
    for node in model.graph.node:
        if node.op_type == "Reshape":
            changed[node.input[1]] = np.array([1, columns, -1], dtype=np.int64)
    store(model, changed)
    shape = model.graph.output[0].type.tensor_type.shape
    shape.dim[2].dim_value = columns
    del model.graph.value_info[:]
    onnx.checker.check_model(model)
    return model


class YoloxNet(OnnxGraph):
    """The ONNX graph run by torch, up to the raw heads (no sigmoid), for any batch size."""

    def __init__(self, model: onnx.ModelProto) -> None:
        super().__init__(model, _find_heads(model))

    def forward(self, images: Tensor) -> Tensor:
        """Raw heads.

        Args:
            images: (batch, 3, H, W), BGR, 0 to 255.

        Returns:
            (batch, anchors, 5 + classes): undecoded boxes, objectness logit, class logits.
        """
        edges = self.edges(images)
        levels = [
            torch.cat(edges[at : at + len(_PARTS)], dim=1).flatten(2)
            for at in range(0, len(edges), len(_PARTS))
        ]
        return torch.cat(levels, dim=2).transpose(1, 2)


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
