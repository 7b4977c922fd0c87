"""Repeated grouped k-fold: choices are made on pictures of other places than those that judge them.

A figure of one held-out part is one throw: what is chosen by it does not hold elsewhere. Here every
choice is judged on all folds of several shuffles, and told as a mean with its spread. Groups
(a source, a place, near-duplicates) never straddle, and one part is set aside before all choosing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Fold:
    """One division of rows: what teaches and what judges.

    Attributes:
        repeat: Which shuffle it belongs to, from 0.
        train: Sorted row numbers.
        test: Sorted row numbers; the tests of one shuffle are every row once.
    """

    repeat: int
    train: Rows
    test: Rows


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over folds: mean, standard deviation (of a sample), lowest and highest."""

    mean: float
    deviation: float
    low: float
    high: float
    folds: int

    def __str__(self) -> str:
        return f"{self.mean:.3f} ± {self.deviation:.3f} ({self.low:.3f}–{self.high:.3f})"


def spread(values: Iterable[float]) -> Spread:
    """The spread of a figure over folds; folds in which it has no value (NaN) are left out.

    Returns:
        NaN for the mean where no fold has a value, and for the deviation where only one has.
    """
    known = np.array([value for value in values if not np.isnan(value)], float)
    if not len(known):
        return Spread(np.nan, np.nan, np.nan, np.nan, 0)
    deviation = float(known.std(ddof=1)) if len(known) > 1 else float("nan")
    return Spread(
        float(known.mean()), deviation, float(known.min()), float(known.max()), len(known)
    )


def joined_groups(keys: Sequence[Iterable[str]]) -> list[str]:
    """One group a row, such that rows with any key in common share it.

    Args:
        keys: For each row all by which it is tied to others: source, place, near-duplicate cluster.

    Returns:
        The group of each row, named by the first key of its first row. A row without keys is alone.
    """
    parent = list(range(len(keys)))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    first: dict[str, int] = {}
    names: list[str] = []
    for row, mine in enumerate(keys):
        listed = list(mine)
        names.append(listed[0] if listed else f"row {row}")
        for key in listed:
            low, high = sorted((root(first.setdefault(key, row)), root(row)))
            parent[high] = low
    return [names[root(row)] for row in range(len(keys))]


def grouped_folds(
    groups: Sequence[str],
    labels: Sequence[object],
    folds: int = 5,
    repeats: int = 3,
    seed: int = 1,
) -> list[Fold]:
    """Divide rows into folds, several times anew; every fold as much of each label as groups allow.

    Args:
        groups: The group of each row; a group is in one fold of a shuffle.
        labels: What each row is; only used to share them out.
        folds: Per shuffle; at least 2, at most as many as there are groups.
        repeats: How many shuffles.
        seed: Of the shuffles.

    Returns:
        ``folds * repeats`` divisions.

    Raises:
        ValueError: Fewer groups than folds, fewer than two folds, or lengths that differ.
    """
    if len(groups) != len(labels):
        raise ValueError(f"{len(groups)} groups for {len(labels)} labels")
    if not 2 <= folds <= len(set(groups)):
        raise ValueError(f"{folds} folds of {len(set(groups))} groups")
    random = np.random.default_rng(seed)
    found = []
    for repeat in range(repeats):
        number = _shared_out(groups, labels, np.full(folds, 1 / folds), random)
        for fold in range(folds):
            test = np.flatnonzero(number == fold)
            found.append(Fold(repeat, np.flatnonzero(number != fold), test))
    return found


def set_aside(
    groups: Sequence[str], labels: Sequence[object], share: float, seed: int = 1
) -> tuple[Rows, Rows]:
    """The rows that choices may be made on, and the part that is judged once at the end.

    Args:
        groups: The group of each row; a group is on one side.
        labels: What each row is; both sides get their share of each as far as groups allow.
        share: Of the rows that is set aside, above 0 and below 1.
        seed: Of the draw.

    Raises:
        ValueError: ``share`` is out of range, or lengths differ.
    """
    if len(groups) != len(labels):
        raise ValueError(f"{len(groups)} groups for {len(labels)} labels")
    if not 0 < share < 1:
        raise ValueError(f"a share of {share} cannot be set aside")
    side = _shared_out(
        groups, labels, np.array([1 - share, share]), np.random.default_rng((seed, 7))
    )
    return np.flatnonzero(side == 0), np.flatnonzero(side == 1)


def _shared_out(
    groups: Sequence[str],
    labels: Sequence[object],
    shares: NDArray[np.float64],
    random: np.random.Generator,
) -> Rows:
    """The part of each row, the largest groups first, each where it does least harm.

    Harm is the squared distance of every part's count of every label from its share, as a fraction
    of that label's total, so that rare labels weigh as much as frequent ones; over the part's share,
    so that a small part gets its large groups, too.
    """
    names = list(dict.fromkeys(groups))
    kinds = list(dict.fromkeys(labels))
    column = {kind: place for place, kind in enumerate(kinds)}
    row_of = {name: place for place, name in enumerate(names)}
    counts = np.zeros((len(names), len(kinds)))
    for group, label in zip(groups, labels, strict=True):
        counts[row_of[group], column[label]] += 1
    counts /= counts.sum(axis=0)
    order = random.permutation(len(names))
    order = order[np.argsort(-counts[order].max(axis=1), kind="stable")]
    wanted = shares[:, None] * np.ones((1, len(kinds)))
    filled = np.zeros_like(wanted)
    part = np.zeros(len(names), np.int64)
    for name in order:
        now, then = filled - wanted, filled + counts[name] - wanted
        harm = ((then**2 - now**2) / wanted).sum(axis=1)
        part[name] = int(harm.argmin())
        filled[part[name]] += counts[name]
    return np.array([part[row_of[group]] for group in groups], np.int64)
