"""NanoDet-Plus' loss for partly labelled sets, a whole batch at once.

Scores learn the quality of their box (quality focal loss), sides a distribution (distribution focal
loss; both Li et al., 2020, arXiv:2006.04388) and generalised IoU; which places answer for which thing is
found anew in every step (dynamic soft label assignment: SimOTA, Ge et al., 2021, arXiv:2107.08430, with
the quality as the label; Lyu, RangiLyu/nanodet). Weights and limits are NanoDet-Plus' own.

What a set does not label is not learned as absent: there the frozen start's scores and boxes are
the target. A class that the start lacks, in pictures nobody labelled, is left out of the loss unless the
picture is known to hold none. Places in unsure regions are left out.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from training.street_detector.beliefs import ALIKE
from training.street_detector.classes import COCO_CLASSES, STREET_CLASSES
from training.street_detector.loss import paired_giou
from training.street_detector.nanodet_plus import DISTANCES, SIDES, decode_boxes, place_points
from training.street_detector.pictures import SIZE_PX, Example

CANDIDATES = 13
OVERLAP_COST = 3.0
FOCUS = 2.0
BOX_WEIGHT, DISTANCE_WEIGHT = 2.0, 0.25
TEACHER_SURE = 0.1
CLASSES = len(STREET_CLASSES)
SURE = 0.6
VAGUE = frozenset({"bus", "truck"})


@dataclass(frozen=True, slots=True)
class Truth:
    """What is known of a batch, padded to the picture with the most boxes.

    Attributes:
        boxes: (batch, boxes, 4) left, top, right, bottom in pixels of the network's input.
        classes: (batch, boxes)
        worth: (batch, boxes): 1 for a label, a teacher's certainty for its box, 0 for padding.
        unsure: (batch, regions, 4): nothing is learned at places in them. Padding is empty.
        taught: (batch, 10): classes for which the frozen start says what no label says.
        silent: (batch, 10): classes of which nothing is known but where boxes are.
    """

    boxes: Tensor
    classes: Tensor
    worth: Tensor
    unsure: Tensor
    taught: Tensor
    silent: Tensor


@dataclass(frozen=True, slots=True)
class Assigned:
    """Places that answer for a thing: which picture, place and thing, and how well they cover it; (p,)."""

    picture: Tensor
    place: Tensor
    thing: Tensor
    overlap: Tensor


def _inside(points: Tensor, boxes: Tensor) -> Tensor:
    """Whether each point (a, 2) lies in each box (b, n, 4); (b, n, a)."""
    x, y = points[:, 0], points[:, 1]
    left, top, right, bottom = (side[..., None] for side in boxes.unbind(-1))
    return (x > left) & (x < right) & (y > top) & (y < bottom)


def _paired_iou(first: Tensor, second: Tensor) -> Tensor:
    low = torch.maximum(first[:, :2], second[:, :2])
    high = torch.minimum(first[:, 2:], second[:, 2:])
    shared = (high - low).clamp(min=0).prod(dim=1)
    areas = [(each[:, 2:] - each[:, :2]).clamp(min=0).prod(dim=1) for each in (first, second)]
    return shared / (areas[0] + areas[1] - shared).clamp(min=1e-6)


def _divergence(logits: Tensor, wanted: Tensor) -> Tensor:
    """How far distributions over the last axis are from the wanted ones, 0 where they agree."""
    surprise = -(wanted * logits.log_softmax(dim=-1)).sum(dim=-1)
    return surprise + torch.xlogy(wanted, wanted).sum(dim=-1)


def _shares(logits: Tensor) -> Tensor:
    return logits.unflatten(-1, (SIDES, DISTANCES)).softmax(dim=-1)


def _spread(reach: Tensor) -> Tensor:
    """A distance in strides as shares of its two neighbours among 0 to 7; (..., 8)."""
    reach = reach.clamp(0, DISTANCES - 1.01)
    steps = torch.arange(DISTANCES, dtype=reach.dtype)
    return (1 - (reach[..., None] - steps).abs()).clamp(min=0)


class GeneralisedFocalLoss:
    """The loss over a batch of raw heads; holds the places of one input size."""

    def __init__(self, size_px: int) -> None:
        self.points, self.strides = place_points(size_px)
        self._rivals = _rivals()

    @torch.no_grad()
    def assign(self, logits: Tensor, boxes: Tensor, truth: Truth) -> Assigned:
        """Choose the places that answer for each thing.

        Args:
            logits: (b, places, 10) of the student.
            boxes: (b, places, 4) of the student, corners in pixels.
            truth: The batch's.

        Returns:
            Each place at most once; a thing within which no place lies has none.
        """
        real = truth.worth > 0
        picture, thing, place = (_inside(self.points, truth.boxes) & real[..., None]).nonzero().T
        overlap = _paired_iou(boxes[picture, place], truth.boxes[picture, thing])
        scores = logits.sigmoid()
        absent = (scores**FOCUS * functional.softplus(logits)).sum(dim=2)
        label = truth.classes[picture, thing]
        logit, score = logits[picture, place, label], scores[picture, place, label]
        present = (overlap - score).abs() ** FOCUS * (functional.softplus(logit) - overlap * logit)
        unlike = absent[picture, place] - score**FOCUS * functional.softplus(logit) + present
        cost = unlike - OVERLAP_COST * (overlap + 1e-7).log()
        count, most, all_places = *real.shape, len(self.points)
        row = picture * most + thing
        costs = torch.full((count * most, all_places), torch.inf)
        costs[row, place] = cost
        overlaps = torch.zeros_like(costs)
        overlaps[row, place] = overlap
        wanted = overlaps.topk(CANDIDATES, dim=1).values.sum(dim=1).int().clamp(min=1)
        best, at = costs.topk(CANDIDATES, dim=1, largest=False)
        chosen = (torch.arange(CANDIDATES) < wanted[:, None]) & best.isfinite()
        rows, _ = chosen.nonzero().T
        at, best = at[chosen], best[chosen]
        # A place that several things want answers for the one it costs least.
        key = rows // max(most, 1) * all_places + at
        least = torch.full((count * all_places,), torch.inf)
        least.scatter_reduce_(0, key, best, "amin")
        mine = best == least[key]
        rows, at = rows[mine], at[mine]
        return Assigned(rows // max(most, 1), at, rows % max(most, 1), overlaps[rows, at])

    def __call__(
        self, student: Tensor, teacher: Tensor, truth: Truth
    ) -> tuple[Tensor, dict[str, float]]:
        """The loss of a batch.

        Args:
            student: (batch, places, 42) raw heads.
            teacher: The same from the frozen start; its rows of new classes are not used.
            truth: What is known, in pixels of this size.

        Returns:
            The loss to minimise, and its parts for display.
        """
        logits, distances = student[..., :CLASSES], student[..., CLASSES:]
        boxes = decode_boxes(distances, self.points, self.strides)
        assigned = self.assign(logits, boxes, truth)
        free = ~_inside(self.points, truth.unsure).any(dim=1)
        wanted = teacher[..., :CLASSES].sigmoid() * self._believed(truth)
        soft = wanted.amax(dim=2) * free
        soft[assigned.picture, assigned.place] = 0.0
        soft = torch.where(soft > TEACHER_SURE, soft, 0.0)
        worth = truth.worth[assigned.picture, assigned.thing]
        mass = max(float(worth.sum() + soft.sum()), len(student))
        score = self._scores(logits, wanted, assigned, truth, free) / mass
        box, side = self._sides(student, boxes, teacher, assigned, truth, soft)
        parts = {"score": score, "box": BOX_WEIGHT * box, "side": DISTANCE_WEIGHT * side}
        total = torch.stack(list(parts.values())).sum()
        return total, {name: float(value.detach()) for name, value in parts.items()}

    def _believed(self, truth: Truth) -> Tensor:
        """Where the teacher is heard, (b, places, 10): not where a label says that it is something like it."""
        sure = _inside(self.points, truth.boxes) & (truth.worth > SURE)[..., None]
        denied = self._rivals[truth.classes].float()
        count = torch.einsum("bna,bnc->bac", sure.float(), denied)
        return truth.taught[:, None] & (count == 0)

    def _scores(
        self, logits: Tensor, wanted: Tensor, assigned: Assigned, truth: Truth, free: Tensor
    ) -> Tensor:
        """Quality focal loss, summed: a score should be the overlap of its box, else what is taught."""
        picture, place, thing = assigned.picture, assigned.place, assigned.thing
        at = (picture, place, truth.classes[picture, thing])
        wanted[at] = torch.maximum(wanted[at], assigned.overlap)
        heard = ~truth.silent
        counts = (free[..., None] & heard[:, None]).float()
        counts[picture, place] = heard[picture].float()
        counts[at] = truth.worth[picture, thing]
        unlike = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
        return (counts * (wanted - logits.sigmoid()).abs() ** FOCUS * unlike).sum()

    def _sides(
        self,
        student: Tensor,
        boxes: Tensor,
        teacher: Tensor,
        assigned: Assigned,
        truth: Truth,
        soft: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Boxes against the truth's and, where a thing is only taught, the teacher's.

        The mean of what is missing to a full overlap, and of the distance between the distributions; the
        surer a place, the more it weighs, as in NanoDet-Plus.
        """
        at, sure = (assigned.picture, assigned.place), soft.nonzero(as_tuple=True)
        given = truth.boxes[assigned.picture, assigned.thing]
        worth = truth.worth[assigned.picture, assigned.thing]
        points, strides = self.points[assigned.place], self.strides[assigned.place]
        reach = torch.cat([points - given[:, :2], given[:, 2:] - points], dim=1)
        theirs = teacher[sure][:, CLASSES:]
        spread = torch.cat([_spread(reach / strides[:, None]), _shares(theirs)])
        edges = decode_boxes(theirs, self.points[sure[1]], self.strides[sure[1]])
        certain = student[at][:, :CLASSES].detach().sigmoid().amax(dim=1)
        weight = torch.cat([certain * worth, soft[sure]])
        picture, place = (torch.cat(pair) for pair in zip(at, sure, strict=True))
        mine = student[picture, place][:, CLASSES:].unflatten(-1, (SIDES, DISTANCES))
        apart = 1 - paired_giou(boxes[picture, place], torch.cat([given, edges]))
        unlike = _divergence(mine, spread).mean(dim=1)
        total = weight.sum().clamp(min=1.0)
        return (weight * apart).sum() / total, (weight * unlike).sum() / total


