"""Street stalls: a goods cart or a table, with or without a parasol."""

from __future__ import annotations

import math
import random

import numpy as np

from training.street.cycles import add_wheel
from training.street.materials import BLACK, CARDBOARD, STEEL, WOOD, Colour, Material
from training.street.mesh import Mesh

GOODS: tuple[tuple[Colour, float], ...] = (
    ((0.75, 0.12, 0.02), 0.045),
    ((0.60, 0.03, 0.02), 0.040),
    ((0.75, 0.50, 0.03), 0.050),
    ((0.15, 0.40, 0.05), 0.055),
    ((0.30, 0.02, 0.10), 0.030),
    ((0.55, 0.60, 0.10), 0.050),
    ((0.80, 0.25, 0.03), 0.035),
    ((0.35, 0.20, 0.10), 0.045),
)
CRATES: tuple[Colour, ...] = (
    (0.05, 0.25, 0.1),
    (0.08, 0.15, 0.4),
    (0.4, 0.27, 0.14),
    (0.35, 0.05, 0.05),
)
CLOTHS: tuple[Colour, ...] = (
    (0.5, 0.04, 0.04),
    (0.06, 0.3, 0.12),
    (0.08, 0.15, 0.45),
    (0.6, 0.45, 0.1),
)
CANOPIES: tuple[tuple[Colour, Colour], ...] = (
    ((0.65, 0.03, 0.03), (0.80, 0.78, 0.72)),
    ((0.04, 0.20, 0.50), (0.80, 0.80, 0.78)),
    ((0.05, 0.35, 0.12), (0.85, 0.70, 0.10)),
    ((0.70, 0.25, 0.02), (0.75, 0.05, 0.05)),
    ((0.05, 0.10, 0.40), (0.05, 0.10, 0.40)),
    ((0.60, 0.05, 0.05), (0.60, 0.05, 0.05)),
)


def stall_body(rng: random.Random, *, cart: bool = True, goods: float = 1.0) -> Mesh:
    """A cart (2.4 m, wheels and bars towards +x) or a table with goods; no parasol.

    Args:
        rng: Chooses goods and colours.
        cart: A three-wheeled cart; otherwise a folding table with a cloth.
        goods: 0 empty .. 1 covered with crates of fruit, boxes beside it.
    """
    mesh = Mesh()
    if cart:
        _add_cart(mesh)
    else:
        _add_table(mesh, Material(rng.choice(CLOTHS), 0.9))
    top = 0.66 if cart else 0.77
    cells = [(x, y) for y in (-0.24, 0.24) for x in np.linspace(-0.72, 0.72, 4)]
    kinds = list(GOODS)
    rng.shuffle(kinds)
    for i, (x, y) in enumerate(cells[: round(goods * len(cells))]):
        _add_crate(mesh, (float(x), y, top + 0.05), kinds[i], rng)
    for i in range(int(3 * goods)):
        mesh.box(
            (-1.25 + 0.1 * i, -0.3 + 0.55 * (i % 2), 0.16),
            (0.5, 0.38, 0.28),
            CARDBOARD,
            yaw=0.3 * i,
        )
    if goods > 0.5:
        mesh.box(
            (0.5, -0.56, top + 0.22),
            (0.36, 0.01, 0.26),
            Material((0.75, 0.72, 0.6), 0.8),
            bevel=0.003,
        )
    return mesh


def _add_cart(mesh: Mesh) -> None:
    mesh.box((0, 0, 0.62), (1.9, 1.0, 0.06), WOOD)
    for y in (-0.5, 0.5):
        mesh.box((0, y, 0.70), (1.9, 0.04, 0.14), WOOD)
        add_wheel(mesh, -0.55, 0.33, y=y * 1.04, tyre=0.025, spokes=16)
        mesh.tube([(-0.9, y * 0.9, 0.35), (0.9, y * 0.9, 0.35)], 0.02, BLACK)
        for x in (-0.85, 0.85):
            mesh.tube([(x, y * 0.9, 0.6), (x, y * 0.9, 0.32)], 0.02, BLACK)
    add_wheel(mesh, 1.25, 0.3, tyre=0.025, spokes=16)
    mesh.tube([(0.9, 0, 0.6), (1.25, 0, 0.3)], 0.025, Material((0.1, 0.25, 0.4), 0.4))
    mesh.tube([(1.2, -0.3, 1.0), (1.3, 0, 0.95), (1.2, 0.3, 1.0)], 0.015, STEEL)
    mesh.tube([(1.25, 0, 0.3), (1.28, 0, 0.95)], 0.02, STEEL)
    mesh.tube([(-0.55, -0.52, 0.33), (-0.55, 0.52, 0.33)], 0.015, BLACK)


