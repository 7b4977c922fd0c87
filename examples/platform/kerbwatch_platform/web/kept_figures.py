"""Figures as they were just computed, for the plot and the file that belong to one page."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from kerbwatch_platform.figures import Period
    from kerbwatch_platform.figures.question import Row

KEPT_S = 600
MOST_FIGURES = 32
MOST_ROWS = 20_000
"""Of all that are kept together: a row takes about a kilobyte."""


class KeptFigures:
    """Some figures with all their rows, for some minutes; the oldest go first.

    A page asks anew each time, and hands its moment on: the plot and the file of that moment are made of the
    same rows. Any thread may use it.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, Period], tuple[float, list[Row]]] = OrderedDict()

    def keep(self, name: str, of: Period, rows: list[Row]) -> None:
        """Keep a figure of a period; one that is larger than all may be is not kept."""
        if len(rows) > MOST_ROWS:
            return
        with self._lock:
            self._kept[name, of] = (self._clock() + KEPT_S, rows)
            while len(self._kept) > MOST_FIGURES or self._rows() > MOST_ROWS:
                self._kept.popitem(last=False)

    def get(self, name: str, of: Period) -> list[Row] | None:
        """The figure of a period as of the same moment; None: it is not kept."""
        with self._lock:
            now_s = self._clock()
            while self._kept and next(iter(self._kept.values()))[0] <= now_s:
                self._kept.popitem(last=False)
            found = self._kept.get((name, of))
        return None if found is None else found[1]

    def _rows(self) -> int:
        return sum(len(rows) for _, rows in self._kept.values())
