"""Regions of composited scenes that hold no stall: what a verifier must refuse.

Fixed candidates for judging a verifier and a detector together: bare ground, people, cars, racks and
shop goods in the scenes, and people beside stalls, each a box as a candidate's would be.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from agent.domain.scene import Box
from training.composited.cutouts import Picture, cut, entries
from training.composited.scenes import Actor, Scene, shot_at
from training.composited.script import nasty, problems

STALL_KINDS = frozenset({"stall", "goods", "cafe"})
"""What lies in a region is no stall unless it is one of these; goods and cafés are disputed."""
_FREE = 0.05
"""More of a region than this must not be one of them."""
_SHARES = (0.12, 0.45)
"""A region's height, in heights of the picture."""
_TRIES = 30


def box_of(
    scene: Scene, actor: Actor, now_s: float, shape: tuple[int, ...], data: Path
) -> Box | None:
    """Where an actor is in a picture of (height, width, …) at a second; None: it is not there."""
    foot = actor.foot(now_s)
    if foot is None:
        return None
    x, y = foot
    tall = scene.place.height(y, actor.thing.height_m)
    high, wide = cut(actor.thing, data).matte.shape
    half = 0.5 * tall * wide / high * shape[0] / shape[1]
    lift = scene.place.height(y, actor.lift_m)
    edges = np.clip((x - half, y - tall - lift, x + half, y - lift), 0.0, 1.0)
    left, top, right, bottom = (float(edge) for edge in edges)
    return Box(left, top, right, bottom) if right > left and bottom > top else None


def background_regions(data: Path, seed: int, count: int) -> Iterator[tuple[Picture, Box]]:
    """Pictures (H, W, 3) BGR of scenes, each with a region (fractions) in which no stall is.

    Every second region is a thing or a person that is there, the others are anywhere on the ground.
    The same seed gives the same pairs. Scenes with and without stalls take turns.

    Args:
        data: The folder of the picture sets.
        seed: Of scenes and choices.
        count: How many pairs.
    """
    listed = entries()
    staged, empty = problems(listed, seed), nasty(listed, seed)
    random = np.random.default_rng([seed, 23])
    for number in range(count):
        scenes = staged if number % 2 else empty
        scene = scenes[int(random.integers(len(scenes)))]
        now_s = round(float(random.uniform(10, min(28.0, scene.seconds - 1))), 1)
        picture = shot_at(scene, data, now_s)
        box = _region(scene, picture, now_s, random, data, of_a_thing=number % 4 < 2)
        if box is not None:
            yield picture, box


def _region(
    scene: Scene,
    picture: Picture,
    now_s: float,
    random: np.random.Generator,
    data: Path,
    *,
    of_a_thing: bool,
) -> Box | None:
    there = [
        (actor.thing.kind, box)
        for actor in scene.actors
        if (box := box_of(scene, actor, now_s, picture.shape, data)) is not None
    ]
    stalls = [box for kind, box in there if kind in STALL_KINDS]
    things = [box for kind, box in there if kind not in STALL_KINDS and _is_free(box, stalls)]
    if of_a_thing and things:
        return things[int(random.integers(len(things)))].grown(0.1)
    for _ in range(_TRIES):
        box = _anywhere(picture, scene.place.ground[0][1], random)
        if _is_free(box, stalls):
            return box
    return None


def _is_free(box: Box, stalls: list[Box]) -> bool:
    return all(
        box.covered_by(stall) <= _FREE and stall.covered_by(box) <= _FREE for stall in stalls
    )


def _anywhere(picture: Picture, ground: float, random: np.random.Generator) -> Box:
    """A box whose foot is on the ground, which begins at ``ground`` down the picture."""
    tall = float(random.uniform(*_SHARES))
    wide = min(0.9, tall * float(random.uniform(0.5, 1.8)) * picture.shape[0] / picture.shape[1])
    left, bottom = float(random.uniform(0, 1 - wide)), float(random.uniform(max(tall, ground), 1))
    return Box(left, bottom - tall, left + wide, bottom)
