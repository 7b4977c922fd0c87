"""Cut-outs with transparent ground, for putting into pictures of real streets in tests."""

from __future__ import annotations

import json
import math
import random
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from training.street import cycles, people, stalls
from training.street.mesh import Mesh
from training.street.stall_kinds import random_stall
from training.street.view import Placement, View, extent, silhouette

if TYPE_CHECKING:
    from training.street.blender import Light

PITCH = 20.0
FAR_M = 3.7 / math.sin(math.radians(PITCH))
"""From the camera, 4.5 m up, to a point 0.8 m over the ground."""
MARGIN_PX = 3
STALL_PX = 480
"""Side of the picture that a stall alone is drawn in."""


def _subjects() -> dict[str, tuple[list[Mesh], float, int, int]]:
    """Name → meshes, heading, and the wanted width or height in pixels (0: whatever follows)."""
    stall = [stalls.stall_body(random.Random(4)), stalls.parasol(stalls.CANOPIES[0])]
    return {
        "bicycle": ([cycles.bicycle((0.50, 0.03, 0.03), steer=0.25)], 0.5, 220, 0),
        "stall": (stall, 0.15, 320, 0),
        "vendor": ([people.person(people.Look(17), people.Pose(0.1, 0.12, "reach"))], -1.2, 0, 200),
    }


def _pole(pitch: float, far_m: float) -> tuple[View, float]:
    """A camera that looks down by ``pitch`` degrees at 0.8 m over the ground, and how far off that is.

    Args:
        pitch: Degrees below the horizontal.
        far_m: Along the line of sight, metres; the distance told is that along the ground.
    """
    height = 0.8 + far_m * math.sin(math.radians(pitch))
    view = View((0, 0, height), 0, pitch, 40, 800, 800)
    return view, far_m * math.cos(math.radians(pitch))


def _fitting_view(
    view: View, meshes: list[Mesh], place: Placement, width: float, height: float
) -> View:
    """The view with a focal length that gives the thing the wanted size (0: any), at most."""
    for _ in range(4):
        mask = _covered(view, meshes, place)
        left, top, right, bottom = extent(mask)
        wanted = [(width, right - left), (height, bottom - top)]
        factor = min(want / has for want, has in wanted if want)
        tangent = math.tan(math.radians(view.hfov) / 2) / factor
        view = replace(view, hfov=2 * math.degrees(math.atan(tangent)))
    return view


def render_sprites(out: Path) -> None:
    """Write ``bicycle.png``, ``stall.png`` and ``vendor.png`` (RGBA) into ``out``."""
    from training.street.blender import Stage  # noqa: PLC0415 - Blender is wanted only here

    out.mkdir(parents=True, exist_ok=True)
    pole, distance_m = _pole(PITCH, FAR_M)
    for name, (meshes, heading, width, height) in _subjects().items():
        turned = Placement(0, distance_m, 0, heading, 0.07 if name == "bicycle" else 0)
        view = _fitting_view(pole, meshes, turned, width, height)
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

    Beside each lies a ``.json`` with ``box``: left, top, right and bottom of the stall without the
    people at it, as shares of the picture. A stall whose ``.json`` is there is not drawn again.
    """
    from training.street.blender import Stage  # noqa: PLC0415 - Blender is wanted only here

    out.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        rng = random.Random(f"{seed}-{number}")
        drawn = random_stall(rng)
        path = out / f"{seed}-{number:03d}-{drawn.build}.png"
        if path.with_suffix(".json").exists():
            continue
        pole, distance_m = _pole(rng.uniform(12, 38), rng.uniform(7, 14))
        place = Placement(0, distance_m, 0, rng.uniform(-math.pi, math.pi))
        side = 800 / STALL_PX * rng.choice((180, 250, 330))
        wide = _fitting_view(pole, [*drawn.stall, *drawn.people], place, side, side)
        view = replace(wide, width=STALL_PX, height=STALL_PX)
        stage = Stage(samples=6)
        light: Light = rng.choice(("overcast", "day"))
        stage.set_light(light, azimuth=rng.uniform(0, 360), exposure=rng.uniform(-0.3, 0.4))
        stage.set_view(view)
        for mesh in (*drawn.stall, *drawn.people):
            stage.add("stall", mesh, place)
        picture, _, _ = stage.render(transparent=True)
        _write_stall(path, picture, _covered(view, drawn.stall, place))


def _covered(view: View, meshes: list[Mesh], place: Placement) -> NDArray[np.bool_]:
    return np.asarray(np.logical_or.reduce([silhouette(view, mesh, place) for mesh in meshes]))


def _write_stall(path: Path, picture: NDArray[Any], stall: NDArray[np.bool_]) -> None:
    """The trimmed picture, and beside it the stall's own box: people reach beyond it."""
    left, top, right, bottom = extent(picture[..., 3])
    box = np.array(extent(stall)) - np.array([left, top, left, top])
    size = np.array([right - left, bottom - top] * 2)
    cv2.imwrite(str(path), picture[top:bottom, left:right])
    edges = [round(float(each), 4) for each in np.clip(box / size, 0, 1)]
    path.with_suffix(".json").write_text(json.dumps({"box": edges}) + "\n", encoding="utf-8")


def _trimmed(picture: NDArray[Any], margin_px: int) -> NDArray[Any]:
    """An RGBA picture cut to what is not transparent."""
    left, top, right, bottom = extent(picture[..., 3])
    top, left = max(0, top - margin_px), max(0, left - margin_px)
    return picture[top : bottom + margin_px, left : right + margin_px]
