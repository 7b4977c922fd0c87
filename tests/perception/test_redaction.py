"""Promises about heads and plates: nothing of them is left in a picture that was redacted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from agent.domain.scene import Box, Detection
from agent.perception.redaction import CELLS, blotted, head_of, sensitive_regions


def noise(height: int = 120, width: int = 160) -> NDArray[np.uint8]:
    return np.random.default_rng(3).integers(0, 256, (height, width, 3)).astype(np.uint8)


def _locked(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    view = picture.view()
    view.flags.writeable = False
    return view


def colours(picture: NDArray[np.uint8]) -> int:
    return len(np.unique(picture.reshape(-1, 3), axis=0))


def test_a_persons_head_is_a_few_patches_and_the_rest_of_the_picture_is_untouched() -> None:
    picture = noise()
    person = Box(0.4, 0.3, 0.5, 0.9)
    [region] = sensitive_regions([Detection("person", 0.2, person)], aspect=160 / 120)
    done = blotted(picture, [region])
    head = slice(36, 54), slice(64, 80)  # the upper quarter of the person
    assert colours(done[head]) <= CELLS * CELLS
    changed = (done != picture).any(axis=2)
    assert not changed[90:].any(), "legs and ground stay as they were"
    assert not changed[:, :50].any()
    assert not np.shares_memory(done, picture)


def test_more_is_taken_of_somebody_who_sits_or_is_seen_in_part() -> None:
    standing, sitting = Box(0.4, 0.2, 0.6, 0.8), Box(0.2, 0.2, 0.8, 0.8)
    assert head_of(standing).bottom < 0.4
    assert head_of(sitting).bottom > 0.55


def test_a_vehicles_plate_and_a_motorcycles_rider_are_taken_and_its_surroundings_are_not() -> None:
    for label in ("car", "bus", "truck", "motorcycle"):
        regions = sensitive_regions([Detection(label, 0.3, Box(0.2, 0.2, 0.6, 0.8))])
        assert any(region.contains((0.4, 0.7)) for region in regions), label
        assert not any(region.contains((0.9, 0.7)) for region in regions)
    motorcycle = sensitive_regions([Detection("motorcycle", 0.3, Box(0.2, 0.2, 0.6, 0.8))])
    assert any(region.contains((0.4, 0.25)) for region in motorcycle)


def test_things_without_a_head_or_a_plate_stay_as_they_are() -> None:
    labels = ("bicycle", "bin", "rubbish", "stall", "umbrella")
    assert sensitive_regions([Detection(label, 0.9, Box(0, 0, 1, 1)) for label in labels]) == []


anywhere = st.floats(-2, 3, allow_nan=False)
SHAPES: dict[str, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    "colour": lambda picture: picture,
    "grey": lambda picture: picture[..., 0],
    "grey with an axis": lambda picture: picture[..., :1],
    "every second row": lambda picture: picture[::2],
    "upside down": lambda picture: picture[::-1, ::-1],
    "turned": lambda picture: picture.transpose(1, 0, 2),
    "read-only": _locked,
}
"""What callers hand over: pictures of every form, and views of them."""


@given(anywhere, anywhere, anywhere, anywhere, st.sampled_from(sorted(SHAPES)), st.data())
def test_any_region_is_blotted_in_any_picture_and_nothing_beside_it(
    left: float, top: float, right: float, bottom: float, form: str, data: st.DataObject
) -> None:
    height, width = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 40))
    picture = SHAPES[form](noise(height, width))
    before = picture.copy()
    box = Box(min(left, right), min(top, bottom), max(left, right), max(top, bottom))
    done = blotted(picture, [box])
    assert done.shape == picture.shape
    assert done.dtype == picture.dtype
    assert not np.shares_memory(done, picture)
    assert (picture == before).all()
    rows, columns = np.arange(picture.shape[0]), np.arange(picture.shape[1])
    # A pixel is touched where the box covers any of it.
    high = (rows + 1 > box.top * len(rows)) & (rows < box.bottom * len(rows))
    wide = (columns + 1 > box.left * len(columns)) & (columns < box.right * len(columns))
    inside = np.outer(high, wide)
    assert (done[~inside] == picture[~inside]).all()
    channels = done.reshape(*done.shape[:2], -1)
    assert len(np.unique(channels[inside], axis=0)) <= CELLS * CELLS
    blotted(picture, [head_of(box), box.grown(0.3)])
