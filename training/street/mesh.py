"""Meshes as NumPy arrays. Metres; things face +x, z is up, the origin is on the ground."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.street.materials import AnyMaterial

Array = NDArray[np.float64]


def turn(axis: str, angle: float) -> Array:
    """The 3×3 matrix that turns by ``angle`` radians about ``x``, ``y`` or ``z``."""
    c, s = math.cos(angle), math.sin(angle)
    rows = {
        "x": [[1, 0, 0], [0, c, -s], [0, s, c]],
        "y": [[c, 0, s], [0, 1, 0], [-s, 0, c]],
        "z": [[c, -s, 0], [s, c, 0], [0, 0, 1]],
    }
    return np.array(rows[axis], float)


def turn_about(axis: ArrayLike, angle: float) -> Array:
    """The 3×3 matrix that turns by ``angle`` radians about any axis (Rodrigues' formula)."""
    x, y, z = np.asarray(axis, float) / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross)


def circle(count: int, start: float = 0.0) -> Array:
    """``count`` angles once around, in radians."""
    return np.asarray(start + np.arange(count) * (2 * np.pi / count), np.float64)


@dataclass(frozen=True)
class Part:
    """One shape: its vertices (n, 3), its faces as indices into them, its material."""

    vertices: Array
    faces: list[tuple[int, ...]]
    material: AnyMaterial


