"""A clip put together from layers, with its truth and zones.

Each frame: the empty street, the shadows, then every actor from far to near, pixel by pixel tested
against the depth of what is already there. What is covered is therefore known exactly.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from training.street.cast import mesh_of, place_of
from training.street.layers import (
    DRAWN,
    Background,
    Image,
    Key,
    Sprite,
    Workshop,
    has_shadow,
    key_at,
)
from training.street.raster import FAR_M
from training.street.story import (
    FPS,
    Actor,
    ClipLight,
    Plan,
    Point,
    ground_z,
    ground_zones,
    plan,
)
from training.street.video import sha256_of, write_h264
from training.street.view import Placement, View, extent, silhouette

GROUPS = {
    "bike-1": ("bike-1",),
    "stall-1": ("stall-1", "stall-1-parasol"),
    "bin-1": ("bin-1", "bin-1-spill"),
}
TRUTH_EVERY_S = 0.5
SPOTS_M = {
    "car": (2.3, 0.95),
    "cart": (1.25, 0.55),
    "bicycle": (0.85, 0.2),
    "ridden_bicycle": (0.85, 0.2),
}
PERSON_SPOT_M = (0.30, 0.26)
DEPTH_SLACK_M = 0.12
# BGR: the camera does not make up for all of the light that is lost, and the rest is bluer.
RAIN_PX = 900
"""One streak of rain in so many pixels, and how far it leans."""
RAIN_SLANT = 0.15
DUSK_EXPOSURE = np.array([0.78, 0.70, 0.66], np.float32)


class Compositor:
    """Puts frames together; keeps the exact cover of the last frame."""

    def __init__(self, plan_: Plan, workshop: Workshop) -> None:
        self.plan, self.workshop, self.view = plan_, workshop, plan_.view
        self.owner = np.zeros((0, 0), np.int16)
        self.covered: dict[str, NDArray[np.bool_]] = {}
        self._sprites: dict[tuple[Key, int], Sprite | None] = {}
        self._backgrounds: dict[int, Background] = {}

    def frame(self, time_s: float) -> NDArray[np.uint8]:
        """The clean picture at a time, BGR uint8 (h, w, 3)."""
        night = self.plan.night_share(time_s)
        picture, depth = self._background(night)
        present = self._present(time_s)
        for actor, key, at in present:
            self._cast_shadow(picture, actor, key, at, night)
        self.owner = np.full(depth.shape, -1, np.int16)
        self.covered = {}
        for number, (actor, key, at) in enumerate(present):
            self._draw(picture, depth, number, actor, key, at, night)
        self._numbers = {actor.name: number for number, (actor, _, _) in enumerate(present)}
        picture *= 1 - night * (1 - DUSK_EXPOSURE)
        return np.asarray(np.clip(picture * 255 + 0.5, 0, 255), np.uint8)

    def visible_share(self, group: str) -> float | None:
        """Share of a thing's pixels that the last frame shows; nothing if it is not there."""
        names = [name for name in GROUPS[group] if name in self.covered]
        if group not in names:
            return None
        full = np.logical_or.reduce([self.covered[name] for name in names])
        shown = np.isin(self.owner, [self._numbers[name] for name in names])
        return float(shown.sum()) / max(1, int(full.sum()))

    def box(self, group: str) -> list[float]:
        """Left, top, right, bottom of the uncovered thing in the last frame, as fractions."""
        full = np.logical_or.reduce([self.covered[n] for n in GROUPS[group] if n in self.covered])
        left, top, right, bottom = extent(full)
        height, width = full.shape
        edges = (left / width, top / height, right / width, bottom / height)
        return [round(edge, 4) for edge in edges]

    # ------------------------------------------------------------------ layers

    def _present(self, time_s: float) -> list[tuple[Actor, Key, Point]]:
        found = [(actor, key_at(actor, time_s)) for actor in self.plan]
        there = [(actor, *hit) for actor, hit in found if hit is not None]
        return sorted(there, key=lambda row: -self.view.distance(*row[2]))

    def _background(self, night: float) -> tuple[Image, Image]:
        for light in (0, 1):
            if light not in self._backgrounds:
                self._backgrounds[light] = self.workshop.background(light)
        day, dusk = self._backgrounds[0], self._backgrounds[1]
        if night in {0.0, 1.0}:
            return (dusk if night else day).bgr.copy(), day.depth_m.copy()
        return day.bgr * (1 - night) + dusk.bgr * night, day.depth_m.copy()

    def _cast_shadow(self, picture: Image, actor: Actor, key: Key, at: Point, night: float) -> None:
        if not has_shadow(key):
            self._soft_spot(picture, actor, key, at, night)
            return
        for light, weight in ((0, 1 - night), (1, night)):
            shadow = self.workshop.shadow(key, light) if weight else None
            if shadow is not None:
                height, width = shadow.factor.shape[:2]
                part = picture[shadow.top : shadow.top + height, shadow.left : shadow.left + width]
                part *= 1 - weight * (1 - shadow.factor)

    def _soft_spot(self, picture: Image, actor: Actor, key: Key, at: Point, night: float) -> None:
        """Darken the ground under someone, as a wide sky does."""
        long, wide = SPOTS_M.get(actor.recipe, PERSON_SPOT_M)
        if actor.recipe in {"parasol_closed", "parasol_open", "rider"}:
            return
        angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        c, s = math.cos(key.place.heading), math.sin(key.place.heading)
        x, y = long * np.cos(angles), wide * np.sin(angles)
        ground = np.stack(
            [at[0] + c * x - s * y, at[1] + s * x + c * y, np.full(24, ground_z(at))], 1
        )
        pixels, depth = self.view.project(ground)
        if depth.min() < 0.5:
            return
        blur = max(1.0, 0.10 * self.view.focal_px / float(depth.mean()))
        _darken(picture, pixels, blur, 0.5 - 0.12 * night)

    def _draw(
        self,
        picture: Image,
        depth: Image,
        number: int,
        actor: Actor,
        key: Key,
        at: Point,
        night: float,
    ) -> None:
        made = self._placed(key, at, night)
        full = np.zeros(depth.shape, bool)
        self.covered[actor.name] = full
        if made is None:
            return
        rows, columns, bgra, near = made
        alpha = bgra[..., 3]
        behind = depth[rows, columns]
        shown = alpha * (near < behind + DEPTH_SLACK_M)
        part = picture[rows, columns]
        seen = (shown > 0)[..., None]
        part[:] = np.where(seen, bgra[..., :3] + part * (1 - shown[..., None]), part)
        solid = shown > 0.5
        depth[rows, columns] = np.where(solid, near, behind)
        self.owner[rows, columns] = np.where(solid, number, self.owner[rows, columns])
        full[rows, columns] = alpha > 0.5

    def _sprite(self, key: Key, light: int) -> Sprite | None:
        if key.recipe in DRAWN:
            return self.workshop.sprite(key, light)
        if (key, light) not in self._sprites:
            self._sprites[key, light] = self.workshop.sprite(key, light)
        return self._sprites[key, light]

    def _placed(
        self, key: Key, at: Point, night: float
    ) -> tuple[slice, slice, Image, Image] | None:
        """The sprite where the actor is now: rows, columns, BGRA and depth, cut to the frame."""
        first = self._sprite(key, 0 if night < 1 else 1)
        if first is None:
            return None
        bgra = first.bgra
        if 0 < night < 1:
            second = self._sprite(key, 1)
            assert second is not None
            bgra = bgra.copy()
            bgra[..., :3] = bgra[..., :3] * (1 - night) + second.bgra[..., :3] * night
        margin = self.workshop.margin
        left, top, depth = first.left - margin, first.top - margin, first.depth_m
        if at != (key.place.x, key.place.y):
            left, top, bgra, depth = _moved(self.view, key.place, at, (left, top), bgra, depth)
        return _cut((left, top), bgra, depth, (self.view.width, self.view.height))


