"""Manifests for decoders that are tried, and a comparison of what they found."""

from __future__ import annotations

from typing import Any

import pytest

from agent.domain.scene import Detection
from agent.inference.manifest import InputSpec, Manifest, ModelClass, OutputSpec
from tests.support.paths import SHARED

COCO_MODEL = SHARED / "weights" / "yolox_nano_coco_416.onnx"


def input_spec(width: int = 32, height: int = 64, **changes: Any) -> InputSpec:
    told = {"name": "images", "colour": "BGR", "resize": "letterbox"}
    return InputSpec.model_validate({**told, "width": width, "height": height, **changes})


def manifest(
    classes: tuple[tuple[str, float], ...],
    spec: InputSpec,
    shape: tuple[int, ...],
    family: str = "yolox",
    activation: str = "none",
) -> Manifest:
    """A manifest of classes given as (meaning, threshold)."""
    return Manifest(
        name="tried",
        version="1",
        family=family,
        file="model.onnx",
        sha256="0" * 64,
        licence="Apache-2.0",
        provenance="a test",
        input=spec,
        output=OutputSpec.model_validate(
            {"name": "output", "shape": shape, "activation": activation}
        ),
        classes=tuple(
            ModelClass.model_validate({"name": f"{i}", "meaning": meaning, "threshold": threshold})
            for i, (meaning, threshold) in enumerate(classes)
        ),
    )


def assert_alike(found: list[Detection], expected: list[Detection]) -> None:
    assert [detection.label for detection in found] == [each.label for each in expected]
    for one, other in zip(found, expected, strict=True):
        assert one.confidence == pytest.approx(other.confidence, rel=1e-6)
        for side in ("left", "top", "right", "bottom"):
            assert getattr(one.box, side) == pytest.approx(getattr(other.box, side), abs=1e-6)
