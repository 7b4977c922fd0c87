"""How much one device may send, by counts: time is told, never waited for."""

from __future__ import annotations

import gzip
import json

import pytest
from kerbwatch_platform.intake.limits import LARGEST_UNPACKED, Buckets, Over, cost_of
from kerbwatch_platform.settings import Limits

from tests.support.hostile_messages import bomb

FLOODING, GOOD = ("example-city", "flooding"), ("example-city", "good")
TEN = Limits(burst_messages=10, messages_per_s=2, burst_bytes=1000, bytes_per_s=100)


def admitted(buckets: Buckets, device: tuple[str, str], count: int, now_s: float = 0.0) -> int:
    return sum(buckets.admits(device, b"x", now_s) for _ in range(count))


def test_a_flood_costs_its_own_device_and_no_other() -> None:
    buckets = Buckets(TEN)
    assert admitted(buckets, FLOODING, 1000) == 10
    assert admitted(buckets, GOOD, 10) == 10
    assert buckets.over() == {FLOODING: Over(990, 990)}


def test_what_was_beyond_is_told_once() -> None:
    buckets = Buckets(TEN)
    admitted(buckets, FLOODING, 11)
    assert buckets.over() == {FLOODING: Over(1, 1)}
    assert buckets.over() == {}


def test_a_device_may_go_on_at_its_rate_and_never_has_more_than_a_burst() -> None:
    buckets = Buckets(TEN)
    assert admitted(buckets, FLOODING, 100) == 10
    assert admitted(buckets, FLOODING, 100, now_s=3) == 6
    assert admitted(buckets, FLOODING, 100, now_s=1e6) == 10


def test_a_clock_that_stands_or_goes_back_gives_nothing() -> None:
    buckets = Buckets(TEN)
    admitted(buckets, FLOODING, 10, now_s=5)
    assert admitted(buckets, FLOODING, 10, now_s=1) == 0


def test_bytes_are_bounded_as_well_as_messages() -> None:
    buckets = Buckets(TEN)
    assert [buckets.admits(FLOODING, b"x" * 400, 0) for _ in range(3)] == [True, True, False]


def test_one_message_larger_than_a_burst_is_taken_when_the_device_has_been_quiet() -> None:
    """A limit that refuses a message for ever would lose it."""
    buckets = Buckets(TEN)
    assert buckets.admits(FLOODING, b"x" * 5000, 0)
    assert not buckets.admits(FLOODING, b"x", 0)
    assert buckets.admits(FLOODING, b"x" * 5000, 100)


def test_what_is_packed_costs_what_it_unpacks_to() -> None:
    text = json.dumps(["x" * 100_000]).encode()
    assert cost_of(gzip.compress(text)) == len(text)
    assert cost_of(text) == len(text)
    assert cost_of(bomb()) == LARGEST_UNPACKED


def test_rubbish_is_charged_to_who_sent_it_even_beyond_what_is_left() -> None:
    buckets = Buckets(TEN)
    buckets.charge({FLOODING: 1500}, 0)
    assert not buckets.admits(FLOODING, b"x", 4)
    assert buckets.admits(FLOODING, b"x", 6)
    assert buckets.admits(GOOD, b"x", 4)


def test_a_hundred_thousand_names_fill_no_memory_and_free_no_flood(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("kerbwatch_platform.intake.limits._MOST_BUCKETS", 100)
    buckets = Buckets(TEN)
    admitted(buckets, FLOODING, 10, now_s=1)
    for n in range(1000):
        buckets.admits(("example-city", f"name-{n}"), b"x", 1)
        buckets.admits(FLOODING, b"x", 1)
    assert len(buckets) <= 100
    assert admitted(buckets, FLOODING, 10, now_s=1) == 0
