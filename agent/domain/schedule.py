"""Schedules: hours of the day in which a rule applies. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of local time on some days of the week (ISO: 1 Monday … 7 Sunday).

    An ``end`` at or before ``begin`` lies on the next day: 22:00–06:00 is one night.
    """

    days: tuple[int, ...]
    begin: time
    end: time

    def holds(self, local: datetime) -> bool:
        """Whether ``local`` (the site's wall clock) lies in the window."""
        at = local.time().replace(tzinfo=None)
        today = local.isoweekday()
        if self.begin < self.end:
            return today in self.days and self.begin <= at < self.end
        yesterday = 7 if today == 1 else today - 1
        return (today in self.days and at >= self.begin) or (
            yesterday in self.days and at < self.end
        )
