"""YOLOX's loss (Ge et al., 2021, arXiv:2107.08430), a whole batch at once, for labels of several worths.

1. A box that a teacher gave counts by its score: it is the target of the objectness, and the weight
   of the box and its class. A label counts fully.
2. Regions marked unsure (crowds, things cut off by the window) teach no absence, nor does a box
   that is found where a teacher doubts.
3. Where nobody, neither a label nor a teacher, can say whether some kind of thing stands in a
   picture, what was found there is learned, and that what is seen elsewhere is none of the classes
   that are known to be nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from training.street_detector.classes import STREET_CLASSES
from training.street_detector.yolox import anchor_points, decode_boxes

CENTRE_RADIUS = 2.5
CANDIDATES = 10
BOX_WEIGHT = 5.0
FORBIDDEN, OUTSIDE = 1e9, 1e5
DOUBT_IOU = 0.35


@dataclass(frozen=True, slots=True)
class Targets:
    """A batch's truth, padded to the picture with the most boxes.

    Attributes:
        boxes: (batch, boxes, 4) left, top, right, bottom in pixels.
        classes: (batch, boxes).
        worth: (batch, boxes) 0 to 1: 1 for a label, a teacher's certainty for its box, 0 for padding.
        unsure: (batch, regions, 4); inside of them nothing is absent. Padding is empty.
        doubted: (batch, boxes, 4); a box found there may be one. Padding is empty.
        closed: (batch,) whether somebody looked for every kind of thing in the picture.
        exhaustive: (batch, classes) whether somebody looked for this one.
    """

    boxes: Tensor
    classes: Tensor
    worth: Tensor
    unsure: Tensor
    doubted: Tensor
    closed: Tensor
    exhaustive: Tensor


def corners_of(centred: Tensor) -> Tensor:
    """Centre x, centre y, width, height to left, top, right, bottom; (..., 4)."""
    half = centred[..., 2:] / 2
    return torch.cat([centred[..., :2] - half, centred[..., :2] + half], dim=-1)


def _areas(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(dim=-1)


def pairwise_iou(first: Tensor, second: Tensor) -> Tensor:
    """Intersection over union of (batch, n, 4) and (batch, m, 4) corner boxes, as (batch, n, m)."""
    shared = torch.ones(())
    for low, high in ((0, 2), (1, 3)):
        top = torch.minimum(first[..., :, None, high], second[..., None, :, high])
        side = top - torch.maximum(first[..., :, None, low], second[..., None, :, low])
        shared = shared * side.clamp_(min=0)
    both = _areas(first)[..., :, None] + _areas(second)[..., None, :]
    return shared / (both - shared).clamp(min=1e-6)


def paired_giou(first: Tensor, second: Tensor) -> Tensor:
    """Generalised IoU (Rezatofighi et al., 2019) of boxes row by row; (n, 4) and (n, 4)."""
    low = torch.maximum(first[:, :2], second[:, :2])
    high = torch.minimum(first[:, 2:], second[:, 2:])
    shared = (high - low).clamp(min=0).prod(dim=1)
    union = (_areas(first) + _areas(second) - shared).clamp(min=1e-6)
    outer_low = torch.minimum(first[:, :2], second[:, :2])
    outer_high = torch.maximum(first[:, 2:], second[:, 2:])
    outer = (outer_high - outer_low).clamp(min=0).prod(dim=1).clamp(min=1e-6)
    return shared / union - (outer - union) / outer


class StreetLoss:
    """The loss over a batch of raw heads; holds the anchors of one input size."""

    def __init__(self) -> None:
        self.corners, self.strides = anchor_points()
        self.centres = (self.corners + 0.5) * self.strides[:, None]

    def _inside(self, boxes: Tensor) -> Tensor:
        """Which anchors' centres lie in which box; (batch, n, 4) to (batch, n, anchors)."""
        x, y = self.centres[:, 0], self.centres[:, 1]
        left, top, right, bottom = boxes[..., None].unbind(dim=-2)
        return (x > left) & (x < right) & (y > top) & (y < bottom)

    def _near(self, boxes: Tensor) -> Tensor:
        """Which anchors' centres are within 2.5 strides of which box's; (batch, n, anchors)."""
        middle = (boxes[..., :2] + boxes[..., 2:]) / 2
        reach = CENTRE_RADIUS * self.strides
        across = (self.centres[:, 0] - middle[..., :1]).abs() < reach
        return across & ((self.centres[:, 1] - middle[..., 1:]).abs() < reach)

    @torch.no_grad()
    def assign(self, raw: Tensor, boxes: Tensor, target: Targets) -> tuple[Tensor, Tensor, Tensor]:
        """SimOTA.

        Args:
            raw: (batch, anchors, 5 + classes) of the network.
            boxes: (batch, anchors, 4) decoded corners.
            target: The batch's truth.

        Returns:
            Which anchors are positive (batch, anchors), which box each has, and its IoU.
        """
        real = target.worth > 0
        overlap = pairwise_iou(target.boxes, boxes) * real[..., None]
        inside, near = self._inside(target.boxes), self._near(target.boxes)
        score = (raw[..., 5:].sigmoid() * raw[..., 4:5].sigmoid()).sqrt().clamp(1e-7, 1 - 1e-7)
        absent = -torch.log1p(-score)
        # The cross entropy of a score against "this class and no other", for each box's class.
        own = (-score.log() - absent).transpose(1, 2)
        pick = target.classes[..., None].expand(-1, -1, own.shape[2])
        cost = own.gather(1, pick) + absent.sum(dim=2)[:, None]
        cost = cost - 3.0 * (overlap + 1e-8).log() + OUTSIDE * ~(inside & near)
        cost = cost + FORBIDDEN * ~((inside | near) & real[..., None])
        counts = overlap.topk(CANDIDATES, dim=2).values.sum(dim=2).int().clamp(min=1)
        best = cost.topk(CANDIDATES, dim=2, largest=False)
        wanted = torch.arange(CANDIDATES) < counts[..., None]
        wanted &= best.values < FORBIDDEN
        match = torch.zeros_like(cost, dtype=torch.bool).scatter_(2, best.indices, wanted)
        positive = match.any(dim=1)
        owner = cost.masked_fill(~match, torch.inf).argmin(dim=1)
        return positive, owner, overlap.gather(1, owner[:, None])[:, 0]

    def __call__(self, raw: Tensor, target: Targets) -> tuple[Tensor, dict[str, float]]:
        """The loss of a batch.

        Args:
            raw: (batch, anchors, 5 + classes) heads before their sigmoids.
            target: The batch's truth.

        Returns:
            The loss to minimise, and its parts for display.
        """
        raw = raw.float()
        boxes = corners_of(decode_boxes(raw[..., :4], self.corners, self.strides))
        positive, owner, overlap = self.assign(raw.detach(), boxes.detach(), target)
        pictures = positive.nonzero()[:, 0]
        mine = owner[positive]
        worth, truth = target.worth[pictures, mine], target.boxes[pictures, mine]
        kinds = functional.one_hot(target.classes[pictures, mine], len(STREET_CLASSES))
        box = ((1 - paired_giou(boxes[positive], truth)) * worth).sum()
        kind = functional.binary_cross_entropy_with_logits(
            raw[..., 5:][positive],
            kinds * overlap[positive][:, None],
            weight=worth[:, None].expand(-1, len(STREET_CLASSES)),
            reduction="sum",
        )
        certain = torch.zeros_like(overlap).masked_scatter(positive, worth)
        free = self._free(boxes.detach(), target) & ~positive
        learned = positive | (free & target.closed[:, None])
        thing = functional.binary_cross_entropy_with_logits(
            raw[..., 4][learned], certain[learned], reduction="sum"
        )
        kind = kind + self._elsewhere(raw, free & ~target.closed[:, None], target)
        scale = max(int(positive.sum()), len(raw))
        parts = {"box": box / scale, "object": thing / scale, "class": kind / scale}
        total = BOX_WEIGHT * parts["box"] + parts["object"] + parts["class"]
        return total, {name: float(value.detach()) for name, value in parts.items()}

    def _elsewhere(self, raw: Tensor, free: Tensor, target: Targets) -> Tensor:
        """What is seen in open pictures is none of the classes that are known to be nowhere else.

        What else it is, and whether it is, is left open.
        """
        known = (
            target.exhaustive[:, None] & (free & ~self._inside(target.boxes).any(dim=1))[..., None]
        )
        logits = raw[..., 5:][known]
        seen = raw[..., 4:5].detach().sigmoid().expand(-1, -1, len(STREET_CLASSES))[known]
        return functional.binary_cross_entropy_with_logits(
            logits, torch.zeros_like(logits), weight=seen, reduction="sum"
        )

    def _free(self, boxes: Tensor, target: Targets) -> Tensor:
        """Anchors at which a thing that is not named is none; (batch, anchors)."""
        excused = self._inside(target.unsure).any(dim=1)
        doubted = pairwise_iou(target.doubted, boxes).amax(dim=1) > DOUBT_IOU
        return ~(excused | doubted)
