"""Things with an engine: scooters, motorcycles and cars."""

from __future__ import annotations

import math
import random

from training.street.materials import (
    BLACK,
    DARK_GLASS,
    HEADLAMP,
    RED_LAMP,
    RUBBER,
    STEEL,
    Colour,
    Material,
    paint,
    random_colour,
)
from training.street.mesh import Mesh

ENGINE = Material((0.14, 0.14, 0.15), 0.38, 0.85)
PLATE = Material((0.85, 0.85, 0.80), 0.4)
PARCEL_BOXES: tuple[Colour, ...] = ((0.75, 0.35, 0.02), (0.05, 0.35, 0.6), (0.85, 0.75, 0.05))
CAR_PAINTS: tuple[Colour, ...] = (
    (0.35, 0.36, 0.38),
    (0.02, 0.06, 0.18),
    (0.6, 0.6, 0.6),
    (0.02, 0.02, 0.022),
    (0.35, 0.02, 0.02),
    (0.10, 0.13, 0.12),
)


def scooter(colour: Colour, parcel_box: Colour | None = None) -> Mesh:
    """A step-through scooter, 1.9 m long, facing +x."""
    mesh, lacquer = Mesh(), paint(colour)
    _add_scooter_running_gear(mesh, lacquer)
    _add_scooter_body(mesh, lacquer)
    _add_scooter_bars(mesh, lacquer)
    if parcel_box is not None:
        mesh.box((-0.72, 0, 0.98), (0.42, 0.42, 0.40), Material(parcel_box), bevel=0.04)
    return mesh


def _add_scooter_running_gear(mesh: Mesh, lacquer: Material) -> None:
    radius = 0.285
    engine = (
        (-0.62, 0, 0.30, 0.10, 0.06),
        (-0.55, 0, 0.32, 0.14, 0.12),
        (-0.25, 0, 0.33, 0.15, 0.13),
        (-0.12, 0, 0.30, 0.08, 0.08),
    )
    mesh.loft(engine, ENGINE, axis=0, exponent=4)
    for y in (-0.10, 0.10):
        mesh.tube([(-0.15, y, 0.30), (-0.62, y * 0.9, radius)], 0.03, BLACK)
        mesh.tube([(-0.70, y * 1.2, 0.42), (-0.58, y * 1.2, 0.66)], 0.028, STEEL)
    mesh.torus((-0.62, 0, radius), 0.33, 0.06, BLACK, arc=(1.0, 2.9), segments=16, flatness=1.1)
    mesh.torus((0.68, 0, radius), 0.31, 0.065, lacquer, arc=(0.7, 2.6), segments=16, flatness=1.1)
    for x in (-0.62, 0.68):
        mesh.torus((x, 0, radius), radius - 0.055, 0.058, RUBBER, segments=36, sides=10)
        disc = ((-0.035, x, radius, 0.13, 0.13), (0.035, x, radius, 0.13, 0.13))
        mesh.loft(disc, Material((0.4, 0.4, 0.42), 0.35, 1.0), axis=1)
    for y in (-0.085, 0.085):
        mesh.tube([(0.68, y, radius), (0.50, y, 0.74)], 0.026, STEEL)
    mesh.tube(
        [(-0.25, -0.13, 0.2), (-0.6, -0.15, 0.24), (-0.85, -0.15, 0.30)],
        [0.03, 0.045, 0.05],
        ENGINE,
    )
    mesh.tube([(-0.1, 0.1, 0.2), (-0.16, 0.24, 0.02)], 0.012, BLACK)


def _add_scooter_body(mesh: Mesh, lacquer: Material) -> None:
    shield = (
        (0.22, 0.46, 0, 0.04, 0.10),
        (0.32, 0.47, 0, 0.06, 0.20),
        (0.55, 0.44, 0, 0.07, 0.22),
        (0.80, 0.40, 0, 0.07, 0.17),
        (0.90, 0.385, 0, 0.05, 0.10),
    )
    floor = (
        (0.16, 0.05, 0, 0.42, 0.13),
        (0.19, 0.05, 0, 0.46, 0.17),
        (0.26, 0.05, 0, 0.46, 0.17),
        (0.28, 0.05, 0, 0.42, 0.15),
    )
    tail = (
        (-0.95, 0, 0.62, 0.05, 0.04),
        (-0.88, 0, 0.60, 0.12, 0.10),
        (-0.60, 0, 0.52, 0.17, 0.20),
        (-0.35, 0, 0.46, 0.18, 0.20),
        (-0.18, 0, 0.40, 0.14, 0.16),
        (-0.14, 0, 0.38, 0.08, 0.10),
    )
    seat = (
        (-0.98, 0, 0.78, 0.08, 0.03),
        (-0.90, 0, 0.79, 0.15, 0.05),
        (-0.50, 0, 0.76, 0.15, 0.07),
        (-0.15, 0, 0.73, 0.12, 0.07),
        (-0.06, 0, 0.71, 0.06, 0.04),
    )
    mesh.loft(shield, lacquer, exponent=3)
    mesh.loft(floor, lacquer, exponent=4)
    mesh.loft(tail, lacquer, axis=0, exponent=3)
    mesh.loft(seat, BLACK, axis=0, exponent=3)
    mesh.box((-0.97, 0, 0.60), (0.03, 0.18, 0.07), RED_LAMP)
    mesh.box((-0.99, 0, 0.46), (0.01, 0.19, 0.13), PLATE, pitch=0.2)


