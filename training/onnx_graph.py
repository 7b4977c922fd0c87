"""An ONNX graph as a trainable network: run by torch, its weights under their own names.

The trained file is the start's graph with other numbers in it, so nothing about the device's decoding
can drift. Only the operators that our detectors use are here; a general converter would want
torchvision, which has no CPU build beside the torch this project trains with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional

Facts = dict[str, Any]
"""A node's attributes, by name."""
Numbers = list[float]
"""A constant that is no weight, flattened."""


class Rounding(Protocol):
    """Numbers as a coarser file will hold them; see :mod:`training.export.rounding`."""

    def weight(self, name: str, value: Tensor) -> Tensor:
        """A convolution's weight, rounded."""

    def values(self, name: str, value: Tensor) -> Tensor:
        """What flows along an edge of the graph, rounded."""


def tensors(model: onnx.ModelProto) -> dict[str, NDArray[Any]]:
    """The graph's constants and weights, by name."""
    return {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}


def store(model: onnx.ModelProto, values: Mapping[str, NDArray[Any]]) -> None:
    """Put numbers in the place of the graph's own, by name; other shapes are taken, too."""
    for each in model.graph.initializer:
        if each.name in values:
            each.CopyFrom(numpy_helper.from_array(values[each.name].copy(), each.name))


