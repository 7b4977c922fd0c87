"""YOLOX's loss (Ge et al., 2021, arXiv:2107.08430) with three additions for partly labelled sets.

1. Where a set does not label a class, a missing box says nothing. The frozen start is the teacher
   there: its objectness and class scores are the target for anchors without a labelled thing.
2. Regions marked unsure (crowds, things cut off by the window) are left out of the loss.
3. Where nobody boxed anything, a new class may still be known to be nowhere: what is seen there is not one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from training.street_detector.classes import COCO_CLASSES, STREET_CLASSES
from training.street_detector.yolox import anchor_points, decode_boxes

CENTRE_RADIUS = 2.5
CANDIDATES = 10
BOX_WEIGHT, TEACHER_CLASS_WEIGHT, TEACHER_BOX_WEIGHT = 5.0, 3.0, 1.0
TEACHER_SURE = 0.1


@dataclass(frozen=True, slots=True)
class Targets:
    """One picture's truth: boxes (n, 4) in pixels, classes (n,), unsure (m, 4), and flags.

    ``rendered`` pictures know everything; ``unlabelled`` ones nothing, not even where nothing is.
    """

    boxes: Tensor
    classes: Tensor
    unsure: Tensor
    exhaustive: Tensor
    rendered: bool
    unlabelled: bool = False


def corners_of(centred: Tensor) -> Tensor:
    """Centre x, centre y, width, height to left, top, right, bottom; (..., 4)."""
    half = centred[..., 2:] / 2
    return torch.cat([centred[..., :2] - half, centred[..., :2] + half], dim=-1)


def pairwise_iou(first: Tensor, second: Tensor) -> Tensor:
    """Intersection over union of (n, 4) and (m, 4) corner boxes, as (n, m)."""
    low = torch.maximum(first[:, None, :2], second[None, :, :2])
    high = torch.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = (high - low).clamp(min=0).prod(dim=2)
    areas = [(each[:, 2:] - each[:, :2]).clamp(min=0).prod(dim=1) for each in (first, second)]
    return shared / (areas[0][:, None] + areas[1][None, :] - shared).clamp(min=1e-6)


def paired_giou(first: Tensor, second: Tensor) -> Tensor:
    """Generalised IoU (Rezatofighi et al., 2019) of boxes row by row; (n, 4) and (n, 4)."""
    low, high = (
        torch.maximum(first[:, :2], second[:, :2]),
        torch.minimum(first[:, 2:], second[:, 2:]),
    )
    shared = (high - low).clamp(min=0).prod(dim=1)
    areas = [(each[:, 2:] - each[:, :2]).clamp(min=0).prod(dim=1) for each in (first, second)]
    union = (areas[0] + areas[1] - shared).clamp(min=1e-6)
    outer_low = torch.minimum(first[:, :2], second[:, :2])
    outer_high = torch.maximum(first[:, 2:], second[:, 2:])
    outer = (outer_high - outer_low).clamp(min=0).prod(dim=1).clamp(min=1e-6)
    return shared / union - (outer - union) / outer


class StreetLoss:
    """The loss over a batch of raw heads; holds the anchors of one input size."""

    def __init__(self) -> None:
        self.corners, self.strides = anchor_points()
        self.centres = (self.corners + 0.5) * self.strides[:, None]
        self.taught = torch.tensor([name in COCO_CLASSES for name in STREET_CLASSES])

    @torch.no_grad()
    def assign(self, raw: Tensor, boxes: Tensor, target: Targets) -> tuple[Tensor, Tensor, Tensor]:
        """SimOTA for one picture.

        Args:
            raw: (anchors, 15) of the student.
            boxes: (anchors, 4) decoded corners.
            target: The picture's truth, at least one box.

        Returns:
            Which anchors are positive, which box each has, and its IoU; each (positives,).
        """
        overlap = pairwise_iou(target.boxes, boxes)
        x, y = self.centres[:, 0], self.centres[:, 1]
        truth = target.boxes
        inside = (
            (x > truth[:, None, 0])
            & (x < truth[:, None, 2])
            & (y > truth[:, None, 1])
            & (y < truth[:, None, 3])
        )
        middle = (truth[:, :2] + truth[:, 2:]) / 2
        reach = CENTRE_RADIUS * self.strides
        near = ((x - middle[:, :1]).abs() < reach) & ((y - middle[:, 1:]).abs() < reach)
        wanted = functional.one_hot(target.classes, len(STREET_CLASSES)).float()
        score = (raw[:, 5:].sigmoid() * raw[:, 4:5].sigmoid()).sqrt()
        unlike = functional.binary_cross_entropy(
            score[None].expand(len(truth), -1, -1),
            wanted[:, None].expand(-1, len(score), -1),
            reduction="none",
        ).sum(dim=2)
        cost = unlike - 3.0 * (overlap + 1e-8).log() + 1e5 * ~(inside & near)
        cost = cost + 1e9 * ~(inside | near)
        counts = overlap.topk(CANDIDATES, dim=1).values.sum(dim=1).int().clamp(min=1)
        match = torch.zeros_like(cost, dtype=torch.bool)
        for row, count in enumerate(counts.tolist()):
            match[row, cost[row].topk(count, largest=False).indices] = True
        shared = match.sum(dim=0) > 1
        if shared.any():
            best = cost[:, shared].argmin(dim=0)
            match[:, shared] = False
            match[best, shared.nonzero()[:, 0]] = True
        positive = match.any(dim=0).nonzero()[:, 0]
        owner = match[:, positive].float().argmax(dim=0)
        return positive, owner, overlap[owner, positive]

    def __call__(
        self, student: Tensor, teacher: Tensor, targets: Sequence[Targets]
    ) -> tuple[Tensor, dict[str, float]]:
        """The loss of a batch.

        Args:
            student: (batch, anchors, 15) raw heads.
            teacher: The same from the frozen start; its rows of new classes are not used.
            targets: One a picture.

        Returns:
            The loss to minimise, and its parts for display.
        """
        boxes = corners_of(decode_boxes(student[..., :4], self.corners, self.strides))
        sums = dict.fromkeys(("box", "object", "class", "taught"), student.new_zeros(()))
        count = 0
        for raw, edges, taught, target in zip(student, boxes, teacher, targets, strict=True):
            parts, positives = self._picture(raw, edges, taught, target)
            count += positives
            sums = {name: sums[name] + parts[name] for name in sums}
        scale = max(count, len(targets))
        total = (BOX_WEIGHT * sums["box"] + sums["object"] + sums["class"] + sums["taught"]) / scale
        return total, {name: float(value.detach()) / scale for name, value in sums.items()}

    def _picture(
        self, raw: Tensor, boxes: Tensor, teacher: Tensor, target: Targets
    ) -> tuple[dict[str, Tensor], int]:
        zero = raw.new_zeros(())
        parts = {"box": zero, "object": zero, "class": zero, "taught": zero}
        free = torch.ones(len(raw), dtype=torch.bool)
        positives = 0
        if len(target.boxes):
            positive, owner, overlap = self.assign(raw, boxes, target)
            positives = len(positive)
            free[positive] = False
            truth = target.boxes[owner]
            parts["box"] = (1 - paired_giou(boxes[positive], truth)).sum()
            wanted = functional.one_hot(target.classes[owner], len(STREET_CLASSES))
            # A motorcycle's box holds its rider: where nobody labels people, seeing one is no fault.
            rider = (teacher[positive, 5:].sigmoid() > 0.2) & self.taught & ~target.exhaustive
            parts["class"] = functional.binary_cross_entropy_with_logits(
                raw[positive, 5:],
                wanted * overlap[:, None],
                weight=(~rider | wanted.bool()).float(),
                reduction="sum",
            )
            parts["object"] = functional.binary_cross_entropy_with_logits(
                raw[positive, 4], torch.ones(positives), reduction="sum"
            )
        free &= self._outside(target.unsure)
        background, taught = self._background(raw, boxes, teacher, target, free)
        parts["object"] = parts["object"] + background
        parts["taught"] = taught
        return parts, positives

    def _background(
        self, raw: Tensor, boxes: Tensor, teacher: Tensor, target: Targets, free: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Anchors without a labelled thing: nothing there if drawn, else what the teacher says."""
        if target.rendered:
            nothing = torch.zeros(int(free.sum()))
            return (
                functional.binary_cross_entropy_with_logits(raw[free, 4], nothing, reduction="sum"),
                raw.new_zeros(()),
            )
        soft = teacher[:, 4].sigmoid()
        sure = free & (soft > TEACHER_SURE)
        absent = raw.new_zeros(())
        if target.unlabelled:
            absent = self._absent(raw, target, free)
            free = sure
        # A cross entropy with a soft target never reaches zero; its own entropy is taken off so
        # that the figure shown is a distance.
        object_loss = functional.binary_cross_entropy_with_logits(
            raw[free, 4], soft[free], reduction="none"
        ) - functional.binary_cross_entropy(soft[free], soft[free], reduction="none")
        theirs = corners_of(decode_boxes(teacher[sure, :4], self.corners[sure], self.strides[sure]))
        wanted = teacher[sure, 5:].sigmoid() * self._believed(theirs, target)
        class_loss = functional.binary_cross_entropy_with_logits(
            raw[sure, 5:], wanted, reduction="none"
        )
        if target.unlabelled:
            class_loss = class_loss * self.taught
        distance = 1 - paired_giou(boxes[sure], theirs)
        each = (
            TEACHER_CLASS_WEIGHT * class_loss.sum(dim=1)
            + TEACHER_BOX_WEIGHT * BOX_WEIGHT * distance
        )
        return object_loss.sum() + absent, (each * soft[sure]).sum()

    def _outside(self, boxes: Tensor) -> Tensor:
        """Which anchors' centres lie in none of the corner boxes (n, 4); (anchors,)."""
        outside = torch.ones(len(self.centres), dtype=torch.bool)
        x, y = self.centres[:, 0], self.centres[:, 1]
        for left, top, right, bottom in boxes.tolist():
            outside &= ~((x > left) & (x < right) & (y > top) & (y < bottom))
        return outside

    def _absent(self, raw: Tensor, target: Targets, free: Tensor) -> Tensor:
        """New classes that are known to be nowhere but where they are labelled: whatever is seen
        outside of these boxes is none of them. What else it is, and whether it is, is left open.
        """
        known = target.exhaustive & ~self.taught
        free = free & self._outside(target.boxes)
        logits = raw[free, 5:][:, known]
        each = functional.binary_cross_entropy_with_logits(
            logits, torch.zeros_like(logits), reduction="none"
        )
        return (each * raw[free, 4:5].detach().sigmoid()).sum()

    def _believed(self, boxes: Tensor, target: Targets) -> Tensor:
        """Where the teacher's class scores count, (anchors, 10).

        For classes the set labels it is believed only on a labelled thing of that class: those
        are the anchors beside the assigned ones, which the start scores almost as high.
        """
        believed = (self.taught & ~target.exhaustive).expand(len(boxes), -1).clone()
        if len(target.boxes) and len(boxes):
            near = pairwise_iou(boxes, target.boxes) > 0.4
            for index in set(target.classes.tolist()):
                believed[:, index] |= near[:, target.classes == index].any(dim=1)
        return believed & self.taught