def _darken(picture: Image, polygon: NDArray[np.float64], blur: float, strength: float) -> None:
    pad = int(3 * blur) + 2
    low = np.floor(polygon.min(0)).astype(int) - pad
    high = np.ceil(polygon.max(0)).astype(int) + pad
    mask = np.zeros((high[1] - low[1], high[0] - low[0]), np.float32)
    cv2.fillConvexPoly(mask, np.rint((polygon - low) * 16).astype(np.int32), 1.0, cv2.LINE_AA, 4)
    mask = cv2.GaussianBlur(mask, (0, 0), blur)
    height, width = picture.shape[:2]
    x0, y0, x1, y1 = max(0, low[0]), max(0, low[1]), min(width, high[0]), min(height, high[1])
    if x0 < x1 and y0 < y1:
        inside = mask[y0 - low[1] : y1 - low[1], x0 - low[0] : x1 - low[0], None]
        picture[y0:y1, x0:x1] *= 1 - strength * inside


def _moved(
    view: View, was: Placement, at: Point, corner: tuple[int, int], bgra: Image, depth: Image
) -> tuple[int, int, Image, Image]:
    """Shift and scale a sprite about the point where it meets the ground."""
    feet = [[was.x, was.y, ground_z((was.x, was.y))], [*at, ground_z(at)]]
    pixels, depths = view.project(feet)
    scale = float(depths[0] / depths[1])
    height, width = depth.shape
    start = pixels[1] + scale * (np.array(corner) - pixels[0])
    left, top = math.floor(start[0]), math.floor(start[1])
    size = (math.ceil(width * scale) + 2, math.ceil(height * scale) + 2)
    shift = start - (left, top) + 0.5 * scale - 0.5
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    moved = cv2.warpAffine(bgra, matrix, size, flags=cv2.INTER_LINEAR)
    deep = cv2.warpAffine(
        depth,
        matrix,
        size,
        flags=cv2.INTER_NEAREST,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=FAR_M,
    )
    deep = np.where(deep < FAR_M, deep + float(depths[1] - depths[0]), float(depths[1]))
    return left, top, np.asarray(moved, np.float32), deep.astype(np.float32)