class Mesh:
    """A growing list of shapes."""

    def __init__(self) -> None:
        self.parts: list[Part] = []

    @property
    def vertices(self) -> Array:
        """All vertices, float (n, 3)."""
        return np.concatenate([p.vertices for p in self.parts]) if self.parts else np.zeros((0, 3))

    @property
    def faces(self) -> list[tuple[int, ...]]:
        """All faces as indices into :attr:`vertices`."""
        made: list[tuple[int, ...]] = []
        first = 0
        for part in self.parts:
            made += [tuple(i + first for i in face) for face in part.faces]
            first += len(part.vertices)
        return made

    @property
    def materials(self) -> list[AnyMaterial]:
        """Every material once, in the order of first use."""
        return list(dict.fromkeys(part.material for part in self.parts))

    @property
    def face_materials(self) -> list[int]:
        """Each face's index into :attr:`materials`."""
        index = {material: i for i, material in enumerate(self.materials)}
        return [index[part.material] for part in self.parts for _ in part.faces]

    def add(
        self, vertices: ArrayLike, faces: Sequence[Sequence[int]], material: AnyMaterial
    ) -> Mesh:
        """Add faces given by indices into ``vertices`` (n, 3)."""
        self.parts.append(Part(np.asarray(vertices, float), [tuple(f) for f in faces], material))
        return self

    def merge(self, other: Mesh, at: ArrayLike = (0, 0, 0), rotation: Array | None = None) -> Mesh:
        """Add another mesh, turned by ``rotation`` and moved to ``at``."""
        for part in other.parts:
            turned = part.vertices if rotation is None else part.vertices @ rotation.T
            self.parts.append(Part(turned + np.asarray(at, float), part.faces, part.material))
        return self

    def rings(
        self,
        rings: Sequence[Array],
        material: AnyMaterial,
        *,
        cap: bool = True,
        closed: bool = False,
    ) -> Mesh:
        """Join rings of equally many points into a skin."""
        size, count = len(rings[0]), len(rings)
        faces: list[tuple[int, ...]] = []
        for i in range(count if closed else count - 1):
            a, b = i * size, ((i + 1) % count) * size
            faces += [(a + j, a + (j + 1) % size, b + (j + 1) % size, b + j) for j in range(size)]
        if cap and not closed:
            faces.append(tuple(range(size))[::-1])
            faces.append(tuple(range((count - 1) * size, count * size)))
        return self.add(np.concatenate(list(rings)), faces, material)

    def tube(
        self,
        points: Sequence[ArrayLike],
        radius: float | Sequence[float],
        material: AnyMaterial,
        *,
        sides: int = 8,
        rounded: bool = True,
        flatness: float = 1.0,
    ) -> Mesh:
        """A pipe along ``points``, with one radius or one per point."""
        path = [np.asarray(p, float) for p in points]
        radii = [float(radius)] * len(path) if isinstance(radius, (int, float)) else list(radius)
        if rounded:
            path, radii = _rounded_ends(path, radii)
        angles = circle(sides)[:, None]
        rings, side = [], None
        for i, (point, r) in enumerate(zip(path, radii, strict=True)):
            along = path[min(i + 1, len(path) - 1)] - path[max(i - 1, 0)]
            along = along / (np.linalg.norm(along) + 1e-9)
            if side is None:
                side = np.cross(along, (0, 1, 0) if abs(along[1]) < 0.9 else (1, 0, 0))
            side = side - along * (side @ along)
            side = side / (np.linalg.norm(side) + 1e-9)
            other = np.cross(along, side)
            rings.append(point + r * (np.cos(angles) * side + flatness * np.sin(angles) * other))
        return self.rings(rings, material)

    def loft(
        self,
        sections: Sequence[tuple[float, float, float, float, float]],
        material: AnyMaterial,
        *,
        axis: int = 2,
        sides: int = 24,
        exponent: float = 2.0,
        cap: bool = True,
    ) -> Mesh:
        """A skin over cross-sections ``(position, centre 1, centre 2, radius 1, radius 2)``.

        ``exponent`` is the superellipse's: 2 is round, 6 is boxy.
        """
        angles = circle(sides, np.pi / sides)
        one = np.sign(np.cos(angles)) * np.abs(np.cos(angles)) ** (2 / exponent)
        two = np.sign(np.sin(angles)) * np.abs(np.sin(angles)) ** (2 / exponent)
        others = [i for i in range(3) if i != axis]
        rings = []
        for position, centre_1, centre_2, radius_1, radius_2 in sections:
            ring = np.zeros((sides, 3))
            ring[:, axis] = position
            ring[:, others[0]] = one * radius_1 + centre_1
            ring[:, others[1]] = two * radius_2 + centre_2
            rings.append(ring)
        return self.rings(rings, material, cap=cap)

    def ellipsoid(
        self,
        centre: ArrayLike,
        radii: tuple[float, float, float],
        material: AnyMaterial,
        *,
        sides: int = 16,
        levels: int = 10,
        lowest: float = -1.0,
    ) -> Mesh:
        """An ellipsoid, cut off below ``lowest`` (-1 whole .. 0 half)."""
        around = circle(sides)
        rings = [
            np.stack(
                [
                    math.cos(a) * np.cos(around) * radii[0],
                    math.cos(a) * np.sin(around) * radii[1],
                    np.full(sides, math.sin(a) * radii[2]),
                ],
                axis=1,
            )
            + np.asarray(centre, float)
            for a in np.linspace(math.asin(lowest), math.pi / 2, levels)
        ]
        return self.rings(rings, material)

    def box(
        self,
        centre: ArrayLike,
        size: tuple[float, float, float],
        material: AnyMaterial,
        *,
        yaw: float = 0.0,
        pitch: float = 0.0,
        bevel: float = 0.02,
    ) -> Mesh:
        """A box with rounded edges."""
        half = np.asarray(size, float) / 2
        r = min(bevel, *(half * 0.9))
        quarter = np.linspace(0, np.pi / 2, 4)
        starts = ((1, 1, 0.0), (-1, 1, np.pi / 2), (-1, -1, np.pi), (1, -1, 1.5 * np.pi))
        rings = []
        for z, inset in ((-half[2], r), (-half[2] + r, 0.0), (half[2] - r, 0.0), (half[2], r)):
            corner = r - inset + 1e-4
            ring = [
                (
                    sx * (half[0] - r) + math.cos(start + q) * corner,
                    sy * (half[1] - r) + math.sin(start + q) * corner,
                    z,
                )
                for sx, sy, start in starts
                for q in quarter
            ]
            rings.append(np.array(ring))
        rotation = turn("z", yaw) @ turn("y", pitch)
        return self.rings(
            [ring @ rotation.T + np.asarray(centre, float) for ring in rings], material
        )

    def torus(
        self,
        centre: ArrayLike,
        radius: float,
        thickness: float,
        material: AnyMaterial,
        *,
        axis: int = 1,
        arc: tuple[float, float] = (0.0, 2 * math.pi),
        segments: int = 40,
        sides: int = 8,
        flatness: float = 1.0,
    ) -> Mesh:
        """A ring, or a part of one, around ``axis``."""
        closed = arc[1] - arc[0] > 6.28
        around = circle(sides)
        rings = []
        for a in np.linspace(*arc, segments, endpoint=not closed):
            distance = radius + thickness * np.cos(around)
            height = thickness * np.sin(around) * flatness
            one, two = distance * math.cos(a), distance * math.sin(a)
            order = {0: (height, one, two), 1: (one, height, two), 2: (one, two, height)}[axis]
            rings.append(np.stack(order, axis=1) + np.asarray(centre, float))
        return self.rings(rings, material, closed=closed)

    def quad(
        self, x: tuple[float, float], y: tuple[float, float], z: float, material: AnyMaterial
    ) -> Mesh:
        """A level rectangle."""
        corners = [(x[0], y[0], z), (x[1], y[0], z), (x[1], y[1], z), (x[0], y[1], z)]
        return self.add(corners, [(0, 1, 2, 3)], material)

    def pane(
        self, x: tuple[float, float], y: float, z: tuple[float, float], material: AnyMaterial
    ) -> Mesh:
        """An upright rectangle that faces -y."""
        corners = [(x[0], y, z[0]), (x[1], y, z[0]), (x[1], y, z[1]), (x[0], y, z[1])]
        return self.add(corners, [(0, 1, 2, 3)], material)


def _rounded_ends(path: list[Array], radii: list[float]) -> tuple[list[Array], list[float]]:
    first = (path[0] - path[1]) / (np.linalg.norm(path[0] - path[1]) + 1e-9)
    last = (path[-1] - path[-2]) / (np.linalg.norm(path[-1] - path[-2]) + 1e-9)
    head, tail = radii[0], radii[-1]
    path = [
        path[0] + first * head * 0.9,
        path[0] + first * head * 0.6,
        *path,
        path[-1] + last * tail * 0.6,
        path[-1] + last * tail * 0.9,
    ]
    return path, [head * 0.3, head * 0.78, *radii, tail * 0.78, tail * 0.3]
