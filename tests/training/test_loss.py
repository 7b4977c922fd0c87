"""What labels, teachers' boxes and silence teach the detector."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs training/requirements.txt")

from training.street_detector.classes import STREET_CLASSES  # noqa: E402 - after what it needs is there
from training.street_detector.loss import CANDIDATES, StreetLoss, Targets  # noqa: E402

STALL, PERSON = STREET_CLASSES.index("stall"), STREET_CLASSES.index("person")
BOX = [100.0, 100.0, 300.0, 300.0]


def targets(
    *boxes: list[float],
    worth: float = 1.0,
    unsure: list[list[float]] | None = None,
    doubted: list[list[float]] | None = None,
    closed: bool = True,
    without: str = "",
) -> Targets:
    """One picture with stalls, padded by one box that is none."""
    nothing = [[0.0] * 4]
    exhaustive = torch.tensor([[name == without for name in STREET_CLASSES]])
    return Targets(
        torch.tensor([[*boxes, nothing[0]]]),
        torch.tensor([[STALL] * len(boxes) + [PERSON]]),
        torch.tensor([[worth] * len(boxes) + [0.0]]),
        torch.tensor([[*(unsure or []), nothing[0]]]),
        torch.tensor([[*(doubted or []), nothing[0]]]),
        torch.tensor([closed]),
        exhaustive,
    )


def slopes(target: Targets, seen: Any = None) -> Any:
    """How the loss of one picture changes with what the network says, (anchors, 5 + classes)."""
    loss = StreetLoss()
    raw = torch.zeros(1, len(loss.centres), 5 + len(STREET_CLASSES)) if seen is None else seen
    raw = raw.clone().requires_grad_(True)
    total, _ = loss(raw, target)
    total.backward()
    assert raw.grad is not None
    return raw.grad[0]


def within(box: list[float]) -> Any:
    """The anchors whose centres lie in a box."""
    x, y = StreetLoss().centres.T
    return (x > box[0]) & (x < box[2]) & (y > box[1]) & (y < box[3])


def test_a_labelled_stall_is_learned_by_a_few_anchors_and_every_other_learns_nothing_is_there() -> (
    None
):
    found = slopes(targets(BOX))
    learned = found[:, 4] < 0
    assert 1 <= int(learned.sum()) <= CANDIDATES
    assert within(BOX)[learned].all()
    assert (found[~learned, 4] > 0).all()
    assert not found[~learned, 5:].any()


def test_a_picture_learns_the_same_alone_and_beside_one_with_more_boxes() -> None:
    alone, crowded = (
        targets(BOX),
        targets(BOX, [10.0, 10.0, 60.0, 90.0], [310.0, 20.0, 400.0, 90.0]),
    )
    loss, random = StreetLoss(), np.random.default_rng(1)
    raw = torch.from_numpy(
        random.normal(0, 1, (2, len(loss.centres), 5 + len(STREET_CLASSES))).astype(np.float32)
    )

    def padded(first: Any, second: Any) -> Any:
        longest = max(first.shape[1], second.shape[1]) if first.ndim > 1 else 0
        rows = [first, second]
        if first.ndim > 1:
            rows = [
                torch.cat([each, each.new_zeros(1, longest - each.shape[1], *each.shape[2:])], 1)
                for each in rows
            ]
        return torch.cat(rows)

    both = Targets(*(padded(getattr(alone, n), getattr(crowded, n)) for n in Targets.__slots__))
    boxes = torch.zeros(2, len(loss.centres), 4)
    boxes[..., 2:] = 60.0
    for place, single in enumerate((alone, crowded)):
        mine = loss.assign(raw[place : place + 1], boxes[place : place + 1], single)[0]
        assert torch.equal(mine[0], loss.assign(raw, boxes, both)[0][place])


def test_a_teacher_s_box_is_believed_as_far_as_its_score() -> None:
    half = slopes(targets(BOX, worth=0.5))
    whole = slopes(targets(BOX))
    learned = whole[:, 4] < 0
    # At an objectness of a half, a target of a half is met already.
    assert half[learned, 4].abs().max() < 1e-6
    assert torch.allclose(half[learned, 5:], whole[learned, 5:] / 2)


def test_nothing_is_absent_in_an_unsure_region() -> None:
    found = slopes(targets(unsure=[BOX]))
    assert not found[within(BOX)].any()
    assert (found[~within(BOX), 4] > 0).all()


def test_a_box_that_a_teacher_doubts_may_stand_and_others_beside_it_may_not() -> None:
    loss = StreetLoss()
    raw = torch.zeros(1, len(loss.centres), 5 + len(STREET_CLASSES))
    raw[..., 2:4] = torch.log(torch.tensor(32.0) / loss.strides)[None, :, None]  # all 32 px wide
    doubted = [184.0, 184.0, 216.0, 216.0]
    found = slopes(targets(doubted=[doubted]), raw)
    excused = found[:, 4] == 0
    assert excused.any()
    near = within([160.0, 160.0, 240.0, 240.0])
    assert not excused[~near].any()
    assert (found[~excused, 4] > 0).all()


def test_a_street_that_nobody_looked_over_teaches_no_absence() -> None:
    assert not slopes(targets(closed=False)).any()


def test_where_no_stall_is_known_to_stand_a_stall_that_is_seen_is_unlearned() -> None:
    found = slopes(targets(closed=False, without="stall"))[:, 5:]
    assert (found[:, STALL] > 0).all()
    found[:, STALL] = 0
    assert not found.any()


def test_around_a_stall_that_was_laid_there_no_absence_is_taught() -> None:
    found = slopes(targets(BOX, closed=False, without="stall"))[:, 5:]
    inside = within(BOX)
    learned = int(found[inside, STALL].count_nonzero())  # the anchors that the stall was given to
    assert 1 <= learned <= CANDIDATES
    assert (found[~inside, STALL] > 0).all()
