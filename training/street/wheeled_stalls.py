"""Stalls on wheels: snack carts, handcarts and three-wheelers whose bed is the shop."""

from __future__ import annotations

import math
import random

import numpy as np

from training.street.cycles import PAINTS, add_wheel
from training.street.materials import (
    BLACK,
    HEADLAMP,
    RUBBER,
    STEEL,
    WOOD,
    Glass,
    Material,
    cloth,
    paint,
    random_colour,
)
from training.street.mesh import Mesh
from training.street.stalls import CANOPIES, GOODS


def add_heap(
    mesh: Mesh,
    rng: random.Random,
    at: tuple[float, float, float],
    size: tuple[float, float],
    kind: int | None = None,
) -> None:
    """A heap of one sort of fruit, vegetables or small wares on something flat.

    Args:
        mesh: What it is added to.
        rng: Chooses sort and places.
        at: Middle of its foot, metres.
        size: Length and depth of its foot, metres.
        kind: Index into :data:`~training.street.stalls.GOODS`, or any.
    """
    colour, radius = rng.choice(GOODS) if kind is None else GOODS[kind]
    thing = Material(colour, 0.4, mottle=0.2, scale=20)
    core = (size[0] * 0.42, size[1] * 0.42, 0.5 * min(size) * rng.uniform(0.2, 0.6))
    mesh.ellipsoid(at, core, thing, sides=12, levels=6)
    for _ in range(int(18 * size[0] * size[1] / 0.12)):
        turn, out = rng.uniform(0, 2 * math.pi), math.sqrt(rng.random())
        x, y = out * core[0] * 1.1 * math.cos(turn), out * core[1] * 1.1 * math.sin(turn)
        z = core[2] * math.sqrt(max(0.0, 1 - (0.95 * out) ** 2)) + radius * 0.4
        round_ = (radius, radius, radius * rng.uniform(0.8, 1))
        mesh.ellipsoid((at[0] + x, at[1] + y, at[2] + z), round_, thing, sides=7, levels=4)


def add_heaps(
    mesh: Mesh, rng: random.Random, top: float, long: float, deep: float, step: float = 0.45
) -> None:
    """Heaps or closed boxes side by side over a surface of ``long`` × ``deep`` metres."""
    across, along = max(1, round(deep / step)), max(1, round(long / step))
    for row in range(across):
        for column in range(along):
            if rng.random() < 0.1:
                continue
            x = (column + 0.5) * long / along - long / 2
            y = (row + 0.5) * deep / across - deep / 2
            size = (0.92 * long / along, 0.92 * deep / across)
            if rng.random() < 0.7:
                add_heap(mesh, rng, (x, y, top), size)
                continue
            tall = rng.uniform(0.12, 0.35)
            packed = Material(random_colour(rng, 0.9), 0.6)
            mesh.box((x, y, top + tall / 2), (size[0] * 0.9, size[1] * 0.85, tall), packed)


def add_flat_roof(mesh: Mesh, rng: random.Random, long: float, deep: float, foot: float) -> None:
    """Four posts from ``foot`` metres up, a flat cover and a hem at its front."""
    top = rng.uniform(1.9, 2.2)
    for x in (-long / 2, long / 2):
        for y in (-deep / 2, deep / 2):
            mesh.tube([(x, y, foot), (x, y, top)], 0.018, STEEL)
    cover = cloth(rng.choice(CANOPIES)[0])
    mesh.box((0, 0, top + 0.02), (long + 0.35, deep + 0.45, 0.04), cover)
    hem = random_colour(rng, 0.9)
    mesh.box((0, -deep / 2 - 0.22, top - 0.09), (long + 0.35, 0.012, 0.2), cloth(hem))


def snack_cart(rng: random.Random) -> Mesh:
    """A steel cart on small wheels with a glazed case, a pot and mostly a flat roof on posts."""
    mesh, long, deep = Mesh(), rng.uniform(1.2, 2.0), rng.uniform(0.6, 0.9)
    body = rng.choice((STEEL, paint(random_colour(rng, 0.8)), paint((0.7, 0.02, 0.02))))
    mesh.box((0, 0, 0.55), (long, deep, 0.6), body, bevel=0.02)
    mesh.box((0, 0, 0.87), (long + 0.08, deep + 0.08, 0.04), STEEL)
    mesh.box((0, -deep / 2 - 0.01, 0.6), (long * 0.9, 0.012, 0.3), paint(random_colour(rng, 0.9)))
    for x in (-long / 2 + 0.2, long / 2 - 0.2):
        for y in (-deep / 2, deep / 2):
            add_wheel(mesh, x, 0.2, y=y, tyre=0.03, spokes=8)
    case = rng.uniform(0.35, 0.6)
    mesh.box((-0.15 * long, 0, 0.89 + case / 2), (0.6 * long, deep * 0.8, case), Glass())
    for x in np.linspace(-0.38 * long, 0.08 * long, 4):
        heap = Material(rng.choice(GOODS)[0], 0.5, mottle=0.2, scale=18)
        mesh.ellipsoid((float(x), 0, 0.97), (0.12, 0.2, 0.1), heap, sides=9, levels=5)
    pot = [(0.32 * long, 0, 0.89), (0.32 * long, 0, 1.15)]
    mesh.tube(pot, 0.17, Material((0.5, 0.5, 0.5), 0.3, 0.9), sides=14, rounded=False)
    if rng.random() < 0.75:
        add_flat_roof(mesh, rng, long, deep, 0.85)
    return mesh


