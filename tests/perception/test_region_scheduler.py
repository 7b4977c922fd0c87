"""Promises about where and when the network looks: cost follows change."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain.scene import Box, Detection, Zone
from agent.domain.zones import inside
from agent.perception.region_scheduler import InferenceRateLimit, RegionScheduler, _crop, _from_crop
from agent.perception.tile_merge import merge
from agent.perception.tiling import regions_for
from drivers.cameras import Picture
from tests.support.scenes import box_at, frame_of, paving, seen, with_goods, zone

SMALL = ((0.1, 0.6), (0.3, 0.6), (0.3, 0.8), (0.1, 0.8))
FAR = ((0.7, 0.6), (0.9, 0.6), (0.9, 0.8), (0.7, 0.8))


class Counting:
    """A detector that finds one bicycle in the middle of every crop, and counts its looks."""

    input_size_px = (416, 416)

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def detect_all(self, bgr: Picture) -> tuple[list[Detection], list[Detection]]:
        self.shapes.append(bgr.shape)
        found = [seen("bicycle", 0.5, 0.6)]
        return found, [*found, seen("person", 0.2, 0.6, 0.06)]


def looking(*zones: Zone, **budget: float) -> tuple[RegionScheduler, Counting]:
    detector = Counting()
    return RegionScheduler(zones, (1280, 720), detector, InferenceRateLimit(**budget)), detector


def test_a_still_scene_is_looked_at_a_few_times_and_then_left_alone() -> None:
    look_at, detector = looking(zone("no_parking", SMALL), look_again_s=60)
    for step in range(50):
        look_at.look(frame_of(paving(seed=step), step / 2))
    assert 1 <= len(detector.shapes) <= 3


def test_an_unchanged_region_keeps_what_was_seen_in_it() -> None:
    look_at, _ = looking(zone("no_parking", SMALL))
    for step in range(50):
        look = look_at.look(frame_of(paving(seed=step), step / 2))
        assert [found.label for found in look.observation.detections] == ["bicycle"]


def test_a_changed_region_is_looked_at_again() -> None:
    look_at, detector = looking(zone("no_parking", SMALL))
    for step in range(20):
        look_at.look(frame_of(paving(), step / 2))
    before = len(detector.shapes)
    look_at.look(frame_of(with_goods(paving(), box_at(0.2, 0.75)), 10.0))
    assert len(detector.shapes) == before + 1


def test_a_change_elsewhere_costs_nothing() -> None:
    look_at, detector = looking(zone("no_parking", SMALL))
    for step in range(20):
        look_at.look(frame_of(paving(), step / 2))
    before = len(detector.shapes)
    look_at.look(frame_of(with_goods(paving(), box_at(0.8, 0.3)), 10.0))
    assert len(detector.shapes) == before


def test_a_change_of_light_is_no_change() -> None:
    look_at, detector = looking(zone("no_parking", SMALL), look_again_s=600)
    for step in range(20):
        look_at.look(frame_of(paving(), step / 2))
    before = len(detector.shapes)
    brighter = (paving().astype(int) + 30).clip(0, 255).astype(np.uint8)
    look_at.look(frame_of(brighter, 10.0))
    assert len(detector.shapes) == before


def test_an_unchanged_region_is_looked_at_again_in_the_end() -> None:
    look_at, detector = looking(zone("no_parking", SMALL), look_again_s=20)
    for step in range(200):
        look_at.look(frame_of(paving(), step / 2))
    assert 5 <= len(detector.shapes) <= 8


def test_the_budget_bounds_the_runs_and_all_regions_get_their_turn() -> None:
    look_at, detector = looking(zone("no_parking", SMALL), zone("no_vending", FAR), runs_per_s=2)
    looked_at = set()
    for step in range(100):
        now_s = step / 5
        busy = with_goods(with_goods(paving(), box_at(0.2, 0.75), step), box_at(0.8, 0.75), step)
        look_at.look(frame_of(busy, now_s))
        looked_at.update(detector.shapes)
    assert len(detector.shapes) <= 2 + 2 * 20
    assert len(detector.shapes) >= 0.9 * 2 * 20


def test_a_region_that_changed_and_had_no_turn_was_not_looked_at() -> None:
    look_at, _ = looking(zone("no_parking", SMALL), zone("no_vending", FAR), runs_per_s=0.001)
    look_at.look(frame_of(paving(), 0.0))
    busy = with_goods(with_goods(paving(), box_at(0.2, 0.75)), box_at(0.8, 0.75))
    look = look_at.look(frame_of(busy, 0.2))
    assert look.observation.regions_looked == ()
    assert look.observation.detections == ()


corner = st.floats(0.0, 1.0)


@given(corner, corner, corner, corner, st.sampled_from([(320, 240), (640, 360), (1280, 720)]))
def test_every_spot_of_a_zone_is_in_a_crop_and_no_crop_is_much_larger_than_the_input(
    x1: float, x2: float, y1: float, y2: float, size_px: tuple[int, int]
) -> None:
    left, right = sorted((x1, x2))
    top, bottom = sorted((y1, y2))
    where = zone("no_parking", ((left, top), (right, top), (right, bottom), (left, bottom)))
    regions = regions_for([where], size_px, (416, 416))
    for x in np.linspace(left, right, 7):
        for y in np.linspace(top, bottom, 7):
            assert not inside((x, y), where) or any(box.contains((x, y)) for box in regions)
    for box in regions:
        assert 0 <= box.left < box.right <= 1
        assert 0 <= box.top < box.bottom <= 1
        assert box.width * size_px[0] <= 416 * 1.25 + 1
        assert box.height * size_px[1] <= 416 * 1.25 + 1


def test_masks_are_never_looked_at() -> None:
    assert regions_for([zone("mask")], (1280, 720), (416, 416)) == []


def test_a_thing_seen_by_two_crops_is_one_detection() -> None:
    whole = Detection("bicycle", 0.6, Box(0.40, 0.5, 0.50, 0.6))
    cut = Detection("bicycle", 0.8, Box(0.45, 0.5, 0.50, 0.6))
    [found] = merge([(Box(0, 0, 0.5, 1), [whole]), (Box(0.45, 0, 1, 1), [cut])])
    assert found == Detection("bicycle", 0.8, whole.box)


def test_what_a_crop_cuts_counts_only_if_the_crop_that_shows_more_sees_it_too() -> None:
    left, right = Box(0, 0, 0.55, 1), Box(0.4, 0, 1, 1)
    cut = Detection("bicycle", 0.6, Box(0.50, 0.5, 0.548, 0.6))
    whole = Detection("bicycle", 0.3, Box(0.50, 0.5, 0.60, 0.6))
    assert merge([(left, [cut]), (right, [])]) == ()
    assert merge([(left, [cut])]) == (cut,)
    assert merge([(left, [cut]), (Box(0.53, 0, 1, 1), [])]) == (cut,)
    assert merge([(left, [cut]), (right, [whole])]) == (Detection("bicycle", 0.6, whole.box),)


def test_the_edge_of_the_picture_cuts_nothing_that_another_crop_could_show() -> None:
    at_the_edge = Detection("bicycle", 0.6, Box(0.0, 0.5, 0.1, 0.6))
    assert merge([(Box(0, 0.2, 0.5, 1), [at_the_edge]), (Box(0, 0, 0.5, 0.9), [])]) == (
        at_the_edge,
    )


@given(st.integers(64, 4000), st.integers(64, 4000), st.floats(0.5, 1.0), st.floats(0.0, 0.4))
def test_what_a_crop_shows_up_to_the_pictures_edge_ends_on_it_and_is_not_cut(
    width: int, height: int, reach: float, begin: float
) -> None:
    drawn = zone("no_parking", ((begin, begin), (reach, begin), (reach, reach), (begin, reach)))
    for region in regions_for([drawn], (width, height), (416, 416)):
        picture = np.zeros((height, width, 3), np.uint8)
        _, crop = _crop(picture, region)
        whole = _from_crop(Box(0.0, 0.0, 1.0, 1.0), crop)
        for side, cut in ((whole.right, region.right < 1), (whole.bottom, region.bottom < 1)):
            assert side <= 1.0
            assert cut or side == 1.0


def test_two_things_in_one_crop_stay_two() -> None:
    before = Detection("person", 0.8, Box(0.40, 0.4, 0.50, 0.9))
    behind = Detection("person", 0.7, Box(0.42, 0.4, 0.49, 0.8))
    assert len(merge([(Box(0, 0, 1, 1), [before, behind])])) == 2


def test_detections_are_in_fractions_of_the_frame() -> None:
    look_at, _ = looking(zone("bin", SMALL))
    look = look_at.look(frame_of(paving(1280, 720), 0.0))
    [found] = look.observation.detections
    [region] = look_at.regions
    assert found.box.foot == pytest.approx(
        (region.left + 0.5 * region.width, region.top + 0.6 * region.height), abs=0.002
    )


def test_a_region_that_goes_on_changing_is_looked_at_so_often_and_no_more() -> None:
    look_at, detector = looking(zone("no_parking", SMALL), look_every_s=1.0)
    for step in range(50):
        goods = with_goods(paving(), box_at(0.2, 0.62 + 0.03 * (step % 5)))
        look_at.look(frame_of(goods, step / 5))
    assert 9 <= len(detector.shapes) <= 11
