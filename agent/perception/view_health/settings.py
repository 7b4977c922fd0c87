"""The settings of the view checks: ``[view_guard]`` in ``site.toml``."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Problem = Literal["dark", "over_exposed", "blocked", "moved", "out_of_focus", "frozen"]
PROBLEMS: tuple[Problem, ...] = (
    "frozen",
    "dark",
    "moved",
    "blocked",
    "over_exposed",
    "out_of_focus",
)
"""The first that applies is reported: a frozen picture says nothing of focus, nor a dark one of dirt."""


class Settings(BaseModel):
    """Thresholds of the rules, and how long each must apply before it is reported.

    A zone rests from the first sign on, so that waiting longer invents nothing: it only keeps a
    truck that stops before the camera from being reported as a blocked lens.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    off: tuple[Problem, ...] = ()
    """Rules that are not applied."""
    every_s: float = Field(default=1.0, gt=0, le=10)
    """Interval between two measurements."""
    return_after_s: float = Field(default=10.0, ge=0)
    """How long the view must be good before its zones are judged again."""
    lost_after_s: float = Field(default=20.0, gt=0)
    """A camera without a frame for this time is lost, and its zones abstain."""
    zone_share: float = Field(default=0.4, gt=0, le=1)
    """A zone of which this much cannot be seen abstains."""
    dark_below: float = Field(default=20.0, ge=0, le=255)
    """A cell without any pixel brighter than this shows nothing."""
    dark_after_s: float = Field(default=30.0, ge=0)
    over_exposed_above: float = Field(default=250.0, ge=0, le=255)
    over_exposed_after_s: float = Field(default=30.0, ge=0)
    blocked_below: float = Field(default=0.25, gt=0, lt=1)
    """What is left of a cell's structure where something is before the lens."""
    blocked_min_share: float = Field(default=0.12, gt=0, le=1)
    """What takes up less of the picture is something on the street, not on the lens."""
    blocked_after_s: float = Field(default=180.0, ge=0)
    covered_share: float = Field(default=0.75, gt=0, le=1)
    """A lens covered to this share is reported after ``covered_after_s``."""
    covered_after_s: float = Field(default=20.0, ge=0)
    moved_by: float = Field(default=0.02, gt=0, le=0.5)
    """How far the picture may have shifted, as a share of its width."""
    moved_after_s: float = Field(default=20.0, ge=0)
    unsharp_below: float = Field(default=0.5, gt=0, lt=1)
    """What is left of the finest detail when the lens is out of focus."""
    unsharp_after_s: float = Field(default=60.0, ge=0)
    frozen_after_s: float = Field(default=60.0, gt=0)
    """A picture that stays the same to the last bit for this time, except for a text near its edge, is
    frozen."""

    def after_s(self, problem: Problem) -> float:
        """How long a problem must last before it is reported."""
        return {
            "dark": self.dark_after_s,
            "over_exposed": self.over_exposed_after_s,
            "blocked": self.blocked_after_s,
            "moved": self.moved_after_s,
            "out_of_focus": self.unsharp_after_s,
            "frozen": 0.0,  # the rule itself has waited
        }[problem]
