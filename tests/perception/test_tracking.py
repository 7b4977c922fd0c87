"""Promises about tracks: made for things that stand still."""

from __future__ import annotations

import json

import numpy as np
import pytest

from agent.domain.scene import Box, Observation
from agent.perception.tracking.tracker import Tracker
from tests.support.scenes import box_at, looked, paving, seen, with_goods

PERSON = {"width": 0.06, "height": 0.2}
SOMETHING_THERE = with_goods(paving(), box_at(0.5, 0.7))
NOTHING_THERE = paving()


def standing_bike(tracker: Tracker, until_s: float = 5.0) -> int:
    """Let a bike stand at (0.5, 0.7) and return its track's id."""
    for second in range(int(until_s) + 1):
        [bike] = tracker.update(looked(seen("bicycle", 0.5, 0.7)), second, SOMETHING_THERE)
    assert bike.still_since_s == 0
    return bike.track_id


def test_a_thing_that_keeps_its_place_stands_from_its_first_sight() -> None:
    tracker = Tracker()
    [at_first] = tracker.update(looked(seen("bicycle", 0.5, 0.7)), 10.0)
    [later] = tracker.update(looked(seen("bicycle", 0.502, 0.701)), 12.0)
    assert at_first.still_since_s is None
    assert later.still_since_s == 10.0


def test_a_bike_that_rolls_never_stands() -> None:
    tracker = Tracker()
    for step in range(20):
        [bike] = tracker.update(looked(seen("bicycle", 0.1 + 0.04 * step, 0.7)), step * 0.5)
        assert bike.still_since_s is None


def test_a_walking_person_keeps_one_track() -> None:
    tracker = Tracker()
    ids = set()
    for step in range(20):
        [person] = tracker.update(
            looked(seen("person", 0.1 + 0.02 * step, 0.7, **PERSON)), step * 0.2
        )
        ids.add(person.track_id)
    assert len(ids) == 1


def test_people_passing_before_a_bike_do_not_take_its_track() -> None:
    tracker = Tracker()
    bike_id = standing_bike(tracker)
    for step in range(30):
        x = 0.3 + 0.4 * step / 30
        hides = abs(x - 0.5) < 0.06
        things = [seen("person", x, 0.75, width=0.1, height=0.2)]
        if not hides:
            things.append(seen("bicycle", 0.5, 0.7))
        tracks = tracker.update(looked(*things), 6 + step * 0.2, NOTHING_THERE)
        bikes = [track for track in tracks if track.label == "bicycle"]
        assert [bike.track_id for bike in bikes] == [bike_id]
        assert bikes[0].still_since_s == 0


def test_a_bike_behind_a_standing_group_is_not_missed() -> None:
    tracker = Tracker()
    bike_id = standing_bike(tracker, until_s=20)
    group = seen("person", 0.5, 0.78, width=0.14, height=0.25)
    for second in range(21, 55):
        tracks = tracker.update(looked(group), second, NOTHING_THERE)
    assert bike_id in [track.track_id for track in tracks]


def test_what_was_seen_for_a_moment_is_not_believed_in_for_minutes() -> None:
    tracker = Tracker()
    standing_bike(tracker, until_s=2)
    group = seen("person", 0.5, 0.78, width=0.14, height=0.25)
    for second in range(3, 20):
        tracks = tracker.update(looked(group), second, NOTHING_THERE)
    assert [track.label for track in tracks] == ["person"]


@pytest.mark.parametrize(
    ("ground", "thing_from", "thing_to", "shade"),
    [((140, 140), 0.4, 0.9, 90), ((200, 100), 0.65, 1.0, 80)],
    ids=["a smooth wall", "one edge that the ground behind it has too"],
)
def test_a_smooth_thing_that_has_gone_is_not_held_by(
    ground: tuple[int, int], thing_from: float, thing_to: float, shade: int
) -> None:
    tracker = Tracker()
    empty = np.full_like(paving(), ground[0])
    height, width = empty.shape
    empty[round(0.65 * height) :] = ground[1]
    there = empty.copy()
    rows = slice(round(thing_from * height), round(thing_to * height))
    there[rows, round(0.3 * width) : round(0.7 * width)] = shade
    for second in range(60):
        [thing] = tracker.update(looked(seen("bicycle", 0.5, 0.7)), second, there)
    assert thing.still_since_s == 0
    for second in range(60, 70):
        tracks = tracker.update(looked(), second, empty)
    assert tracks == []