def _cut(
    corner: tuple[int, int], bgra: Image, depth: Image, size: tuple[int, int]
) -> tuple[slice, slice, Image, Image] | None:
    left, top = corner
    height, width = depth.shape
    x0, y0, x1, y1 = (
        max(0, left),
        max(0, top),
        min(size[0], left + width),
        min(size[1], top + height),
    )
    if x0 >= x1 or y0 >= y1:
        return None
    inner = (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
    return slice(y0, y1), slice(x0, x1), bgra[inner], depth[inner]


def in_rain(picture: Image, random: np.random.Generator, night: float) -> Image:
    """Rain before a street: a grey veil, and streaks that no two frames share."""
    height, width = picture.shape[:2]
    streaks = np.zeros((height, width), np.float32)
    for x, y, long, bright in random.random((width * height // RAIN_PX, 4)):
        begin = int(x * width), int(y * height)
        length = (0.015 + 0.035 * long) * height
        end = int(begin[0] + RAIN_SLANT * length), int(begin[1] + length)
        cv2.line(streaks, begin, end, float(18 + 50 * bright), 1, cv2.LINE_AA)
    veil = 26.0 * (1 - 0.6 * night)
    return np.asarray(picture * 0.82 + veil + streaks[..., None] * (1 - 0.5 * night), np.float32)


def worn_frame(
    picture: NDArray[np.uint8], seed: int, number: int, night: float, *, rain: bool = False
) -> NDArray[np.uint8]:
    """What a cheap camera makes of a frame: drift of the exposure, softness, noise, JPEG blocks."""
    noise = np.random.default_rng((seed, number))
    t = number / FPS
    drift = (
        1 + 0.012 * math.sin(t / 7.3 + seed) + 0.008 * math.sin(t / 2.9) + noise.normal(0, 0.002)
    )
    made = cv2.GaussianBlur(picture, (0, 0), 0.55 * picture.shape[1] / 1280 + 0.15).astype(
        np.float32
    )
    if rain:
        made = in_rain(made, np.random.default_rng((seed, number, 1)), night)
    grain = noise.normal(0, 1.3 + 1.2 * night, picture.shape[:2]).astype(np.float32)
    made = made * drift + grain[..., None]
    _, packed = cv2.imencode(
        ".jpg", np.clip(made, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 86]
    )
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)


# ---------------------------------------------------------------------- zones


def zones(plan_: Plan) -> dict[str, Any]:
    """The zones as the agent's configuration has them: polygons in fractions of the frame."""
    view, made = plan_.view, []
    for zone_id, (kind, corners) in ground_zones(plan_.layout).items():
        pixels, _ = view.project([(x, y, ground_z((x, y))) for x, y in corners])
        made.append(_zone(zone_id, kind, _inside_frame(pixels, view), view))
    made.append(_zone("bin-1", "bin", _bin_zone(plan_), view))
    return {"zones": made}


def _zone(zone_id: str, kind: str, polygon: NDArray[np.float64], view: View) -> dict[str, Any]:
    corners = [
        [round(float(x) / view.width, 4), round(float(y) / view.height, 4)] for x, y in polygon
    ]
    return {"zone_id": zone_id, "camera_id": "street", "kind": kind, "polygon": corners}


def _inside_frame(polygon: NDArray[np.float64], view: View) -> NDArray[np.float64]:
    width, height = view.width, view.height
    frame = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    _, cut = cv2.intersectConvexConvex(polygon.astype(np.float32), frame)
    return np.asarray(cut, float).reshape(-1, 2)


def _bin_zone(plan_: Plan) -> NDArray[np.float64]:
    """Round the bin and the bags beside it, and 40 % of its height above the closed lid."""
    by_name = {actor.name: actor for actor in plan_}
    bounds = {}
    for name in ("bin-1-before", "bin-1", "bin-1-spill"):
        actor = by_name[name]
        leg = actor.legs[0]
        mask = silhouette(
            plan_.view,
            mesh_of(actor.recipe, actor.style, leg.motion, 0),
            place_of(actor, leg, leg.start),
        )
        bounds[name] = extent(mask)
    closed, spill = bounds["bin-1-before"], bounds["bin-1-spill"]
    height = closed[3] - closed[1]
    side = 0.08 * height
    left = min(b[0] for b in bounds.values()) - side
    right = max(b[2] for b in bounds.values()) + side
    top, bottom = closed[1] - 0.4 * height, max(closed[3], spill[3]) + side
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], float)


