"""The bin state's second look: one picture in, two looks inside, the mean of both told."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from training.bin_classifier.test_time_augmentation import NEAR_SHARE, with_second_look

SIDE = 40


def classifier(path: Path, end: str = "Softmax", side: int = SIDE) -> NDArray[np.float32]:
    """A network that weighs every pixel; returns its weights, (3 * side * side, 2)."""
    weights = np.random.default_rng(1).normal(size=(3 * side * side, 2)).astype(np.float32) * 0.03
    shape = (1, 3, side, side)
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["images"], ["flat"], axis=1),
            helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
            helper.make_node(end, ["logits"], ["probabilities"]),
        ],
        "classifier",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, (1, 2))],
        [numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))
    return weights


def test_both_looks_are_agreed_on_before_the_probability(tmp_path: Path) -> None:
    weights = classifier(tmp_path / "one.onnx")
    with_second_look(tmp_path / "one.onnx", tmp_path / "two.onnx")
    picture = np.random.default_rng(2).normal(size=(1, 3, SIDE, SIDE)).astype(np.float32)
    session = onnxruntime.InferenceSession(
        str(tmp_path / "two.onnx"), providers=["CPUExecutionProvider"]
    )
    [[told]] = session.run(None, {"images": picture})

    edge = (SIDE - round(SIDE * NEAR_SHARE)) // 2
    middle = picture[0].transpose(1, 2, 0)[edge:-edge, edge:-edge][:, ::-1]
    near = cv2.resize(np.ascontiguousarray(middle), (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    looks = np.stack([picture[0], near.transpose(2, 0, 1)])
    logits = (looks.reshape(2, -1) @ weights).mean(axis=0)
    expected = np.exp(logits) / np.exp(logits).sum()
    assert told == pytest.approx(expected, abs=1e-4)


def test_what_ends_otherwise_is_refused(tmp_path: Path) -> None:
    classifier(tmp_path / "one.onnx", end="Sigmoid")
    with pytest.raises(ValueError, match="softmax at the end"):
        with_second_look(tmp_path / "one.onnx", tmp_path / "two.onnx")
    assert not (tmp_path / "two.onnx").exists()
