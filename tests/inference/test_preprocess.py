"""Pictures become tensors exactly as slow, plain code would do it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from agent.inference.manifest import InputSpec
from agent.inference.preprocess import Placement, Preparation
from drivers.cameras import Picture
from tests.support.decoding import input_spec


def plainly_prepared(bgr: Picture, spec: InputSpec) -> NDArray[np.float64]:
    """What :mod:`agent.inference.preprocess` promises, a step at a time."""
    height, width = bgr.shape[:2]
    if spec.resize == "stretch":
        canvas = cv2.resize(bgr, (spec.width, spec.height), interpolation=cv2.INTER_AREA)
    else:
        scale = min(spec.width / width, spec.height / height)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        canvas = np.full((spec.height, spec.width, 3), spec.pad, dtype=np.uint8)
        canvas[: size[1], : size[0]] = cv2.resize(bgr, size)
    if spec.colour == "RGB":
        canvas = canvas[..., ::-1]
    values = (canvas.astype(np.float64) * spec.scale - spec.mean) / spec.std
    return np.asarray(values.transpose(2, 0, 1)[None])


def noise(width: int, height: int, seed: int = 0) -> Picture:
    return np.random.default_rng(seed).integers(256, size=(height, width, 3), dtype=np.uint8)


SPECS = {
    "yolox": input_spec(),
    "rgb": input_spec(colour="RGB", pad=0),
    "imagenet": input_spec(
        colour="RGB",
        resize="stretch",
        scale=1 / 255,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
    ),
}


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
@settings(deadline=None)
@given(sizes=st.lists(st.tuples(st.integers(1, 200), st.integers(1, 200)), min_size=1, max_size=4))
def test_a_picture_is_prepared_as_step_by_step_whatever_came_before(
    spec: InputSpec, sizes: list[tuple[int, int]]
) -> None:
    preparation = Preparation(spec)
    for seed, (width, height) in enumerate(sizes):
        picture = noise(width, height, seed)
        preparation.take(picture)
        np.testing.assert_allclose(preparation.tensor, plainly_prepared(picture, spec), atol=1e-5)


def test_a_crop_of_a_frame_is_prepared_without_being_copied_first() -> None:
    frame = noise(300, 200)
    frame.flags.writeable = False
    crop = frame[20:150, 40:90]
    preparation = Preparation(SPECS["yolox"])
    preparation.take(crop)
    np.testing.assert_array_equal(preparation.tensor, plainly_prepared(crop.copy(), SPECS["yolox"]))


def test_a_letterboxed_picture_lies_at_the_top_left_and_the_rest_is_padding() -> None:
    preparation = Preparation(input_spec(64, 64))
    placement = preparation.take(np.full((50, 100, 3), 7, dtype=np.uint8))
    assert placement == Placement(64, 32)
    assert (preparation.tensor[0, :, :32] == 7).all()
    assert (preparation.tensor[0, :, 32:] == 114).all()


def test_colours_go_to_the_channels_the_network_has_for_them() -> None:
    blue = np.zeros((64, 32, 3), dtype=np.uint8)
    blue[..., 0] = 200
    for colour, channel in (("BGR", 0), ("RGB", 2)):
        preparation = Preparation(input_spec(colour=colour))
        preparation.take(blue)
        assert preparation.tensor[0].mean(axis=(1, 2)).tolist() == [
            200 if index == channel else 0 for index in range(3)
        ]
