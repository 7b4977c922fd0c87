"""Promises about novelty: things are new, light is not."""

from __future__ import annotations

import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from agent.domain.scene import Box
from agent.perception.background_model import Novelty, NoveltyModel
from tests.support.scenes import paving, with_goods

PLACE = Box(0.4, 0.4, 0.6, 0.7)


def noisy(luma: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
    noise = np.random.default_rng(seed).normal(0, 2.0, luma.shape)
    return np.clip(luma + noise, 0, 255).astype(np.uint8)


def show(
    model: NoveltyModel, luma: NDArray[np.uint8], begin_s: float, seconds: float, *covered: Box
) -> Novelty:
    """Show a still scene at five frames a second and return the last judgement."""
    for step in range(int(seconds * 5)):
        now_s = begin_s + step / 5
        novelty = model.update(noisy(luma, int(now_s * 5)), now_s, covered)
    return novelty


def learned() -> NoveltyModel:
    model = NoveltyModel()
    novelty = show(model, paving(), 0, 8)
    assert novelty.learned
    assert novelty.things == ()
    return model


def test_goods_put_down_are_one_new_thing_since_they_came() -> None:
    novelty = show(learned(), with_goods(paving(), PLACE), 8, 6)
    [thing] = novelty.things
    assert thing.box.iou(PLACE) > 0.6
    assert abs(thing.since_s - 8) <= 1


def test_goods_taken_away_are_new_no_more() -> None:
    model = learned()
    show(model, with_goods(paving(), PLACE), 8, 6)
    assert show(model, paving(), 14, 2).things == ()


def test_a_darker_or_brighter_street_is_not_new() -> None:
    model = learned()
    for step, gain in enumerate((0.9, 0.75, 0.6, 0.45, 0.6, 0.9, 1.2)):
        light = np.clip(paving() * gain, 0, 255).astype(np.uint8)
        assert show(model, light, 8 + 2 * step, 2).things == ()


def test_goods_stay_new_through_dusk() -> None:
    model = learned()
    scene = with_goods(paving(), PLACE)
    show(model, scene, 8, 4)
    for step, gain in enumerate((0.85, 0.7, 0.55)):
        novelty = show(model, (scene * gain).astype(np.uint8), 12 + 2 * step, 2)
    [thing] = novelty.things
    assert abs(thing.since_s - 8) <= 1


def test_lamps_that_come_on_slowly_over_half_the_street_are_no_thing() -> None:
    model = learned()
    lit = with_goods(paving(), Box(0.0, 0.0, 1.0, 0.5), contrast=40)
    for step in range(9):
        mixed = (paving() * (1 - step / 8) + lit * (step / 8)).astype(np.uint8)
        show(model, mixed, 8 + step, 1)
    assert show(model, lit, 17, 10).things == ()


def test_goods_that_stood_before_lamps_came_on_are_still_new() -> None:
    model = learned()
    scene = with_goods(paving(), PLACE)
    show(model, scene, 8, 20)
    lit = with_goods(scene, Box(0.0, 0.0, 1.0, 0.35), contrast=40)
    [thing] = show(model, lit, 28, 6).things
    assert thing.box.iou(PLACE) > 0.5


def test_an_even_shadow_is_not_a_thing() -> None:
    model = learned()
    shaded = paving().astype(np.float64)
    ramp = np.clip((np.arange(320) - 100) / 60, 0, 1) * 0.45
    shaded *= 1 - ramp[None, :]
    assert show(model, shaded.astype(np.uint8), 8, 6).things == ()


def test_what_keeps_changing_does_not_stand() -> None:
    model = learned()
    for step in range(30):
        now_s = 8 + step / 5
        novelty = model.update(with_goods(paving(), PLACE, seed=step), now_s, ())
        assert novelty.things == ()


def test_what_people_cover_is_left_as_it_was() -> None:
    model = learned()
    assert show(model, with_goods(paving(), PLACE), 8, 6, PLACE).things == ()


def test_a_thing_hidden_for_a_while_is_still_new_since_it_came() -> None:
    model = learned()
    scene = with_goods(paving(), PLACE)
    show(model, scene, 8, 4)
    show(model, with_goods(scene, PLACE, seed=9), 12, 4, PLACE)
    [thing] = show(model, scene, 16, 3).things
    assert abs(thing.since_s - 8) <= 1


def test_a_new_thing_becomes_background_in_the_end() -> None:
    model = NoveltyModel(absorb_s=20)
    show(model, paving(), 0, 8)
    assert show(model, with_goods(paving(), PLACE), 8, 10).things
    assert show(model, with_goods(paving(), PLACE), 18, 15).things == ()


def test_novelty_outlives_a_restart() -> None:
    model = learned()
    scene = with_goods(paving(), PLACE)
    show(model, scene, 8, 4)
    after = NoveltyModel()
    after.restore(json.loads(json.dumps(model.snapshot())), shift_s=-10)
    [thing] = show(after, scene, 2, 3).things
    assert abs(thing.since_s - (8 - 10)) <= 1


def test_what_an_older_agent_wrote_down_unpacked_is_taken_up() -> None:
    model = learned()
    saved = model.snapshot()
    assert saved is not None
    unpacked = {
        name: b64encode(zlib.decompress(b64decode(value))).decode()
        for name, value in saved.items()
        if name != "shape"
    }
    after = NoveltyModel()
    after.restore(saved | unpacked, shift_s=0)
    assert after.snapshot() == saved
    assert len(json.dumps(saved)) < 0.7 * len(json.dumps(saved | unpacked))


def covered(boxes: Sequence[Box], where: Box) -> float:
    """The share of a place that lies within boxes that do not overlap."""
    return sum(where.covered_by(box) for box in boxes)


def test_somebody_whom_no_network_saw_is_where_the_frame_differs() -> None:
    model = NoveltyModel()
    for step in range(12):
        model.update(paving(seed=step), step, ())
    somebody = Box(0.5, 0.4, 0.55, 0.7)
    found = model.difference(with_goods(paving(seed=40), somebody))
    assert found is not None
    assert covered((*found.moving, *found.standing), somebody) > 0.95
    everything = sum(box.area for box in (*found.moving, *found.standing))
    assert everything < 4 * somebody.area, "and little more"


def test_what_was_put_down_stands_and_who_walks_before_it_moves() -> None:
    model, thing = NoveltyModel(), Box(0.4, 0.4, 0.6, 0.7)
    for step in range(12):
        model.update(paving(seed=step), step, ())
    with_thing = with_goods(paving(seed=1), thing)
    for step in range(12, 20):
        model.update(with_thing, step, ())
    found = model.difference(with_thing)
    assert found is not None
    assert found.moving == ()
    assert covered(found.standing, thing) > 0.9
    walker = Box(0.45, 0.4, 0.5, 0.7)
    found = model.difference(with_goods(with_thing, walker, seed=9))
    assert found is not None
    assert covered(found.moving, walker) > 0.9
    assert covered(found.moving, thing) < 0.5


def test_a_bike_that_the_network_sees_all_the_time_stands_all_the_same() -> None:
    model, bike = NoveltyModel(), Box(0.4, 0.4, 0.6, 0.7)
    for step in range(12):
        model.update(paving(seed=step), step, ())
    with_bike = with_goods(paving(seed=1), bike)
    for step in range(12, 14):
        model.update(with_bike, step, [bike])
    just_come = model.difference(with_bike)
    assert just_come is not None
    assert covered(just_come.moving, bike) > 0.9
    for step in range(14, 18):
        model.update(with_bike, step, [bike])
    standing = model.difference(with_bike)
    assert standing is not None
    assert standing.moving == ()
    assert covered(standing.standing, bike) > 0.9


def test_without_a_background_of_this_frame_nobody_says_what_moved() -> None:
    model = NoveltyModel()
    assert model.difference(paving()) is None
    for step in range(12):
        model.update(paving(seed=step), step, ())
    assert model.difference(paving(640, 360)) is None, "a frame of another size"
    another = with_goods(paving(), Box(0, 0, 1, 1))
    assert model.difference(another) is None, "another street"


def test_the_strip_at_the_edge_that_fills_no_cell_belongs_to_the_last_one() -> None:
    model, low = NoveltyModel(), Box(0.5, 0.9, 0.7, 1.0)
    for step in range(12):
        model.update(paving(seed=step), step, ())
    found = model.difference(with_goods(paving(seed=3), low))
    assert found is not None
    assert max(box.bottom for box in (*found.moving, *found.standing)) == 1.0