def _add_table(mesh: Mesh, cloth: Material) -> None:
    mesh.box((0, 0, 0.74), (2.0, 0.8, 0.04), cloth)
    for x in (-0.9, 0.9):
        for y in (-0.33, 0.33):
            mesh.tube([(x, y, 0), (x, y, 0.72)], 0.02, STEEL)
    mesh.box((0, -0.405, 0.5), (2.0, 0.012, 0.5), cloth)


def _add_crate(
    mesh: Mesh, at: tuple[float, float, float], kind: tuple[Colour, float], rng: random.Random
) -> None:
    x, y, z = at
    crate = Material(rng.choice(CRATES), 0.6)
    for dx, dy, width, depth in ((0, 0.2, 0.33, 0.015), (0, -0.2, 0.33, 0.015), (0.165, 0, 0.015, 0.4), (-0.165, 0, 0.015, 0.4)):  # fmt: skip
        mesh.box((x + dx, y + dy, z + 0.06), (width, depth, 0.15), crate, bevel=0.004)
    colour, radius = kind
    fruit = Material(colour, 0.35, mottle=0.15, scale=20)
    for _ in range(int(38 * (0.045 / radius) ** 1.5)):
        px, py = rng.uniform(-0.14, 0.14), rng.uniform(-0.17, 0.17)
        heap = rng.uniform(0, 0.10) * (1 - (px / 0.2) ** 2 - (py / 0.25) ** 2)
        size = (radius, radius, radius * rng.uniform(0.85, 1))
        mesh.ellipsoid((x + px, y + py, z + 0.09 + heap), size, fruit, sides=7, levels=5)


def parasol(colours: tuple[Colour, Colour], *, height: float = 2.55, radius: float = 1.45) -> Mesh:
    """A parasol with eight panels and a hanging hem."""
    mesh, panels, drop = Mesh(), 8, 0.38 * radius
    mesh.tube([(0, 0, 0.05), (0, 0, height + 0.08)], 0.022, Material((0.7, 0.7, 0.7), 0.6))
    for i in range(panels):
        start, end = 2 * math.pi * i / panels, 2 * math.pi * (i + 1) / panels
        cloth = Material(colours[i % 2], 0.85, mottle=0.06, scale=3)
        vertices = _panel(start, end, height, radius, drop)
        rows = len(vertices) // 5 - 1
        faces = [
            (r * 5 + c, r * 5 + c + 1, r * 5 + c + 6, r * 5 + c + 5)
            for r in range(rows)
            for c in range(4)
        ]
        mesh.add(vertices, faces, cloth)
        tip = (radius * 0.97 * math.cos(start), radius * 0.97 * math.sin(start), height - drop)
        mesh.tube([(0, 0, height - 0.02), tip], 0.008, STEEL, sides=5)
    return mesh


def _panel(
    start: float, end: float, height: float, radius: float, drop: float
) -> list[tuple[float, float, float]]:
    """Rows of five points from the top to the hem; straight between two ribs, sagging a little."""
    half, vertices = (end - start) / 2, []
    for t in [*np.linspace(0, 1, 7), None]:
        for u in np.linspace(0, 1, 5):
            angle = start + 2 * half * u
            part = 1.0 if t is None else float(t)
            sag = 1 - 0.06 * math.sin(math.pi * u) * part
            r = radius * part * sag * math.cos(half) / math.cos((u - 0.5) * 2 * half)
            z = height - drop * part**1.35 - (0.16 if t is None else 0)
            vertices.append((r * math.cos(angle), r * math.sin(angle), z))
    return vertices
