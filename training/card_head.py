"""The head of every model's card: what to expect at a corner that no picture of ours is from.

A figure of one held-out part is one throw. What comes first in a card is therefore the mean over folds,
whose pictures are of other sources and places than those that taught, with its spread; beside it stands
what the part that was set aside gave when it was judged once, and how many choices were made on the way.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.datasets.licences import licence_table
from training.evaluate.folds import Spread
from training.evaluate.metrics import Interval
from training.model_folder import table

NORMAL_95 = 1.959964
"""The two-sided 95 % point of the normal distribution."""
HEADER = (
    "figure",
    "aim",
    "other corners: mean ± spread over folds (lowest–highest)",
    "judged once (95 %)",
    "n",
    "by day",
    "at night",
)


def share_of(hits: int, count: int) -> Interval:
    """A share with its 95 % interval, which is sensible for few pictures and shares of 0 or 1, too.

    Wilson's score interval (Wilson, "Probable Inference, the Law of Succession, and Statistical
    Inference", 1927). NaN where nothing was counted.
    """
    if not count:
        return Interval(math.nan, math.nan, math.nan)
    share, square = hits / count, NORMAL_95**2
    middle = (share + square / (2 * count)) / (1 + square / count)
    root = math.sqrt(share * (1 - share) / count + square / (4 * count**2))
    reach = NORMAL_95 * root / (1 + square / count)
    low, high = max(0.0, middle - reach), min(1.0, middle + reach)
    # At a share of 0 or 1 one end is the share itself, but for rounding.
    return Interval(share, min(low, share), max(high, share))


def share_of_true(said: NDArray[Any]) -> Interval:
    """:func:`share_of` for a row of yes and no."""
    return share_of(int(np.count_nonzero(said)), len(said))


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the head. What was not measured is None and shown as a dash.

    Attributes:
        name: What is told, with its unit and condition: "recall of stalls at 5 % false streets".
        count: What it was counted on: "35 with, 48 without".
        folds: Over repeated grouped folds.
        once: The part that was set aside, judged once, with its 95 % interval.
        day: The same by day.
        night: The same at night.
        aim: What was aimed at, as text: "≥ 0.92".
        met: Whether it was reached; None where there is no aim or it cannot be told.
    """

    name: str
    count: str
    folds: Spread | None = None
    once: Interval | None = None
    day: Interval | None = None
    night: Interval | None = None
    aim: str = ""
    met: bool | None = None

    def row(self) -> list[str]:
        """The cells of the line."""
        fell_short = " **falls short**" if self.met is False else ""
        told = [self.folds, self.once, self.count, self.day, self.night]
        return [self.name, (self.aim or "–") + fell_short, *(_told(each) for each in told)]


def _told(value: object) -> str:
    if isinstance(value, Interval) and math.isnan(value.value):
        return "–"
    if isinstance(value, Spread) and math.isnan(value.deviation):
        return "–" if math.isnan(value.mean) else f"{value.mean:.3f}, one fold"
    return "–" if value is None else str(value)


@dataclass(frozen=True, slots=True)
class Head:
    """What the head of a card is made of.

    Attributes:
        figures: The first is the one that a stranger's corner should expect.
        folds: How the folds were made: "5 folds by source, 3 times".
        choices: How many choices were tried on the folds.
        chosen: What was chosen among: "3 networks, 4 margins, 5 thresholds".
        sets: What taught it, by name; their licences are told.
        without_unstated: What the same model without the sets that state no licence came to, and how that
            was measured; empty: not measured.
    """

    figures: Sequence[Figure]
    folds: str
    choices: int
    chosen: str
    sets: Sequence[str]
    without_unstated: str = ""

    def text(self) -> str:
        """The head as Markdown: what to expect, how it was chosen, whose pictures taught it.

        Raises:
            ValueError: There is no figure, or the first was not measured over folds.
        """
        if not self.figures or self.figures[0].folds is None:
            raise ValueError(
                "a card begins with a figure over folds: what other corners can expect"
            )
        first = self.figures[0]
        unstated = self.without_unstated or "Not measured."
        return "\n\n".join(
            [
                "## What to expect",
                f"At a corner of which no picture taught it: **{first.name} {first.folds}** ({first.count}).",
                table(HEADER, [each.row() for each in self.figures]),
                f"Folds: {self.folds}. {self.choices} choices were tried on them ({self.chosen}); the "
                "part that was set aside was judged once, at the end. A dash: not measured.",
                "## Whose pictures",
                licence_table(self.sets),
                f"Without the sets that state no licence (`--licences stated`): {unstated}",
            ]
        )
