"""Stalls that stand on the ground: cloths, rails, tents and tiers of crates."""

from __future__ import annotations

import math
import random

import numpy as np

from training.street.materials import BLACK, STEEL, WOOD, Material, cloth, random_colour
from training.street.mesh import Mesh
from training.street.stalls import CANOPIES, CRATES
from training.street.wheeled_stalls import add_heap, add_heaps


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


def baskets_on_the_ground(rng: random.Random) -> Mesh:
    """Baskets, tubs and sacks of vegetables in one or two rows on the pavement."""
    mesh, rows = Mesh(), rng.choice((1, 2, 2))
    count, step = rng.randrange(3, 6), rng.uniform(0.5, 0.62)
    for row in range(rows):
        for column in range(count):
            x, y = (column - (count - 1) / 2) * step, row * step
            radius, tall = rng.uniform(0.2, 0.27), rng.uniform(0.12, 0.35)
            tub = rng.choice((WOOD, Material(random_colour(rng, 0.8), 0.5)))
            mesh.loft([(0.0, x, y, radius * 0.85, radius * 0.85), (tall, x, y, radius, radius)], tub)  # fmt: skip
            add_heap(mesh, rng, (x, y, tall), (radius * 2, radius * 2))
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


def tent(rng: random.Random) -> Mesh:
    """A folding tent with a pyramid roof over one or two tables of goods."""
    mesh, long, deep = Mesh(), rng.uniform(2.0, 3.0), rng.uniform(1.8, 2.6)
    eaves, peak = rng.uniform(1.95, 2.2), rng.uniform(0.5, 0.9)
    cover = cloth(rng.choice((*(pair[0] for pair in CANOPIES), (0.8, 0.8, 0.8))))
    half = (long / 2 + 0.05, deep / 2 + 0.05)
    corners = [(-half[0], -half[1]), (half[0], -half[1]), (half[0], half[1]), (-half[0], half[1])]
    points = [*((x, y, eaves) for x, y in corners), (0.0, 0.0, eaves + peak)]
    mesh.add(points, [(0, 1, 4), (1, 2, 4), (2, 3, 4), (3, 0, 4)], cover)
    hem = [(x, y, z) for z in (eaves, eaves - 0.22) for x, y in corners]
    mesh.add(hem, [(i, (i + 1) % 4, 4 + (i + 1) % 4, 4 + i) for i in range(4)], cover)
    for x, y in corners:
        mesh.tube([(x, y, 0), (x, y, eaves)], 0.022, STEEL)
    if rng.random() < 0.35:
        mesh.pane((-half[0], half[0]), half[1], (0.05, eaves), cover)
    drape = cloth(random_colour(rng, 0.8))
    for y in rng.choice(((-deep / 2 + 0.4,), (-deep / 2 + 0.4, deep / 2 - 0.4))):
        mesh.box((0, y, 0.73), (long * 0.9, 0.75, 0.05), drape)
        mesh.box((0, y - 0.38, 0.42), (long * 0.9, 0.012, 0.62), drape)
        add_heaps(mesh, rng, 0.76, long * 0.86, 0.66, rng.uniform(0.3, 0.5))
    return mesh


def tiers_of_crates(rng: random.Random) -> Mesh:
    """Crates of produce in two or three rising rows, as grocers set them out."""
    mesh, columns, rows = Mesh(), rng.randrange(3, 6), rng.choice((2, 2, 3))
    crate = Material(rng.choice(CRATES), 0.6)
    same = rng.random() < 0.5
    for row in range(rows):
        top, y = 0.28 + 0.22 * row, 0.44 * row
        for column in range(columns):
            x = (column - (columns - 1) / 2) * 0.56
            case = crate if same else Material(rng.choice(CRATES), 0.6)
            mesh.box((x, y, top / 2), (0.53, 0.4, top), case)
            mesh.box((x, y - 0.2, top + 0.03), (0.53, 0.015, 0.09), case)
            add_heap(mesh, rng, (x, y, top), (0.5, 0.38))
    return mesh
