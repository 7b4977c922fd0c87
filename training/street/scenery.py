"""The street itself: road, kerbs, pavement, bay, shop fronts, posts and trees.

x runs along the street, y away from the camera, z up, all in metres. The road lies between
y = -0.5 and :data:`KERB_Y`; the pavement (:data:`PAVEMENT_Z` high) reaches to the shop fronts at
:data:`FRONT_Y`.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

import numpy as np

from training.street.materials import (
    BLACK,
    DARK_GLASS,
    AnyMaterial,
    Colour,
    Glass,
    Ground,
    Material,
)
from training.street.mesh import Mesh

KERB_Y = 6.5
FRONT_Y = 12.0
PAVEMENT_Z = 0.12
HALF_LENGTH = 32.0
SHOPS = (
    "BAKERY", "FLOWERS", "BOOKS & TEA", "PHARMACY", "NOODLES", "HARDWARE",
    "LAUNDRY", "CAFE NORD", "FRUIT & VEG", "OPTICIAN", "TAILOR", "RADIO",
)  # fmt: skip
WHITE_PAINT = Material((0.62, 0.62, 0.60), 0.7, mottle=0.35, scale=9)
YELLOW_PAINT = Material((0.60, 0.42, 0.05), 0.7, mottle=0.35, scale=9)
IRON = Material((0.05, 0.055, 0.06), 0.4, 0.6)
WINDOW_FRAME = Material((0.6, 0.6, 0.57))


@dataclass(frozen=True)
class Sign:
    """A shop's name over its window."""

    text: str
    x: float
    glow: float


@dataclass
class Scenery:
    """Meshes by name; ``solid`` ones can stand in front of things, the rest is backdrop."""

    backdrop: dict[str, Mesh] = field(default_factory=dict)
    solid: dict[str, tuple[Mesh, float, float]] = field(default_factory=dict)
    signs: list[Sign] = field(default_factory=list)


@dataclass(frozen=True)
class Bay:
    """The marked rectangle in which bicycles may stand."""

    left: float = -2.5
    right: float = 2.5
    near: float = KERB_Y + 0.5
    far: float = KERB_Y + 2.5


def scenery(seed: int, *, lit: bool, bay: Bay | None = None, bollards: bool = True) -> Scenery:
    """Build one street.

    Args:
        seed: Chooses colours, widths and what stands where; the same whatever the light.
        lit: Shops and some windows are lit, as at dusk.
        bay: The bicycle bay to paint, if any.
        bollards: Whether posts stand along the kerb.
    """
    rng = random.Random(seed)
    made = Scenery()
    grey = rng.uniform(0.85, 1.2)
    made.backdrop["road"] = Mesh().quad(
        (-HALF_LENGTH, HALF_LENGTH),
        (-0.5, KERB_Y),
        0,
        Ground((0.062 * grey, 0.062 * grey, 0.065 * grey), "asphalt"),
    )
    made.backdrop["pavement"] = _pavement(rng)
    made.backdrop["kerb"] = _kerbs()
    made.backdrop["paint"] = _paint(bay)
    _add_posts(made, rng, bay, bollards=bollards)
    x, shop = -HALF_LENGTH, rng.randrange(len(SHOPS))
    while x < HALF_LENGTH:
        width = rng.uniform(4.0, 5.2)
        made.backdrop[f"house-{shop}"] = _House(x, width, shop, lit, rng).build()
        made.signs.append(Sign(SHOPS[shop % len(SHOPS)], x + width / 2, 0.6 if lit else 0.0))
        x, shop = x + width, shop + 1
    opposite = Mesh().box((0, -14, 5), (2 * HALF_LENGTH, 2, 10), Material((0.35, 0.28, 0.22), 0.9))
    made.backdrop["opposite"] = opposite
    return made


def _pavement(rng: random.Random) -> Mesh:
    tones: tuple[Colour, ...] = (
        (0.25, 0.235, 0.215),
        (0.30, 0.29, 0.28),
        (0.26, 0.20, 0.16),
        (0.2, 0.2, 0.2),
    )
    stone = Ground(rng.choice(tones), "paving")
    mesh = Mesh().quad((-HALF_LENGTH, HALF_LENGTH), (KERB_Y + 0.15, FRONT_Y), PAVEMENT_Z, stone)
    return mesh.quad((-HALF_LENGTH, HALF_LENGTH), (-13, -0.65), PAVEMENT_Z, stone)


