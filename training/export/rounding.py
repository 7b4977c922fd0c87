"""A network in bytes: rounded in torch as the file will round, and the file written.

Weights become signed bytes with a scale for each output channel, what flows along the edges unsigned
bytes with a scale and a zero for each edge (Jacob et al., "Quantization and Training of Neural
Networks for Efficient Integer-Arithmetic-Only Inference", arXiv:1712.05877). The file holds
QuantizeLinear and DequantizeLinear around the convolutions and what lies between them (QDQ), so that
a runtime may compute in whole numbers; torch rounds at the same places by the same numbers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor

from training.onnx_graph import OnnxGraph, tensors

LARGEST_BYTE, LARGEST_WEIGHT = 255, 127
GATED_BELOW = -6.0
"""x * sigmoid(x) is nothing below this; there need be no byte for it."""
SEEN = 2048
"""So many numbers of an edge are looked at in each picture to find its range."""


@dataclass(frozen=True, slots=True)
class Range:
    """How an edge's numbers become bytes: value = (byte - zero) * scale."""

    scale: float
    zero: int

    @classmethod
    def of(cls, low: float, high: float) -> Range:
        """The range that holds ``low`` to ``high`` and 0, which a padded picture is full of."""
        low, high = min(low, 0.0), max(high, 1e-6)
        scale = (high - low) / LARGEST_BYTE
        return cls(scale, round(-low / scale))


