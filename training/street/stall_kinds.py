"""The kinds of street stalls that cut-outs show: carts, tables, snack carts, goods on the ground, rails."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import numpy as np

from training.street import stalls
from training.street.cycles import add_wheel
from training.street.materials import BLACK, STEEL, Glass, Material, cloth, paint, random_colour
from training.street.mesh import Mesh


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
        heap = Material(rng.choice(stalls.GOODS)[0], 0.5, mottle=0.2, scale=18)
        mesh.ellipsoid((float(x), 0, 0.97), (0.12, 0.2, 0.1), heap, sides=9, levels=5)
    pot = [(0.32 * long, 0, 0.89), (0.32 * long, 0, 1.15)]
    mesh.tube(pot, 0.17, Material((0.5, 0.5, 0.5), 0.3, 0.9), sides=14, rounded=False)
    if rng.random() < 0.75:
        _add_roof(mesh, rng, long, deep)
    return mesh


def _add_roof(mesh: Mesh, rng: random.Random, long: float, deep: float) -> None:
    top = rng.uniform(1.9, 2.2)
    for x in (-long / 2, long / 2):
        for y in (-deep / 2, deep / 2):
            mesh.tube([(x, y, 0.85), (x, y, top)], 0.018, STEEL)
    cover = cloth(rng.choice(stalls.CANOPIES)[0])
    mesh.box((0, 0, top + 0.02), (long + 0.35, deep + 0.45, 0.04), cover)
    hem = random_colour(rng, 0.9)
    mesh.box((0, -deep / 2 - 0.22, top - 0.09), (long + 0.35, 0.012, 0.2), cloth(hem))


def goods_on_the_ground(rng: random.Random) -> Mesh:
    """A cloth on the pavement with rows of small goods; at times sacks beside it."""
    mesh, long, deep = Mesh(), rng.uniform(1.2, 2.6), rng.uniform(0.8, 1.4)
    mesh.box((0, 0, 0.01), (long, deep, 0.015), cloth(random_colour(rng, 0.7)))
    colours = [random_colour(rng, 0.9) for _ in range(rng.choice((2, 4, 7)))]
    step = rng.uniform(0.16, 0.3)
    boxes = rng.random() < 0.6
    for x in np.arange(-long / 2 + step / 2, long / 2 - step / 2, step):
        for y in np.arange(-deep / 2 + step / 2, deep / 2 - step / 2, step):
            if rng.random() < 0.12:
                continue
            at = (float(x) + rng.uniform(-0.02, 0.02), float(y) + rng.uniform(-0.02, 0.02))
            good, tall = Material(rng.choice(colours), 0.5), rng.uniform(0.05, 0.2)
            if boxes:
                size = (step * 0.75, step * 0.6, tall)
                mesh.box((*at, 0.015 + tall / 2), size, good, yaw=rng.uniform(-0.3, 0.3))
            else:
                mesh.ellipsoid(
                    (*at, 0.05), (step * 0.42, step * 0.35, 0.06), good, sides=8, levels=5
                )
    for _ in range(rng.randrange(3)):
        sack = (rng.uniform(-long / 2, long / 2), deep / 2 + 0.3, 0.22)
        mesh.ellipsoid(sack, (0.3, 0.22, 0.26), cloth(random_colour(rng)), sides=10, levels=6)
    return mesh


def clothes_rail(rng: random.Random) -> Mesh:
    """One or two rails with clothes on hangers."""
    mesh, long = Mesh(), rng.uniform(1.3, 2.2)
    for y in rng.choice(((0.0,), (-0.45, 0.45))):
        top = rng.uniform(1.4, 1.75)
        for x in (-long / 2, long / 2):
            mesh.tube([(x, y, 0.05), (x, y, top)], 0.018, STEEL)
            mesh.tube([(x, y - 0.28, 0.04), (x, y + 0.28, 0.04)], 0.018, BLACK)
        mesh.tube([(-long / 2, y, top), (long / 2, y, top)], 0.015, STEEL)
        for x in np.arange(-long / 2 + 0.06, long / 2 - 0.04, rng.uniform(0.07, 0.14)):
            drop, wide = rng.uniform(0.6, 1.05), rng.uniform(0.36, 0.5)
            garment = cloth(random_colour(rng, 0.95))
            turned = math.pi / 2 + rng.uniform(-0.25, 0.25)
            at = (float(x), y, top - 0.06 - drop / 2)
            mesh.box(at, (wide, 0.04, drop), garment, yaw=turned, bevel=0.015)
    return mesh


def _loaded(build: str) -> Callable[[random.Random], Mesh]:
    def made(rng: random.Random) -> Mesh:
        return stalls.stall_body(rng, cart=build == "cart", goods=rng.uniform(0.5, 1))

    return made


BUILDS: dict[str, tuple[Callable[[random.Random], Mesh], float, float]] = {
    "cart": (_loaded("cart"), 0.25, 0.5),
    "table": (_loaded("table"), 0.25, 0.5),
    "snack": (snack_cart, 0.2, 0.2),
    "ground": (goods_on_the_ground, 0.18, 0.15),
    "rail": (clothes_rail, 0.12, 0.15),
}
"""Build → how it is made, how often it is drawn, and how often a parasol stands over it."""


def random_stall(rng: random.Random) -> tuple[str, list[Mesh]]:
    """A stall and the words for its build, such as ``cart-bare`` or ``table-parasol``."""
    build = rng.choices(list(BUILDS), [often for _, often, _ in BUILDS.values()])[0]
    make, _, shaded = BUILDS[build]
    meshes = [make(rng)]
    if rng.random() >= shaded:
        return f"{build}-bare", meshes
    return f"{build}-parasol", [*meshes, stalls.parasol(rng.choice(stalls.CANOPIES))]
