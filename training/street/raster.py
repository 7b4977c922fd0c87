"""A small painter's-algorithm renderer for people, who are too many to trace rays for.

Each face is filled with its colour under a wide sky, plus street lamps at dusk. The constants of
the tone curve were fitted to the same people rendered by Cycles.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from training.street.materials import Material
from training.street.mesh import Array, Mesh
from training.street.view import Placement, View

FAR_M = 1e5
OVERSAMPLE = 3
FACET_M = 0.045
LAMPS = np.array([[8.6, 5.3, 5.5], [-7.0, 5.3, 5.5], [0.0, -0.9, 5.5]])
LAMP_COLOUR = np.array([1.0, 0.72, 0.42])
SKY_COLOUR = (np.array([1.0, 0.92, 0.82]), np.array([1.0, 0.88, 0.8]))
# Rows: day, dusk. Columns: scale, exponent, shoulder (see `tone`), then the share of the lamps.
TONE = ((1.289, 0.689, 0.464), (0.809, 0.886, 0.547))
LAMP_SHARE = (0.0, 12.0)
# The sky is brighter on one side: towards (x, y, z), and by how much.
BRIGHT_SIDE = np.array([-0.6, -0.6, 0.5])
BRIGHT_SHARE = (0.8, 0.4)


def irradiance(points: Array, normals: Array, light: int) -> Array:
    """Light on faces (n, 3), linear RGB, for 0 day or 1 dusk."""
    up = normals[:, 2:]
    sky = 0.5 + 0.5 * up
    sky = sky + BRIGHT_SHARE[light] * np.clip(normals @ BRIGHT_SIDE, 0, None)[:, None]
    # The wall opposite and the ground send some back; the closer to the ground, the less comes in.
    open_air = 0.72 + 0.28 * np.clip(points[:, 2:] / 1.2, 0, 1)
    total = (0.18 + 0.82 * sky) * open_air * SKY_COLOUR[light]
    if LAMP_SHARE[light]:
        for lamp in LAMPS:
            towards = lamp - points
            distance = np.linalg.norm(towards, axis=1, keepdims=True)
            facing = np.clip((normals * towards).sum(1, keepdims=True) / distance, 0, None)
            total = total + LAMP_SHARE[light] * facing / distance**2 * LAMP_COLOUR
    return np.asarray(total)


def tone(linear: Array, light: int) -> Array:
    """Linear light to what the picture shows, 0..1."""
    scale, exponent, shoulder = TONE[light]
    raised = np.power(np.clip(linear, 0, None), exponent)
    return np.asarray(np.clip(scale * raised / (raised + shoulder), 0, 1))


@dataclass(frozen=True)
class Facets:
    """A mesh cut into small four-cornered faces.

    Attributes:
        corners: float (n, 4, 3), mesh coordinates; triangles repeat their last corner.
        normals: float (n, 3), outwards, unit length.
        albedo: float (n, 3), linear RGB.
    """

    corners: Array
    normals: Array
    albedo: Array


@lru_cache(maxsize=1024)
def facets(mesh: Mesh) -> Facets:
    """Cut every part into faces of at most :data:`FACET_M`: small faces can be sorted by distance."""
    corners, normals, albedo = [], [], []
    for part in mesh.parts:
        quads = _cut_up(part.vertices[_four_cornered(part.faces)])
        middles = quads.mean(1)
        across = np.cross(quads[:, 2] - quads[:, 0], quads[:, 3] - quads[:, 1])
        # Parts are convex, nearly: the sign that points away from the middle for most is outwards.
        outward = float((across * (middles - part.vertices.mean(0))).sum())
        across *= 1 if outward > 0 else -1
        corners.append(quads)
        normals.append(across / (np.linalg.norm(across, axis=1, keepdims=True) + 1e-12))
        colour = part.material.colour if isinstance(part.material, Material) else (0.5, 0.5, 0.5)
        albedo.append(np.tile(np.array(colour), (len(quads), 1)))
    return Facets(np.concatenate(corners), np.concatenate(normals), np.concatenate(albedo))


def _four_cornered(faces: list[tuple[int, ...]]) -> NDArray[np.int64]:
    made: list[tuple[int, ...]] = []
    for face in faces:
        if len(face) == 4:
            made.append(face)
        else:
            made += [(face[0], b, c, c) for b, c in pairwise(face[1:])]
    return np.array(made)


def _cut_up(quads: Array) -> Array:
    """Split quads (n, 4, 3) along both directions until no edge is long."""
    edges = np.linalg.norm(quads - np.roll(quads, -1, axis=1), axis=2)
    along = np.clip(np.ceil(np.maximum(edges[:, 0], edges[:, 2]) / FACET_M), 1, 16).astype(int)
    aside = np.clip(np.ceil(np.maximum(edges[:, 1], edges[:, 3]) / FACET_M), 1, 16).astype(int)
    made = []
    for n, m in sorted({*zip(along.tolist(), aside.tolist(), strict=True)}):
        chosen = quads[(along == n) & (aside == m)]
        u, v = (np.linspace(0, 1, count + 1) for count in (n, m))
        grid = _bilinear(chosen, u, v)
        cells = (grid[:, :-1, :-1], grid[:, 1:, :-1], grid[:, 1:, 1:], grid[:, :-1, 1:])
        made.append(np.stack([cell.reshape(-1, 3) for cell in cells], axis=1))
    return np.concatenate(made)


def _bilinear(quads: Array, u: Array, v: Array) -> Array:
    """Points (n, len(u), len(v), 3) inside quads (n, 4, 3)."""
    uu, vv = u[None, :, None, None], v[None, None, :, None]
    a, b, c, d = (quads[:, i][:, None, None] for i in range(4))
    return np.asarray((1 - uu) * (1 - vv) * a + uu * (1 - vv) * b + uu * vv * c + (1 - uu) * vv * d)


def draw(
    view: View, mesh: Mesh, place: Placement, crop: tuple[int, int, int, int], light: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Draw a thing into the crop ``(left, top, right, bottom)`` of the view.

    Returns:
        BGRA (h, w, 4), 0..1, colour multiplied by alpha; and depth in metres (h, w).
    """
    left, top, right, bottom = crop
    made = facets(mesh)
    world = place.apply(made.corners.reshape(-1, 3)).reshape(-1, 4, 3)
    normals = place.turned(made.normals)
    middles = world.mean(1)
    to_camera = np.array(view.at) - middles
    facing = (to_camera * normals).sum(1) > 0
    world, normals, middles = world[facing], normals[facing], middles[facing]
    pixels, depth = view.project(world.reshape(-1, 3))
    corners = np.rint((pixels - (left, top)) * OVERSAMPLE * 16).astype(np.int32).reshape(-1, 4, 2)
    lit = made.albedo[facing] * irradiance(middles, normals, light)
    # Cloth and skin shine a little: without it black clothes would be holes.
    bgr = tone(lit + 0.006, light)[:, ::-1].tolist()
    near = depth.reshape(-1, 4).mean(1)
    shape = ((bottom - top) * OVERSAMPLE, (right - left) * OVERSAMPLE)
    canvas, deep = np.zeros((*shape, 4), np.float32), np.full(shape, FAR_M, np.float32)
    for i in np.argsort(-near, kind="stable").tolist():
        cv2.fillConvexPoly(canvas, corners[i], (*bgr[i], 1.0), cv2.LINE_8, 4)
        cv2.fillConvexPoly(deep, corners[i], (near[i],), cv2.LINE_8, 4)
    small = cv2.resize(canvas, (right - left, bottom - top), interpolation=cv2.INTER_AREA)
    nearest = cv2.erode(deep, np.ones((OVERSAMPLE, OVERSAMPLE), np.uint8))
    return (
        np.asarray(small, np.float32),
        np.ascontiguousarray(nearest[1::OVERSAMPLE, 1::OVERSAMPLE], np.float32),
    )