class Watching:
    """Lets everything through unrounded and remembers samples of it, edge by edge."""

    def __init__(self, edges: Collection[str]) -> None:
        self._edges = frozenset(edges)
        self._seen: dict[str, list[NDArray[np.float32]]] = {}

    def weight(self, name: str, value: Tensor) -> Tensor:
        """A weight, as it is."""
        del name
        return value

    def values(self, name: str, value: Tensor) -> Tensor:
        """An edge, as it is."""
        if name in self._edges:
            flat = value.detach().float().reshape(-1)
            ends = torch.stack([flat.min(), flat.max()])
            some = flat[:: max(1, len(flat) // SEEN)]
            self._seen.setdefault(name, []).append(torch.cat([some, ends]).numpy())
        return value

    def ranges(self, gated: Collection[str] = ()) -> dict[str, Range]:
        """For each edge the range with the least squared error over what was seen.

        Tried are the smallest and the largest value seen, both times 0.3 to 1.

        Args:
            gated: Edges of which nothing is left below ``GATED_BELOW``.
        """
        return {
            name: _best_range(
                np.maximum(np.concatenate(seen), GATED_BELOW if name in gated else -np.inf)
            )
            for name, seen in self._seen.items()
        }


def _best_range(values: NDArray[np.float32]) -> Range:
    low, high = float(values.min()), float(values.max())
    tried = [Range.of(low * share, high * share) for share in np.linspace(0.3, 1.0, 15)]

    def error(each: Range) -> float:
        rounded = np.clip(np.round(values / each.scale) + each.zero, 0, LARGEST_BYTE)
        return float((((rounded - each.zero) * each.scale - values) ** 2).mean())

    return min(tried, key=error)


class Rounded:
    """Rounds as the file does; slopes go through the rounding as if it were none, but not past a range."""

    def __init__(self, ranges: Mapping[str, Range], in_float: Collection[str]) -> None:
        """Take the ranges of the edges.

        Args:
            ranges: Of each edge that becomes bytes.
            in_float: Weights that stay as they are.
        """
        self.ranges, self._in_float = dict(ranges), frozenset(in_float)

    def weight(self, name: str, value: Tensor) -> Tensor:
        """A weight in signed bytes, each output channel with its scale."""
        if name in self._in_float:
            return value
        scales = value.detach().flatten(1).abs().amax(dim=1).clamp(min=1e-8) / LARGEST_WEIGHT
        zeros = torch.zeros(len(scales), dtype=torch.int32)
        return torch.fake_quantize_per_channel_affine(
            value, scales, zeros, 0, -LARGEST_WEIGHT, LARGEST_WEIGHT
        )

    def values(self, name: str, value: Tensor) -> Tensor:
        """An edge in bytes."""
        known = self.ranges.get(name)
        if known is None:
            return value
        return torch.fake_quantize_per_tensor_affine(
            value, known.scale, known.zero, 0, LARGEST_BYTE
        )


# An operator that takes numbers from one place to another: bytes in, the same bytes out.
_MOVING = frozenset({"Concat", "Identity", "MaxPool", "Reshape", "Slice", "Split", "Transpose"})


def byte_edges(model: onnx.ModelProto, in_float: Collection[str]) -> list[str]:
    """The edges that become bytes: what goes into the convolutions that do, and comes out of them.

    Args:
        model: The graph.
        in_float: Weights of convolutions that stay in floats.
    """
    found: dict[str, None] = {}
    for node in model.graph.node:
        if node.op_type == "Conv" and node.input[1] not in in_float:
            found |= dict.fromkeys((node.input[0], node.output[0]))
    made_by = {name: node for node in model.graph.node for name in node.output}
    rest = list(found)
    while rest:  # what is only moved into a convolution is moved as bytes
        node = made_by.get(rest.pop())
        if node is not None and node.op_type in _MOVING | {"Add", "Resize"}:
            new = [name for name in node.input if name and name in made_by and name not in found]
            new += [name for name in node.output if name not in found]
            found |= dict.fromkeys(new)
            rest += new
    return list(found)


def gated_edges(model: onnx.ModelProto) -> set[str]:
    """Edges that go into ``x * sigmoid(x)`` and nowhere else."""
    used: dict[str, set[str]] = {}
    for node in model.graph.node:
        for name in node.input:
            used.setdefault(name, set()).add(node.op_type)
    return {name for name, kinds in used.items() if kinds == {"Sigmoid", "Mul"}}


def _constant(name: str, value: NDArray[np.generic]) -> onnx.TensorProto:
    return numpy_helper.from_array(np.asarray(value), name)


def _weight_nodes(
    name: str, value: NDArray[np.float32]
) -> tuple[list[onnx.TensorProto], list[onnx.NodeProto], NDArray[np.float64]]:
    flat = np.abs(value.reshape(len(value), -1)).max(axis=1)
    scales = np.maximum(flat, 1e-8) / LARGEST_WEIGHT
    shaped = scales.reshape(-1, *[1] * (value.ndim - 1))
    whole = np.clip(np.round(value / shaped), -LARGEST_WEIGHT, LARGEST_WEIGHT).astype(np.int8)
    constants = [
        _constant(f"{name}_bytes", whole),
        _constant(f"{name}_scales", scales.astype(np.float32)),
        _constant(f"{name}_zeros", np.zeros(len(scales), np.int8)),
    ]
    inputs = [each.name for each in constants]
    return (
        constants,
        [onnx.helper.make_node("DequantizeLinear", inputs, [f"{name}_rounded"], axis=0)],
        scales,
    )


def _bias_nodes(
    name: str, value: NDArray[np.float32], scales: NDArray[np.float64]
) -> tuple[list[onnx.TensorProto], list[onnx.NodeProto]]:
    """A bias as 32-bit whole numbers of the product of the two scales: what a sum of products has."""
    constants = [
        _constant(f"{name}_whole", np.round(value / scales).astype(np.int32)),
        _constant(f"{name}_scales", scales.astype(np.float32)),
        _constant(f"{name}_zeros", np.zeros(len(scales), np.int32)),
    ]
    inputs = [each.name for each in constants]
    return constants, [
        onnx.helper.make_node("DequantizeLinear", inputs, [f"{name}_rounded"], axis=0)
    ]


def _edge_nodes(name: str, known: Range) -> tuple[list[onnx.TensorProto], list[onnx.NodeProto]]:
    constants = [
        _constant(f"{name}_scale", np.float32(known.scale)),
        _constant(f"{name}_zero", np.uint8(known.zero)),
    ]
    numbers = [each.name for each in constants]
    make = onnx.helper.make_node
    return constants, [
        make("QuantizeLinear", [name, *numbers], [f"{name}_bytes"]),
        make("DequantizeLinear", [f"{name}_bytes", *numbers], [f"{name}_rounded"]),
    ]


def in_bytes(
    model: onnx.ModelProto, ranges: Mapping[str, Range], in_float: Collection[str]
) -> onnx.ModelProto:
    """The graph with its rounding in it, for a runtime to compute in whole numbers.

    Args:
        model: The graph in floats, opset 13 or later.
        ranges: Of each edge that becomes bytes.
        in_float: Weights of convolutions that stay in floats.
    """
    made = onnx.ModelProto()
    made.CopyFrom(model)
    known, renamed = tensors(model), {name: f"{name}_rounded" for name in ranges}
    constants: list[onnx.TensorProto] = []
    nodes: list[onnx.NodeProto] = []

    def add(more: tuple[Sequence[onnx.TensorProto], Iterable[onnx.NodeProto]]) -> None:
        constants.extend(more[0])
        nodes.extend(more[1])

    first = model.graph.input[0].name
    if first in ranges:
        add(_edge_nodes(first, ranges[first]))
    for node in model.graph.node:
        mine = onnx.NodeProto()
        mine.CopyFrom(node)
        if node.op_type == "Conv" and node.input[1] not in in_float and node.input[0] in ranges:
            weight = _weight_nodes(node.input[1], known[node.input[1]])
            add(weight[:2])
            together = weight[2] * ranges[node.input[0]].scale
            add(_bias_nodes(node.input[2], known[node.input[2]], together))
            mine.input[1], mine.input[2] = (f"{name}_rounded" for name in node.input[1:])
        for place, name in enumerate(mine.input):
            mine.input[place] = renamed.get(name, name)
        nodes.append(mine)
        for name in node.output:
            if name in ranges:
                add(_edge_nodes(name, ranges[name]))
    used = {name for node in nodes for name in node.input}
    constants += [each for each in model.graph.initializer if each.name in used]
    del made.graph.node[:], made.graph.initializer[:], made.graph.value_info[:]
    made.graph.node.extend(nodes)
    made.graph.initializer.extend(constants)
    onnx.checker.check_model(made)
    return made


def watched_ranges(
    network: OnnxGraph,
    edges: Collection[str],
    batches: Iterable[Tensor],
    gated: Collection[str] = (),
) -> dict[str, Range]:
    """The ranges of edges over some batches, as the network is now."""
    watching = Watching(edges)
    network.rounding = watching
    with torch.no_grad():
        for images in batches:
            network(images)
    network.rounding = None
    return watching.ranges(gated)


def detector_in_bytes(
    model: onnx.ModelProto,
    network: OnnxGraph,
    in_float: Collection[str],
    batches: Iterable[NDArray[np.float32]],
) -> onnx.ModelProto:
    """A detector in whole numbers, its ranges taken from some pictures.

    Args:
        model: The graph in floats, opset 13 or later.
        network: The same, run by torch.
        in_float: Weights of convolutions that stay in floats.
        batches: Inputs, (1, 3, height, width) each, as the device would feed them.
    """
    edges = byte_edges(model, in_float)
    images = (torch.from_numpy(each) for each in batches)
    ranges = watched_ranges(network, edges, images, gated_edges(model))
    return in_bytes(model, ranges, in_float)
