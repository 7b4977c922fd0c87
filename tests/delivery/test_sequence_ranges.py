"""Stretches of numbers mean the same numbers, whatever is done to them."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from agent.delivery.sequence_ranges import Span, clipped, common, merged, within, without

_numbers = st.integers(1, 60)
_spans = st.lists(st.tuples(_numbers, st.integers(0, 15)).map(lambda s: (s[0], s[0] + s[1])))


def numbers(spans: list[Span]) -> set[int]:
    return {each for first, last in spans for each in range(first, last + 1)}


def apart(spans: list[Span]) -> bool:
    return all(one[1] < other[0] for one, other in itertools.pairwise(spans))


@given(_spans, _spans, _numbers, _numbers, st.sets(st.integers(0, 80)))
def test_the_numbers_are_those_of_sets(
    some: list[Span], others: list[Span], first: int, last: int, asked: set[int]
) -> None:
    here, there = merged(some), merged(others)
    assert numbers(here) == numbers(some)
    assert numbers(clipped(some, first, last)) == numbers(some) & set(range(first, last + 1))
    assert numbers(without(here, others)) == numbers(some) - numbers(others)
    assert numbers(common(here, there)) == numbers(some) & numbers(others)
    assert within(here, asked) == numbers(some) & asked
    for spans in (here, without(here, others), common(here, there)):
        assert apart(spans)


def test_what_touches_becomes_one() -> None:
    assert merged([(4, 6), (1, 3), (8, 9)]) == [(1, 6), (8, 9)]


def test_spans_of_any_length_cost_no_more_than_their_number() -> None:
    wide = [(each, 2**53 - 1) for each in range(1, 1001)]
    assert merged(wide) == [(1, 2**53 - 1)]
    assert without(merged(wide), [(5, 10**15)]) == [(1, 4), (10**15 + 1, 2**53 - 1)]
