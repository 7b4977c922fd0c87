"""Cut-outs with transparent ground, for putting into pictures of real streets in tests."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from training.street import cycles, people, stalls
from training.street.mesh import Mesh
from training.street.stall_kinds import random_stall
from training.street.view import Placement, View, silhouette

CAMERA_HEIGHT_M, PITCH = 4.5, 20.0
DISTANCE_M = (CAMERA_HEIGHT_M - 0.8) / math.tan(math.radians(PITCH))
MARGIN_PX = 3
STALL_PX = 400
"""Side of the picture that a stall alone is drawn in."""


def _subjects() -> dict[str, tuple[list[Mesh], float, int, int]]:
    """Name → meshes, heading, and the wanted width or height in pixels (0: whatever follows)."""
    stall = [stalls.stall_body(random.Random(4)), stalls.parasol(stalls.CANOPIES[0])]
    return {
        "bicycle": ([cycles.bicycle((0.50, 0.03, 0.03), steer=0.25)], 0.5, 220, 0),
        "stall": (stall, 0.15, 320, 0),
        "vendor": ([people.person(people.Look(17), people.Pose(0.1, 0.12, "reach"))], -1.2, 0, 200),
    }


def _fitting_view(meshes: list[Mesh], place: Placement, width: int, height: int) -> View:
    """A camera whose focal length gives the thing the wanted size."""
    view = View((0, 0, CAMERA_HEIGHT_M), 0, PITCH, 40, 800, 800)
    for _ in range(4):
        mask = np.logical_or.reduce([silhouette(view, mesh, place) for mesh in meshes])
        columns, rows = np.nonzero(mask.any(0))[0], np.nonzero(mask.any(1))[0]
        factor = width / np.ptp(columns) if width else height / np.ptp(rows)
        tangent = math.tan(math.radians(view.hfov) / 2) / factor
        hfov = 2 * math.degrees(math.atan(tangent))
        view = View(view.at, 0, PITCH, hfov, view.width, view.height)
    return view


def render_sprites(out: Path) -> None:
    """Write ``bicycle.png``, ``stall.png`` and ``vendor.png`` (RGBA) into ``out``."""
    from training.street.blender import Stage  # noqa: PLC0415 - Blender is wanted only here

    out.mkdir(parents=True, exist_ok=True)
    place = Placement(0, DISTANCE_M)
    for name, (meshes, heading, width, height) in _subjects().items():
        turned = Placement(place.x, place.y, 0, heading, 0.07 if name == "bicycle" else 0)
        view = _fitting_view(meshes, turned, width, height)
        stage = Stage(samples=32)
        stage.set_light("overcast", exposure=0.25)
        stage.set_view(view)
        for mesh in meshes:
            stage.add(name, mesh, turned)
        picture, _, _ = stage.render(transparent=True)
        cut = _trimmed(picture, MARGIN_PX)
        cv2.imwrite(str(out / f"{name}.png"), cut, [cv2.IMWRITE_PNG_COMPRESSION, 9])


def render_stalls(count: int, seed: int, out: Path) -> None:
    """Write ``count`` stalls from all sides, each an RGBA file whose name says its build.

    A file that is there is not drawn again.
    """
    from training.street.blender import Stage  # noqa: PLC0415 - Blender is wanted only here

    out.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        rng = random.Random(f"{seed}-{number}")
        build, meshes = random_stall(rng)
        path = out / f"{seed}-{number:03d}-{build}.png"
        if path.exists():
            continue
        place = Placement(0, DISTANCE_M, 0, rng.uniform(-math.pi, math.pi))
        wide = _fitting_view(meshes, place, 2 * rng.choice((180, 240, 300)), 0)
        stage = Stage(samples=6)
        light = rng.choice(("overcast", "day"))
        stage.set_light(light, azimuth=rng.uniform(0, 360), exposure=rng.uniform(-0.3, 0.4))
        stage.set_view(View(wide.at, 0, PITCH, wide.hfov, STALL_PX, STALL_PX))
        for mesh in meshes:
            stage.add("stall", mesh, place)
        picture, _, _ = stage.render(transparent=True)
        cv2.imwrite(str(path), _trimmed(picture, 0))


def _trimmed(picture: NDArray[Any], margin_px: int) -> NDArray[Any]:
    """An RGBA picture cut to what is not transparent."""
    rows, columns = np.nonzero(picture[..., 3].any(1))[0], np.nonzero(picture[..., 3].any(0))[0]
    top, left = max(0, rows[0] - margin_px), max(0, columns[0] - margin_px)
    return picture[top : rows[-1] + 1 + margin_px, left : columns[-1] + 1 + margin_px]