def test_a_doubtful_sight_of_the_empty_place_does_not_keep_what_stood_there_for_ever() -> None:
    tracker = Tracker({"bicycle": 0.5})
    standing_bike(tracker, until_s=100)
    doubtful = seen("bicycle", 0.5, 0.7, confidence=0.37)
    tracks = tracker.update(looked(doubtful), 101, NOTHING_THERE)
    assert len(tracks) == 1, "it may be hidden, or the network may be mistaken"
    for second in range(102, 225):
        tracks = tracker.update(looked(doubtful), second, NOTHING_THERE)
    assert tracks == []


def test_a_bike_that_the_network_no_longer_sees_stands_while_its_place_looks_the_same() -> None:
    tracker = Tracker()
    bike_id = standing_bike(tracker)
    darker = (SOMETHING_THERE * 0.5).astype("uint8")
    for second in range(6, 60):
        tracks = tracker.update(looked(), second, darker)
    assert [track.track_id for track in tracks] == [bike_id]


def test_a_bike_that_was_taken_is_gone_at_once() -> None:
    tracker = Tracker()
    standing_bike(tracker)
    tracker.update(looked(), 6.0, NOTHING_THERE)
    assert tracker.update(looked(), 8.0, NOTHING_THERE) == []


def test_a_bike_that_is_pushed_away_stands_nowhere_after_two_seconds() -> None:
    tracker = Tracker()
    standing_bike(tracker)
    for step in range(1, 16):
        away = looked(seen("bicycle", 0.5 + 0.02 * step, 0.7))
        tracks = tracker.update(away, 5 + step * 0.2, NOTHING_THERE)
        if step >= 10:
            assert all(track.still_since_s is None for track in tracks)


def test_a_bike_ridden_past_a_standing_one_does_not_move_it() -> None:
    tracker = Tracker()
    bike_id = standing_bike(tracker)
    for step in range(10):
        passing = seen("bicycle", 0.38 + 0.03 * step, 0.72)
        hides = abs(0.38 + 0.03 * step - 0.5) < 0.07
        things = (passing,) if hides else (passing, seen("bicycle", 0.5, 0.7))
        scene = NOTHING_THERE if hides else SOMETHING_THERE
        tracks = tracker.update(looked(*things), 6 + step * 0.2, scene)
    stood = next(track for track in tracks if track.track_id == bike_id)
    assert stood.still_since_s == 0


def test_a_bike_ridden_past_does_not_keep_alive_what_is_hidden() -> None:
    tracker = Tracker()
    bike_id = standing_bike(tracker, until_s=2)
    group = seen("person", 0.5, 0.78, width=0.14, height=0.25)
    for step in range(16):
        passing = [seen("bicycle", 0.43 + 0.07 * (step - 9), 0.71)] if step in {9, 11} else []
        tracks = tracker.update(looked(group, *passing), 3 + 0.5 * step, NOTHING_THERE)
    assert bike_id not in [track.track_id for track in tracks]


def test_two_bikes_that_pass_while_it_is_hidden_do_not_move_a_bike() -> None:
    tracker = Tracker()
    bike_id = standing_bike(tracker)
    group = seen("person", 0.5, 0.78, width=0.14, height=0.25)
    for step in range(12):
        passing = [seen("bicycle", 0.46, 0.71)] if step in {2, 9} else []
        tracker.update(looked(group, *passing), 6 + 0.5 * step, NOTHING_THERE)
    tracks = tracker.update(looked(seen("bicycle", 0.5, 0.7)), 12.5, SOMETHING_THERE)
    assert [(one.track_id, one.still_since_s) for one in tracks if one.track_id == bike_id] == [
        (bike_id, 0)
    ]


def test_a_sure_sight_of_the_whole_has_the_track_and_a_doubtful_one_of_a_part_has_none() -> None:
    """A cart is pushed along; then its parasol opens, and the network sees both."""
    tracker = Tracker({"stall": 0.25})
    for step in range(4):
        cart = seen("stall", 0.95 - 0.03 * step, 0.5, width=0.2, height=0.2)
        tracker.update(looked(cart), 0.5 * step)
    whole = seen("stall", 0.8, 0.5, confidence=0.9, width=0.27, height=0.43)
    part = seen("stall", 0.8, 0.49, confidence=0.2, width=0.21, height=0.17)
    for step in range(4, 8):
        tracks = tracker.update(looked(part, whole), 0.5 * step)
    stood = [track.still_since_s for track in tracks if track.box.iou(whole.box) > 0.9]
    assert stood == [2.0]


