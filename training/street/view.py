"""Where things are in the picture: a pinhole camera as plain numbers, the same that Blender uses."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.street.mesh import Array, Mesh, turn


@dataclass(frozen=True)
class View:
    """A fixed camera.

    Attributes:
        at: Position, metres.
        yaw: Degrees to the left of +y.
        pitch: Degrees below the horizon.
        hfov: Horizontal field of view, degrees.
        width: Picture width in pixels.
        height: Picture height in pixels.
    """

    at: tuple[float, float, float]
    yaw: float
    pitch: float
    hfov: float
    width: int
    height: int

    @property
    def focal_px(self) -> float:
        """Focal length in pixels."""
        return self.width / 2 / math.tan(math.radians(self.hfov) / 2)

    def rotation(self) -> Array:
        """Rows are the camera's right, down and forward in the world."""
        turned = turn("z", math.radians(self.yaw)) @ turn("x", math.radians(90 - self.pitch))
        return np.stack([turned[:, 0], -turned[:, 1], -turned[:, 2]])

    def project(self, points: ArrayLike) -> tuple[Array, Array]:
        """World points (n, 3) to pixels (n, 2), x right and y down, and depths (n,) in metres."""
        local = (np.asarray(points, float).reshape(-1, 3) - np.array(self.at)) @ self.rotation().T
        depth = local[:, 2]
        safe = np.where(np.abs(depth) < 1e-6, 1e-6, depth)
        pixels = local[:, :2] / safe[:, None] * self.focal_px
        return pixels + np.array([self.width / 2, self.height / 2]), depth

    def distance(self, x: float, y: float) -> float:
        """Metres along the ground from below the camera."""
        return math.hypot(x - self.at[0], y - self.at[1])


@dataclass(frozen=True)
class Placement:
    """Where a mesh stands and which way it faces, radians."""

    x: float
    y: float
    z: float = 0.0
    heading: float = 0.0
    lean: float = 0.0

    def apply(self, vertices: Array) -> Array:
        """Mesh coordinates (n, 3) to world coordinates."""
        return np.asarray(self.turned(vertices) + np.array([self.x, self.y, self.z]))

    def turned(self, directions: Array) -> Array:
        """Directions (n, 3) of the mesh in the world."""
        return np.asarray(directions @ (turn("z", self.heading) @ turn("x", self.lean)).T)


def extent(mask: NDArray[Any]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom edges, in pixels, of what is not zero in a mask (h, w).

    Raises:
        IndexError: The mask is empty.
    """
    rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def silhouette(view: View, mesh: Mesh, place: Placement, margin_px: int = 0) -> NDArray[np.bool_]:
    """The pixels a thing would cover with nothing before it.

    The result is (height + 2 margin, width + 2 margin): with a margin, what the frame's edge cuts
    off is counted too. Things behind the camera give an empty mask.
    """
    shape = (view.height + 2 * margin_px, view.width + 2 * margin_px)
    canvas = np.zeros(shape, np.uint8)
    pixels, depth = view.project(place.apply(mesh.vertices))
    if len(depth) == 0 or depth.min() < 0.3:
        return canvas.astype(bool)
    corners = np.rint(np.clip(pixels + margin_px, -8000, 8000) * 16).astype(np.int32)
    for face in mesh.faces:
        cv2.fillConvexPoly(canvas, corners[list(face)], 1, cv2.LINE_8, 4)
    return canvas.astype(bool)
