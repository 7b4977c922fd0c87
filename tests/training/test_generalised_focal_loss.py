"""What NanoDet-Plus' loss learns from labels, what it takes from the frozen start, and what it leaves open."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs training/requirements.txt")

from training.street_detector.classes import COCO_CLASSES, STREET_CLASSES  # noqa: E402 - after torch
from training.street_detector.generalised_focal_loss import (  # noqa: E402
    CANDIDATES,
    GeneralisedFocalLoss,
    truth_of,
)
from training.street_detector.pictures import Example  # noqa: E402

SIZE_PX = 320
CLASSES = len(STREET_CLASSES)
PERSON, BICYCLE, MOTORCYCLE = (
    STREET_CLASSES.index(name) for name in ("person", "bicycle", "motorcycle")
)
TRUCK, STALL, BIN = (STREET_CLASSES.index(name) for name in ("truck", "stall", "bin"))
OF_416 = 416 / SIZE_PX
BOX = (96.0, 96.0, 224.0, 224.0)
LOSS = GeneralisedFocalLoss(SIZE_PX)
PLACES = len(LOSS.points)


def example(boxes: list[tuple[float, ...]] | None = None, **facts: Any) -> Example:
    """A picture with stalls at ``boxes``, in pixels of the network's input."""
    given = np.array(boxes or [], np.float32).reshape(-1, 4) * OF_416
    told: dict[str, Any] = {
        "classes": np.full(len(given), STALL),
        "unsure": np.zeros((0, 4), np.float32),
        "exhaustive": np.zeros(CLASSES, bool),
        "rendered": False,
        "worth": np.ones(len(given), np.float32),
    }
    return Example(np.zeros((416, 416, 3), np.uint8), given, **(told | facts))


def heads(score: float = 0.0) -> Any:
    """Raw heads that say one logit everywhere, and boxes of any size."""
    raw = torch.zeros(1, PLACES, CLASSES + 32)
    raw[..., :CLASSES] = score
    return raw


def slopes(seen: Example, teacher: Any) -> Any:
    """How the loss changes with each number of the heads, (places, 42)."""
    raw = heads().requires_grad_()
    total, _ = LOSS(raw, teacher, truth_of([seen], SIZE_PX))
    total.backward()
    assert raw.grad is not None
    return raw.grad[0]


def inside(box: tuple[float, ...] = BOX) -> Any:
    x, y = LOSS.points.T
    return (x > box[0]) & (x < box[2]) & (y > box[1]) & (y < box[3])


def test_a_student_that_says_what_the_start_says_has_nothing_to_learn() -> None:
    torch.manual_seed(2)
    teacher = torch.randn(2, PLACES, CLASSES + 32)
    student = teacher.clone().requires_grad_()
    told = [example(closed=False, unlabelled=True)] * 2
    total, parts = LOSS(student, teacher, truth_of(told, SIZE_PX))
    total.backward()
    assert student.grad is not None
    new = [STREET_CLASSES.index(name) for name in STREET_CLASSES if name not in COCO_CLASSES]
    taught = [index for index in range(CLASSES) if index not in (*new, TRUCK, BIN)]
    assert student.grad[..., taught].abs().max() < 1e-6
    assert student.grad[..., CLASSES:].abs().max() < 1e-6
    assert parts["box"] == pytest.approx(0, abs=1e-5)


def test_a_labelled_stall_is_learned_at_a_few_places_within_it_and_absent_elsewhere() -> None:
    found = slopes(example([BOX]), heads(-12.0))[:, STALL]
    raised = found < 0
    assert 1 <= int(raised.sum()) <= CANDIDATES
    assert not (raised & ~inside()).any()
    assert (found[~inside()] > 0).all()


def test_sides_are_learned_only_at_places_that_answer_for_a_thing() -> None:
    found = slopes(example([BOX]), heads(-12.0))[:, CLASSES:].abs().sum(dim=1)
    assert 1 <= int((found > 0).sum()) <= CANDIDATES