def _kerbs() -> Mesh:
    mesh, stone = Mesh(), Material((0.36, 0.35, 0.33), 0.8, mottle=0.2, scale=4)
    for x in np.arange(-HALF_LENGTH, HALF_LENGTH, 1.0):
        for y in (KERB_Y + 0.075, -0.575):
            mesh.box((x + 0.5, y, 0.06), (0.985, 0.15, 0.13), stone)
    return mesh


def _paint(bay: Bay | None) -> Mesh:
    mesh = Mesh()
    for x in np.arange(-HALF_LENGTH, HALF_LENGTH, 4):
        mesh.quad((x, x + 2), (3.0, 3.1), 0.004, WHITE_PAINT)
    mesh.quad((-HALF_LENGTH, HALF_LENGTH), (KERB_Y - 0.35, KERB_Y - 0.25), 0.004, YELLOW_PAINT)
    drain = Material((0.05, 0.05, 0.05), 0.6, 0.8)
    mesh.box((-4, KERB_Y - 0.2, 0.0), (0.5, 0.35, 0.02), drain)
    if bay is not None:
        z, line = PAVEMENT_Z + 0.004, 0.08
        mesh.quad((bay.left, bay.right), (bay.near, bay.near + line), z, WHITE_PAINT)
        mesh.quad((bay.left, bay.right), (bay.far - line, bay.far), z, WHITE_PAINT)
        mesh.quad((bay.left, bay.left + line), (bay.near, bay.far), z, WHITE_PAINT)
        mesh.quad((bay.right - line, bay.right), (bay.near, bay.far), z, WHITE_PAINT)
    return mesh


def _add_posts(made: Scenery, rng: random.Random, bay: Bay | None, *, bollards: bool) -> None:
    if bollards:
        for i, x in enumerate(np.arange(-21.25, 21.3, 2.5)):
            if bay is None or not bay.left - 0.6 < x < bay.right + 0.6:
                sections = (
                    (0, 0, 0, 0.06, 0.06),
                    (0.83, 0, 0, 0.05, 0.05),
                    (0.88, 0, 0, 0.03, 0.03),
                )
                made.solid[f"bollard-{i}"] = (
                    Mesh().loft(sections, IRON, sides=14),
                    float(x),
                    KERB_Y + 0.4,
                )
    lamp = Mesh()
    lamp.tube(
        [(0, 0, 0), (0, 0, 5.2), (0, -0.7, 5.6), (0, -1.5, 5.65)], [0.09, 0.06, 0.05, 0.045], IRON
    )
    lamp.box((0, -1.7, 5.62), (0.25, 0.6, 0.1), BLACK)
    made.solid["lamp-post"] = (lamp, 8.6 + rng.uniform(-0.5, 0.5), KERB_Y + 0.45)
    made.solid["tree-1"] = (tree(rng.randrange(99)), -9.0 + rng.uniform(-0.6, 0.6), KERB_Y + 0.9)
    made.solid["tree-2"] = (tree(rng.randrange(99)), 14.0 + rng.uniform(-1, 1), KERB_Y + 0.9)


def tree(seed: int, height: float = 6.5) -> Mesh:
    """A street tree of leaf-sized quads on a few branches."""
    rng, mesh = np.random.default_rng(seed), Mesh()
    bark = Material((0.12, 0.085, 0.06), 0.9, mottle=0.3, scale=8, bump=1)
    mesh.tube(
        [(0, 0, -0.1), (0.05, 0, 1.2), (0, 0.08, 2.6), (0.1, 0, 4)],
        [0.17, 0.13, 0.11, 0.07],
        bark,
        sides=12,
    )
    clusters = []
    for i in range(9):
        out = 1.4 * rng.uniform(0.6, 1.1)
        end = np.array(
            [out * math.cos(i * 2.4), out * math.sin(i * 2.4), height * rng.uniform(0.55, 0.95)]
        )
        mesh.tube(
            [(0, 0.05, 2.4 + 0.15 * i), end * 0.5 + (0, 0, 1.4), end],
            [0.05, 0.035, 0.015],
            bark,
            sides=6,
        )
        clusters += [end, end * (0.55, 0.55, 1) + (0, 0, 0.3)]
    for colour in ((0.05, 0.11, 0.02), (0.08, 0.15, 0.03), (0.035, 0.08, 0.02)):
        leaves = 1500
        outward = rng.normal(size=(leaves, 3))
        outward /= np.linalg.norm(outward, axis=1)[:, None]
        centre = np.array(clusters)[rng.integers(0, len(clusters), leaves)]
        centre = centre + outward * rng.uniform(0.2, 0.85, (leaves, 1)) * (1, 1, 0.75)
        across = rng.normal(size=(leaves, 3))
        across /= np.linalg.norm(across, axis=1)[:, None]
        along, size = np.cross(across, outward), rng.uniform(0.06, 0.12, (leaves, 1))
        corners = [centre - across * size, centre + along * size * 0.6,
                   centre + across * size, centre - along * size * 0.6]  # fmt: skip
        quads = [(4 * i, 4 * i + 1, 4 * i + 2, 4 * i + 3) for i in range(leaves)]
        mesh.add(np.stack(corners, 1).reshape(-1, 3), quads, Material(colour, 0.6))
    return mesh


