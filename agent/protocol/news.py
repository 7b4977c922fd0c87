"""Which changes of a figure are news: what a heartbeat between two full ones is sent for.

Declared at the field, as in ``Annotated[Celsius | None, Example(51.5), News(5)]``. A field without a declaration
is news whenever it is another; a part, a table or a list is news when something in it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel


@dataclass(frozen=True, slots=True, eq=False)
class News:
    """A figure is news once it is so far from what was told last, or is known no longer, or is known now.

    Attributes:
        apart: In the figure's unit.
        share: As a share of what was told last.
    """

    apart: float = 0.0
    share: float = 0.0

    def is_news(self, told: Any, now: Any) -> bool:
        """Whether to tell it."""
        if isinstance(told, int | float) and isinstance(now, int | float):
            return abs(now - told) >= max(self.apart, self.share * abs(told), math.ulp(0.0))
        return (told is None) != (now is None)


QUIET: Final = News(apart=math.inf)
"""Never news by itself: a counter, an age. It goes with what is."""


def is_news(told: Any, now: Any, declared: Sequence[object] = ()) -> bool:
    """Whether a value is news against what was told last.

    Args:
        told: What was told last.
        now: The value now.
        declared: What stands at its field.
    """
    for each in declared:
        if isinstance(each, News):
            return each.is_news(told, now)
    if isinstance(told, BaseModel) and type(told) is type(now):
        fields = type(told).model_fields.items()
        return any(
            is_news(getattr(told, name), getattr(now, name), field.metadata)
            for name, field in fields
        )
    if isinstance(told, Mapping) and isinstance(now, Mapping):
        return told.keys() != now.keys() or any(is_news(told[key], now[key]) for key in told)
    if isinstance(told, tuple) and isinstance(now, tuple):
        pairs = zip(told, now, strict=False)
        return len(told) != len(now) or any(is_news(*pair) for pair in pairs)
    return bool(told != now)
