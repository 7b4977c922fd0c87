"""Stretches of sequence numbers, (first, last): put together before anything is looked up by them.

Who names numbers from outside may name a thousand stretches that all hold the same ones.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

Span = tuple[int, int]


def merged(spans: Iterable[Span]) -> list[Span]:
    """The same numbers in order, each once: what overlaps or touches becomes one."""
    found: list[Span] = []
    for first, last in sorted(spans):
        if found and first <= found[-1][1] + 1:
            found[-1] = found[-1][0], max(last, found[-1][1])
        else:
            found.append((first, last))
    return found


def clipped(spans: Iterable[Span], first: int, last: int) -> list[Span]:
    """What of some spans lies between two numbers."""
    within = ((max(first, begin), min(last, end)) for begin, end in spans)
    return [(begin, end) for begin, end in within if begin <= end]


def without(spans: Sequence[Span], others: Iterable[Span]) -> list[Span]:
    """What of some spans is in none of the others.

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
    """What is in both; each in order and without overlaps."""
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


def within(spans: Sequence[Span], numbers: Collection[int]) -> set[int]:
    """Which of the numbers some span holds; the spans as :func:`merged` gives them.

    A number is looked up, not held against each span: there may be thousands of both.
    """
    firsts = [first for first, _ in spans]
    lasts = [-math.inf, *(last for _, last in spans)]
    return {each for each in numbers if each <= lasts[bisect_right(firsts, each)]}