@pytest.mark.parametrize("frames_per_look", [1, 5])
def test_how_long_a_thing_may_be_hidden_does_not_depend_on_the_frames_between_looks(
    frames_per_look: int,
) -> None:
    tracker = Tracker()
    bike_id = standing_bike(tracker, until_s=2)
    group = looked(seen("person", 0.5, 0.78, width=0.14, height=0.25))
    not_looked = Observation((), ())
    given_up_s = 0.0
    for frame in range(100):
        observation = group if frame % frames_per_look == 0 else not_looked
        tracks = tracker.update(observation, 3 + 0.1 * frame, NOTHING_THERE)
        if bike_id in [track.track_id for track in tracks]:
            given_up_s = 0.1 * frame
    assert given_up_s == pytest.approx(5, abs=0.6)


def test_a_part_of_a_stall_has_no_track_beside_the_whole() -> None:
    tracker = Tracker({"stall": 0.2})
    whole = seen("stall", 0.8, 0.5, width=0.27, height=0.43)
    part = seen("stall", 0.8, 0.49, confidence=0.3, width=0.15, height=0.17)
    for second in range(5):
        tracks = tracker.update(looked(part, whole), second)
    assert [track.box.iou(whole.box) > 0.9 for track in tracks] == [True]


def test_not_having_looked_is_not_having_seen_nothing() -> None:
    tracker = Tracker()
    bike_id = standing_bike(tracker)
    elsewhere = Observation((Box(0.0, 0.0, 0.2, 0.2),), ())
    for second in range(6, 60):
        tracks = tracker.update(elsewhere, second, NOTHING_THERE)
    assert [track.track_id for track in tracks] == [bike_id]


def test_a_weak_detection_continues_a_track_but_begins_none() -> None:
    tracker = Tracker({"bicycle": 0.5})
    assert tracker.update(looked(seen("bicycle", 0.5, 0.7, confidence=0.3)), 0.0) == []
    tracker.update(looked(seen("bicycle", 0.5, 0.7, confidence=0.6)), 1.0)
    [bike] = tracker.update(looked(seen("bicycle", 0.5, 0.7, confidence=0.3)), 2.0)
    assert bike.seen_now


def test_support_is_the_share_of_looks_in_which_the_network_saw_it() -> None:
    tracker = Tracker()
    standing_bike(tracker, until_s=4)
    for second in range(5, 10):
        [bike] = tracker.update(looked(), second, SOMETHING_THERE)
    assert bike.support == pytest.approx(0.5)


def test_support_counts_only_looks_in_which_the_network_was_sure() -> None:
    tracker = Tracker({"bicycle": 0.5})
    tracker.update(looked(seen("bicycle", 0.5, 0.7, confidence=0.6)), 0.0)
    for second in range(1, 10):
        [bike] = tracker.update(looked(seen("bicycle", 0.5, 0.7, confidence=0.3)), second)
    assert bike.support == pytest.approx(0.1)


def test_a_bicycle_called_a_motorcycle_for_a_moment_is_the_same_thing() -> None:
    tracker = Tracker()
    bike_id = standing_bike(tracker)
    [track] = tracker.update(looked(seen("motorcycle", 0.5, 0.7)), 6.0)
    assert (track.track_id, track.label) == (bike_id, "bicycle")


def test_two_bikes_side_by_side_are_two_tracks() -> None:
    tracker = Tracker()
    for second in range(5):
        tracks = tracker.update(
            looked(seen("bicycle", 0.40, 0.7), seen("bicycle", 0.48, 0.7)), second
        )
    assert len({track.track_id for track in tracks}) == 2


def test_a_standing_track_outlives_a_restart() -> None:
    tracker = Tracker()
    bike_id = standing_bike(tracker)
    after = Tracker()
    after.restore(json.loads(json.dumps(tracker.snapshot())), shift_s=0)
    [bike] = after.update(looked(seen("bicycle", 0.5, 0.7)), 9.0)
    assert (bike.track_id, bike.still_since_s) == (bike_id, 0)


def test_time_must_not_go_back() -> None:
    tracker = Tracker()
    tracker.update(looked(), 5.0)
    with pytest.raises(ValueError, match="went back"):
        tracker.update(looked(), 4.0)
