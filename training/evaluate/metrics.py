"""Figures for classifiers and detectors, in plain NumPy, with honest intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
RECALL_STEPS = 101
CALIBRATION_BINS = 10


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with the 2.5 % and 97.5 % points of its bootstrap."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f}–{self.high:.3f})"


def roc_auc(truth: Array, score: Array) -> float:
    """Area under the ROC curve by ranks; ties count half. NaN when one class is absent."""
    positive, negative = score[truth == 1], score[truth == 0]
    if not len(positive) or not len(negative):
        return float("nan")
    wins = (positive[:, None] > negative[None, :]).mean()
    ties = (positive[:, None] == negative[None, :]).mean()
    return float(wins + 0.5 * ties)


def balanced_accuracy(truth: Array, score: Array, threshold: float) -> float:
    """Mean of the recalls of both classes at ``score >= threshold``."""
    said = score >= threshold
    positive, negative = truth == 1, truth == 0
    if not positive.any() or not negative.any():
        return float("nan")
    return float((said[positive].mean() + (~said[negative]).mean()) / 2)


def calibration_error(truth: Array, score: Array) -> float:
    """Expected calibration error with ten bins of equal width.

    Guo et al., "On Calibration of Modern Neural Networks", arXiv:1706.04599, for the probability
    of one of two classes.
    """
    places = np.minimum((score * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    total = 0.0
    for place in np.unique(places):
        mine = places == place
        total += mine.mean() * abs(score[mine].mean() - truth[mine].mean())
    return float(total)


def bootstrap(
    measure: Callable[[Array, Array], float],
    truth: Array,
    score: Array,
    groups: Sequence[str],
    rounds: int = 1000,
    seed: int = 0,
) -> Interval:
    """A figure and its 95 % interval, drawing whole groups: pictures of a group are not free.

    Args:
        measure: Takes truth and score, both (n,).
        truth: 0 or 1 for each picture.
        score: The model's probability for each picture.
        groups: The near-duplicate group of each picture.
        rounds: How many draws.
        seed: Of the draws.
    """
    random = np.random.default_rng(seed)
    names = sorted(set(groups))
    members = [np.flatnonzero(np.array(groups) == name) for name in names]
    drawn = []
    for _ in range(rounds):
        rows = np.concatenate([members[i] for i in random.integers(len(members), size=len(names))])
        drawn.append(measure(truth[rows], score[rows]))
    known = [each for each in drawn if not np.isnan(each)]
    low, high = np.percentile(known, [2.5, 97.5]) if known else (np.nan, np.nan)
    return Interval(measure(truth, score), float(low), float(high))


def iou_matrix(first: Array, second: Array) -> Array:
    """Intersection over union of boxes (n, 4) and (m, 4), as (n, m); left, top, right, bottom."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    areas = [np.clip(each[:, 2:] - each[:, :2], 0, None).prod(axis=1) for each in (first, second)]
    union = areas[0][:, None] + areas[1][None, :] - shared
    return np.asarray(shared / np.maximum(union, 1e-9))


@dataclass(frozen=True, slots=True)
class Scored:
    """One class's detections and truths in one picture; boxes (n, 4), scores (n,).

    ``unsure`` are boxes nobody is judged on, such as crowds: detections there count neither way.
    """

    boxes: Array
    scores: Array
    truths: Array
    unsure: Array


def _match(picture: Scored, iou: float) -> tuple[Array, Array]:
    """For each detection by falling score: score, and 1 hit, 0 false, -1 not judged."""
    order = np.argsort(-picture.scores, kind="stable")
    overlap = iou_matrix(picture.boxes[order], picture.truths)
    excused = iou_matrix(picture.boxes[order], picture.unsure)
    taken = np.zeros(len(picture.truths), dtype=bool)
    verdicts = np.zeros(len(order), dtype=int)
    for row in range(len(order)):
        free = np.where(taken, -1.0, overlap[row])
        if len(free) and free.max() >= iou:
            taken[int(free.argmax())] = True
            verdicts[row] = 1
        elif excused.shape[1] and excused[row].max() >= 0.3:
            verdicts[row] = -1
    return picture.scores[order], verdicts


def average_precision(pictures: Sequence[Scored], iou: float) -> float:
    """COCO's 101-point average precision of one class; NaN when there is no truth."""
    total = sum(len(each.truths) for each in pictures)
    if total == 0:
        return float("nan")
    matched = [_match(each, iou) for each in pictures]
    scores = np.concatenate([each[0] for each in matched])
    verdicts = np.concatenate([each[1] for each in matched])
    kept = verdicts >= 0
    order = np.argsort(-scores[kept], kind="stable")
    hits = verdicts[kept][order]
    recall = np.cumsum(hits) / total
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1] if len(hits) else precision
    places = np.searchsorted(recall, np.linspace(0, 1, RECALL_STEPS), side="left")
    padded = np.append(precision, 0.0)
    return float(padded[np.minimum(places, len(precision))].mean())


def mean_average_precision(pictures: Sequence[Scored]) -> float:
    """Average precision over IoU 0.50 to 0.95 in steps of 0.05."""
    return float(np.mean([average_precision(pictures, iou) for iou in np.arange(0.5, 0.96, 0.05)]))


def recall_and_precision(
    pictures: Sequence[Scored], threshold: float, iou: float = 0.5
) -> tuple[float, float]:
    """Recall and precision of one class at a score threshold; NaN where undefined."""
    hits = false = total = 0
    for each in pictures:
        scores, verdicts = _match(each, iou)
        said = scores >= threshold
        hits += int((verdicts[said] == 1).sum())
        false += int((verdicts[said] == 0).sum())
        total += len(each.truths)
    recall = hits / total if total else float("nan")
    precision = hits / (hits + false) if hits + false else float("nan")
    return recall, precision
