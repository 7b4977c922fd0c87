"""Zones: which points lie inside, and when a zone's rule applies. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from agent.domain.polygons import share_within

if TYPE_CHECKING:
    from datetime import datetime

    from agent.domain.scene import Point, Zone

AT_EDGE = 0.005
"""What is drawn nearer to the picture's edge than this was meant to lie on it: the last pixel of a
picture 720 high is at 0.9986, of one 240 high at 0.9958."""
SAME_THING_SHARE = 0.5
"""Two zones that share more than this of the smaller one are drawn around one thing."""
_LAST = math.nextafter(1.0, 0.0)


def in_force(zone: Zone, local: datetime) -> bool:
    """Whether the zone's rule holds at ``local`` (the site's wall clock)."""
    if any(window.holds(local) for window in zone.permitted):
        return False
    return not zone.in_force or any(window.holds(local) for window in zone.in_force)


def to_edge(value: float) -> float:
    """A fraction of the picture, moved onto the picture's edge if it was meant to lie there."""
    if value < AT_EDGE:
        return 0.0
    return 1.0 if value > 1.0 - AT_EDGE else value


def inside(point: Point, zone: Zone) -> bool:
    """Whether a point lies in the zone's polygon.

    Even–odd rule (W. R. Franklin's PNPOLY). A zone has its left and upper edges; its right and
    lower ones belong to what lies beyond, so that of two zones which share an edge exactly one has
    a point on it. Beyond the picture's right and lower edges lies nothing: there the zone has its
    own edge, and with it the foot of what the picture cuts off.
    """
    x, y = (min(max(value, 0.0), _LAST) for value in point)
    result = False
    corners = zone.polygon
    previous = corners[-1]
    for corner in corners:
        # From top to bottom, whichever way the zone was drawn: both sides of an edge round alike.
        (x1, y1), (x2, y2) = (previous, corner) if previous[1] <= corner[1] else (corner, previous)
        if y1 <= y < y2 and x < x1 + (x2 - x1) * ((y - y1) / (y2 - y1)):
            result = not result
        previous = corner
    return result


def around_the_same_thing(a: Zone, b: Zone) -> bool:
    """Whether two zones are drawn around one thing, such as a bin."""
    if a.box.overlap(b.box) == 0.0:
        return False
    shares = share_within(a.polygon, [b.polygon]), share_within(b.polygon, [a.polygon])
    return max(shares) > SAME_THING_SHARE
