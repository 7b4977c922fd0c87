"""Infinity and not-a-number are no figures: JSON has no word for them, and they tell nobody anything. Pure.

The rule, wherever a figure leaves the judgement for a file, the wire or a person: it is told as it is, or as
unknown (null). pydantic would write null by itself, into fields that are then refused when they are read.
"""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import BeforeValidator


def finite(value: float | None, digits: int | None = None) -> float | None:
    """The figure, rounded to so many digits if any are given; None where it is none."""
    if value is None or not math.isfinite(value):
        return None
    return value if digits is None else round(value, digits)


def _known(value: object) -> object:
    return finite(value) if isinstance(value, float) else value


Figure = Annotated[float | None, BeforeValidator(_known)]
"""A field of a model that holds a figure or, where there is none, null."""
