"""The bin state with a second look: the same network sees its picture again, nearer and mirrored.

A judgement of one picture hangs on where things lie in it. So the network is shown two: the picture,
and its middle from the other side. Both looks are in the file; the device feeds it one picture as
before. The mean of the logits is what is told. Nothing is trained again, and nothing fitted.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

NEAR_SHARE = 0.85
"""The second look's part of each side: rubbish beside the bin, that the zone's margin shows, stays in."""


def with_second_look(source: Path, out: Path) -> None:
    """Put the second look into a classifier's file.

    Args:
        source: A classifier that takes (1, 3, side, side) and ends in a softmax over its classes.
        out: Where the file goes.

    Raises:
        ValueError: The network is not of that kind.
    """
    model = onnx.load(source)
    graph = model.graph
    [taken] = graph.input
    batch, _, height, side = (each.dim_value for each in taken.type.tensor_type.shape.dim)
    softmax = graph.node[-1]
    if batch != 1 or height != side or softmax.op_type != "Softmax":
        raise ValueError(f"{source}: not one square picture in and a softmax at the end")
    for node in graph.node:
        node.input[:] = ["looks" if name == taken.name else name for name in node.input]
    numbers, nodes = _looks(taken.name, side)
    for place, node in enumerate(nodes):
        graph.node.insert(place, node)
    logits, softmax.input[0] = softmax.input[0], "agreed"
    mean = helper.make_node("ReduceMean", [logits], ["agreed"], axes=[0], keepdims=1)
    graph.node.insert(len(graph.node) - 1, mean)
    graph.initializer.extend(numbers)
    del graph.value_info[:]
    onnx.checker.check_model(model)
    onnx.shape_inference.infer_shapes(model, strict_mode=True)
    onnx.save(model, str(out))


def _looks(taken: str, side: int) -> tuple[list[onnx.TensorProto], list[onnx.NodeProto]]:
    """What makes (2, 3, side, side) ``looks`` of the picture: the numbers, and the nodes in order."""
    near = round(side * NEAR_SHARE)
    edge = (side - near) // 2
    # Rows downwards, columns from the right edge to the left.
    cut = {
        "near_starts": [edge, edge + near - 1],
        "near_ends": [edge + near, edge - 1],
        "near_axes": [2, 3],
        "near_steps": [1, -1],
    }
    numbers = cut | {"near_sizes": [1, 3, side, side]}
    nodes = [
        helper.make_node("Slice", [taken, *cut], ["near_small"]),
        helper.make_node(
            "Resize",
            ["near_small", "", "", "near_sizes"],
            ["near"],
            mode="linear",
            coordinate_transformation_mode="half_pixel",
        ),
        helper.make_node("Concat", [taken, "near"], ["looks"], axis=0),
    ]
    return [numpy_helper.from_array(np.array(v), name) for name, v in numbers.items()], nodes
