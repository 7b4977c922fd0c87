"""Wheelie bins, what is in them and what lies beside them."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import numpy as np

from training.street.materials import BLACK, RUBBER, STEEL, Colour, Material
from training.street.mesh import Mesh, circle, turn

BODY_COLOURS: tuple[Colour, ...] = (
    (0.03, 0.10, 0.05),
    (0.04, 0.06, 0.12),
    (0.03, 0.12, 0.30),
    (0.35, 0.03, 0.03),
    (0.05, 0.05, 0.055),
    (0.02, 0.20, 0.08),
    (0.16, 0.16, 0.17),
)
BAG_COLOURS: tuple[Colour, ...] = (
    (0.015, 0.015, 0.017),
    (0.015, 0.015, 0.017),
    (0.60, 0.60, 0.62),
    (0.02, 0.07, 0.25),
    (0.45, 0.05, 0.05),
    (0.10, 0.30, 0.12),
)
LITTER_COLOURS: tuple[Colour, ...] = (
    (0.45, 0.32, 0.18),
    (0.70, 0.70, 0.68),
    (0.60, 0.10, 0.08),
    (0.20, 0.45, 0.25),
)


@dataclass(frozen=True)
class BinState:
    """How full a bin is.

    Attributes:
        lid: 0 closed, 0.35 upright, 1 thrown back.
        fill: 0 empty, 1 to just below the rim, more is a heap above it.
        spill: Number of bags on the ground around it.
    """

    lid: float = 0.0
    fill: float = 0.0
    spill: int = 0

    @property
    def overflowing(self) -> bool:
        """Rubbish rises over the rim, or lies around the bin."""
        return self.fill > 1.1 or self.spill >= 2


TIDY = BinState()
HALF_FULL = BinState(lid=1.0, fill=0.7)
OVERFLOWING = BinState(lid=1.0, fill=1.85, spill=4)


def add_bag(
    mesh: Mesh, centre: tuple[float, float, float], radius: float, rng: random.Random
) -> None:
    """Add a knotted, crumpled rubbish bag."""
    material = Material(rng.choice(BAG_COLOURS), 0.28, bump=0.9, scale=9)
    shift = [rng.uniform(0, 6) for _ in range(4)]
    around, rings = circle(22), []
    for level in np.linspace(-np.pi / 2, np.pi / 2, 14):
        crumple = (
            1
            + 0.09 * np.sin(3 * around + shift[0] + 2 * level)
            + 0.07 * np.sin(5 * around + shift[1]) * math.cos(2 * level + shift[2])
            + 0.05 * np.sin(9 * around + shift[3] + 4 * level)
            + 0.03 * np.array([rng.gauss(0, 1) for _ in around])
        )
        height = math.sin(level)
        height = max(height, -0.75) if height < 0 else height * (1 + 2.3 * max(0.0, height - 0.85))
        ring = np.stack(
            [
                crumple * math.cos(level) * np.cos(around),
                crumple * math.cos(level) * np.sin(around),
                np.full(len(around), height * 0.85),
            ],
            axis=1,
        )
        rings.append(ring * radius + np.array(centre))
    mesh.rings(rings, material)
    x, y, z = centre
    knot = [
        (x, y, z + radius * 0.9),
        (x + 0.02, y, z + radius * 1.15),
        (x + 0.06, y + 0.03, z + radius * 1.35),
    ]
    mesh.tube(knot, [radius * 0.12, radius * 0.07, radius * 0.16], material)


def wheelie_bin(colour: Colour, state: BinState, rng: random.Random) -> Mesh:
    """A 240-litre bin, 1.07 m tall, that opens towards +x; what is in it, but not what lies around."""
    mesh = Mesh()
    plastic = Material(colour, 0.5, mottle=0.12, scale=5)
    _add_body(mesh, plastic)
    lid = Mesh()
    cover = (
        (0.0, 0.36, 0, 0.37, 0.315),
        (0.025, 0.36, 0, 0.375, 0.32),
        (0.06, 0.36, 0, 0.33, 0.28),
        (0.075, 0.36, 0, 0.20, 0.16),
    )
    lid.loft(cover, plastic, exponent=6, sides=32)
    mesh.merge(lid, at=(-0.33, 0, 1.0), rotation=turn("y", -state.lid * 4.2))
    _add_content(mesh, state.fill, rng)
    return mesh


def _add_body(mesh: Mesh, plastic: Material) -> None:
    outside = (
        (0.06, 0.0, 0, 0.22, 0.20),
        (0.10, 0.0, 0, 0.235, 0.215),
        (0.50, 0.02, 0, 0.28, 0.25),
        (0.95, 0.03, 0, 0.325, 0.285),
        (0.955, 0.03, 0, 0.355, 0.305),
        (1.00, 0.03, 0, 0.355, 0.305),
    )
    inside = (
        (1.0, 0.03, 0, 0.355, 0.305),
        (1.0, 0.03, 0, 0.32, 0.28),
        (0.4, 0.02, 0, 0.26, 0.23),
        (0.3, 0.0, 0, 0.0, 0.0),
    )
    mesh.loft(outside, plastic, exponent=6, sides=32, cap=False)
    mesh.loft(inside, BLACK, exponent=6, sides=32, cap=False)
    for y in (-0.14, 0, 0.14):
        mesh.box((0.305, y, 0.52), (0.02, 0.03, 0.7), plastic, pitch=-0.1, bevel=0.008)
    mesh.tube([(-0.37, -0.27, 0.97), (-0.37, 0.27, 0.97)], 0.02, plastic)
    mesh.tube([(-0.26, -0.27, 0.1), (-0.26, 0.27, 0.1)], 0.012, STEEL)
    for y in (-0.27, 0.27):
        mesh.loft(
            ((y - 0.025, -0.26, 0.1, 0.1, 0.1), (y + 0.025, -0.26, 0.1, 0.1, 0.1)), RUBBER, axis=1
        )
    mesh.box(
        (0.358, 0, 0.78), (0.006, 0.2, 0.15), Material((0.8, 0.8, 0.78)), pitch=-0.1, bevel=0.002
    )


def _add_content(mesh: Mesh, fill: float, rng: random.Random) -> None:
    """Bags in the bin; above ``fill`` 1 a heap that rises over the rim (at 1.0 m) and its edges."""
    inside = 4 if fill > 1 else round(fill * 4)
    for i in range(inside):
        angle = i * 2.4
        height = 0.84 if fill > 1 else 0.55 + 0.15 * fill
        centre = (0.03 + 0.14 * math.cos(angle), 0.11 * math.sin(angle), height)
        add_bag(mesh, centre, 0.17 if fill > 1 else 0.14, rng)
    heap = round(max(0.0, fill - 1) * 9)
    for i in range(heap):
        ring, angle = (0, i * 1.4) if i < 5 else (1, i * 2.4)
        out = 0.19 if ring == 0 else 0.08
        centre = (0.05 + out * math.cos(angle), out * 0.95 * math.sin(angle), 1.04 + 0.17 * ring)
        add_bag(mesh, centre, rng.uniform(0.15, 0.20), rng)


def spilt_rubbish(bags: int, rng: random.Random, spread: tuple[float, float] = (0.5, 0.95)) -> Mesh:
    """Bags and litter on the ground around the origin, on its +x side."""
    mesh = Mesh()
    for i in range(bags):
        angle = -1.7 + 3.4 * (i + rng.uniform(0.2, 0.8)) / bags
        distance, radius = rng.uniform(*spread), rng.uniform(0.17, 0.25)
        add_bag(
            mesh,
            (distance * math.cos(angle) + 0.05, distance * math.sin(angle), radius * 0.68),
            radius,
            rng,
        )
    for _ in range(bags * 3):
        angle, distance = rng.uniform(-2.2, 2.2), rng.uniform(0.4, 1.2)
        size = rng.uniform(0.06, 0.16)
        x, y = distance * math.cos(angle), distance * math.sin(angle)
        material = Material(rng.choice(LITTER_COLOURS), 0.7)
        if rng.random() < 0.6:
            block = (size, size * 0.8, size * 0.7)
            mesh.box(
                (x, y, size * 0.4), block, material, yaw=angle * 5, pitch=rng.uniform(-0.3, 0.3)
            )
        else:
            mesh.tube([(x, y, 0.035), (x + size * 0.9, y + size * 0.7, 0.035)], 0.035, material)
    return mesh


def random_state(rng: random.Random) -> BinState:
    """Overflowing in half of all cases; else closed, ajar or open but in order."""
    if rng.random() < 0.5:
        lid = rng.choice((0.3, 0.35, 1.0, 1.0))
        spill = rng.choice((0, 0, 2, 3, 5))
        return BinState(lid=lid, fill=rng.uniform(1.3, 1.95), spill=spill)
    if rng.random() < 0.15:
        return BinState(lid=0.0, fill=0.0, spill=rng.choice((2, 3, 4)))
    if rng.random() < 0.6:
        return TIDY
    return BinState(lid=rng.choice((0.3, 1.0)), fill=rng.choice((0.0, 0.4, 0.7)))