class _House:
    """One bay of the terrace: a shop and two floors."""

    def __init__(self, x: float, width: float, number: int, lit: bool, rng: random.Random) -> None:
        self.left, self.right, self.number, self.lit, self.rng = x, x + width, number, lit, rng
        self.width, self.centre = width, x + width / 2
        self.mesh = Mesh()
        render: Colour = rng.choice(
            ((0.55, 0.5, 0.4), (0.5, 0.42, 0.33), (0.6, 0.58, 0.54), (0.42, 0.46, 0.48))
        )
        brick: Colour = rng.choice(((0.33, 0.13, 0.08), (0.42, 0.30, 0.2), (0.25, 0.12, 0.09)))
        plaster = Material(render, 0.9, mottle=0.12, scale=1.5, bump=0.2)
        self.wall: AnyMaterial = Ground(brick, "brick") if number % 2 else plaster
        frame: Colour = rng.choice(
            (
                (0.03, 0.08, 0.05),
                (0.05, 0.05, 0.06),
                (0.25, 0.05, 0.04),
                (0.03, 0.06, 0.14),
                (0.5, 0.48, 0.42),
            )
        )
        self.frame = Material(frame, 0.4)

    def build(self) -> Mesh:
        self._add_shop_front()
        self._add_interior()
        if self.number % 3 == 1:
            self._add_awning()
        for floor in range(2):
            self._add_floor(3.45 + floor * 2.9)
        self._add_top()
        return self.mesh

    def _box(
        self, centre: tuple[float, float, float], size: tuple[float, float, float], material: AnyMaterial,
        bevel: float = 0.01,
    ) -> None:  # fmt: skip
        self.mesh.box(centre, size, material, bevel=bevel)

    def _add_shop_front(self) -> None:
        y, door = FRONT_Y, self.right - 0.95
        glass = (self.left + 0.4, door - 0.55)
        middle, span = sum(glass) / 2, glass[1] - glass[0]
        for x in (self.left + 0.2, self.right - 0.2):
            self._box((x, y, 1.7), (0.4, 0.3, 3.4), self.wall)
        self._box((middle, y, 0.4), (span, 0.2, 0.6), self.frame)
        self._box((middle, y - 0.02, 0.71), (span + 0.05, 0.3, 0.05), self.frame)
        self.mesh.pane(glass, y, (0.7, 2.7), Glass())
        for x in (glass[0] + 0.03, middle, glass[1]):
            self._box((x, y, 1.6), (0.07, 0.12, 2.4), self.frame)
        self.mesh.pane((door - 0.45, door + 0.45), y + 0.1, (0.3, 2.4), Glass())
        for x in (door - 0.5, door + 0.5):
            self._box((x, y + 0.08, 1.4), (0.1, 0.1, 2.6), self.frame)
        self._box((door, y + 0.1, 0.3), (0.95, 0.08, 0.4), self.frame)
        self._box((door, y + 0.1, 2.45), (0.95, 0.08, 0.1), self.frame)
        self._box((self.centre, y, 2.75), (self.width - 0.7, 0.14, 0.1), self.frame)
        self._box((self.centre, y - 0.06, 3.1), (self.width - 0.5, 0.2, 0.62), self.frame)
        self._box((self.centre, y - 0.1, 3.44), (self.width - 0.3, 0.4, 0.07), self.frame)

    def _add_interior(self) -> None:
        rng, y = self.rng, FRONT_Y
        inside = (self.left + 0.1, self.right - 0.1)
        tone: Colour = rng.choice(((0.5, 0.45, 0.36), (0.4, 0.42, 0.4), (0.5, 0.4, 0.3)))
        self.mesh.pane(inside, y + 2.6, (0.1, 3.0), Material(tone, 0.9))
        self.mesh.quad(inside, (y, y + 2.6), 0.15, Material((0.2, 0.15, 0.1)))
        self.mesh.quad(inside, (y, y + 2.6), 2.95, Material((0.7, 0.7, 0.65), 0.9))
        lamp = Material((1, 0.82, 0.58), glow=17.0 if self.lit else 3.0)
        self.mesh.quad((self.centre - 1, self.centre + 1), (y + 0.6, y + 1.0), 2.9, lamp)
        for _ in range(7):
            high = rng.uniform(0.4, 1.7)
            shelf = Material(
                (rng.uniform(0.05, 0.6), rng.uniform(0.05, 0.5), rng.uniform(0.05, 0.4)), 0.7
            )
            x, deep = rng.uniform(self.left + 0.7, self.right - 0.7), y + rng.uniform(0.4, 2.3)
            self._box((x, deep, 0.15 + high / 2), (rng.uniform(0.2, 0.7), 0.3, high), shelf)

    def _add_awning(self) -> None:
        colour: Colour = self.rng.choice(((0.4, 0.04, 0.04), (0.05, 0.2, 0.1), (0.1, 0.12, 0.3)))
        y, stripes = FRONT_Y, 12
        for i in range(stripes):
            a = self.left + 0.3 + (self.width - 0.6) * i / stripes
            b = self.left + 0.3 + (self.width - 0.6) * (i + 1) / stripes
            corners = [(a, y - 0.1, 3.35), (b, y - 0.1, 3.35), (b, y - 1.2, 2.75),
                       (a, y - 1.2, 2.75), (b, y - 1.2, 2.58), (a, y - 1.2, 2.58)]  # fmt: skip
            stripe = Material(colour if i % 2 else (0.7, 0.68, 0.6), 0.9)
            self.mesh.add(corners, [(0, 1, 2, 3), (3, 2, 4, 5)], stripe)

    def _add_floor(self, base: float) -> None:
        """A storey with two windows."""
        y, opening = FRONT_Y, 0.95
        pier = (self.width - 2 * opening) / 3
        self._box((self.centre, y, base + 0.4), (self.width, 0.3, 0.8), self.wall, 0.002)
        self._box((self.centre, y, base + 2.6), (self.width, 0.3, 0.62), self.wall, 0.002)
        for i in range(3):
            x = self.left + pier / 2 + i * (opening + pier)
            self._box((x, y, base + 1.55), (pier, 0.3, 1.5), self.wall, 0.002)
        for i in range(2):
            x = self.left + pier + opening / 2 + i * (opening + pier)
            # The draw comes before the test: the light must not change the random stream.
            glows = self.rng.random() < 0.5 and self.lit
            pane = Material((1, 0.75, 0.45), 0.3, glow=2.5) if glows else DARK_GLASS
            self.mesh.pane(
                (x - opening / 2, x + opening / 2), y + 0.05, (base + 0.8, base + 2.3), pane
            )
            self._box((x, y - 0.1, base + 0.78), (opening + 0.2, 0.3, 0.07), WINDOW_FRAME)
            for dx in (-opening / 2, 0, opening / 2):
                self._box((x + dx, y + 0.02, base + 1.55), (0.06, 0.08, 1.5), WINDOW_FRAME, 0.005)

    def _add_top(self) -> None:
        top = self.rng.choice((9.4, 9.8, 10.4))
        self._box(
            (self.centre, FRONT_Y, (9.25 + top) / 2), (self.width, 0.3, top - 9.2), self.wall, 0.002
        )
        self._box((self.centre, FRONT_Y - 0.05, top - 0.1), (self.width, 0.5, 0.25), self.wall)
        self._box(
            (self.centre, FRONT_Y + 4, top / 2 + 2), (self.width, 7.6, top - 4.2), self.wall, 0.002
        )
