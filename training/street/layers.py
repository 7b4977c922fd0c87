"""Which pictures a clip is put together from, and how each is rendered: once, then kept.

Things are ray-traced: one that moves at a few places along its way, between which the sprite is
shifted and scaled. People, who are many and never twice the same, are drawn anew for every frame
by :mod:`training.street.raster`. What stands for long also gets its own shadow: the ground with the
thing made invisible to the camera, divided by the empty ground.
"""

from __future__ import annotations

import hashlib
import math
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from training.street.cast import STEPS, mesh_of, place_of
from training.street.mesh import Mesh
from training.street.raster import FAR_M, draw
from training.street.scenery import scenery
from training.street.story import FPS, MOVING, Actor, Motion, Plan, Point, Recipe, phase
from training.street.view import Placement, View, extent, silhouette

if TYPE_CHECKING:
    from training.street.blender import Light, Stage

Image = NDArray[np.float32]
KEY_SPACING_M = 3.5
MOVING_SAMPLES, STANDING_SAMPLES, BACKGROUND_SAMPLES = 5, 10, 16
LIGHT_NAMES: tuple[Light, Light] = ("overcast", "dusk")
SHADOW_RECIPES = frozenset(
    {
        "bicycle",
        "cart",
        "parasol_open",
        "bin_tidy",
        "bin_half_full",
        "bin_overflowing",
        "spill",
        "car",
    }
)
DRAWN = frozenset({"person", "rider"})


@dataclass(frozen=True)
class Key:
    """One rendering of one actor; ``place`` is where it was rendered."""

    recipe: Recipe
    style: int
    motion: Motion
    step: int
    place: Placement

    def mesh(self) -> Mesh:
        """The mesh in this pose."""
        return mesh_of(self.recipe, self.style, self.motion, self.step)


@dataclass(frozen=True)
class Sprite:
    """A cut-out in the overscanned picture.

    Attributes:
        left: Column of the crop in the overscanned picture.
        top: Row of the crop.
        bgra: float32 (h, w, 4), 0..1, colour multiplied by alpha.
        depth_m: float32 (h, w), :data:`FAR_M` where there is nothing.
    """

    left: int
    top: int
    bgra: Image
    depth_m: Image


@dataclass(frozen=True)
class Shadow:
    """What a standing thing does to the ground: a factor per pixel and colour in the plain picture."""

    left: int
    top: int
    factor: Image


@dataclass(frozen=True)
class Background:
    """The empty street: BGR 0..1 (h, w, 3) and depth (h, w)."""

    bgr: Image
    depth_m: Image


def overscan(view: View) -> tuple[View, int]:
    """The same camera with a margin on every side, and that margin in pixels."""
    margin = view.width // 4
    width = view.width + 2 * margin
    hfov = 2 * math.degrees(math.atan(width / 2 / view.focal_px))
    return View(view.at, view.yaw, view.pitch, hfov, width, view.height + 2 * margin), margin


def key_at(actor: Actor, time_s: float) -> tuple[Key, Point] | None:
    """Which rendering an actor needs at a time, and where it is then."""
    leg = actor.leg(time_s)
    if leg is None:
        return None
    at = leg.at(time_s)
    if leg.motion not in MOVING:
        step = _fidget(actor, time_s) if actor.recipe == "person" else 0
        return Key(actor.recipe, actor.style, leg.motion, step, place_of(actor, leg, at)), at
    if actor.recipe in DRAWN:
        step = phase(actor, time_s, STEPS)
        return Key(actor.recipe, actor.style, leg.motion, step, place_of(actor, leg, at)), at
    length = math.dist(leg.start, leg.end)
    count = max(1, round(length / KEY_SPACING_M))
    part = math.dist(leg.start, at) / max(length, 1e-9)
    nearest = (min(count - 1, int(part * count)) + 0.5) / count
    between = leg.begins_s + nearest * (leg.ends_s - leg.begins_s)
    return Key(actor.recipe, actor.style, leg.motion, 0, place_of(actor, leg, leg.at(between))), at


