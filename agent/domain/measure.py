"""A measure: a figure that a rule compares with a threshold. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Measure:
    """One thing that a rule compares with a threshold.

    Attributes:
        name: Such as ``dwell_s`` or ``score``.
        value: What it is now.
        threshold: What it is compared with.
        needs: Whether it must be at least, or at most, the threshold.
    """

    name: str
    value: float
    threshold: float
    needs: Literal["at_least", "at_most"] = "at_least"

    @property
    def fulfilled(self) -> bool:
        if self.needs == "at_least":
            return self.value >= self.threshold
        return self.value <= self.threshold