def test_what_a_set_does_not_label_is_taken_from_the_start_and_not_for_absent() -> None:
    teacher = heads(-12.0)
    teacher[0, 500, PERSON] = 3.0
    found = slopes(example(), teacher)
    assert found[500, PERSON] < 0
    assert found[500, CLASSES:].abs().sum() > 0
    labelled = example(exhaustive=np.array([name == "person" for name in STREET_CLASSES]))
    assert slopes(labelled, teacher)[500, PERSON] > 0


def test_a_drawn_street_knows_everything() -> None:
    teacher = heads(-12.0)
    teacher[0, 500, PERSON] = 3.0
    assert (slopes(example(rendered=True), teacher)[:, :CLASSES] > 0).all()


def test_in_a_picture_that_nobody_searched_new_things_and_lorries_are_left_open() -> None:
    found = slopes(example(closed=False), heads(-12.0))
    assert not found[:, [TRUCK, STALL, BIN]].any()
    assert (found[:, PERSON] > 0).all()


def test_where_no_stall_is_known_to_stand_a_stall_that_is_seen_is_unlearned() -> None:
    no_stall = np.array([name == "stall" for name in STREET_CLASSES])
    found = slopes(example(closed=False, exhaustive=no_stall), heads(-12.0))
    assert (found[:, STALL] > 0).all()
    assert not found[:, BIN].any()


def test_nothing_is_learned_where_nobody_can_tell() -> None:
    region = np.array([BOX], np.float32) * OF_416
    for seen in (example(unsure=region), example(doubted=region)):
        found = slopes(seen, heads(-12.0))
        assert not found[inside()].any()
        assert found[~inside()].any()


def test_a_start_that_takes_a_labelled_bicycle_for_a_motorcycle_is_not_heard() -> None:
    teacher = heads(-12.0)
    teacher[0, inside(), MOTORCYCLE] = 3.0
    bicycle = example([BOX], classes=np.array([BICYCLE]))
    assert (slopes(bicycle, teacher)[inside(), MOTORCYCLE] > 0).all()
    person = example([BOX], classes=np.array([PERSON]))
    assert (slopes(person, teacher)[inside(), MOTORCYCLE] < 0).all()


def test_what_a_teacher_is_less_sure_of_moves_the_network_less() -> None:
    sure = slopes(example([BOX]), heads(-12.0))[:, STALL].clamp(max=0).sum()
    half = example([BOX], worth=np.array([0.4], np.float32))
    assert 0 > slopes(half, heads(-12.0))[:, STALL].clamp(max=0).sum() > sure


def test_no_place_answers_for_two_things() -> None:
    near = (BOX[0] + 6, BOX[1] + 6, BOX[2] + 6, BOX[3] + 6)
    truth = truth_of([example([BOX, near]), example([near])], SIZE_PX)
    raw = torch.randn(2, PLACES, CLASSES + 32)
    boxes = LOSS.points.repeat(1, 2) + torch.tensor([-30.0, -30.0, 30.0, 30.0])
    found = LOSS.assign(raw[..., :CLASSES], boxes.expand(2, -1, -1), truth)
    chosen = list(zip(found.picture.tolist(), found.place.tolist(), strict=True))
    assert len(chosen) == len(set(chosen))
    assert {(0, 0), (0, 1), (1, 0)} == set(
        zip(found.picture.tolist(), found.thing.tolist(), strict=True)
    )
    assert ((found.overlap >= 0) & (found.overlap <= 1)).all()


def test_a_thing_between_all_places_has_none() -> None:
    truth = truth_of([example([(1.0, 1.0, 6.0, 6.0)])], SIZE_PX)
    boxes = LOSS.points.repeat(1, 2) + torch.tensor([-30.0, -30.0, 30.0, 30.0])
    found = LOSS.assign(heads()[..., :CLASSES], boxes[None], truth)
    assert len(found.place) == 0
