"""Bicycles: parked, pushed or ridden."""

from __future__ import annotations

import math
import random

import numpy as np

from training.street.materials import BLACK, RED_LAMP, RUBBER, STEEL, Colour, Material, paint
from training.street.mesh import Array, Mesh, turn_about

WHEEL_RADIUS = 0.34
REAR = np.array([-0.52, 0, WHEEL_RADIUS])
FRONT = np.array([0.56, 0, WHEEL_RADIUS])
CRANK = np.array([-0.06, 0, 0.29])
SEAT_TUBE_TOP = np.array([-0.22, 0, 0.80])
HEAD_TOP = np.array([0.36, 0, 0.88])
HEAD_FOOT = np.array([0.41, 0, 0.70])
PAINTS: tuple[Colour, ...] = (
    (0.50, 0.03, 0.03),
    (0.05, 0.20, 0.35),
    (0.60, 0.35, 0.02),
    (0.02, 0.02, 0.025),
    (0.55, 0.55, 0.55),
    (0.03, 0.18, 0.08),
    (0.02, 0.30, 0.55),
    (0.70, 0.50, 0.02),
)


def _at(x: float, y: float, z: float) -> Array:
    return np.array([x, y, z], float)


def add_wheel(
    mesh: Mesh, x: float, radius: float, *, y: float = 0.0, tyre: float = 0.022, spokes: int = 20
) -> None:
    """Add a spoked wheel that stands on the ground at ``x``."""
    hub = _at(x, y, radius)
    mesh.torus(hub, radius - tyre, tyre, RUBBER, segments=40)
    mesh.torus(hub, radius - 2.4 * tyre, tyre * 0.75, STEEL, segments=40, sides=6, flatness=1.2)
    mesh.tube([hub + _at(0, -0.05, 0), hub + _at(0, 0.05, 0)], 0.022, STEEL, rounded=False)
    reach = radius - 2.5 * tyre
    for i in range(spokes):
        angle = 2 * math.pi * i / spokes
        offset = angle + 0.5 * (1 if i % 4 < 2 else -1)
        flange = _at(0.02 * math.cos(offset), 0.035 * (1 if i % 2 else -1), 0.02 * math.sin(offset))
        rim = _at(reach * math.cos(angle), 0, reach * math.sin(angle))
        mesh.tube([hub + flange, hub + rim], 0.0022, STEEL, sides=3, rounded=False)


def bicycle(
    colour: Colour = PAINTS[0],
    *,
    city: bool = True,
    basket: bool = True,
    steer: float = 0.2,
    stand: bool = True,
) -> Mesh:
    """A bicycle, 1.8 m long, facing +x.

    Args:
        colour: The frame's paint.
        city: A step-through with swept bars instead of a straight top tube.
        basket: A wire basket before the bars.
        steer: How far the front wheel is turned, radians.
        stand: Whether the side stand is down.
    """
    mesh, lacquer = Mesh(), paint(colour)
    add_wheel(mesh, REAR[0], WHEEL_RADIUS)
    _add_frame(mesh, lacquer, city=city)
    _add_saddle_and_drive(mesh)
    _add_rear(mesh, lacquer if city else BLACK)
    if stand:
        mesh.tube([CRANK + _at(-0.08, 0.04, 0), CRANK + _at(-0.14, 0.16, -0.28)], 0.009, STEEL)
    front = _steered_part(lacquer if city else BLACK, city=city, basket=basket)
    rotation = turn_about(HEAD_TOP - HEAD_FOOT, steer)
    return mesh.merge(front, at=HEAD_FOOT - rotation @ HEAD_FOOT, rotation=rotation)


def _add_frame(mesh: Mesh, lacquer: Material, *, city: bool) -> None:
    mesh.tube([CRANK, SEAT_TUBE_TOP], 0.017, lacquer)
    mesh.tube([HEAD_TOP, HEAD_FOOT], 0.02, lacquer)
    mesh.tube([HEAD_FOOT + _at(-0.01, 0, 0.02), CRANK], 0.02, lacquer)
    if city:
        low = CRANK + (SEAT_TUBE_TOP - CRANK) * 0.35
        curve = [HEAD_FOOT + _at(0, 0, 0.1), _at(0.2, 0, 0.58), _at(-0.1, 0, 0.48), low]
        mesh.tube(curve, 0.018, lacquer)
    else:
        mesh.tube(
            [HEAD_TOP + _at(0.01, 0, -0.04), SEAT_TUBE_TOP + _at(0, 0, -0.03)], 0.018, lacquer
        )
    for y in (-0.06, 0.06):
        mesh.tube([REAR + _at(0, y, 0), CRANK + _at(0, y * 0.5, 0)], 0.011, lacquer)
        mesh.tube([REAR + _at(0, y, 0), SEAT_TUBE_TOP + _at(0.02, y * 0.3, -0.06)], 0.009, lacquer)