def truth_of(examples: Sequence[Example], size_px: int) -> Truth:
    """A batch's pictures as the loss takes them, in pixels of the network's input.

    Where a class is not labelled the frozen start is heard, and labels and believed boxes besides. In a
    picture that nobody searched for everything, lorries are left open: containers look like them.
    """
    scale = size_px / SIZE_PX
    coco, vague = _among(COCO_CLASSES), _among(VAGUE)
    drawn = torch.tensor([[each.rendered] for each in examples])
    known = torch.from_numpy(np.stack([each.exhaustive for each in examples])) | drawn
    opened = ~torch.tensor([[each.closed] for each in examples]) & ~drawn
    return Truth(
        _padded([each.boxes * scale for each in examples]),
        _padded([each.classes for each in examples]).long(),
        _padded([each.worth for each in examples]),
        _padded([np.concatenate([each.unsure, each.doubted]) * scale for each in examples]),
        coco & ~known & ~(opened & vague),
        opened & (vague | ~coco) & ~known,
    )


def _among(names: Collection[str]) -> Tensor:
    return torch.tensor([name in names for name in STREET_CLASSES])


def _padded(rows: Sequence[NDArray[Any]]) -> Tensor:
    return pad_sequence([torch.from_numpy(each).float() for each in rows], batch_first=True)


def _rivals() -> Tensor:
    """(10, 10): where a thing of the row's class is, the column's is not."""
    rival = torch.zeros(CLASSES, CLASSES, dtype=torch.bool)
    for group in ALIKE:
        mine = _among(group)
        rival |= mine[:, None] & mine[None]
    return rival & ~torch.eye(CLASSES, dtype=torch.bool)
