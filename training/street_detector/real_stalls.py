"""Real stalls, picture by picture: the threshold that keeps streets quiet, and what it finds elsewhere.

A picture's score is that of its surest stall. Streets are those of all other sets, shopfronts the
pictures without a stall of the set with real ones. The threshold is chosen on the ``tune`` part, which
taught nothing; how well such a choice holds is told by choosing it on some sources and judging it on
others, again and again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.card_head import Figure, share_of
from training.datasets.augment import Picture
from training.datasets.readers import CROWD
from training.datasets.vending_streets import SET as VENDING
from training.evaluate.folds import Spread, grouped_folds, spread
from training.evaluate.metrics import Interval, bootstrap, roc_auc
from training.street_detector.classes import STREET_CLASSES
from training.street_detector.judge import StreetFile
from training.street_detector.mixture import JUDGED_SETS, Sources, whole
from training.street_detector.pictures import UNLABELLED_SETS, scene_of

STALL = STREET_CLASSES.index("stall")
STEPS = tuple(np.arange(0.1, 0.9, 0.02).round(2).tolist())
FALSE_STREETS, FALSE_SHOPFRONTS = 0.05, 0.1
FOLDS, REPEATS = 5, 3
DRAWN = frozenset({"rendered"})


@dataclass(frozen=True, slots=True)
class Row:
    """One picture: where it is from, what it holds, and how sure a network is of a stall in it.

    ``kind`` is stall, shopfront or street.
    """

    group: str
    kind: str
    day: bool
    score: float


def surest(detector: StreetFile, picture: Picture) -> float:
    """The score of the surest stall in a (416, 416, 3) picture; 0 where none is found."""
    found = detector.find(picture)
    return float(found.scores[found.classes == STALL].max(initial=0.0))


def rows_of(detector: StreetFile, sources: Sources, part: str) -> list[Row]:
    """Every real picture of a part of which it is known whether it holds a stall."""
    lights = {each.path: each.light for each in sources.vending}
    rows = []
    for name, split in sources.splits.items():
        if name in DRAWN or name not in JUDGED_SETS | UNLABELLED_SETS:
            continue
        for item, group, mine in zip(split.items, split.groups, split.parts, strict=True):
            holds = "stall" in item.labels
            if mine != part or (CROWD in item.labels and name == VENDING and not holds):
                continue
            kind = "stall" if holds else "shopfront" if name == VENDING else "street"
            score = surest(detector, whole(scene_of(item)).picture)
            rows.append(Row(group, kind, lights.get(item.path, "day") == "day", score))
    return rows


def share_above(rows: Sequence[Row], kind: str, threshold: float) -> tuple[int, int]:
    """How many pictures of a kind say that they hold a stall, and of how many."""
    said = [row.score >= threshold for row in rows if row.kind == kind]
    return sum(said), len(said)


def chosen_threshold(rows: Sequence[Row]) -> float:
    """The lowest at which few pictures without a stall are false; the highest where none is.

    Shopfronts are too few to have a limit of their own in the choice: one of them would decide it.
    """

    def quiet(threshold: float) -> bool:
        false = [share_above(rows, kind, threshold) for kind in ("street", "shopfront")]
        return sum(hits for hits, _ in false) <= FALSE_STREETS * sum(count for _, count in false)

    return float(next((step for step in STEPS if quiet(step)), STEPS[-1]))


@dataclass(frozen=True, slots=True)
class Choice:
    """A threshold, how far such choices lie apart, and what they come to on other sources."""

    threshold: float
    among_folds: Spread
    recall: Spread
    false_streets: Spread
    false_shopfronts: Spread
    auc: Spread


def choose(rows: Sequence[Row], seed: int = 1) -> Choice:
    """Choose a threshold on all rows, and judge such choices by repeated grouped folds."""
    folds = grouped_folds(
        [row.group for row in rows], [row.kind for row in rows], FOLDS, REPEATS, seed
    )
    told: dict[str, list[float]] = {
        "threshold": [],
        "stall": [],
        "street": [],
        "shopfront": [],
        "auc": [],
    }
    for fold in folds:
        threshold = chosen_threshold([rows[row] for row in fold.train])
        others = [rows[row] for row in fold.test]
        told["threshold"].append(threshold)
        for kind in ("stall", "street", "shopfront"):
            hits, count = share_above(others, kind, threshold)
            told[kind].append(hits / count if count else np.nan)
        told["auc"].append(_auc(others))
    return Choice(
        chosen_threshold(rows),
        *(spread(told[name]) for name in ("threshold", "stall", "street", "shopfront", "auc")),
    )


def _arrays(rows: Sequence[Row]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    truth = np.array([row.kind == "stall" for row in rows], int)
    return truth, np.array([row.score for row in rows]), [row.group for row in rows]


def _auc(rows: Sequence[Row]) -> float:
    truth, score, _ = _arrays(rows)
    return roc_auc(truth, score)


def _interval(rows: Sequence[Row]) -> Interval:
    truth, score, groups = _arrays(rows)
    return bootstrap(roc_auc, truth, score, groups)


def figures(choice: Choice, held_out: Sequence[Row], aims: bool = True) -> list[Figure]:
    """The lines of a card's head about real stalls.

    Args:
        choice: Made on the ``tune`` part.
        held_out: The part that was set aside.
        aims: Tell what was aimed at.
    """
    day = [row for row in held_out if row.day]
    night = [row for row in held_out if not row.day]
    threshold = choice.threshold
    lines = []
    for name, kind, folds, aim, most in (
        ("a stall is found in a picture with some", "stall", choice.recall, "≥ 0.75", 0.75),
        ("false stalls on streets", "street", choice.false_streets, "≤ 0.05", FALSE_STREETS),
        (
            "false stalls on shopfronts",
            "shopfront",
            choice.false_shopfronts,
            "≤ 0.10",
            FALSE_SHOPFRONTS,
        ),
    ):
        hits, count = share_above(held_out, kind, threshold)
        reached = hits >= most * count if kind == "stall" else hits <= most * count
        lines.append(
            Figure(
                f"{name}, at {threshold:.2f}",
                f"{count} pictures",
                folds,
                share_of(hits, count),
                share_of(*share_above(day, kind, threshold)),
                share_of(*share_above(night, kind, threshold)),
                aim if aims else "",
                (reached if count else None) if aims else None,
            )
        )
    among = [row for row in held_out if row.kind != "street"]
    aucs = [_interval([row for row in some if row.kind != "street"]) for some in (day, night)]
    every = _interval(held_out)
    lines.append(
        Figure("stalls against streets and shopfronts, ROC AUC", f"{len(held_out)} pictures",
            choice.auc, every, aim="≥ 0.92" if aims else "",
            met=every.value >= 0.92 if aims else None)
    )  # fmt: skip
    lines.append(
        Figure("stalls against shopfronts alone, ROC AUC", f"{len(among)} pictures",
            None, _interval(among), aucs[0], aucs[1])
    )  # fmt: skip
    return lines
