"""A YOLOX output becomes detections, a classifier's probabilities, exactly as slow, plain code would do it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from agent.domain.scene import Box, Detection
from agent.inference.decoders import _boxes, classifier, yolox
from agent.inference.manifest import Manifest, StoredModel
from agent.inference.preprocess import Placement, Preparation
from agent.inference.session import OnnxSession
from drivers.cameras import load_driver
from tests.support.decoding import COCO_MODEL, assert_alike, input_spec, manifest
from tests.support.paths import SHARED

PEDESTRIANS = SHARED / "data" / "videos" / "dev_pedestrians_vtest.mp4"

Floats = NDArray[np.float32]


def plainly_decoded(output: Floats, told: Manifest, placement: Placement) -> list[Detection]:
    """What :mod:`agent.inference.decoders.yolox` promises, in plain loops."""
    found = []
    row = 0
    for stride in (8, 16, 32):
        for cell_y in range(told.input.height // stride):
            for cell_x in range(told.input.width // stride):
                numbers = [float(number) for number in output[0, row]]
                row += 1
                best = one_cell(numbers, cell_x, cell_y, stride, told, placement)
                if best is not None:
                    found.append(best)
    found.sort(key=lambda detection: -detection.confidence)  # stable: ties in the cells' order
    kept: list[Detection] = []
    for detection in found:
        if not any(
            detection.label == other.label and detection.box.iou(other.box) > 0.45 for other in kept
        ):
            kept.append(detection)
    return kept


def one_cell(
    numbers: list[float], cell_x: int, cell_y: int, stride: int, told: Manifest, placed: Placement
) -> Detection | None:
    x, y, w, h, objectness, *class_scores = numbers
    scores = [objectness * score for score in class_scores]
    best = scores.index(max(scores))
    label = told.classes[best].meaning
    if label == "" or scores[best] < max(0.01, told.classes[best].threshold):
        return None
    centre_x, centre_y = (x + cell_x) * stride, (y + cell_y) * stride
    width, height = (math.exp(min(side, 50.0)) * stride for side in (w, h))

    def fraction(at_px: float, of_px: int) -> float:
        return min(1.0, max(0.0, at_px / of_px))

    box = Box(
        fraction(centre_x - width / 2, placed.width_px),
        fraction(centre_y - height / 2, placed.height_px),
        fraction(centre_x + width / 2, placed.width_px),
        fraction(centre_y + height / 2, placed.height_px),
    )
    if box.width <= 0 or box.height <= 0:
        return None
    return Detection(label, scores[best], box)


TRIED = manifest(
    (("person", 0.3), ("bicycle", 0.5), ("", 0.1), ("person", 0.0)),
    input_spec(),
    (1, 42, 9),
)
SCORES = st.one_of(st.sampled_from([0.0, 0.3, 0.5, 1.0]), st.floats(0, 1, width=32))
PLACES = st.one_of(
    st.sampled_from([0.0, 0.5, -1e30, 1e30, 88.0, -200.0]), st.floats(-6, 6, width=32)
)


@st.composite
def outputs(draw: st.DrawFn) -> Floats:
    """Outputs with many equal numbers, boxes without area and boxes beyond all measure."""
    output = np.empty((1, 42, 9), dtype=np.float32)
    output[0, :, :4] = draw(arrays.arrays(np.float32, (42, 4), elements=PLACES))
    output[0, :, 4:] = draw(arrays.arrays(np.float32, (42, 5), elements=SCORES))
    return output


@settings(deadline=None)
@given(
    output=outputs(),
    placement=st.builds(Placement, width_px=st.integers(1, 32), height_px=st.integers(1, 64)),
)
def test_a_yolox_output_is_decoded_as_plain_loops_would(
    output: Floats, placement: Placement
) -> None:
    found = yolox.Decoder(TRIED).decode(output, placement)
    assert_alike(found, plainly_decoded(output, TRIED, placement))


def nothing() -> Floats:
    return np.zeros((1, 42, 9), dtype=np.float32)


def one_box(output: Floats, row: int, scores: tuple[float, ...], side: float = 0.0) -> None:
    output[0, row] = [0.5, 0.5, side, side, 1.0, *scores]


WHOLE = Placement(32, 64)


def test_nothing_seen_is_no_detection() -> None:
    assert yolox.Decoder(TRIED).decode(nothing(), WHOLE) == []


def test_a_score_at_its_threshold_counts_and_one_below_does_not() -> None:
    output = nothing()
    one_box(output, 0, (0, 0.5, 0, 0))
    one_box(output, 3, (0, 0.4999, 0, 0))
    [bicycle] = yolox.Decoder(TRIED).decode(output, WHOLE)
    assert bicycle == Detection("bicycle", 0.5, Box(0, 0, 0.25, 0.125))


def test_a_class_that_the_street_does_not_care_for_is_never_reported() -> None:
    output = nothing()
    one_box(output, 0, (0.6, 0, 0.9, 0))
    assert yolox.Decoder(TRIED).decode(output, WHOLE) == []


def test_a_threshold_of_0_does_not_make_every_cell_a_detection() -> None:
    output = nothing()
    output[0, :, 4] = 0.009
    output[0, :, 8] = 1.0
    assert yolox.Decoder(TRIED).decode(output, WHOLE) == []


def test_two_classes_of_one_meaning_report_one_thing_once() -> None:
    output = nothing()
    one_box(output, 0, (0.8, 0, 0, 0), side=1.0)
    output[0, 1] = [-0.5, 0.5, 1.0, 1.0, 1.0, 0, 0, 0, 0.9]
    [person] = yolox.Decoder(TRIED).decode(output, WHOLE)
    assert person.confidence == pytest.approx(0.9)


def test_things_of_two_meanings_may_stand_in_one_place() -> None:
    output = nothing()
    one_box(output, 0, (0.8, 0, 0, 0), side=1.0)
    output[0, 1] = [-0.5, 0.5, 1.0, 1.0, 1.0, 0, 0.9, 0, 0]
    labels = [detection.label for detection in yolox.Decoder(TRIED).decode(output, WHOLE)]
    assert labels == ["bicycle", "person"]


def test_a_network_gone_mad_reports_nothing_instead_of_nonsense() -> None:
    output = np.full((1, 42, 9), np.nan, dtype=np.float32)
    assert yolox.Decoder(TRIED).decode(output, WHOLE) == []


def test_what_lies_in_the_padding_alone_is_no_thing() -> None:
    output = nothing()
    one_box(output, 3, (0.9, 0, 0, 0))  # the top right cell: x from 24 to 32
    assert len(yolox.Decoder(TRIED).decode(output, Placement(32, 64))) == 1
    assert yolox.Decoder(TRIED).decode(output, Placement(24, 64)) == []


def test_a_flood_of_boxes_costs_only_the_least_sure_of_them() -> None:
    spec = input_spec(416, 416)
    told = manifest((("person", 0.1),), spec, (1, 3549, 6))
    output = np.zeros((1, 3549, 6), dtype=np.float32)
    output[0, :, :2] = 0.5
    output[0, :, 2:4] = -2.0  # smaller than a cell: no two overlap
    output[0, :, 4] = np.linspace(0.2, 0.9, 3549)
    output[0, :, 5] = 1.0
    found = yolox.Decoder(told).decode(output, Placement(416, 416))
    assert len(found) == _boxes.MAX_CANDIDATES
    assert found[0].confidence == pytest.approx(0.9)
    assert found[-1].confidence == pytest.approx(output[0, -_boxes.MAX_CANDIDATES, 4])


def coco_manifest() -> Manifest:
    things = {
        0: "person", 1: "bicycle", 2: "car", 3: "motorcycle", 5: "bus", 7: "truck", 25: "umbrella"
    }  # fmt: skip
    classes = tuple((things.get(index, ""), 0.35) for index in range(80))
    return manifest(classes, input_spec(416, 416), (1, 3549, 85))


@pytest.mark.skipif(not COCO_MODEL.exists(), reason="the shared COCO weights are not here")
@pytest.mark.skipif(not PEDESTRIANS.exists(), reason="the shared clips are not here")
def test_people_on_a_real_street_are_found_as_plain_loops_find_them() -> None:
    told = coco_manifest()
    assert list(yolox.faults(told)) == []
    session = OnnxSession(StoredModel(told, "", COCO_MODEL.read_bytes(), {}), threads=1)
    preparation, decoder = Preparation(told.input), yolox.Decoder(told)
    driver = load_driver("video_file")
    camera = driver.open_camera(
        "square", driver.Settings.model_validate({"path": PEDESTRIANS, "frames_per_s": 0.05})
    )
    frames = 0
    while (frame := camera.read()) is not None:
        placement = preparation.take(frame.bgr())
        output = session.run(preparation.tensor)
        found = decoder.decode(output, placement)
        assert_alike(found, plainly_decoded(output, told, placement))
        assert sum(detection.label == "person" for detection in found) >= 3
        frames += 1
    camera.close()
    assert frames == 4


STATES = (("not_overflowing", 0.5), ("overflowing", 0.5), ("", 0.5), ("overflowing", 0.5))


@given(arrays.arrays(np.float32, (1, 4), elements=st.floats(-1e4, 1e4, width=32)))
def test_a_softmax_s_probabilities_are_shares_of_the_powers(output: Floats) -> None:
    told = manifest(STATES, input_spec(), (1, 4), "classifier", "softmax")
    largest = max(float(score) for score in output[0])
    powers = [math.exp(float(score) - largest) for score in output[0]]
    probabilities = classifier.Decoder(told).decode(output)
    assert set(probabilities) == {"not_overflowing", "overflowing"}
    assert probabilities["not_overflowing"] == pytest.approx(powers[0] / sum(powers))
    assert probabilities["overflowing"] == pytest.approx((powers[1] + powers[3]) / sum(powers))