# ---------------------------------------------------------------------- the whole clip


def render_clip(
    seed: int,
    seconds: float,
    size: tuple[int, int],
    out: Path,
    cache: Path,
    crf: int,
    light: ClipLight = "falling",
    *,
    rain: bool = False,
) -> None:
    """Write ``clip.mp4``, ``truth.json`` and ``zones.json`` into ``out``."""
    out.mkdir(parents=True, exist_ok=True)
    made = plan(seed, seconds, size, light)
    workshop = Workshop(made, cache)
    workshop.render_all()
    compositor = Compositor(made, workshop)
    things: dict[str, dict[str, Any]] = {name: {"box": None, "visible": []} for name in GROUPS}
    write_h264(_frames(made, compositor, things, rain=rain), out / "clip.mp4", size, FPS, crf)
    (out / "zones.json").write_text(json.dumps(zones(made), indent=1) + "\n")
    (out / "truth.json").write_text(
        json.dumps(_truth(made, things, out / "clip.mp4"), indent=1) + "\n"
    )


def _frames(
    made: Plan, compositor: Compositor, things: dict[str, dict[str, Any]], *, rain: bool
) -> Iterator[NDArray[np.uint8]]:
    stays = {problem.thing: problem for problem in made.problems}
    every = round(TRUTH_EVERY_S * FPS)
    for number in range(round(made.seconds * FPS)):
        time_s = number / FPS
        picture = compositor.frame(time_s)
        for name, problem in stays.items():
            if number % every == 0 and problem.begins_s <= time_s < problem.ends_s:
                share = compositor.visible_share(name)
                things[name]["visible"].append([time_s, round(share or 0.0, 3)])
                things[name]["box"] = things[name]["box"] or compositor.box(name)
        yield worn_frame(picture, made.seed, number, made.night_share(time_s), rain=rain)


def _truth(made: Plan, things: dict[str, dict[str, Any]], clip: Path) -> dict[str, Any]:
    view = made.view
    facts = {
        "file": clip.name, "width": view.width, "height": view.height, "fps": FPS,
        "seconds": made.seconds, "seed": made.seed, "sha256": sha256_of(clip),
    }  # fmt: skip
    return {"clip": facts, **planned_truth(made), "objects": things}


def planned_truth(made: Plan) -> dict[str, Any]:
    """The part of the truth that the plan alone decides."""
    problems = [
        {
            "kind": p.kind,
            "zone_id": p.zone_id,
            "object": p.thing,
            "begins_s": p.begins_s,
            "ends_s": p.ends_s,
        }
        for p in made.problems
    ]
    distractors = [
        {"what": d.what, "begins_s": d.begins_s, "ends_s": d.ends_s} for d in made.distractors
    ]
    return {"problems": problems, "distractors": distractors}
