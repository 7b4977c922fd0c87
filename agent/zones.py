"""Zones: what lies inside, and when a zone's rule holds. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from agent.scene import Point, Zone


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


def in_force(zone: Zone, local: datetime) -> bool:
    """Whether the zone's rule holds at ``local`` (the site's wall clock)."""
    if any(window.holds(local) for window in zone.permitted):
        return False
    return not zone.in_force or any(window.holds(local) for window in zone.in_force)


def inside(point: Point, zone: Zone) -> bool:
    """Whether a point lies in the zone's polygon.

    Even–odd rule (W. R. Franklin's PNPOLY); a point on the edge may fall either way.
    """
    x, y = point
    result = False
    corners = zone.polygon
    previous = corners[-1]
    for corner in corners:
        (x1, y1), (x2, y2) = previous, corner
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            result = not result
        previous = corner
    return result
