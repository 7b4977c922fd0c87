"""Promises about the ring of recent frames: bounded, and it goes on from what was known before its oldest frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.analysis.frame_ring import EVERY_S, KNOWN_EVERY_S, LONGEST_S, FrameRing
from agent.config.loading import from_tables
from agent.runtime.judging import pipeline_of
from tests.support.drawn_street import HEIGHT_PX, WIDTH_PX, DrawnStreet
from tests.support.sites import standing_bike_site

if TYPE_CHECKING:
    from agent.analysis.frame_ring import Recent


def ring_after(seconds: int, most_bytes: int) -> dict[str, Recent]:
    street = DrawnStreet(())
    pipeline = pipeline_of(
        from_tables(standing_bike_site()),
        "street",
        (WIDTH_PX, HEIGHT_PX),
        detector=street,
        birth_confidence={},
        classifiers={},
    )
    ring = FrameRing(most_bytes, 1)
    for half_s in range(2 * seconds):
        frame = street.frame(half_s / 2)
        pipeline.step(frame)
        ring.take(frame, pipeline)
    return ring.recent()


def test_it_is_bounded_in_bytes_and_goes_back_as_far_as_they_reach() -> None:
    recent = ring_after(300, 150_000)["street"]
    size = sum(len(each.bgr) + len(each.luma) for each in recent.frames)
    assert 50_000 < size <= 150_000
    assert recent.frames[-1].now_s > 280, "the newest are kept"


def test_it_is_bounded_in_time_and_what_was_known_lies_before_it() -> None:
    recent = ring_after(400, 100_000_000)["street"]
    first, last = recent.frames[0].now_s, recent.frames[-1].now_s
    assert LONGEST_S - 2 * KNOWN_EVERY_S < last - first <= LONGEST_S
    gaps = [b.now_s - a.now_s for a, b in zip(recent.frames, recent.frames[1:], strict=False)]
    assert min(gaps) >= EVERY_S
    assert {"tracker", "novelty", "dwell"} <= recent.known.keys()


def test_with_no_bytes_nothing_is_kept() -> None:
    assert ring_after(5, 0) == {}
