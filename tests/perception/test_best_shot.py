"""Promises about the best view of a standing bike."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from agent.domain.scene import Box, Member
from agent.perception.best_shot import MAX_PLACES, MAX_VIEWS, PLACE_KEPT_S, BestShots
from agent.perception.surroundings import Difference, Surroundings
from drivers.cameras import Frame
from tests.support.scenes import bike_at, box_at, frame_of, paving, person_at, seen, with_goods

PLACE = box_at(0.5, 0.7, 0.3, 0.3)


def frame(blur: float, now_s: float) -> Frame:
    picture = with_goods(paving(640, 360), PLACE)
    return frame_of(np.asarray(cv2.GaussianBlur(picture, (0, 0), blur), np.uint8), now_s)


def test_the_sharpest_view_is_kept() -> None:
    views = BestShots()
    for now_s, blur in ((100, 6), (101, 1), (102, 4)):
        views.take(frame(blur, now_s), [bike_at(0.5, 0.7)])
    best = views.of("1")
    assert best is not None
    assert best.moment_s == 101


def test_a_view_of_the_bike_alone_is_better_than_a_sharp_one_with_somebody_before_it() -> None:
    views = BestShots()
    bike, person = bike_at(0.5, 0.7), person_at(0.5, 0.72)
    for now_s, blur, tracks in ((100, 5, [bike]), (101, 1, [bike, person])):
        views.take(frame(blur, now_s), tracks)
    best = views.of("1")
    assert best is not None
    assert best.moment_s == 100


def test_the_box_is_where_the_bike_is_in_the_view() -> None:
    views = BestShots()
    views.take(frame(1, 100), [bike_at(0.5, 0.7)])
    best = views.of("1")
    assert best is not None
    assert best.box.centre == (0.5, 0.5) or abs(best.box.centre[0] - 0.5) < 0.03
    assert 0.5 < best.box.width < 0.75, "the margin is around it"


def test_a_bike_that_left_is_forgotten_and_no_more_than_so_many_are_kept() -> None:
    views = BestShots()
    crowd = [bike_at(0.1 + 0.02 * n, 0.7, track_id=n) for n in range(MAX_VIEWS + 6)]
    views.take(frame(1, 100), crowd)
    assert sum(views.of(str(n)) is not None for n in range(MAX_VIEWS + 6)) == MAX_VIEWS
    views.take(frame(1, 101), [])
    assert views.of("0") is None


@pytest.mark.parametrize(
    "box",
    [Box(1, 1, 1, 1), Box(1, 0, 1, 1), Box(0, 1, 1, 1), Box(0, 0, 0, 0), Box(0.9999, 0, 1, 1)],
)
def test_a_bike_of_which_the_frames_edge_leaves_next_to_nothing_has_a_view(box: Box) -> None:
    tall = np.full((3000, 640, 3), 90, np.uint8)
    views, bike = BestShots(), replace(bike_at(0.5, 0.7), box=box)
    views.take(replace(frame(1, 100), bgr=lambda: tall), [bike])
    best = views.of("1")
    assert best is not None
    assert min(best.bgr.shape[:2]) >= 1


def test_while_somebody_hides_a_bike_the_view_from_before_shows_more_of_it() -> None:
    views = BestShots()
    bike, hider = bike_at(0.5, 0.7), person_at(0.5, 0.72)
    views.take(frame(4, 100), [bike])
    assert views.better_than_now(["1"]) is None, "it is as well to be seen now"
    views.take(frame(1, 101), [bike, hider])
    better = views.better_than_now(["1"])
    assert better is not None
    assert better.moment_s == 100
    views.take(frame(1, 102), [replace(bike, seen_now=False), hider])
    assert views.better_than_now(["1"]) == better
    views.take(frame(4, 103), [bike])
    assert views.better_than_now(["1"]) is None


def test_of_a_bike_that_was_always_hidden_the_view_that_shows_most_is_kept() -> None:
    views = BestShots()
    bike = bike_at(0.5, 0.7)
    for now_s, shift in ((100, 0.0), (101, 0.05), (102, 0.01)):
        views.take(frame(1, now_s), [bike, person_at(0.5 + shift, 0.72)])
    best = views.of("1")
    assert best is not None
    assert best.moment_s == 101


def test_who_stands_behind_a_bike_hides_none_of_it() -> None:
    views = BestShots()
    behind = person_at(0.5, 0.65)
    views.take(frame(1, 100), [bike_at(0.5, 0.7)])
    views.take(frame(1, 101), [bike_at(0.5, 0.7), behind])
    assert views.better_than_now(["1"]) is None


def test_where_one_of_several_bikes_can_be_seen_the_picture_of_now_is_taken() -> None:
    views = BestShots()
    hidden, free = bike_at(0.3, 0.7, track_id=1), bike_at(0.7, 0.7, track_id=2)
    views.take(frame(1, 100), [hidden, free])
    views.take(frame(1, 101), [hidden, free, person_at(0.3, 0.72)])
    assert views.better_than_now(["1", "2"]) is None
    assert views.better_than_now(["1"]) is not None


def member(member_id: str, box: Box, label: str = "bicycle") -> Member:
    return Member(member_id, label, box, 0.0)


def test_somebody_whom_nobody_follows_yet_hides_a_bike_too() -> None:
    views = BestShots()
    views.take(frame(2, 100), [bike_at(0.5, 0.7)])
    views.take(frame(1, 101), [bike_at(0.5, 0.7)], found=[seen("person", 0.5, 0.72, 0.2)])
    shown = views.shown_of([member("1", box_at(0.5, 0.7))], Surroundings())
    assert shown.hidden["1"] > 0.5
    assert shown.best["1"].moment_s == 100


def test_a_stall_without_a_name_keeps_its_best_view_while_its_box_wanders() -> None:
    views, stall = BestShots(), Box(0.4, 0.4, 0.6, 0.7)
    views.take(frame(1, 100), [], [stall])
    crowd = [replace(person_at(0.5, 0.72), box=Box(0.38, 0.3, 0.62, 0.72))]
    views.take(frame(1, 101), crowd, [Box(0.41, 0.41, 0.61, 0.71)])
    shown = views.shown_of([member("g1", Box(0.4, 0.4, 0.61, 0.7), "stall")], Surroundings())
    assert shown.best["g1"].moment_s == 100
    assert shown.instead == shown.best["g1"]
    assert shown.hidden["g1"] > 0.9


def test_a_thing_that_is_gone_for_longer_is_another_one_when_something_stands_there_again() -> None:
    views, place = BestShots(), Box(0.4, 0.4, 0.6, 0.7)
    views.take(frame(1, 100), [], [place])
    views.take(frame(1, 101 + PLACE_KEPT_S), [], [])
    views.take(frame(4, 102 + PLACE_KEPT_S), [], [place])
    shown = views.shown_of([member("g1", place, "stall")], Surroundings())
    assert shown.best["g1"].moment_s == 102 + PLACE_KEPT_S


def test_other_things_take_no_more_views_than_are_allowed() -> None:
    views = BestShots()
    places = [Box(0.03 * n, 0.4, 0.03 * n + 0.02, 0.5) for n in range(MAX_PLACES + 8)]
    for now_s in (100, 101):
        views.take(frame(1, now_s), [], places)
    members = [member(str(n), place, "rubbish") for n, place in enumerate(places)]
    assert len(views.shown_of(members, Surroundings()).best) == MAX_PLACES


def test_the_sharpest_view_of_a_bike_is_another_one_where_its_best_one_is_blurred() -> None:
    views, bike = BestShots(), bike_at(0.5, 0.7)
    somebody = person_at(0.46, 0.72)
    views.take(frame(5, 100), [bike])
    views.take(frame(1, 101), [bike, replace(somebody, box=Box(0.44, 0.5, 0.475, 0.72))])
    shown = views.shown_of([member("1", bike.box)], Surroundings())
    assert shown.best["1"].moment_s == 100
    assert shown.sharpest["1"].moment_s == 101
    views.take(frame(1, 102), [bike])
    views.take(frame(0.5, 103), [bike])
    assert views.shown_of([member("1", bike.box)], Surroundings()).sharpest == {}, "it is the same"


def test_a_view_knows_what_else_there_was_when_it_was_taken() -> None:
    views = BestShots()
    then, later = (Surroundings(seen=(seen("person", x, 0.7, 0.06),)) for x in (0.2, 0.3))
    views.take(frame(1, 100), [bike_at(0.5, 0.7)], around=lambda: then)
    views.take(frame(6, 101), [bike_at(0.5, 0.7)], around=lambda: later)
    best = views.of("1")
    assert best is not None
    assert best.around == then


def test_a_calm_view_is_better_than_one_before_which_somebody_moved_whom_no_network_saw() -> None:
    views, bike = BestShots(), bike_at(0.5, 0.7)
    before = Surroundings(difference=Difference(standing=(), moving=(bike.box,)))
    calm = Surroundings(difference=Difference(standing=(bike.box,), moving=()))
    for now_s, blur, around in ((100, 1, before), (101, 3, calm), (102, 1, before)):
        views.take(frame(blur, now_s), [bike], around=lambda around=around: around)  # type: ignore[misc]
    best = views.of("1")
    assert best is not None
    assert best.moment_s == 101
    assert best.hidden == 0.0
