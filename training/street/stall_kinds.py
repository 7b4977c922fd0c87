"""The kinds of street stalls that cut-outs show, and who stands at them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from training.street import people, stalls
from training.street.mesh import Mesh, turn
from training.street.standing_stalls import (
    baskets_on_the_ground,
    clothes_rail,
    goods_on_the_ground,
    tent,
    tiers_of_crates,
)
from training.street.wheeled_stalls import handcart, snack_cart, tricycle

PEOPLE_AT_A_STALL = (0, 0, 1, 1, 2, 3)


def _loaded(build: str) -> Callable[[random.Random], Mesh]:
    def made(rng: random.Random) -> Mesh:
        return stalls.stall_body(rng, cart=build == "cart", goods=rng.uniform(0.5, 1))

    return made


BUILDS: dict[str, tuple[Callable[[random.Random], Mesh], float, float]] = {
    "cart": (_loaded("cart"), 0.1, 0.4),
    "table": (_loaded("table"), 0.14, 0.4),
    "snack": (snack_cart, 0.14, 0.2),
    "handcart": (handcart, 0.14, 0.2),
    "tricycle": (tricycle, 0.14, 0.15),
    "tent": (tent, 0.1, 0.0),
    "crates": (tiers_of_crates, 0.08, 0.3),
    "baskets": (baskets_on_the_ground, 0.06, 0.25),
    "ground": (goods_on_the_ground, 0.06, 0.15),
    "rail": (clothes_rail, 0.04, 0.15),
}
"""Build → how it is made, how often it is drawn, and how often a parasol stands over it."""


@dataclass(frozen=True, slots=True)
class DrawnStall:
    """A stall, the words for its build such as ``cart-bare`` or ``table-parasol``, and its people."""

    build: str
    stall: list[Mesh]
    people: list[Mesh]


def random_stall(rng: random.Random) -> DrawnStall:
    """A stall with nobody to three people behind, beside and before it."""
    build = rng.choices(list(BUILDS), [often for _, often, _ in BUILDS.values()])[0]
    make, _, shaded = BUILDS[build]
    meshes = [make(rng)]
    cover = "bare"
    if rng.random() < shaded:
        meshes.append(stalls.parasol(rng.choice(stalls.CANOPIES)))
        cover = "parasol"
    vendors = [_somebody(rng, meshes[0]) for _ in range(rng.choice(PEOPLE_AT_A_STALL))]
    return DrawnStall(f"{build}-{cover}", meshes, vendors)


def _somebody(rng: random.Random, stall: Mesh) -> Mesh:
    """A person within arm's reach of the stall's rim, mostly facing it."""
    low, high = stall.vertices.min(0), stall.vertices.max(0)
    pose = people.Pose(rng.random(), rng.choice((0.1, 0.15, 0.6)), rng.choice(("reach", "swing")))
    side = rng.choice((-1, 1))
    gap = rng.uniform(0.2, 0.5)
    if rng.random() < 0.8:
        x, y = rng.uniform(low[0], high[0]), (low[1] - gap if side < 0 else high[1] + gap)
        facing = -side * math.pi / 2
    else:
        x, y = (low[0] - gap if side < 0 else high[0] + gap), rng.uniform(low[1], high[1])
        facing = 0.0 if side < 0 else math.pi
    facing += rng.choice((rng.gauss(0, 0.4), rng.uniform(-math.pi, math.pi)))
    body = people.person(people.Look(rng.randrange(10**6)), pose)
    return Mesh().merge(body, (x, y, 0), turn("z", facing))
