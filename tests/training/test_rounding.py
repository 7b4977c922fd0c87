"""A network in whole numbers: torch rounds as the file does, and nothing is spent on what a gate shuts out."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

torch = pytest.importorskip("torch", reason="needs training/requirements.txt")

from training.export.rounding import (  # noqa: E402 - after what it needs is known to be there
    LARGEST_BYTE,
    Range,
    Rounded,
    byte_edges,
    detector_in_bytes,
    gated_edges,
    in_bytes,
    watched_ranges,
)
from training.onnx_graph import OnnxGraph  # noqa: E402

SIDE_PX, CHANNELS = 16, 8


def network() -> Any:
    """Convolution, gate, depthwise convolution, gate, both joined, and a last convolution."""
    random = np.random.default_rng(4)
    weights = {
        "first.w": random.normal(0, 0.4, (CHANNELS, 3, 3, 3)),
        "first.b": random.normal(0, 0.5, CHANNELS),
        "deep.w": random.normal(0, 0.4, (CHANNELS, 1, 3, 3)) * np.arange(1, 9).reshape(-1, 1, 1, 1),
        "deep.b": random.normal(0, 0.5, CHANNELS),
        "last.w": random.normal(0, 0.3, (4, 2 * CHANNELS, 1, 1)),
        "last.b": random.normal(0, 0.5, 4),
    }

    def convolved(name: str, of: str, to: str, groups: int, side: int) -> Any:
        return helper.make_node(
            "Conv", [of, f"{name}.w", f"{name}.b"], [to], group=groups,
            kernel_shape=[side, side], pads=[side // 2] * 4, strides=[1, 1],
        )  # fmt: skip

    nodes = [convolved("first", "picture", "a", 1, 3)]
    for before, gate, after in (("a", "a_gate", "b"), ("c", "c_gate", "d")):
        nodes += [
            helper.make_node("Sigmoid", [before], [gate]),
            helper.make_node("Mul", [before, gate], [after]),
        ]
        if after == "b":
            nodes.append(convolved("deep", "b", "c", CHANNELS, 3))
    nodes += [
        helper.make_node("Concat", ["b", "d"], ["joined"], axis=1),
        convolved("last", "joined", "output", 1, 1),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, SIDE_PX, SIDE_PX])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 4, SIDE_PX, SIDE_PX])],
        [numpy_helper.from_array(each.astype(np.float32), name) for name, each in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


class Small(OnnxGraph):
    def __init__(self, model: Any) -> None:
        super().__init__(model, ["output"])

    def forward(self, images: Any) -> Any:
        return self.edges(images)[0]


MODEL = network()
PICTURES = [
    np.random.default_rng(seed).uniform(-2, 2, (1, 3, SIDE_PX, SIDE_PX)).astype(np.float32)
    for seed in range(6)
]
IN_FLOAT = frozenset({"last.w"})


def answered(model: Any, picture: Any) -> Any:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"picture": picture})[0]


@given(st.floats(-1e3, 1e3), st.floats(0, 1e3), st.floats(0, 1))
def test_a_range_holds_zero_exactly_and_every_number_in_it_within_half_a_step(
    low: float, width: float, share: float
) -> None:
    found = Range.of(low, low + width)
    assert 0 <= found.zero <= LARGEST_BYTE
    value = min(low, 0.0) + share * (max(low + width, 1e-6) - min(low, 0.0))
    byte = round(value / found.scale) + found.zero
    rounded = (min(max(byte, 0), LARGEST_BYTE) - found.zero) * found.scale
    assert abs(rounded - value) <= found.scale * 1.001


def test_what_goes_through_the_convolutions_becomes_bytes_and_the_rest_stays() -> None:
    assert set(byte_edges(MODEL, IN_FLOAT)) == {"picture", "a", "b", "c"}
    assert set(byte_edges(MODEL, frozenset())) >= {"joined", "d", "output"}
    assert gated_edges(MODEL) == {"a", "c"}


def test_torch_rounds_as_the_file_does() -> None:
    net = Small(MODEL)
    ranges = watched_ranges(
        net, byte_edges(MODEL, IN_FLOAT), map(torch.from_numpy, PICTURES), gated_edges(MODEL)
    )
    file = in_bytes(MODEL, ranges, IN_FLOAT)
    net.rounding = Rounded(ranges, IN_FLOAT)
    for picture in PICTURES:
        with torch.no_grad():
            mine = net(torch.from_numpy(picture)).numpy()
        theirs, floats = answered(file, picture), answered(MODEL, picture)
        assert np.abs(mine - theirs).mean() < 0.1 * np.abs(floats - theirs).mean()


def test_the_file_in_bytes_says_nearly_what_the_one_in_floats_says() -> None:
    file = detector_in_bytes(MODEL, Small(MODEL), IN_FLOAT, PICTURES)
    kinds = {each.data_type for each in file.graph.initializer}
    assert {TensorProto.INT8, TensorProto.UINT8, TensorProto.INT32} <= kinds
    for picture in PICTURES:
        floats = answered(MODEL, picture)
        apart = np.abs(answered(file, picture) - floats).mean()
        assert apart < 0.05 * np.abs(floats).mean()


def test_no_byte_is_spent_on_what_a_gate_shuts_out() -> None:
    edges = byte_edges(MODEL, IN_FLOAT)
    net = Small(MODEL)
    with torch.no_grad():
        net.weight("first.b")[:] = torch.tensor(
            [-200.0] + [0.0] * 7
        )  # a channel that is never open
    seen = watched_ranges(net, edges, map(torch.from_numpy, PICTURES))
    gated = watched_ranges(net, edges, map(torch.from_numpy, PICTURES), gated_edges(MODEL))
    assert gated["a"].scale < seen["a"].scale / 4


def test_slopes_pass_the_rounding_so_that_a_network_can_learn_within_it() -> None:
    net = Small(MODEL)
    ranges = watched_ranges(net, byte_edges(MODEL, IN_FLOAT), map(torch.from_numpy, PICTURES))
    net.rounding = Rounded(ranges, IN_FLOAT)
    net(torch.from_numpy(PICTURES[0])).square().mean().backward()
    assert all(each.grad is not None and each.grad.abs().sum() > 0 for each in net.parameters())
