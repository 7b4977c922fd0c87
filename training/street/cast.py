"""From an actor's recipe and style to its mesh, and to the place where that mesh stands."""

from __future__ import annotations

import math
import random
from functools import cache

from training.street import bins, cycles, motors, people, stalls
from training.street.mesh import Mesh
from training.street.story import Actor, Leg, Motion, Point, Recipe, placement
from training.street.view import Placement

STEPS = 8
"""Poses in one stride."""
ARMS: dict[Motion, str] = {"push": "push", "reach": "reach"}
BRIGHT_PAINTS = (cycles.PAINTS[0], cycles.PAINTS[1], cycles.PAINTS[2], cycles.PAINTS[6])


@cache
def mesh_of(recipe: Recipe, style: int, motion: Motion, step: int) -> Mesh:
    """The mesh of an actor in one pose."""
    rng = random.Random(style)
    if recipe == "person":
        return _person(style, motion, step)
    if recipe == "rider":
        return people.rider(people.Look(style), step / STEPS)
    if recipe == "bicycle":
        basket = rng.random() < 0.7
        return cycles.bicycle(
            rng.choice(BRIGHT_PAINTS), basket=basket, steer=0.15 if motion == "stand" else 0.0
        )
    if recipe == "ridden_bicycle":
        return cycles.bicycle(
            rng.choice(cycles.PAINTS), city=False, basket=False, steer=0, stand=False
        )
    if recipe == "car":
        return motors.car(rng.choice(motors.CAR_PAINTS))
    if recipe.startswith("parasol") or recipe == "cart":
        return _stall_part(recipe, rng)
    return _bin_part(recipe, rng)


def _person(style: int, motion: Motion, step: int) -> Mesh:
    arms = ARMS.get(motion, "swing")
    if motion in {"walk", "push"}:
        return people.person(people.Look(style), people.Pose(step / STEPS, 0.95, arms))
    return people.person(people.Look(style), people.Pose(0.1 + 0.2 * step, 0.12, arms))


def _stall_part(recipe: Recipe, rng: random.Random) -> Mesh:
    colours = rng.choice(stalls.CANOPIES[:4])
    if recipe == "parasol_open":
        return stalls.parasol(colours, radius=1.4)
    if recipe == "parasol_closed":
        return stalls.parasol(colours, height=2.45, radius=0.13)
    return stalls.stall_body(rng)


def _bin_part(recipe: Recipe, rng: random.Random) -> Mesh:
    colour = rng.choice(bins.BODY_COLOURS)
    if recipe == "spill":
        return bins.spilt_rubbish(5, rng, spread=(0.55, 0.9))
    states = {
        "bin_tidy": bins.TIDY,
        "bin_half_full": bins.HALF_FULL,
        "bin_overflowing": bins.OVERFLOWING,
    }
    return bins.wheelie_bin(colour, states[recipe], rng)


def place_of(actor: Actor, leg: Leg, at: Point) -> Placement:
    """Where the mesh stands; a parked bicycle leans on its stand."""
    leans = actor.recipe == "bicycle" and leg.motion == "stand"
    heading = math.remainder(leg.heading, 2 * math.pi)
    return placement(at, heading, 0.07 if leans else 0.0)
