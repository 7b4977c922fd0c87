"""Replaces infinity and NaN by None, as JSON has neither. Pure.

The rule wherever a figure is written to a file, the wire or the screen: it is given as it is, or as unknown
(null). pydantic would write null by itself, also into fields that do not accept it when read.
"""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import BeforeValidator


def finite(value: float | None, digits: int | None = None) -> float | None:
    """The figure, rounded if digits are given; None if it is not finite."""
    if value is None or not math.isfinite(value):
        return None
    return value if digits is None else round(value, digits)


def _known(value: object) -> object:
    return finite(value) if isinstance(value, float) else value


Figure = Annotated[float | None, BeforeValidator(_known)]
"""A field of a model that holds a figure or, where there is none, null."""
