"""Promises about how long things have stood in a zone."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from agent.domain.scene import Box
from agent.perception.dwell import DwellTimer
from tests.support.scenes import bike_at, person_at, zone

NO_PARKING = zone("no_parking")
LEFT_HALF = zone("no_parking", ((0, 0), (0.5, 0), (0.5, 1), (0, 1)))


def test_a_bike_hidden_for_a_moment_keeps_its_stay() -> None:
    timer = DwellTimer(NO_PARKING, grace_s=2)
    timer.update([bike_at(0.5, 0.7)], now_s=100)
    timer.update([], now_s=101)
    [stay] = timer.update([bike_at(0.5, 0.7)], now_s=102)
    assert stay.entered_s == 100


def test_a_bike_gone_for_longer_than_the_grace_begins_anew() -> None:
    timer = DwellTimer(NO_PARKING, grace_s=2)
    timer.update([bike_at(0.5, 0.7)], now_s=100)
    assert timer.update([], now_s=103) == []
    [stay] = timer.update([bike_at(0.5, 0.7, since_s=104)], now_s=104)
    assert stay.entered_s == 104


def test_a_stay_begins_when_the_thing_came_to_stand_not_when_it_was_noticed() -> None:
    [stay] = DwellTimer(NO_PARKING).update([bike_at(0.5, 0.7, since_s=97)], now_s=100)
    assert (stay.entered_s, stay.dwell_s) == (97, 3)


def test_dwell_does_not_depend_on_the_frame_rate() -> None:
    often, seldom = DwellTimer(NO_PARKING), DwellTimer(NO_PARKING)
    for tenth in range(1000, 1100):
        [fine] = often.update([bike_at(0.5, 0.7)], now_s=tenth / 10)
    for second in (100, 102, 104, 106, 108, 109.9):
        [coarse] = seldom.update([bike_at(0.5, 0.7)], now_s=second)
    assert fine.dwell_s == pytest.approx(coarse.dwell_s)


def test_what_moves_does_not_stay() -> None:
    walking = person_at(0.5, 0.7, still_since_s=None)
    assert DwellTimer(NO_PARKING).update([walking], now_s=100) == []


def test_a_stay_ends_at_once_when_the_thing_is_seen_to_move() -> None:
    timer = DwellTimer(NO_PARKING, grace_s=5)
    timer.update([bike_at(0.5, 0.7)], now_s=100)
    moving = replace(bike_at(0.6, 0.7), still_since_s=None)
    assert timer.update([moving], now_s=101) == []


def test_a_thing_is_where_its_foot_is() -> None:
    timer = DwellTimer(LEFT_HALF)
    stays = timer.update(
        [bike_at(0.48, 0.7, track_id=1), bike_at(0.52, 0.7, track_id=2)], now_s=100
    )
    assert [stay.track_id for stay in stays] == [1]


def test_what_the_lower_edge_of_the_picture_cuts_off_stays_in_the_zone_drawn_to_it() -> None:
    cut = replace(bike_at(0.5, 0.7), box=Box(0.4, 0.8, 0.6, 1.0))
    [stay] = DwellTimer(NO_PARKING).update([cut], now_s=110)
    assert stay.dwell_s == 10


def test_a_box_that_trembles_at_the_zones_edge_keeps_its_stay() -> None:
    upper = zone("no_parking", ((0, 0), (1, 0), (1, 0.7), (0, 0.7)))
    timer = DwellTimer(upper, grace_s=2)
    timer.update([bike_at(0.5, 0.699)], now_s=100)
    for now_s in range(101, 120):
        [stay] = timer.update([bike_at(0.5, 0.71)], now_s=now_s)
    assert stay.entered_s == 100
    assert DwellTimer(upper).update([bike_at(0.5, 0.71)], now_s=100) == []


def test_time_must_not_go_back() -> None:
    timer = DwellTimer(NO_PARKING)
    timer.update([], now_s=100)
    with pytest.raises(ValueError, match="went back"):
        timer.update([], now_s=99)


def test_a_stay_outlives_a_restart_and_another_boots_clock() -> None:
    timer = DwellTimer(NO_PARKING)
    timer.update([bike_at(0.5, 0.7, since_s=100)], now_s=150)
    saved = json.loads(json.dumps(timer.snapshot()))
    after = DwellTimer(NO_PARKING)
    after.restore(saved, shift_s=-140)  # the new boot's clock shows 10 where the old showed 150
    [stay] = after.update([bike_at(0.5, 0.7, since_s=-40)], now_s=11)
    assert stay.dwell_s == 51


def test_what_strays_into_the_zone_beside_it_without_moving_still_stays_where_it_did() -> None:
    right = zone("no_parking", ((0.5, 0), (1, 0), (1, 1), (0.5, 1)))
    timer = DwellTimer(LEFT_HALF, grace_s=2, beside=[LEFT_HALF, right])
    timer.update([bike_at(0.45, 0.7)], now_s=100)
    for now_s in range(101, 120):
        [stay] = timer.update([bike_at(0.6, 0.7)], now_s=now_s)
    assert stay.entered_s == 100


def test_what_was_moved_into_the_zone_beside_it_stays_no_longer() -> None:
    right = zone("no_parking", ((0.5, 0), (1, 0), (1, 1), (0.5, 1)))
    timer = DwellTimer(LEFT_HALF, grace_s=2, beside=[right])
    timer.update([bike_at(0.45, 0.7)], now_s=100)
    for now_s in (102, 104, 106):
        stays = timer.update([bike_at(0.6, 0.7, since_s=101)], now_s=now_s)
    assert stays == []
