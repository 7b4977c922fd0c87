"""Geometry of polygons: area, crossing edges, shared area. Pure."""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agent.domain.scene import Point

    Polygon = Sequence[Point]
    Edge = tuple[Point, Point]
    Ends = tuple[int, int]
    Span = tuple[float, float]

ROUNDING = 1e-9
"""Points nearer to each other than this, in sides of the picture, are one: numbers are rounded."""


def area(polygon: Polygon) -> float:
    """The shoelace formula, without sign: of a polygon whose edges do not cross."""
    pairs = zip(polygon, (*polygon[1:], polygon[0]), strict=True)
    return abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairs)) / 2


def crossings(polygon: Polygon) -> list[tuple[Ends, Ends]]:
    """Pairs of edges that cross, touch or lie on each other, each edge by the indices of its corners.

    Edges that follow one another meet at their common corner and nowhere else. A corner given
    twice in a row, or the first one again at the end, is one corner.
    """
    corners = _without_repeats(polygon)
    ends = list(pairwise([*corners, *corners[:1]]))
    edges = [(polygon[first], polygon[second]) for first, second in ends]
    last = len(edges) - 1

    def meet(i: int, j: int) -> bool:
        if j - i == 1:
            return _turns_back(edges[i], edges[j])
        return _turns_back(edges[j], edges[i]) if j - i == last else _meet(edges[i], edges[j])

    return [(ends[i], ends[j]) for i, j in combinations(range(len(edges)), 2) if meet(i, j)]


def _without_repeats(polygon: Polygon) -> list[int]:
    """The indices of the corners, each once."""
    kept: list[int] = []
    for index, corner in enumerate(polygon):
        if not kept or corner != polygon[kept[-1]]:
            kept.append(index)
    while len(kept) > 1 and polygon[kept[-1]] == polygon[kept[0]]:
        kept.pop()
    return kept


def shared_area(polygon: Polygon, others: Iterable[Polygon]) -> float:
    """How much of a polygon lies within any of the others, by the even–odd rule.

    Between the heights of all corners and crossings every edge is straight and none crosses
    another, so there the breadth that is shared grows evenly, and its middle tells the area.
    """
    others = list(others)
    edges = [edge for each in (polygon, *others) for edge in _edges(each)]
    heights = sorted(
        {y for edge in edges for _, y in edge}
        | {y for a, b in combinations(edges, 2) if (y := _height_of_crossing(a, b)) is not None}
    )
    total = 0.0
    for top, bottom in pairwise(heights):
        y = (top + bottom) / 2
        mine = _spans(polygon, y)
        covered = _united(span for other in others for span in _spans(other, y))
        breadth = sum(
            max(0.0, min(end, other_end) - max(begin, other_begin))
            for begin, end in mine
            for other_begin, other_end in covered
        )
        total += breadth * (bottom - top)
    return total


def share_within(polygon: Polygon, others: Iterable[Polygon]) -> float:
    """The share of a polygon that lies within any of the others, 0 to 1."""
    whole = shared_area(polygon, [polygon])
    return shared_area(polygon, others) / whole if whole > 0 else 0.0


def _edges(polygon: Polygon) -> list[Edge]:
    return list(zip(polygon, (*polygon[1:], polygon[0]), strict=True))


def _side(edge: Edge, point: Point) -> float:
    """On which side of an edge's line a point lies: below 0, above 0, or 0 for on it."""
    (x1, y1), (x2, y2) = edge
    side = (x2 - x1) * (point[1] - y1) - (y2 - y1) * (point[0] - x1)
    return side if abs(side) > ROUNDING else 0.0


def _within(edge: Edge, point: Point) -> bool:
    """Whether a point on an edge's line lies on the edge."""
    (x1, y1), (x2, y2) = edge
    x, y = point
    return (
        min(x1, x2) - ROUNDING <= x <= max(x1, x2) + ROUNDING
        and min(y1, y2) - ROUNDING <= y <= max(y1, y2) + ROUNDING
    )


def _meet(a: Edge, b: Edge) -> bool:
    """Whether two edges have a point in common."""
    apart = [_side(a, b[0]), _side(a, b[1]), _side(b, a[0]), _side(b, a[1])]
    if apart[0] * apart[1] < 0 and apart[2] * apart[3] < 0:
        return True
    ends = ((a, b[0]), (a, b[1]), (b, a[0]), (b, a[1]))
    return any(
        side == 0 and _within(edge, point) for side, (edge, point) in zip(apart, ends, strict=True)
    )


def _turns_back(edge: Edge, following: Edge) -> bool:
    """Whether an edge goes back over the one before it."""
    (x1, y1), (x2, y2) = edge
    x3, y3 = following[1]
    back = (x2 - x1) * (x3 - x2) + (y2 - y1) * (y3 - y2) < 0
    return back and _side(edge, following[1]) == 0


def _height_of_crossing(a: Edge, b: Edge) -> float | None:
    """The y at which two edges cross; None where they do not, or where a corner tells it already."""
    before, after = _side(a, b[0]), _side(a, b[1])
    if before * after >= 0 or _side(b, a[0]) * _side(b, a[1]) >= 0:
        return None
    return b[0][1] + (b[1][1] - b[0][1]) * before / (before - after)


def _spans(polygon: Polygon, y: float) -> list[Span]:
    """What of the line at this height lies within a polygon; no corner lies on it."""
    at = sorted(
        x1 + (x2 - x1) * (y - y1) / (y2 - y1)
        for (x1, y1), (x2, y2) in _edges(polygon)
        if (y1 > y) != (y2 > y)
    )
    return list(zip(at[::2], at[1::2], strict=True))


def _united(spans: Iterable[Span]) -> list[Span]:
    """The same ground as spans that do not overlap."""
    united: list[Span] = []
    for begin, end in sorted(spans):
        if united and begin <= united[-1][1]:
            united[-1] = (united[-1][0], max(united[-1][1], end))
        else:
            united.append((begin, end))
    return united
