"""Every usual family of detectors decodes as slow, plain code would do it, and runs as a real graph."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from agent.domain.scene import Box, Detection
from agent.inference import ModelError, open_detector
from agent.inference.decoders import classifier, detr, detr_deployed, nanodet_plus, yolov8, yolox
from agent.inference.manifest import Manifest, OutputSpec
from agent.inference.preprocess import Placement, Preparation
from tests.support.decoding import assert_alike, input_spec, manifest
from tests.support.red_models import OUTPUTS, write_red_model

Floats = NDArray[np.float32]
CLASSES = (("person", 0.3), ("bicycle", 0.5), ("", 0.1), ("person", 0.0))
NUMBERS = st.one_of(
    st.sampled_from([0.0, 0.5, 1.0, 16.0, 1e30, -1e30, math.inf, -math.inf, math.nan]),
    st.floats(-8, 40, width=32),
)
SCORES = st.one_of(
    st.sampled_from([0.0, 0.3, 0.5, 1.0, 7.0, math.nan, math.inf, -math.inf]),
    st.floats(0, 1, width=32),
)
FRACTIONS = st.one_of(
    st.sampled_from([0.0, 0.5, 1.0, math.nan, math.inf]), st.floats(-1, 2, width=32)
)
PLACED = st.builds(
    Placement,
    width_px=st.integers(1, 32),
    height_px=st.integers(1, 64),
    left_px=st.integers(0, 8),
    top_px=st.integers(0, 8),
)


def array(shape: tuple[int, ...], elements: st.SearchStrategy[float]) -> Any:
    return arrays.arrays(np.float32, shape, elements=elements)


def plain_box(
    left: float, top: float, right: float, bottom: float, placed: Placement
) -> Box | None:
    """Corners in pixels of the input as a box of the picture; None if nothing is left of it."""

    def fraction(at_px: float, begin_px: int, of_px: int) -> float:
        share = (at_px - begin_px) / of_px
        return share if math.isnan(share) else min(1.0, max(0.0, share))

    sides = (
        fraction(left, placed.left_px, placed.width_px),
        fraction(top, placed.top_px, placed.height_px),
        fraction(right, placed.left_px, placed.width_px),
        fraction(bottom, placed.top_px, placed.height_px),
    )
    whole = sides[2] > sides[0] and sides[3] > sides[1]
    return Box(*sides) if whole else None


def around(x: float, y: float, width: float, height: float) -> tuple[float, float, float, float]:
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def good_enough(told: Manifest, class_: int, score: float) -> bool:
    each = told.classes[class_]
    return each.meaning != "" and score >= max(0.01, each.threshold)


def suppressed(found: list[Detection]) -> list[Detection]:
    kept: list[Detection] = []
    for detection in sorted(found, key=lambda each: -each.confidence):
        twice = (
            other.label == detection.label and detection.box.iou(other.box) > 0.45 for other in kept
        )
        if not any(twice):
            kept.append(detection)
    return kept


# --- YOLOv8 -----------------------------------------------------------------------------------------

V8 = manifest(CLASSES, input_spec(resize="letterbox_centred"), (1, 8, 21), "yolov8")


def plain_yolov8(output: Floats, placed: Placement) -> list[Detection]:
    found = []
    for place in range(output.shape[2]):
        x, y, width, height, *scores = (float(number) for number in output[0, :, place])
        if any(math.isnan(score) for score in scores) or math.isinf(max(scores)):
            continue
        class_ = scores.index(max(scores))
        score = min(1.0, scores[class_])
        box = plain_box(*around(x, y, width, height), placed)
        if box is not None and good_enough(V8, class_, score):
            found.append(Detection(V8.labels[class_], score, box))
    return suppressed(found)


@st.composite
def v8_outputs(draw: st.DrawFn) -> Floats:
    return np.concatenate(
        [draw(array((1, 4, 21), NUMBERS)), draw(array((1, 4, 21), SCORES))], axis=1
    )


@settings(deadline=None)
@given(v8_outputs(), PLACED)
def test_yolov8_is_decoded_as_plain_loops_would(output: Floats, placed: Placement) -> None:
    assert list(yolov8.faults(V8)) == []
    assert_alike(yolov8.Decoder(V8).decode(output, placed), plain_yolov8(output, placed))


# --- NanoDet-Plus -----------------------------------------------------------------------------------

# 20 × 48 pixels: 3 × 6 cells of 8, 2 × 3 of 16, 1 × 2 of 32, 1 × 1 of 64
NANODET = manifest(CLASSES, input_spec(20, 48, resize="stretch"), (1, 27, 4 + 32), "nanodet_plus")


def plain_distance(logits: list[float]) -> float:
    """The mean of 0 to 7 under the softmax of eight logits."""
    if any(math.isnan(each) or each == math.inf for each in logits) or max(logits) == -math.inf:
        return math.nan
    powers = [math.exp(each - max(logits)) for each in logits]
    return sum(step * power for step, power in enumerate(powers)) / sum(powers)


def plain_nanodet_plus(output: Floats, placed: Placement) -> list[Detection]:
    found = []
    place = 0
    for stride in (8, 16, 32, 64):
        for row in range(math.ceil(48 / stride)):
            for column in range(math.ceil(20 / stride)):
                numbers = [float(number) for number in output[0, place]]
                place += 1
                scores = numbers[:4]
                if any(math.isnan(score) for score in scores) or math.isinf(max(scores)):
                    continue
                class_ = scores.index(max(scores))
                left, top, right, bottom = (
                    plain_distance(numbers[begin : begin + 8]) * stride for begin in (4, 12, 20, 28)
                )
                x, y = column * stride, row * stride
                box = plain_box(x - left, y - top, x + right, y + bottom, placed)
                score = min(1.0, scores[class_])
                if box is not None and good_enough(NANODET, class_, score):
                    found.append(Detection(NANODET.labels[class_], score, box))
    assert place == output.shape[1]
    return suppressed(found)


LOGITS = st.one_of(
    st.sampled_from([0.0, 50.0, 1e30, -1e30, math.inf, -math.inf, math.nan]),
    st.floats(-8, 8, width=32),
)


@st.composite
def nanodet_outputs(draw: st.DrawFn) -> Floats:
    return np.concatenate(
        [draw(array((1, 27, 4), SCORES)), draw(array((1, 27, 32), LOGITS))], axis=2
    )


@settings(deadline=None)
@given(
    nanodet_outputs(),
    st.builds(Placement, width_px=st.integers(1, 20), height_px=st.integers(1, 48)),
)
def test_nanodet_plus_is_decoded_as_plain_loops_would(output: Floats, placed: Placement) -> None:
    assert list(nanodet_plus.faults(NANODET)) == []
    found = nanodet_plus.Decoder(NANODET).decode(output, placed)
    assert_alike(found, plain_nanodet_plus(output, placed))


def test_a_side_of_nanodet_plus_lies_between_the_distances_that_it_wavers_between() -> None:
    output = np.full((1, 27, 36), -50.0, np.float32)
    output[0, 4, 1] = 0.9  # the fifth cell of 8 pixels: second row, second column, so (8, 8)
    output[0, 4, 4 + 0] = 50  # left: no distance
    output[0, 4, [4 + 8, 4 + 9]] = 50  # top: half a stride
    output[0, 4, [4 + 16 + 1]] = 50  # right: a stride
    output[0, 4, [4 + 24 + 1, 4 + 24 + 3]] = 50  # bottom: two
    [bicycle] = nanodet_plus.Decoder(NANODET).decode(output, Placement(20, 48))
    assert bicycle.label == "bicycle"
    assert sides_of(bicycle.box) == pytest.approx((8 / 20, 4 / 48, 16 / 20, 24 / 48))


# --- DETR ---------------------------------------------------------------------------------------------


def detr_manifest(activation: str, queries: int = 9) -> Manifest:
    columns = len(CLASSES) + (activation == "softmax")
    told = manifest(
        CLASSES, input_spec(resize="stretch"), (1, queries, columns), "detr", activation
    )
    boxes = OutputSpec(name="boxes", shape=(1, queries, 4))
    return told.model_copy(update={"also": {"boxes": boxes}})


def plain_detr(logits: Floats, boxes: Floats, told: Manifest, placed: Placement) -> list[Detection]:
    found = []
    softmax = told.output.activation == "softmax"
    for query in range(logits.shape[1]):
        numbers = [float(number) for number in logits[0, query]]
        if softmax:
            if not math.isfinite(sum(max(number, -1e9) for number in numbers)):
                continue
            if max(numbers) == -math.inf:
                continue
            powers = [math.exp(number - max(numbers)) for number in numbers]
            shares = [power / sum(powers) for power in powers][:-1]
            pairs = [(shares.index(max(shares)), max(shares))]
        else:
            pairs = [
                (class_, 1 / (1 + math.exp(-number)) if number > -700 else 0.0)
                for class_, number in enumerate(numbers)
                if math.isfinite(number)
            ]
        x, y, width, height = (float(number) for number in boxes[0, query])
        left, top, right, bottom = around(x, y, width, height)
        size = told.input
        box = plain_box(
            left * size.width, top * size.height, right * size.width, bottom * size.height, placed
        )
        found += [
            Detection(told.labels[class_], score, box)
            for class_, score in pairs
            if box is not None and good_enough(told, class_, score)
        ]
    return found


def as_set(found: list[Detection]) -> list[tuple[Any, ...]]:
    """Ties may come in any order: compared as a sorted list."""
    return sorted(
        (each.label, round(each.confidence, 5), *(round(side, 4) for side in sides_of(each.box)))
        for each in found
    )


def sides_of(box: Box) -> tuple[float, float, float, float]:
    return box.left, box.top, box.right, box.bottom


@settings(deadline=None)
@given(
    activation=st.sampled_from(["sigmoid", "softmax"]),
    numbers=array(
        (1, 9, 5),
        st.one_of(st.sampled_from([math.nan, math.inf, -math.inf]), st.floats(-12, 12, width=32)),
    ),
    boxes=array((1, 9, 4), FRACTIONS),
    placed=PLACED,
)
def test_detr_is_decoded_as_plain_loops_would(
    activation: str, numbers: Floats, boxes: Floats, placed: Placement
) -> None:
    told = detr_manifest(activation)
    assert list(detr.faults(told)) == []
    logits = numbers if activation == "softmax" else numbers[:, :, :4]
    found = detr.Decoder(told).decode(logits, boxes, placed)
    assert as_set(found) == as_set(plain_detr(logits, boxes, told, placed))
    confidences = [each.confidence for each in found]
    assert confidences == sorted(confidences, reverse=True)


def deployed_manifest(queries: int = 9) -> Manifest:
    spec = input_spec(resize="stretch", sizes="orig_target_sizes")
    told = manifest(CLASSES, spec, (1, queries), "detr_deployed")
    also = {
        "boxes": OutputSpec(name="boxes", shape=(1, queries, 4)),
        "labels": OutputSpec(name="labels", shape=(1, queries), kind="int64"),
    }
    return told.model_copy(update={"also": also})


@settings(deadline=None)
@given(
    scores=array((1, 9), SCORES),
    boxes=array((1, 9, 4), NUMBERS),
    labels=arrays.arrays(np.int64, (1, 9), elements=st.integers(-2, 6)),
    placed=PLACED,
)
def test_a_deployed_detr_is_decoded_as_plain_loops_would(
    scores: Floats, boxes: Floats, labels: NDArray[np.int64], placed: Placement
) -> None:
    told = deployed_manifest()
    assert list(detr_deployed.faults(told)) == []
    expected = []
    for query in range(9):
        class_, score = int(labels[0, query]), min(1.0, float(scores[0, query]))
        if not math.isfinite(scores[0, query]):
            continue
        left, top, right, bottom = (float(number) for number in boxes[0, query])
        box = plain_box(left, top, right, bottom, placed)
        if box and 0 <= class_ < len(CLASSES) and good_enough(told, class_, score):
            expected.append(Detection(told.labels[class_], score, box))
    found = detr_deployed.Decoder(told).decode(scores, boxes, labels.astype(np.float32), placed)
    assert as_set(found) == as_set(expected)


# --- faults -------------------------------------------------------------------------------------------


def test_what_cannot_be_true_of_a_family_is_told_all_at_once() -> None:
    states_and_a_person = (("person", 0.3), ("overflowing", 0.5))
    wrong = manifest(states_and_a_person, input_spec(), (1, 9, 21), "yolov8")
    assert len(list(yolov8.faults(wrong))) == 2
    wrong = manifest(states_and_a_person, input_spec(), (1, 42, 35), "nanodet_plus", "sigmoid")
    assert len(list(nanodet_plus.faults(wrong))) == 3
    wrong = manifest(CLASSES, input_spec(), (1, 9, 7), "detr")
    assert len(list(detr.faults(wrong))) == 3
    wrong = manifest(CLASSES, input_spec(), (1, 9, 7), "detr_deployed")
    assert len(list(detr_deployed.faults(wrong))) == 1
    also = {"boxes": OutputSpec(name="boxes", shape=(1, 9, 4))}
    wrong = manifest(CLASSES, input_spec(), (1, 42, 9), "yolox", "sigmoid")
    assert len(list(yolox.faults(wrong.model_copy(update={"also": also})))) == 2
    states = (("overflowing", 0.5), ("not_overflowing", 0.5))
    wrong = manifest(states, input_spec(), (1, 2), "classifier", "sigmoid")
    assert len(list(classifier.faults(wrong.model_copy(update={"also": also})))) == 2


# --- real graphs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", sorted(OUTPUTS))
def test_a_real_graph_of_the_family_finds_the_red_thing(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_red_model(tmp_path, family)
    monkeypatch.setenv("KERBWATCH_MODELS", str(tmp_path))
    street = np.full((240, 320, 3), 128, np.uint8)
    street[120:160, 200:240] = (0, 0, 255)
    found = open_detector("red", threads=1).detect(street)
    assert found
    assert {each.label for each in found} == {"bicycle"}
    x, y = found[0].box.centre
    assert x == pytest.approx(220 / 320, abs=0.06)
    assert y == pytest.approx(140 / 240, abs=0.06)


def test_a_manifest_that_does_not_fit_the_graph_is_refused_in_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = write_red_model(tmp_path, "detr")
    monkeypatch.setenv("KERBWATCH_MODELS", str(tmp_path))
    text = (place / "manifest.toml").read_text(encoding="utf-8")
    text = text.replace('name = "boxes"', 'name = "pred_boxes"').replace('"images"', '"pixels"')
    (place / "manifest.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ModelError) as refused:
        open_detector("red", threads=1)
    faults = "\n".join(refused.value.faults)
    assert "'pred_boxes'" in faults
    assert "'pixels'" in faults
    assert "there are: logits, boxes" in faults


@given(st.integers(1, 200), st.integers(1, 200))
def test_a_centred_letterbox_has_the_same_margin_on_both_sides(width: int, height: int) -> None:
    preparation = Preparation(input_spec(resize="letterbox_centred", pad=7))
    placed = preparation.take(np.full((height, width, 3), 200, np.uint8))
    assert abs(placed.left_px - (32 - placed.width_px - placed.left_px)) <= 1
    assert abs(placed.top_px - (64 - placed.height_px - placed.top_px)) <= 1
    assert placed.width_px == 32 or placed.height_px == 64
    shown = preparation.tensor[0, 0] == 200
    assert shown.sum() == placed.width_px * placed.height_px
    assert shown[placed.top_px, placed.left_px]