def _add_saddle_and_drive(mesh: Mesh) -> None:
    mesh.tube([SEAT_TUBE_TOP, _at(-0.25, 0, 0.93)], 0.013, STEEL)
    saddle = (
        (-0.42, 0, 0.955, 0.01, 0.02),
        (-0.40, 0, 0.960, 0.09, 0.035),
        (-0.32, 0, 0.965, 0.10, 0.04),
        (-0.22, 0, 0.960, 0.055, 0.035),
        (-0.12, 0, 0.955, 0.025, 0.025),
        (-0.10, 0, 0.950, 0.01, 0.015),
    )
    mesh.loft(saddle, BLACK, axis=0, sides=14)
    mesh.torus(CRANK, 0.09, 0.006, STEEL, segments=24)
    mesh.torus(CRANK, 0.055, 0.02, BLACK, segments=20, flatness=0.4)
    for side in (1, -1):
        pedal = CRANK + _at(0.15 * side, 0.07 * side, -0.08 * side)
        mesh.tube([CRANK + _at(0, 0.05 * side, 0), pedal], 0.01, STEEL)
        mesh.box(pedal + _at(0, 0.05 * side, 0), (0.09, 0.09, 0.025), BLACK, bevel=0.008)
    mesh.box(CRANK + _at(-0.22, 0.055, 0.07), (0.46, 0.012, 0.075), BLACK, pitch=0.1, bevel=0.006)


def _add_rear(mesh: Mesh, mudguard: Material) -> None:
    mesh.torus(
        REAR, WHEEL_RADIUS + 0.025, 0.022, mudguard, arc=(0.2, math.pi + 0.15),
        segments=20, sides=6, flatness=1.4,
    )  # fmt: skip
    for y in (-0.06, 0.06):
        mesh.tube([REAR + _at(0, y, 0), _at(-0.6, y, 0.73)], 0.006, BLACK)
        mesh.tube([_at(-0.3, y, 0.73), _at(-0.78, y, 0.73)], 0.007, BLACK)
    mesh.box((-0.54, 0, 0.74), (0.40, 0.10, 0.012), BLACK, bevel=0.004)
    mesh.box((-0.80, 0, 0.68), (0.02, 0.07, 0.05), RED_LAMP, bevel=0.008)


def _steered_part(mudguard: Material, *, city: bool, basket: bool) -> Mesh:
    mesh = Mesh()
    add_wheel(mesh, FRONT[0], WHEEL_RADIUS)
    for y in (-0.055, 0.055):
        fork = [FRONT + _at(0, y, 0), FRONT + _at(-0.09, y, 0.32), HEAD_FOOT + _at(0, y * 0.6, 0)]
        mesh.tube(fork, 0.012, mudguard)
    mesh.torus(
        FRONT, WHEEL_RADIUS + 0.025, 0.022, mudguard, arc=(0.5, math.pi + 0.1),
        segments=20, sides=6, flatness=1.4,
    )  # fmt: skip
    stem = HEAD_TOP + _at(-0.035, 0, 0.12)
    mesh.tube([HEAD_TOP, stem], 0.014, STEEL)
    swept = [(-0.26, 0.30, 0.0), (-0.1, 0.29, 0.02), (0.03, 0.16, 0.03)]
    flat = [(-0.06, 0.31, 0.02), (0.0, 0.12, 0.01)]
    half = swept if city else flat
    bar = [_at(x, -y, z) for x, y, z in half] + [_at(0.05 if city else 0.02, 0, 0)]
    bar += [_at(x, y, z) for x, y, z in reversed(half)]
    mesh.tube([stem + p for p in bar], 0.012, STEEL)
    for tip, inner in ((bar[0], bar[1]), (bar[-1], bar[-2])):
        mesh.tube([stem + tip, stem + tip + (inner - tip) * 0.65], 0.017, BLACK)
    mesh.ellipsoid(
        stem + _at(0.07, 0, -0.07), (0.04, 0.035, 0.035), Material((0.9, 0.9, 0.85), 0.1)
    )
    if basket:
        _add_basket(mesh)
    return mesh


def _add_basket(mesh: Mesh) -> None:
    corners = ((1, 1), (-1, 1), (-1, -1), (1, -1), (1, 1))
    for level in range(6):
        grow, centre = 0.007 * level, _at(0.62, 0, 0.76 + 0.048 * level)
        hoop = [centre + _at(sx * (0.15 + grow), sy * (0.13 + grow), 0) for sx, sy in corners]
        mesh.tube(hoop, 0.005 if level < 5 else 0.008, BLACK, sides=4, rounded=False)
    for i in range(20):
        edge, part = divmod(i / 20 * 4, 1)
        (ax, ay), (bx, by) = corners[int(edge)], corners[int(edge) + 1]
        x, y = ax + (bx - ax) * part, ay + (by - ay) * part
        low, high = _at(0.62 + x * 0.15, y * 0.13, 0.76), _at(0.62 + x * 0.19, y * 0.165, 1.0)
        mesh.tube([low, high], 0.004, BLACK, sides=3, rounded=False)
    mesh.box((0.62, 0, 0.762), (0.28, 0.24, 0.01), BLACK, bevel=0.003)


def random_bicycle(rng: random.Random) -> Mesh:
    """A parked bicycle of random paint and build."""
    city = rng.random() < 0.65
    return bicycle(
        rng.choice(PAINTS),
        city=city,
        basket=city and rng.random() < 0.75,
        steer=rng.uniform(-0.5, 0.5),
    )