def _add_scooter_bars(mesh: Mesh, lacquer: Material) -> None:
    mesh.tube([(0.56, 0, 0.45), (0.42, 0, 1.0)], 0.035, BLACK)
    cowl = (
        (0.96, 0.40, 0, 0.06, 0.08),
        (1.00, 0.40, 0, 0.10, 0.13),
        (1.08, 0.39, 0, 0.09, 0.12),
        (1.11, 0.38, 0, 0.04, 0.06),
    )
    mesh.loft(cowl, lacquer, exponent=3)
    mesh.ellipsoid((0.485, 0, 1.03), (0.03, 0.08, 0.055), HEADLAMP)
    bar = [
        (0.28, -0.36, 1.06),
        (0.36, -0.2, 1.06),
        (0.40, 0, 1.05),
        (0.36, 0.2, 1.06),
        (0.28, 0.36, 1.06),
    ]
    mesh.tube(bar, 0.014, BLACK)
    for side in (1, -1):
        mesh.tube([(0.27, side * 0.37, 1.06), (0.31, side * 0.27, 1.06)], 0.02, RUBBER)
        mesh.tube([(0.36, side * 0.22, 1.06), (0.40, side * 0.32, 1.24)], 0.006, BLACK)
        mesh.ellipsoid((0.40, side * 0.33, 1.26), (0.02, 0.065, 0.045), BLACK)


def motorcycle(colour: Colour) -> Mesh:
    """A small motorcycle, 2 m long, facing +x."""
    mesh, lacquer = Mesh(), paint(colour)
    _add_motorcycle_running_gear(mesh, lacquer)
    tank = (
        (-0.16, 0, 0.78, 0.06, 0.07),
        (-0.08, 0, 0.80, 0.11, 0.10),
        (0.10, 0, 0.86, 0.15, 0.12),
        (0.28, 0, 0.88, 0.14, 0.11),
        (0.38, 0, 0.86, 0.07, 0.06),
    )
    seat = (
        (-0.92, 0, 0.84, 0.06, 0.03),
        (-0.86, 0, 0.84, 0.11, 0.045),
        (-0.50, 0, 0.80, 0.14, 0.06),
        (-0.20, 0, 0.78, 0.12, 0.06),
        (-0.10, 0, 0.79, 0.06, 0.04),
    )
    tail = (
        (-0.98, 0, 0.76, 0.04, 0.03),
        (-0.85, 0, 0.74, 0.10, 0.06),
        (-0.40, 0, 0.68, 0.13, 0.08),
        (-0.20, 0, 0.66, 0.08, 0.06),
    )
    mesh.loft(tank, lacquer, axis=0, exponent=2.6)
    mesh.loft(seat, BLACK, axis=0, exponent=3)
    mesh.loft(tail, lacquer, axis=0, exponent=3)
    mesh.box((-1.0, 0, 0.76), (0.04, 0.12, 0.06), RED_LAMP)
    mesh.box((-1.0, 0, 0.58), (0.01, 0.18, 0.12), PLATE, pitch=0.2)
    bar = [
        (0.22, -0.38, 1.06),
        (0.34, -0.2, 1.08),
        (0.40, 0, 1.02),
        (0.34, 0.2, 1.08),
        (0.22, 0.38, 1.06),
    ]
    mesh.tube(bar, 0.014, BLACK)
    for side in (1, -1):
        mesh.tube([(0.32, side * 0.24, 1.08), (0.34, side * 0.30, 1.22)], 0.007, BLACK)
        mesh.ellipsoid((0.34, side * 0.32, 1.24), (0.02, 0.065, 0.045), BLACK)
    return mesh


