"""Figures of a judgement, each with the 95 % interval of a bootstrap over groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.measures import (
    Interval,
    Scored,
    average_precision,
    balanced_accuracy,
    bootstrap,
    mean_average_precision,
    recall_and_precision,
    roc_auc,
)

Array = NDArray[Any]
BINS = 10
ROUNDS = 1000
AP_ROUNDS = 200
WANTED_RECALL = 0.9


def calibration_error(truth: Array, score: Array) -> float:
    """Expected calibration error with ten bins of equal width.

    Guo et al., "On Calibration of Modern Neural Networks", arXiv:1706.04599, for the probability
    of one of two classes.
    """
    places = np.minimum((score * BINS).astype(int), BINS - 1)
    total = 0.0
    for place in np.unique(places):
        mine = places == place
        total += mine.mean() * abs(score[mine].mean() - truth[mine].mean())
    return float(total)


def false_share_at_recall(truth: Array, score: Array) -> float:
    """The share of false pictures at the highest threshold that keeps a recall of 0.9."""
    if not truth.any() or truth.all():
        return float("nan")
    threshold = np.quantile(score[truth == 1], 1 - WANTED_RECALL, method="lower")
    return float((score[truth == 0] >= threshold).mean())


def two_sided(
    truth: Array, score: Array, threshold: float, groups: Sequence[str]
) -> dict[str, Any]:
    """Figures of a yes-or-no judgement of whole pictures."""
    said = score >= threshold
    measures: dict[str, Callable[[Array, Array], float]] = {
        "recall": lambda t, s: _share(s[t == 1] >= threshold),
        "false_positives_per_picture": lambda t, s: _share(s[t == 0] >= threshold),
    }
    if truth.any() and not truth.all():
        measures |= {
            "roc_auc": roc_auc,
            "balanced_accuracy": lambda t, s: balanced_accuracy(t, s, threshold),
            "false_positives_at_recall_0.9": false_share_at_recall,
        }
    found = {
        name: told(bootstrap(measure, truth, score, groups, ROUNDS))
        for name, measure in measures.items()
    }
    found["confusion"] = {
        "true_positive": int((said & (truth == 1)).sum()),
        "false_negative": int((~said & (truth == 1)).sum()),
        "false_positive": int((said & (truth == 0)).sum()),
        "true_negative": int((~said & (truth == 0)).sum()),
    }
    return found


def calibrated(truth: Array, score: Array, groups: Sequence[str]) -> dict[str, Any]:
    """The calibration error of a probability."""
    return told(bootstrap(calibration_error, truth, score, groups, ROUNDS))


@dataclass(frozen=True, slots=True)
class Boxed:
    """One class on one set: what was found and what is there, with each picture's group."""

    rows: Sequence[Scored]
    groups: Sequence[str]

    def figures(self, threshold: float) -> dict[str, Any]:
        """AP over 0.50 to 0.95, AP50, and recall and precision at a threshold."""
        found = {
            "ap": told(self._bootstrap(mean_average_precision)),
            "ap50": told(self._bootstrap(lambda rows: average_precision(rows, 0.5))),
            "recall": told(self._bootstrap(lambda rows: recall_and_precision(rows, threshold)[0])),
            "precision": told(
                self._bootstrap(lambda rows: recall_and_precision(rows, threshold)[1])
            ),
        }
        return {"truths": sum(len(row.truths) for row in self.rows), **found}

    def _bootstrap(self, measure: Callable[[Sequence[Scored]], float]) -> Interval:
        random = np.random.default_rng(0)
        names = sorted(set(self.groups))
        members = [np.flatnonzero(np.array(self.groups) == name) for name in names]
        drawn = []
        for _ in range(AP_ROUNDS):
            chosen = random.integers(len(members), size=len(members))
            rows = np.concatenate([members[index] for index in chosen])
            drawn.append(measure([self.rows[row] for row in rows]))
        kept = [each for each in drawn if not np.isnan(each)]
        low, high = np.percentile(kept, [2.5, 97.5]) if kept else (np.nan, np.nan)
        return Interval(measure(self.rows), float(low), float(high))


def told(interval: Interval) -> dict[str, float | None]:
    """A figure for the report; what cannot be said is null."""
    rounded = (round(each, 4) for each in (interval.value, interval.low, interval.high))
    values = (None if np.isnan(each) else each for each in rounded)
    return dict(zip(("value", "low", "high"), values, strict=True))


def _share(said: Array) -> float:
    return float(said.mean()) if len(said) else float("nan")