def _conv(facts: Facts, image: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    if weight.shape[2:] == (1, 1) and facts["group"] == 1 and facts["strides"] == [1, 1]:
        # torch's own way for these takes longer than a matrix product, on one thread of a CPU.
        # Where the caller has chosen bfloat16 for everything, that stands.
        in_half = (
            torch.autocast(image.device.type, torch.bfloat16) if facts["half"] else nullcontext()
        )
        with in_half:
            pixels = functional.linear(image.permute(0, 2, 3, 1), weight[:, :, 0, 0], bias)
        return pixels.permute(0, 3, 1, 2)
    return functional.conv2d(
        image.to(weight.dtype),
        weight,
        bias,
        stride=facts["strides"],
        padding=facts["pads"][:2],
        groups=facts["group"],
    )


def _max_pool(facts: Facts, image: Tensor) -> Tensor:
    return functional.max_pool2d(image, facts["kernel_shape"], facts["strides"], facts["pads"][:2])


def _slice(_: Facts, image: Tensor, *bounds: Numbers) -> Tensor:
    start, _stop, axis, step = (int(each[0]) for each in bounds)
    part: Tensor = image[(slice(None),) * axis + (slice(start, None, step),)]
    return part


def _resize(facts: Facts, image: Tensor, *_: object) -> Tensor:
    if facts["mode"] == b"nearest":
        return functional.interpolate(image, scale_factor=2.0, mode="nearest")
    return functional.interpolate(image, scale_factor=2.0, mode="bilinear", align_corners=False)


def _split(facts: Facts, image: Tensor, sizes: Numbers) -> tuple[Tensor, ...]:
    return torch.split(image, [int(size) for size in sizes], dim=facts["axis"])


def _shuffle(facts: Facts, image: Tensor) -> Tensor:
    last = image.permute(0, 2, 3, 1)  # in torch's channels_last this is how the numbers lie
    grouped = last.unflatten(3, (facts["groups"], -1))
    return grouped.transpose(3, 4).flatten(3).permute(0, 3, 1, 2)


_OPERATORS: Mapping[str, Callable[..., Tensor | tuple[Tensor, ...]]] = {
    "Add": lambda _, first, second: first + second,
    "Concat": lambda facts, *parts: torch.cat(parts, dim=facts["axis"]),
    "Conv": _conv,
    "Identity": lambda _, value: value,
    "LeakyRelu": lambda facts, value: functional.leaky_relu(value, facts.get("alpha", 0.01)),
    "MaxPool": _max_pool,
    "Mul": lambda _, first, second: first * second,
    "Resize": _resize,
    "Shuffle": _shuffle,
    "Sigmoid": lambda _, value: value.sigmoid(),
    "SiLU": lambda _, value: functional.silu(value),
    "Slice": _slice,
    "Split": _split,
}


@dataclass(frozen=True, slots=True)
class _Step:
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    facts: Facts


def _steps(model: onnx.ModelProto) -> list[_Step]:
    return [
        _Step(
            node.op_type,
            tuple(node.input),
            tuple(node.output),
            {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute},
        )
        for node in model.graph.node
    ]


def _needed(steps: Sequence[_Step], outputs: Sequence[str]) -> list[_Step]:
    """The steps that the outputs hang on, in order."""
    wanted, kept = set(outputs), []
    for step in reversed(steps):
        if wanted & set(step.outputs):
            kept.append(step)
            wanted |= set(step.inputs)
    return kept[::-1]


def _joined(steps: Sequence[_Step], constants: Mapping[str, NDArray[Any]]) -> list[_Step]:
    """``x * sigmoid(x)`` as SiLU, and a channel shuffle's three nodes as one, for any size."""
    made_by = {name: step for step in steps for name in step.outputs}

    def joined(step: _Step) -> _Step:
        before = [made_by.get(name) for name in step.inputs]
        if step.kind == "Mul" and (gate := before[1]) and gate.kind == "Sigmoid":
            if gate.inputs[0] == step.inputs[0]:
                return _Step("SiLU", step.inputs[:1], step.outputs, {})
        elif step.kind == "Reshape" and (turn := before[0]) and turn.kind == "Transpose":
            grouping = made_by[turn.inputs[0]]
            groups = int(constants[grouping.inputs[1]][1])
            return _Step("Shuffle", grouping.inputs[:1], step.outputs, {"groups": groups})
        return step

    return [joined(step) for step in steps]


class OnnxGraph(nn.Module):
    """Edges of an ONNX graph, computed by torch for any size of batch and picture.

    Attributes:
        rounding: Where given, weights and edges are rounded as an INT8 file will round them.
    """

    def __init__(self, model: onnx.ModelProto, outputs: Sequence[str], half: bool = False) -> None:
        """Plan the way from the graph's input to some edges.

        Args:
            model: The graph; it is not changed.
            outputs: Names of the edges wanted.
            half: Multiply in bfloat16 where a convolution is a matrix product: a third less time on
                CPUs that can. Depthwise convolutions would take longer in it, and stay as they are.

        Raises:
            NotImplementedError: An operator on the way is not known here.
        """
        super().__init__()
        constants = tensors(model)
        self._input, self._outputs = model.graph.input[0].name, tuple(outputs)
        self._steps = _needed(_joined(_needed(_steps(model), outputs), constants), outputs)
        unknown = {step.kind for step in self._steps} - set(_OPERATORS)
        if unknown:
            raise NotImplementedError(f"not known here: {', '.join(sorted(unknown))}")
        convolutions = [step for step in self._steps if step.kind == "Conv"]
        for step in convolutions:
            step.facts["half"] = half
        named = dict.fromkeys(name for step in convolutions for name in step.inputs[1:])
        self._names = {name: "w_" + name.replace(".", "_") for name in named}
        self.weights = nn.ParameterDict(
            {
                key: nn.Parameter(torch.from_numpy(constants[name].copy()))
                for name, key in self._names.items()
            }
        )
        self._constants: dict[str, Numbers | None] = {
            name: value.reshape(-1).tolist()
            for name, value in constants.items()
            if name not in self._names
        }
        self._constants[""] = None
        self._done_after = self._last_uses()
        self.rounding: Rounding | None = None

    def _last_uses(self) -> list[list[str]]:
        """For each step, the edges that nobody needs after it: their memory is given back."""
        seen = set(self._outputs)
        done: list[list[str]] = []
        for step in reversed(self._steps):
            mine = {*step.inputs, *step.outputs} - seen - set(self._names) - set(self._constants)
            seen |= mine
            done.append(sorted(mine))
        return done[::-1]

    def _arguments(self, step: _Step, values: Mapping[str, Tensor]) -> list[Any]:
        found: list[Any] = []
        for place, name in enumerate(step.inputs):
            key = self._names.get(name)
            if key is None:
                found.append(self._constants[name] if name in self._constants else values[name])
            elif self.rounding is not None and place == 1:
                found.append(self.rounding.weight(name, self.weights[key]))
            else:
                found.append(self.weights[key])
        return found

    def edges(self, images: Tensor) -> list[Tensor]:
        """The edges that were asked for, of a batch.

        Args:
            images: (batch, channels, height, width), as the ONNX file is fed.
        """
        values = {self._input: images}
        if self.rounding is not None:
            values[self._input] = self.rounding.values(self._input, images)
        for step, done in zip(self._steps, self._done_after, strict=True):
            answer = _OPERATORS[step.kind](step.facts, *self._arguments(step, values))
            parts = answer if isinstance(answer, tuple) else (answer,)
            for name, part in zip(step.outputs, parts, strict=True):
                kept = part if self.rounding is None else self.rounding.values(name, part)
                values[name] = kept
            for name in done:
                del values[name]
        return [values[name] for name in self._outputs]

    def weight(self, name: str) -> nn.Parameter:
        """A weight by its name in the graph."""
        return self.weights[self._names[name]]

    def in_order(self) -> list[nn.Parameter]:
        """The weights and biases from the picture to the edges."""
        return [self.weights[key] for key in self._names.values()]

    def write_into(self, model: onnx.ModelProto) -> None:
        """Put the present weights back into a graph with the same names."""
        store(
            model,
            {
                name: self.weights[key].detach().cpu().numpy().astype(np.float32)
                for name, key in self._names.items()
            },
        )
