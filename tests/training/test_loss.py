"""What streets that nobody boxed teach the detector, and what they leave open."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs training/requirements.txt")

from training.street_detector.classes import STREET_CLASSES  # noqa: E402 - after what it needs is there
from training.street_detector.loss import CANDIDATES, StreetLoss, Targets  # noqa: E402

STALL = STREET_CLASSES.index("stall")


def slopes(*, without_stalls: bool, boxes: list[list[float]] | None = None) -> Any:
    """How the loss of one unboxed street changes with each class score, (anchors, 10)."""
    loss = StreetLoss()
    exhaustive = torch.tensor([without_stalls and name == "stall" for name in STREET_CLASSES])
    laid = torch.tensor(boxes or []).reshape(-1, 4)
    target = Targets(
        laid,
        torch.full((len(laid),), STALL),
        torch.zeros(0, 4),
        exhaustive,
        rendered=False,
        unlabelled=True,
    )
    raw = torch.zeros(1, len(loss.centres), 5 + len(STREET_CLASSES), requires_grad=True)
    unsure = torch.full_like(raw.detach(), -8.0)  # a start that sees nothing
    total, _ = loss(raw, unsure, [target])
    if not total.requires_grad:
        return torch.zeros(len(loss.centres), len(STREET_CLASSES))
    total.backward()
    assert raw.grad is not None
    return raw.grad[0, :, 5:]


def test_a_street_that_nobody_boxed_teaches_no_absence() -> None:
    assert not slopes(without_stalls=False).any()


def test_where_no_stall_is_known_to_stand_a_stall_that_is_seen_is_unlearned() -> None:
    found = slopes(without_stalls=True)
    assert (found[:, STALL] > 0).all()
    found[:, STALL] = 0
    assert not found.any()


def test_around_a_stall_that_was_laid_there_no_absence_is_taught() -> None:
    box = [100.0, 100.0, 300.0, 300.0]
    found = slopes(without_stalls=True, boxes=[box])
    x, y = StreetLoss().centres.T
    inside = (x > box[0]) & (x < box[2]) & (y > box[1]) & (y < box[3])
    learned = int(found[inside, STALL].count_nonzero())  # the anchors that the stall was given to
    assert 1 <= learned <= CANDIDATES
    assert (found[~inside, STALL] > 0).all()