def _fidget(actor: Actor, time_s: float) -> int:
    """Someone who stands shifts their weight now and then."""
    return int((time_s + actor.style % 7) / 3.1) % 2


def wanted(plan: Plan) -> Iterator[tuple[Key, int]]:
    """Every ray-traced layer the clip needs, with the light (0 day, 1 dusk) it needs it in."""
    seen: set[tuple[Key, int]] = set()
    for frame in range(round(plan.seconds * FPS)):
        time_s = frame / FPS
        share = plan.night_share(time_s)
        lights = [light for light, used in enumerate((share < 1, share > 0)) if used]
        for actor in plan:
            found = key_at(actor, time_s)
            for light in lights if found else ():
                assert found is not None
                if found[0].recipe not in DRAWN and (found[0], light) not in seen:
                    seen.add((found[0], light))
                    yield found[0], light


class Workshop:
    """Renders what a plan needs and keeps every picture in a folder."""

    def __init__(self, plan: Plan, cache: Path) -> None:
        self.plan, self.cache = plan, cache
        self.wide, self.margin = overscan(plan.view)
        self._stage: Stage | None = None
        self._scenery: list[Any] = []
        self._lit_for = -1
        cache.mkdir(parents=True, exist_ok=True)

    # ------------------------------------------------------------------ what is asked for

    def background(self, light: int) -> Background:
        """The empty street in one light."""
        made: Background = self._kept(("background", light), lambda: self._render_background(light))
        return made

    def sprite(self, key: Key, light: int) -> Sprite | None:
        """The cut-out of one actor; nothing if it is out of the picture."""
        if key.recipe in DRAWN:
            return self._draw(key, light)
        made: Sprite | None = self._kept(
            ("sprite", key, light), lambda: self._render_sprite(key, light)
        )
        return made

    def shadow(self, key: Key, light: int) -> Shadow | None:
        """The shadow of a thing that stands."""
        made: Shadow | None = self._kept(
            ("shadow", key, light), lambda: self._render_shadow(key, light)
        )
        return made

    def _kept(self, what: tuple[Any, ...], make: Any) -> Any:
        text = repr((self.plan.view, self.plan.scenery_seed, self.plan.layout.bay, what))
        path = self.cache / (hashlib.sha256(text.encode()).hexdigest()[:24] + ".pickle")
        if path.exists():
            return pickle.loads(path.read_bytes())
        made = make()
        path.write_bytes(pickle.dumps(made))
        return made

    # ------------------------------------------------------------------ how it is rendered

    def _prepared(self, light: int, *, scenery_seen: bool, wide: bool) -> Stage:
        from training.street.blender import Stage  # noqa: PLC0415 - Blender is wanted only here

        if self._lit_for != light:
            self._stage = Stage()
            street = scenery(self.plan.scenery_seed, lit=light == 1, bay=self.plan.layout.bay)
            self._scenery = self._stage.add_scenery(street)
            self._stage.set_light(LIGHT_NAMES[light], exposure=0.0 if light else 0.25)
            self._lit_for = light
        assert self._stage is not None
        for thing in self._scenery:
            if thing.visible_camera != scenery_seen:
                thing.visible_camera = scenery_seen
        self._stage.set_view(self.wide if wide else self.plan.view)
        return self._stage

    def _render_background(self, light: int) -> Background:
        stage = self._prepared(light, scenery_seen=True, wide=False)
        stage.set_samples(BACKGROUND_SAMPLES)
        picture, depth, _ = stage.render()
        return Background(_unit(picture[..., :3]), np.minimum(depth, FAR_M))

    def _render_sprite(self, key: Key, light: int) -> Sprite | None:
        crop = _crop(silhouette(self.wide, key.mesh(), key.place), 4)
        if crop is None:
            return None
        stage = self._prepared(light, scenery_seen=False, wide=True)
        stage.set_samples(MOVING_SAMPLES if key.motion in MOVING else STANDING_SAMPLES)
        thing = stage.add("actor", key.mesh(), key.place)
        picture, depth, _ = stage.render(crop=crop, transparent=True)
        stage.remove([thing])
        bgra = _unit(picture)
        bgra[..., :3] *= bgra[..., 3:]
        return Sprite(crop[0], crop[1], bgra, _filled(depth, bgra[..., 3]))

    def _draw(self, key: Key, light: int) -> Sprite | None:
        pixels, depth = self.wide.project(key.place.apply(key.mesh().vertices))
        low, high = np.floor(pixels.min(0)) - 2, np.ceil(pixels.max(0)) + 2
        left, top = (max(0, int(v)) for v in low)
        right, bottom = min(self.wide.width, int(high[0])), min(self.wide.height, int(high[1]))
        if depth.min() < 0.5 or right - left < 3 or bottom - top < 3:
            return None
        bgra, near = draw(self.wide, key.mesh(), key.place, (left, top, right, bottom), light)
        return Sprite(left, top, bgra, near)

    def render_all(self) -> None:
        """Render every layer: one light after the other, shadows first, as each change is costly."""
        keys = list(wanted(self.plan))
        for now in (0, 1):
            self.background(now)
            for key, light in keys:
                if light == now and has_shadow(key):
                    self.shadow(key, light)
            for key, light in keys:
                if light == now:
                    self.sprite(key, light)

    def _render_shadow(self, key: Key, light: int) -> Shadow | None:
        reach = 0.5 * min(220, self.plan.view.width // 6)
        crop = _crop(silhouette(self.plan.view, key.mesh(), key.place), int(reach))
        if crop is None:
            return None
        stage = self._prepared(light, scenery_seen=True, wide=False)
        stage.set_samples(STANDING_SAMPLES)
        thing = stage.add("actor", key.mesh(), key.place)
        thing.visible_camera = False
        picture, _, _ = stage.render(crop=crop)
        stage.remove([thing])
        left, top, right, bottom = crop
        empty = self.background(light).bgr[top:bottom, left:right]
        sigma = self.plan.view.width / 640
        factor = cv2.GaussianBlur(_unit(picture[..., :3]) + 0.02, (0, 0), sigma)
        lit = cv2.GaussianBlur(empty + 0.02, (0, 0), sigma)
        return Shadow(left, top, _faded(np.asarray(np.clip(factor / lit, 0.2, 1.0), np.float32)))


def _unit(picture: NDArray[np.uint8]) -> Image:
    return np.asarray(picture / np.float32(255), np.float32)


def _crop(mask: NDArray[np.bool_], margin: int) -> tuple[int, int, int, int] | None:
    if not mask.any():
        return None
    left, top, right, bottom = extent(mask)
    height, width = mask.shape
    return (
        max(0, left - margin),
        max(0, top - margin),
        min(width, right + margin),
        min(height, bottom + margin),
    )


def _filled(depth: Image, alpha: Image) -> Image:
    """Give thin and soft edges, which the depth's single sample missed, their neighbour's depth."""
    made = np.minimum(depth, FAR_M).astype(np.float32)
    for _ in range(4):
        near = cv2.erode(made, np.ones((3, 3), np.uint8))
        made = np.where((made >= FAR_M) & (alpha > 0), near, made)
    seen = made[(made < FAR_M) & (alpha > 0)]
    middle = float(np.median(seen)) if len(seen) else FAR_M
    return np.where(alpha > 0, np.where(made < FAR_M, made, middle), FAR_M).astype(np.float32)


def _faded(factor: Image) -> Image:
    """Let the shadow end softly at the edge of its crop."""
    height, width = factor.shape[:2]
    rows = np.minimum(np.arange(height), np.arange(height)[::-1])[:, None]
    columns = np.minimum(np.arange(width), np.arange(width)[::-1])[None, :]
    weight = np.clip(np.minimum(rows, columns) / 12, 0, 1)[..., None]
    return (1 - weight * (1 - factor)).astype(np.float32)


def has_shadow(key: Key) -> bool:
    """Only what stands for long is worth a rendered shadow; the others get a soft spot."""
    return key.motion == "stand" and key.recipe in SHADOW_RECIPES