def _add_motorcycle_running_gear(mesh: Mesh, lacquer: Material) -> None:
    radius = 0.31
    for x, width in ((-0.66, 0.062), (0.70, 0.05)):
        mesh.torus((x, 0, radius), radius - width, width, RUBBER, sides=10)
        mesh.torus((x, 0, radius), radius - 2.1 * width, 0.02, STEEL, segments=36, flatness=2.0)
        for i in range(5):
            angle = i * 2 * math.pi / 5
            reach = radius - 2 * width
            rim = (x + reach * math.cos(angle), 0, radius + reach * math.sin(angle))
            mesh.tube([(x, 0, radius), rim], 0.018, ENGINE, sides=6)
    for y in (-0.09, 0.09):
        mesh.tube([(0.70, y, radius), (0.42, y, 0.98)], 0.026, STEEL)
        mesh.tube([(-0.2, y, 0.34), (-0.66, y, radius)], 0.026, BLACK)
        mesh.tube([(-0.62, y * 1.3, 0.36), (-0.46, y * 1.3, 0.68)], 0.03, STEEL)
    mesh.torus((0.70, 0, radius), 0.345, 0.06, lacquer, arc=(0.9, 2.5), segments=16, flatness=1.1)
    mesh.torus((-0.66, 0, radius), 0.36, 0.07, BLACK, arc=(0.9, 2.3), segments=16, flatness=1.1)
    block = (
        (-0.22, 0, 0.36, 0.12, 0.12),
        (-0.10, 0, 0.36, 0.16, 0.15),
        (0.20, 0, 0.36, 0.16, 0.15),
        (0.32, 0, 0.38, 0.10, 0.10),
    )
    mesh.loft(block, ENGINE, axis=0, exponent=4)
    for fin in range(6):
        mesh.box((0.12, 0, 0.50 + 0.03 * fin), (0.2, 0.24, 0.014), ENGINE, pitch=-0.3, bevel=0.004)
    beams = (
        ((0.40, 0, 0.86), (0.36, 0, 0.4)),
        ((0.40, 0, 0.86), (-0.3, 0, 0.72)),
        ((-0.3, 0, 0.72), (-0.25, 0, 0.35)),
        ((0.36, 0, 0.4), (-0.25, 0, 0.3)),
    )
    for start, end in beams:
        mesh.tube([start, end], 0.028, BLACK)
    pipe = [(0.25, 0.12, 0.42), (0.2, 0.15, 0.25), (-0.2, 0.17, 0.24), (-0.85, 0.19, 0.34)]
    mesh.tube(pipe, [0.025, 0.028, 0.04, 0.05], STEEL)
    mesh.ellipsoid((0.52, 0, 0.90), (0.07, 0.10, 0.10), BLACK)
    mesh.ellipsoid((0.555, 0, 0.90), (0.055, 0.085, 0.085), HEADLAMP)
    mesh.tube([(-0.1, 0.1, 0.25), (-0.16, 0.26, 0.02)], 0.014, BLACK)


def random_motorcycle(rng: random.Random) -> Mesh:
    """A scooter, more often than not, or a motorcycle."""
    colour = random_colour(rng)
    if rng.random() < 0.3:
        return motorcycle(colour)
    return scooter(colour, rng.choice(PARCEL_BOXES) if rng.random() < 0.4 else None)


def car(colour: Colour) -> Mesh:
    """A hatchback, 4.3 m long, facing +x."""
    mesh, lacquer = Mesh(), Material(colour, 0.3, 0.35, coat=1.0)
    _add_car_body(mesh, lacquer)
    for side in (1, -1):
        _add_car_side(mesh, lacquer, side)
        for x in (1.35, -1.32):
            _add_car_wheel(mesh, x, side)
        mesh.ellipsoid((2.02, 0.56 * side, 0.66), (0.15, 0.19, 0.075), HEADLAMP)
        mesh.ellipsoid((-2.08, 0.58 * side, 0.76), (0.08, 0.17, 0.09), RED_LAMP)
    mesh.box((2.145, 0, 0.50), (0.06, 1.0, 0.16), BLACK)
    mesh.box((2.185, 0, 0.40), (0.015, 0.52, 0.11), PLATE, bevel=0.004)
    mesh.box((-2.175, 0, 0.60), (0.015, 0.52, 0.11), PLATE, bevel=0.004)
    mesh.box((2.15, 0, 0.62), (0.05, 0.9, 0.05), STEEL, bevel=0.01)
    return mesh


