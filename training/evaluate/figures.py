"""Figures of a judgement, each with the 95 % interval of a bootstrap over groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.evaluate.candidates import Asked, together
from training.evaluate.metrics import (
    Interval,
    Scored,
    average_precision,
    balanced_accuracy,
    bootstrap,
    calibration_error,
    mean_average_precision,
    recall_and_precision,
    roc_auc,
)

Array = NDArray[Any]
ROUNDS = 1000
AP_ROUNDS = 200
WANTED_RECALL = 0.9
CLEAR_BELOW, OPEN_ABOVE = 0.4, 0.6
"""Where the judge of overflowing bins clears and opens (agent/scenarios/overflowing_bins.py)."""


def false_share_at_recall(truth: Array, score: Array) -> float:
    """The share of false pictures at the highest threshold that keeps a recall of 0.9."""
    if not truth.any() or truth.all():
        return float("nan")
    found = np.sort(score[truth == 1])
    threshold = found[int(len(found) * (1 - WANTED_RECALL) + 1e-9)]
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


def of_probability(
    truth: Array, score: Array, threshold: float, groups: Sequence[str]
) -> dict[str, Any]:
    """How honest a probability is, and how often and how well it tells.

    Between ``CLEAR_BELOW`` and ``OPEN_ABOVE`` the judge of bins says neither yes nor no.
    """

    def tells(scores: Array) -> Array:
        return (scores < CLEAR_BELOW) | (scores >= OPEN_ABOVE)

    measures: dict[str, Callable[[Array, Array], float]] = {
        "calibration_error": calibration_error,
        "cannot_tell": lambda _, s: float(1 - tells(s).mean()),
        "balanced_accuracy_when_told": lambda t, s: balanced_accuracy(
            t[tells(s)], s[tells(s)], threshold
        ),
    }
    return {
        name: told(bootstrap(measure, truth, score, groups, ROUNDS))
        for name, measure in measures.items()
    }


def of_candidates(asked: Sequence[Asked], threshold: float, named_from: float) -> dict[str, Any]:
    """How well a verifier tells stalls from other candidates; by day and night apart where known.

    Intervals are drawn over groups: candidates of one picture are not free.

    Args:
        asked: The candidates and what the verifier says of each.
        threshold: From which probability on it calls one a stall.
        named_from: The same of the detector, for what both say together.
    """
    found: dict[str, Any] = {}
    lights = {"": None, "_by_day": False, "_by_night": True}
    for ending, night in lights.items():
        mine = [each for each in asked if night is None or each.place.item.night is night]
        truth = np.array([int(each.place.is_stall) for each in mine])
        groups = [each.place.item.group for each in mine]
        score = np.array([each.stall for each in mine])
        both = np.array([float(together(each, named_from)) for each in mine])
        alone = np.array([each.place.detected for each in mine])
        for name, said in (
            ("", score >= threshold),
            ("_together", both > 0),
            ("_detector_alone", alone >= named_from),
        ):
            for figure, kind in (("stalls_recall", 1), ("false_stalls", 0)):
                rows = np.flatnonzero(truth == kind)
                if len(rows):
                    found[figure + name + ending] = _drawn(said[rows], [groups[i] for i in rows])
        if truth.any() and not truth.all():
            row = told(bootstrap(roc_auc, truth, score, groups, ROUNDS))
            found["stalls_roc_auc" + ending] = row | {"n": len(mine)}
    boxed = [each for each in asked if each.place.kind is not None]
    for kind in sorted({each.place.kind or "" for each in boxed}):
        mine = [each for each in boxed if each.place.kind == kind]
        right = np.array([each.said == kind for each in mine])
        found[f"{kind}_told"] = _drawn(right, [each.place.item.group for each in mine])
    return found


def _drawn(said: Array, groups: Sequence[str]) -> dict[str, Any]:
    """The share of those of whom something is said, with its interval and their number."""
    row = told(bootstrap(lambda _, s: _share(s == 1), said, said.astype(float), groups, ROUNDS))
    return row | {"n": len(said)}


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
