"""Arithmetic on ranges of sequence numbers, (first, last).

Ranges from outside are merged before use: a message may name a thousand that all overlap.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

Span = tuple[int, int]


def merged(spans: Iterable[Span]) -> list[Span]:
    """Sort the ranges and merge those that overlap or touch."""
    found: list[Span] = []
    for first, last in sorted(spans):
        if found and first <= found[-1][1] + 1:
            found[-1] = found[-1][0], max(last, found[-1][1])
        else:
            found.append((first, last))
    return found


def clipped(spans: Iterable[Span], first: int, last: int) -> list[Span]:
    """The parts of ranges that lie between two numbers."""
    within = ((max(first, begin), min(last, end)) for begin, end in spans)
    return [(begin, end) for begin, end in within if begin <= end]


def without(spans: Sequence[Span], others: Iterable[Span]) -> list[Span]:
    """The parts of ranges that are in none of the others.

    Args:
        spans: As :func:`merged` gives them.
        others: In any order.
    """
    if not spans:
        return []
    edges = clipped(merged(others), spans[0][0], spans[-1][1])
    # What lies between the others, and before and after them.
    begins = [spans[0][0], *(last + 1 for _, last in edges)]
    ends = [*(first - 1 for first, _ in edges), spans[-1][1]]
    return common(spans, list(zip(begins, ends, strict=True)))


def common(some: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """The intersection; both in order and without overlaps."""
    found: list[Span] = []
    here = there = 0
    while here < len(some) and there < len(others):
        first = max(some[here][0], others[there][0])
        last = min(some[here][1], others[there][1])
        if first <= last:
            found.append((first, last))
        if some[here][1] < others[there][1]:
            here += 1
        else:
            there += 1
    return found


class CodedRanges:
    """Ranges that each have a code; of those that overlap, the one that begins first counts.

    Args:
        ranges: First number, last number and code of each, in any order.
    """

    def __init__(self, ranges: Iterable[tuple[int, int, str]]) -> None:
        self._firsts: list[int] = []
        self._rest: list[tuple[int, str]] = []
        end = 0
        for first, last, code in sorted(ranges):
            if last > end:
                self._firsts.append(max(first, end + 1))
                self._rest.append((last, code))
                end = last

    def code_of(self, number: int) -> str | None:
        """The code of the range in which a number lies; None: it is in none."""
        at = bisect_right(self._firsts, number) - 1
        if at < 0 or number > self._rest[at][0]:
            return None
        return self._rest[at][1]


def within(spans: Sequence[Span], numbers: Collection[int]) -> set[int]:
    """The numbers that lie in some range; the ranges as :func:`merged` gives them.

    Uses a binary search: there may be thousands of both.
    """
    firsts = [first for first, _ in spans]
    lasts = [-math.inf, *(last for _, last in spans)]
    return {each for each in numbers if each <= lasts[bisect_right(firsts, each)]}
