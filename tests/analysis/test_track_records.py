"""What is noted of a frame comes back as it was, but for what nobody can see: ten-thousandths and milliseconds."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.analysis.track_records import TrackMoment, Writer, moments_of
from agent.analysis.zone_judging import Shown
from agent.domain.labels import LABELS
from agent.domain.scene import Box, Detection, Observation, Track
from agent.perception.background_model import NewThing, Novelty

NOON = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
ROWS, COLUMNS = 5, 7

sides = st.integers(0, 10_000).map(lambda value: value / 10_000)
boxes = st.builds(Box, sides, sides, sides, sides)
shares = st.integers(0, 1000).map(lambda value: value / 1000)
times = st.integers(-3_600_000, 3_600_000).map(lambda ms: ms / 1000)
labels = st.sampled_from(sorted(LABELS))
regions = st.lists(boxes, max_size=3).map(tuple)
counted = st.builds(Detection, st.sampled_from(("stall", "umbrella", "rubbish")), shares, boxes)
observations = st.builds(Observation, regions, st.lists(counted, max_size=3).map(tuple), regions)
standing = st.lists(st.booleans(), min_size=ROWS * COLUMNS, max_size=ROWS * COLUMNS).map(
    lambda bits: np.array(bits).reshape(ROWS, COLUMNS)
)
things = st.builds(NewThing, boxes, st.integers(4, 900), times, times, sides)


@st.composite
def tracks(draw: st.DrawFn) -> tuple[Track, ...]:
    numbers = draw(st.sets(st.integers(1, 9), max_size=4))
    return tuple(
        Track(
            number,
            draw(labels),
            draw(boxes),
            draw(shares),
            draw(times),
            draw(times),
            draw(times),
            draw(st.booleans()),
            draw(shares),
            draw(st.none() | times),
        )
        for number in sorted(numbers)
    )


@st.composite
def streams(draw: st.DrawFn) -> list[TrackMoment]:
    now_s, found = 5000.0, []
    shown = None
    for _ in range(draw(st.integers(1, 8))):
        now_s = round(now_s + draw(st.integers(0, 5000)) / 1000, 3)
        at = NOON + timedelta(seconds=now_s, hours=draw(st.integers(0, 1)))
        if draw(st.booleans()) or shown is None:
            shown = Shown(
                now_s,
                at,
                draw(observations),
                draw(tracks()),
                draw(
                    st.none()
                    | st.builds(
                        Novelty, st.booleans(), st.lists(things, max_size=2).map(tuple), standing
                    )
                ),
                draw(regions),
            )
        shown = replace(shown, now_s=now_s, at=at)
        shapes = st.sampled_from(("bin-0", "bay-1"))
        found.append(
            TrackMoment(
                draw(st.none() | st.just(shown)),
                now_s,
                at,
                draw(st.frozensets(shapes)),
                draw(st.dictionaries(shapes, shares)),
                tuple(draw(st.lists(st.tuples(labels, labels, shapes, shares), max_size=2))),
                tuple(
                    draw(
                        st.lists(
                            st.tuples(boxes, st.none() | st.dictionaries(labels, shares)),
                            max_size=2,
                        )
                    )
                ),
            )
        )
    return found


def read_back(moments: list[TrackMoment]) -> list[TrackMoment]:
    first = moments[0]
    writer = Writer("street", "boot", (), first.now_s, first.at, verified=True)
    told = json.loads(json.dumps([writer.header, *map(writer.record, moments)]))
    return list(moments_of(told[0], told[1:]))


@given(streams())
def test_moments_come_back_as_they_were(moments: list[TrackMoment]) -> None:
    for then, now in zip(moments, read_back(moments), strict=True):
        assert now.now_s == pytest.approx(then.now_s, abs=1e-3)
        assert abs((now.at - then.at).total_seconds()) < 0.06
        assert (now.unseen, now.resumed) == (then.unseen, then.resumed)
        assert (now.probabilities, now.candidates) == (then.probabilities, then.candidates)
        assert (now.shown is None) == (then.shown is None)
        if then.shown is None or now.shown is None:
            continue
        assert now.shown.observation == then.shown.observation
        assert now.shown.changed == then.shown.changed
        assert {each.track_id: told(each) for each in now.shown.tracks} == {
            each.track_id: told(each) for each in then.shown.tracks
        }
        if then.shown.novelty is not None:
            assert now.shown.novelty is not None
            assert now.shown.novelty.learned == then.shown.novelty.learned
            assert [each.box for each in now.shown.novelty.things] == [
                each.box for each in then.shown.novelty.things
            ]


def told(track: Track) -> list[object]:
    """Everything of a track, to the millisecond."""
    return [
        round(each, 3) if isinstance(each, float) else each for each in dataclasses.astuple(track)
    ]


def test_of_what_is_as_it_was_nothing_is_said_again() -> None:
    seen = Observation((Box(0, 0, 1, 1),), ())
    track = Track(1, "bicycle", Box(0.1, 0.2, 0.3, 0.4), 0.9, 0.0, 0.0, 0.0, seen_now=True)
    writer = Writer("street", "boot", (), 0.0, NOON, verified=False)
    said = []
    for second in range(3):
        now_s, at = float(second), NOON + timedelta(seconds=second)
        seen_now = replace(track, last_seen_s=now_s)
        said.append(
            writer.record(TrackMoment(Shown(now_s, at, seen, (seen_now,), None, ()), now_s, at))
        )
    assert said[1:] == [{"t": 1000}, {"t": 1000}]


def test_people_leave_no_more_than_a_box_a_number_and_a_label() -> None:
    """What the network saw of people is not noted at all, only that somebody was followed."""
    seen = Observation((Box(0, 0, 1, 1),), (Detection("person", 0.9, Box(0.1, 0.1, 0.2, 0.4)),))
    writer = Writer("street", "boot", (), 0.0, NOON, verified=False)
    said = writer.record(TrackMoment(Shown(0.0, NOON, seen, (), None, ()), 0.0, NOON))
    assert "person" not in json.dumps(said)