def _add_car_body(mesh: Mesh, lacquer: Material) -> None:
    """Each row: position along the car, top, bottom, half width."""
    outline = (
        (-2.17, 0.72, 0.42, 0.60), (-2.12, 0.88, 0.33, 0.76), (-1.9, 0.97, 0.25, 0.84),
        (-1.4, 1.00, 0.20, 0.875), (-0.6, 0.98, 0.20, 0.89), (0.4, 0.97, 0.20, 0.89),
        (0.95, 0.95, 0.20, 0.885), (1.5, 0.87, 0.21, 0.86), (1.9, 0.79, 0.24, 0.81),
        (2.1, 0.70, 0.28, 0.72), (2.17, 0.60, 0.36, 0.58),
    )  # fmt: skip
    shell = [(x, 0.0, (top + low) / 2, half, (top - low) / 2) for x, top, low, half in outline]
    mesh.loft(shell, lacquer, axis=0, exponent=5, sides=40)
    cabin = (
        (0.90, -0.38, 0, 1.42, 0.80),
        (1.00, -0.38, 0, 1.36, 0.795),
        (1.20, -0.42, 0, 1.10, 0.72),
        (1.40, -0.45, 0, 0.83, 0.63),
    )
    roof = (
        (1.385, -0.45, 0, 0.86, 0.645),
        (1.42, -0.45, 0, 0.84, 0.63),
        (1.46, -0.45, 0, 0.72, 0.54),
        (1.475, -0.45, 0, 0.45, 0.35),
    )
    mesh.loft(cabin, DARK_GLASS, exponent=7, sides=40)
    mesh.loft(roof, lacquer, exponent=6, sides=40)


def _add_car_side(mesh: Mesh, lacquer: Material, side: int) -> None:
    low, high = 0.795 * side, 0.635 * side
    for x_low, x_high in ((0.93, 0.34), (-1.70, -1.24)):
        mesh.tube(
            [(x_low, low * 0.93, 0.96), (x_high, high * 0.95, 1.40)], 0.045, lacquer, flatness=0.6
        )
    mesh.tube([(-0.42, low, 0.97), (-0.46, high * 1.01, 1.41)], 0.035, lacquer, flatness=0.5)
    mesh.tube(
        [(0.93, low * 0.98, 0.985), (-0.4, low, 1.0), (-1.65, low * 0.97, 0.99)], 0.022, lacquer
    )
    mesh.tube([(0.4, high, 1.395), (-1.2, high, 1.395)], 0.025, lacquer)
    for x in (0.48, -0.42, -1.22):
        seam = [(x, 0.888 * side, 0.95), (x, 0.896 * side, 0.6), (x, 0.88 * side, 0.3)]
        mesh.tube(seam, 0.006, BLACK, sides=4)
    sill = [(1.6, 0.868 * side, 0.34), (0.4, 0.895 * side, 0.30), (-1.6, 0.868 * side, 0.34)]
    mesh.tube(sill, 0.025, BLACK)
    mesh.box((0.72, 0.93 * side, 1.0), (0.10, 0.17, 0.13), lacquer, bevel=0.04)
    for x in (0.2, -0.7):
        mesh.box((x, 0.90 * side, 0.82), (0.18, 0.02, 0.03), lacquer, bevel=0.01)


def _add_car_wheel(mesh: Mesh, x: float, side: int) -> None:
    arch = ((side * 0.60, x, 0.32, 0.365, 0.365), (side * 0.893, x, 0.32, 0.365, 0.365))
    mesh.loft(arch, BLACK, axis=1, sides=36)
    tyre = (
        (side * 0.66, x, 0.315, 0.29, 0.29),
        (side * 0.70, x, 0.315, 0.315, 0.315),
        (side * 0.88, x, 0.315, 0.315, 0.315),
        (side * 0.905, x, 0.315, 0.29, 0.29),
    )
    mesh.loft(tyre, RUBBER, axis=1, sides=36)
    rim = (
        (side * 0.88, x, 0.315, 0.215, 0.215),
        (side * 0.908, x, 0.315, 0.215, 0.215),
        (side * 0.912, x, 0.315, 0.19, 0.19),
    )
    mesh.loft(rim, Material((0.55, 0.56, 0.58), 0.3, 1.0), axis=1, sides=30)
    for i in range(5):
        c, s = math.cos(i * 2 * math.pi / 5), math.sin(i * 2 * math.pi / 5)
        inner = (x + 0.07 * c, side * 0.913, 0.315 + 0.07 * s)
        outer = (x + 0.18 * c, side * 0.913, 0.315 + 0.18 * s)
        mesh.tube([inner, outer], 0.022, BLACK, sides=6)