def handcart(rng: random.Random) -> Mesh:
    """A wooden or painted bed on two or four large spoked wheels, heaped with goods."""
    mesh, long, deep = Mesh(), rng.uniform(1.5, 2.2), rng.uniform(0.85, 1.2)
    body = WOOD if rng.random() < 0.5 else paint(random_colour(rng, 0.8))
    top, wheel = rng.uniform(0.75, 0.95), rng.uniform(0.26, 0.36)
    mesh.box((0, 0, top - 0.05), (long, deep, 0.06), body)
    for y in (-deep / 2, deep / 2):
        mesh.box((0, y, top + 0.02), (long, 0.03, 0.12), body)
    for x in (-long / 2, long / 2):
        mesh.box((x, 0, top + 0.02), (0.03, deep, 0.12), body)
    two = rng.random() < 0.4
    axles = (0.0,) if two else (-long * 0.33, long * 0.33)
    for x in axles:
        mesh.tube([(x, -deep / 2, wheel), (x, deep / 2, wheel)], 0.02, BLACK)
        for y in (-deep / 2, deep / 2):
            add_wheel(mesh, x, wheel, y=y * 1.02, tyre=0.028, spokes=14)
            mesh.tube([(x - 0.15, y * 0.9, top - 0.06), (x, y * 0.9, wheel)], 0.02, BLACK)
            mesh.tube([(x + 0.15, y * 0.9, top - 0.06), (x, y * 0.9, wheel)], 0.02, BLACK)
    if two:
        for y in (-deep / 2, deep / 2):
            mesh.tube([(-long * 0.42, y, top - 0.05), (-long * 0.42, y, 0.02)], 0.02, WOOD)
            mesh.tube([(long / 2, y * 0.8, top - 0.04), (long / 2 + 0.6, y * 0.7, top)], 0.02, body)
    add_heaps(mesh, rng, top, long * 0.94, deep * 0.9)
    if rng.random() < 0.25:
        add_flat_roof(mesh, rng, long, deep, top)
    return mesh


def tricycle(rng: random.Random) -> Mesh:
    """A pedalled or motor three-wheeler, its bed behind laden with goods; faces +x."""
    mesh, long, deep = Mesh(), rng.uniform(1.3, 1.9), rng.uniform(0.9, 1.2)
    colour = paint(rng.choice(PAINTS))
    front = long / 2 + rng.uniform(0.75, 0.95)
    floor = 0.58
    mesh.box((0, 0, floor), (long, deep, 0.05), colour)
    wall = rng.uniform(0.15, 0.35)
    for y in (-deep / 2, deep / 2):
        mesh.box((0, y, floor + wall / 2), (long, 0.025, wall), colour)
        add_wheel(mesh, -long * 0.18, 0.28, y=y * 0.96, tyre=0.045, spokes=12)
    for x in (-long / 2, long / 2):
        mesh.box((x, 0, floor + wall / 2), (0.025, deep, wall), colour)
    add_heaps(mesh, rng, floor + wall * rng.uniform(0.4, 1.0), long * 0.92, deep * 0.9)
    mesh.tube([(-long / 2, 0, floor - 0.06), (front - 0.35, 0, 0.42)], 0.035, BLACK)
    mesh.tube([(front - 0.35, 0, 0.42), (front - 0.18, 0, 0.95)], 0.03, colour)
    mesh.torus((front, 0, 0.28), 0.24, 0.045, RUBBER, segments=30)
    mesh.tube([(front, 0, 0.28), (front - 0.2, 0, 1.0)], 0.03, STEEL)
    mesh.tube([(front - 0.32, -0.34, 1.02), (front - 0.2, 0, 1.0), (front - 0.32, 0.34, 1.02)],
              0.014, BLACK)  # fmt: skip
    mesh.box((long / 2 + 0.2, 0, 0.74), (0.34, 0.3, 0.1), BLACK, bevel=0.04)
    if rng.random() < 0.6:
        mesh.box((front - 0.1, 0, 0.78), (0.06, 0.5, 0.5), colour, pitch=-0.25, bevel=0.03)
        mesh.ellipsoid((front - 0.05, 0, 0.86), (0.04, 0.08, 0.08), HEADLAMP)
    if rng.random() < 0.35:
        add_flat_roof(mesh, rng, long, deep, floor)
    return mesh
