"""From margins to probabilities, and what they are worth on places that a network never saw."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from training.evaluate.folds import Spread, spread
from training.evaluate.metrics import balanced_accuracy, calibration_error, roc_auc
from training.model_folder import table

STREETS = "streets without bins"
HEADER = (
    "set",
    "pictures",
    "groups",
    "balanced accuracy, mean ± deviation (lowest–highest fold)",
    "ROC AUC",
    "recall",
    "false alarms",
    "calibration error",
)


@dataclass(frozen=True, slots=True)
class Margins:
    """Pictures judged by a network that saw no picture of their place, one row each.

    Attributes:
        sets, groups: Names.
        fold: Which network judged.
        truth: 1 where the bin overflows.
        liner: Whether plastic hangs over its rim, as far as somebody looked.
        margin: The logit of overflowing less that of its opposite, the mean of both looks.
        one_look: The same at the first look alone.
    """

    sets: NDArray[np.str_]
    groups: NDArray[np.str_]
    fold: NDArray[np.int64]
    truth: NDArray[np.int64]
    liner: NDArray[np.bool_]
    margin: NDArray[np.float64]
    one_look: NDArray[np.float64]
    epochs: int


def read_margins(folder: Path) -> Margins:
    """What :mod:`training.bin_classifier.cross_validation` wrote, of all folds that are there.

    Raises:
        FileNotFoundError: There is none.
    """
    files = sorted(folder.glob("fold-*.json"))
    if not files:
        raise FileNotFoundError(f"{folder}: no fold-*.json there; run the cross validation first")
    told = [json.loads(path.read_text(encoding="utf-8")) for path in files]
    rows = [(fold, row) for fold, each in enumerate(told) for row in each["rows"]]
    looks = np.array([row["margins"] for _, row in rows])
    return Margins(
        np.array([row["set"] for _, row in rows]),
        np.array([row["group"] for _, row in rows]),
        np.array([fold for fold, _ in rows]),
        np.array([int(row["overflowing"]) for _, row in rows]),
        np.array([row["liner"] for _, row in rows]),
        looks.mean(axis=1),
        looks[:, 0],
        int(told[0]["epochs"]),
    )


def fit(margin: NDArray[np.float64], truth: NDArray[np.int64]) -> tuple[float, float]:
    """Scale and shift that make a margin the logit of a probability.

    Platt's fit (Platt, "Probabilistic Outputs for Support Vector Machines", 1999), both states
    weighing alike: the probability is that of a bin of which nothing is known beforehand.
    """
    there, known = torch.from_numpy(margin), torch.from_numpy(truth).double()
    weight = torch.where(known == 1, 0.5 / known.sum(), 0.5 / (1 - known).sum())
    found = torch.tensor([1.0, 0.0], dtype=torch.double, requires_grad=True)
    optimiser = torch.optim.LBFGS([found], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = functional.binary_cross_entropy_with_logits(
            found[0] * there + found[1], known, weight=weight, reduction="sum"
        )
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(loss)  # type: ignore[arg-type, no-untyped-call]
    scale, shift = (float(each) for each in found.detach())
    return scale, shift


def of_bins(rows: Margins) -> NDArray[np.bool_]:
    """The rows that show bins."""
    return np.asarray(rows.sets != STREETS)


def probabilities(rows: Margins, margin: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """Each row's probability, calibrated by the other folds alone."""
    margin = rows.margin if margin is None else margin
    found = np.full(len(margin), np.nan)
    for fold in np.unique(rows.fold):
        others = (rows.fold != fold) & of_bins(rows)
        if not others.any():  # a single fold has nobody to learn from
            others = of_bins(rows)
        scale, shift = fit(margin[others], rows.truth[others])
        here = rows.fold == fold
        found[here] = 1 / (1 + np.exp(-(scale * margin[here] + shift)))
    return found


def _over_folds(rows: Margins, which: NDArray[np.bool_], score: NDArray[np.float64]) -> Spread:
    values = []
    for fold in np.unique(rows.fold):
        here = which & (rows.fold == fold)
        both = len(set(rows.truth[here])) == 2
        values.append(
            balanced_accuracy(rows.truth[here], score[here], 0.5) if both else float("nan")
        )
    return spread(values)


def expected(rows: Margins, score: NDArray[np.float64] | None = None) -> str:
    """The table of what a place that nobody has seen may expect, a row a set."""
    score = probabilities(rows) if score is None else score
    kinds = {name: rows.sets == name for name in dict.fromkeys(rows.sets.tolist())}
    kinds["crops with a liner over the rim"] = rows.liner
    lines = []
    for name, which in kinds.items():
        truth, told = rows.truth[which], score[which]
        both = len(set(truth.tolist())) == 2
        lines.append(
            [
                str(name),
                f"{len(truth)} ({int(truth.sum())} overflowing)",
                str(len(set(rows.groups[which]))),
                str(_over_folds(rows, which, score)) if both else "–",
                f"{roc_auc(truth, told):.3f}" if both else "–",
                f"{(told[truth == 1] >= 0.5).mean():.2f}" if truth.any() else "–",
                f"{(told[truth == 0] >= 0.5).mean():.2f}" if not truth.all() else "–",
                f"{calibration_error(truth, told):.3f}" if both else "–",
            ]
        )
    return table(HEADER, lines)


def over_folds(rows: Margins, name: str) -> tuple[Spread, Spread]:
    """Balanced accuracy and calibration error of one set over the folds."""
    score, which = probabilities(rows), np.asarray(rows.sets == name)
    errors = [
        calibration_error(rows.truth[here], score[here])
        for fold in np.unique(rows.fold)
        if (here := which & (rows.fold == fold)).any()
    ]
    return _over_folds(rows, which, score), spread(errors)
