"""The detectors' graphs run by torch say what the ONNX runtime says, and take their weights back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from agent.inference.decoders import nanodet_plus as on_device
from tests.support.paths import SHARED

torch = pytest.importorskip("torch", reason="needs training/requirements.txt")

from training.street_detector import nanodet_plus, yolox  # noqa: E402 - after what it needs is there
from training.street_detector.nanodet_plus import NanoDetNet, decode_boxes, place_points  # noqa: E402

YOLOX = SHARED / "weights" / "yolox_nano_coco_416.onnx"
NANODET = SHARED / "weights" / "nanodet_plus" / "nanodet_plus_m_1.5x_416.onnx"
HERE = [path for path in (YOLOX, NANODET) if path.is_file()]
SCORES = 10
pytestmark = pytest.mark.skipif(len(HERE) < 2, reason="the shared weights are not here")


def answered(model: Any, images: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    [output] = session.run(None, {model.graph.input[0].name: images})
    return np.asarray(output)


def noise(size_px: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(3).uniform(-2, 2, (1, 3, size_px, size_px)).astype(np.float32)


def test_yolox_says_what_the_runtime_says() -> None:
    model = yolox.rehead(YOLOX)
    images = noise(416) * 60 + 120
    with torch.no_grad():
        raw = yolox.YoloxNet(model)(torch.from_numpy(images))
    raw[..., 4:] = raw[..., 4:].sigmoid()
    assert np.abs(raw.numpy() - answered(model, images)).max() < 1e-4


@pytest.mark.parametrize("size_px", [320, 416])
def test_nanodet_plus_says_what_the_runtime_says_at_every_size(size_px: int) -> None:
    model = nanodet_plus.resized(nanodet_plus.rehead(NANODET), size_px)
    images = noise(size_px)
    with torch.no_grad():
        raw = NanoDetNet(model)(torch.from_numpy(images))
    raw[..., :SCORES] = raw[..., :SCORES].sigmoid()
    answer = answered(model, images)
    assert answer.shape == (1, nanodet_plus.places(size_px), SCORES + 32)
    assert np.abs(raw.numpy() - answer).max() < 1e-4


@pytest.mark.parametrize(
    ("rehead", "net", "start"),
    [
        (yolox.rehead, yolox.YoloxNet, YOLOX),
        (nanodet_plus.rehead, NanoDetNet, NANODET),
    ],
)
def test_trained_weights_go_back_into_the_graph_by_name(
    rehead: Callable[[Path], Any], net: Callable[[Any], Any], start: Path
) -> None:
    model = rehead(start)
    trained = net(model)
    images = torch.from_numpy(noise(64)) * 60 + 60
    before = trained(images)
    before.square().mean().backward()
    without = [name for name, weight in trained.named_parameters() if weight.grad is None]
    assert without == []
    with torch.no_grad():
        for weight in trained.parameters():
            weight.add_(0.01 * torch.randn_like(weight))
        after = trained(images)
    trained.write_into(model)
    with torch.no_grad():
        assert torch.equal(net(model)(images), after)
    assert not torch.equal(before, after)


def test_multiplying_in_half_the_digits_changes_little() -> None:
    model = nanodet_plus.rehead(NANODET)
    images = torch.from_numpy(noise(320))
    with torch.no_grad():
        whole, half = NanoDetNet(model)(images), NanoDetNet(model, half=True)(images)
    assert half.dtype == torch.float32
    apart = (whole[..., :SCORES].sigmoid() - half[..., :SCORES].sigmoid()).abs()
    assert 0 < float(apart.max()) < 0.05


def test_a_street_class_that_coco_has_keeps_its_scores_and_new_ones_begin_low() -> None:
    images = noise(416)
    coco, street = onnx.load(NANODET), nanodet_plus.rehead(NANODET)
    before, after = answered(coco, images), answered(street, images)
    for index, row in enumerate((0, 1, 3, 2, 5, 7, 25)):
        assert np.allclose(before[..., row], after[..., index], atol=1e-5)
    assert np.allclose(before[..., 80:], after[..., SCORES:], atol=1e-4)
    assert after[..., 7:SCORES].max() < 0.1


def test_the_training_reads_boxes_as_the_device_does() -> None:
    points, strides = place_points(320)
    logits = torch.randn(len(points), 32)
    boxes = decode_boxes(logits, points, strides).numpy()
    grid, steps = on_device._grids(320, 320)
    reach = on_device._distances(logits.numpy()) * steps[:, None]
    assert np.allclose(boxes, np.hstack([grid, grid]) + reach * (-1, -1, 1, 1), atol=1e-3)
