"""Promises about heads and plates: nothing of them is left in a picture that was redacted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from agent.domain.scene import Box, Detection
from agent.perception.redaction import (
    CELLS,
    CLOSE,
    OWN_LENGTH_PX,
    Region,
    blotted,
    coarsened,
    head_of,
    is_own,
    redacted,
    regions_of,
    sensitive_regions,
    with_plate,
)


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


BIKE = Box(0.3, 0.5, 0.7, 0.9)
"""The case's own thing."""


def hidden(
    sights: list[Detection],
    moved: list[Box],
    own: list[Box],
    before: tuple[Detection, ...] = (),
) -> NDArray[np.bool_]:
    picture = noise(200, 200)
    done, changed = redacted(picture, regions_of(sights, before, moved, own, 1.0), own)
    assert (done[~changed] == picture[~changed]).all(), "what is not hidden is as it was"
    return changed


def at(changed: NDArray[np.bool_], box: Box) -> float:
    return float(box.pixels(200, 200).cut(changed).mean())


def test_a_head_in_front_of_the_cases_own_things_is_hidden_and_the_rest_of_them_is_not() -> None:
    passer = Detection("person", 0.8, Box(0.45, 0.45, 0.55, 0.95))
    changed = hidden([passer], [], [BIKE])
    assert at(changed, Box(0.46, 0.45, 0.54, 0.53)) == 1.0
    assert at(changed, Box(0.3, 0.65, 0.7, 0.9)) == 0.0


def test_an_unsure_sight_hides_what_is_beside_the_cases_own_things_and_nothing_of_them() -> None:
    changed = hidden([Detection("person", 0.15, Box(0.2, 0.5, 0.6, 0.9))], [], [BIKE])
    assert at(changed, Box(0.2, 0.5, 0.3, 0.7)) == 1.0
    assert at(changed, BIKE) == 0.0


def test_what_moved_is_hidden_beside_the_cases_own_things() -> None:
    changed = hidden([], [Box(0.5, 0.4, 0.8, 0.9)], [BIKE])
    assert at(changed, Box(0.72, 0.4, 0.8, 0.9)) == 1.0
    assert at(changed, BIKE) == 0.0, "it may have come just now itself"


def test_a_head_that_is_seen_faintly_and_moved_is_hidden_in_front_of_the_cases_own_things() -> None:
    passer = Detection("person", 0.06, Box(0.45, 0.45, 0.55, 0.95))
    head = Box(0.46, 0.45, 0.54, 0.53)
    assert at(hidden([passer], [passer.box], [BIKE]), head) == 1.0
    assert at(hidden([passer], [], [BIKE]), Box(0.46, 0.51, 0.54, 0.53)) == 0.0


def test_who_has_gone_by_hides_nothing_of_the_cases_own_things() -> None:
    passer = Detection("person", 0.8, Box(0.45, 0.45, 0.55, 0.95))
    head, above = Box(0.46, 0.5, 0.54, 0.53), Box(0.46, 0.45, 0.54, 0.49)
    gone = hidden([], [], [BIKE], before=(passer,))
    assert (at(gone, head), at(gone, above)) == (0.0, 1.0)
    faintly = Detection("person", 0.06, Box(0.46, 0.46, 0.56, 0.96))
    assert at(hidden([faintly], [], [BIKE], before=(passer,)), head) == 1.0
    assert at(hidden([], [passer.box], [BIKE], before=(passer,)), head) == 1.0


def test_what_moved_in_many_small_boxes_is_hidden_as_one_thing() -> None:
    """By no finer patches than if it were one box: a head's would else be told apart."""
    cells = [Box(0.5, 0.4 + row / 25, 0.7, 0.44 + row / 25) for row in range(10)]
    picture = noise(200, 200)
    done, changed = redacted(picture, regions_of([], [], cells, [], 1.0), [])
    assert at(changed, Box(0.5, 0.4, 0.7, 0.8)) == 1.0
    assert colours(done[80:160, 100:140]) <= CELLS * CELLS
    apart = [*cells, Box(0.1, 0.1, 0.2, 0.2)]
    assert at(hidden([], apart, []), Box(0.22, 0.0, 0.48, 1.0)) == 0.0


def test_the_cases_own_thing_stays_visible_whatever_it_is_taken_for() -> None:
    for label in ("motorcycle", "car", "bicycle", "stall"):
        assert is_own(Detection(label, 0.9, BIKE), [BIKE])
        assert not hidden([Detection(label, 0.9, BIKE)], [], [BIKE]).any(), label
    upright = Box(0.3, 0.2, 0.5, 0.9)
    assert not is_own(Detection("person", 0.9, upright), [upright])
    changed = hidden([Detection("person", 0.9, upright)], [], [upright])
    assert at(changed, head_of(upright, CLOSE)) == 1.0


def test_of_a_bike_that_moved_the_place_of_its_rider_is_hidden_and_of_a_parked_one_not() -> None:
    ridden = Detection("bicycle", 0.6, Box(0.1, 0.6, 0.3, 0.8))
    above = Box(0.12, 0.45, 0.28, 0.6)
    assert at(hidden([ridden], [Box(0.1, 0.5, 0.3, 0.8)], []), above) == 1.0
    assert not hidden([ridden], [], []).any()


def test_behind_the_windows_of_a_vehicle_nobody_is_left() -> None:
    assert at(hidden([Detection("car", 0.7, BIKE)], [], []), BIKE) == 1.0


def test_no_plate_of_the_cases_own_two_wheeler_is_readable_in_a_large_picture_of_it() -> None:
    picture = np.zeros((900, 1200, 3), np.uint8)
    picture[:, ::6], picture[:, 3::6] = 255, 255  # strokes as fine as a plate's
    before = picture.copy()
    coarsened(picture, [Box(0.25, 0.0, 0.75, 0.5)])
    shown = picture[:450, 300:900, 0].astype(int)
    assert np.ptp(shown[50:-50, 50:-50]) < 40, "no stroke is left"
    assert (picture[450:] == before[450:]).all()
    assert (picture[:, :300] == before[:, :300]).all()
    small = noise(OWN_LENGTH_PX, OWN_LENGTH_PX)
    coarsened(small, [Box(0, 0, 1, 1)])
    assert (small == noise(OWN_LENGTH_PX, OWN_LENGTH_PX)).all(), "what is small stays as it is"


def test_only_the_cases_own_two_wheeler_that_may_have_a_plate_is_shown_coarsely() -> None:
    assert with_plate(Detection("motorcycle", 0.4, BIKE), [BIKE])
    assert not with_plate(Detection("motorcycle", 0.1, BIKE), [BIKE])
    assert not with_plate(Detection("motorcycle", 0.4, BIKE), [])
    assert not with_plate(Detection("bicycle", 0.9, BIKE), [BIKE])
    assert not with_plate(Detection("stall", 0.9, BIKE), [BIKE])


def test_what_is_hidden_is_no_more_than_a_few_patches() -> None:
    picture = noise(200, 200)
    done, changed = redacted(picture, [Region(BIKE), Region(BIKE, spares_own=True)], [])
    assert colours(done[changed].reshape(1, -1, 3)) <= CELLS * CELLS
