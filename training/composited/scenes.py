"""A scene: what comes, stands and goes in a place; filmed, with its truth and its zones."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from training.composited.cutouts import Cutout, Entry, Matte, Picture, cut
from training.composited.places import FRAMES_PER_S, Grains, Place, pictures

Light = Literal["day", "dusk"]
Floats = NDArray[np.float32]

_DUSK = (0.42, 0.36, 0.33)
"""What is left of blue, green and red at dusk."""
_LIT = 0.85
"""What is left of a thing that has its own light."""
_DUSK_NOISE = 2.5
_SHADOW = 0.6
"""How much of the light the ground loses right below a thing."""


@dataclass(frozen=True, slots=True)
class Step:
    """Where a thing's foot is at one second, in fractions of the picture."""

    at_s: float
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Actor:
    """Something cut out and its way: it is there from its first step to its last.

    Attributes:
        thing: What it is.
        steps: In the order of their times; between two it moves evenly.
        flipped: Left and right exchanged.
        sway: How far it moves to and fro while it stands, in its own widths: nobody stands like a post.
        walks: It goes up and down as walkers do.
        lift_m: How far above the ground its lower edge is.
    """

    thing: Entry
    steps: tuple[Step, ...]
    flipped: bool = False
    sway: float = 0.0
    walks: bool = False
    lift_m: float = 0.0

    def foot(self, now_s: float) -> tuple[float, float] | None:
        """Where it stands now; None: it is not there."""
        if not self.steps[0].at_s <= now_s < self.steps[-1].at_s:
            return None
        after = next(i for i, step in enumerate(self.steps) if step.at_s > now_s)
        one, two = self.steps[after - 1], self.steps[after]
        share = (now_s - one.at_s) / (two.at_s - one.at_s)
        return one.x + share * (two.x - one.x), one.y + share * (two.y - one.y)


@dataclass(frozen=True, slots=True)
class Shade:
    """A hard shadow that slides in from the left, stays, and slides out again."""

    from_s: float
    until_s: float
    width: float
    slides_s: float = 2.0

    def edges(self, now_s: float) -> tuple[float, float] | None:
        """Its left and right edge now, in fractions of the picture; None: there is none."""
        if not self.from_s <= now_s < self.until_s:
            return None
        came = min(1.0, (now_s - self.from_s) / self.slides_s)
        went = min(1.0, (self.until_s - now_s) / self.slides_s)
        middle = 0.5 - 1.2 * (1 - came) + 1.2 * (1 - went)
        return middle - self.width / 2, middle + self.width / 2


@dataclass(frozen=True, slots=True)
class Problem:
    """What must be reported, from when until when."""

    kind: str
    zone_id: str
    begins_s: float
    ends_s: float
    thing: str


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything in one clip.

    Attributes:
        name: Its folder; what stands before the last dash is what it is of.
        place: Where.
        seconds: How long.
        seed: Of its noise.
        light: day or dusk; a place of the night is neither darkened nor lit.
        actors: What comes and goes.
        problems: What must be reported; everything else must not.
        shades: Hard shadows.
        cloud_s: A cloud takes a third of the light from this second on, for ten seconds.
        rain: It rains.
        bin_box: The zone around a bin, where one is judged.
    """

    name: str
    place: Place
    seconds: float
    seed: int
    light: Light = "day"
    actors: tuple[Actor, ...] = ()
    problems: tuple[Problem, ...] = ()
    shades: tuple[Shade, ...] = ()
    cloud_s: float | None = None
    rain: bool = False
    bin_box: tuple[float, float, float, float] | None = None

    @property
    def condition(self) -> str:
        """day or dusk; the night counts as dusk."""
        return "dusk" if self.place.night else self.light


def shots(scene: Scene, data: Path) -> Iterator[tuple[float, Picture]]:
    """The scene's pictures with their seconds."""
    grains: Grains | None = None
    rain = np.random.default_rng(scene.seed + 7)
    for now_s, empty in _empty(scene, data):
        if grains is None:
            extra = _DUSK_NOISE if scene.condition == "dusk" else 0.0
            grains = Grains(empty.shape[:2], scene.place.noise + extra, scene.seed + 1)
        yield now_s, _shot(scene, empty, now_s, grains, data, rain)


def shot_at(scene: Scene, data: Path, at_s: float) -> Picture:
    """One picture of the scene, without composing those before it; its noise is another."""
    empty = next(p for now_s, p in _empty(scene, data) if now_s >= at_s)
    grains = Grains(empty.shape[:2], scene.place.noise, scene.seed)
    return _shot(scene, empty, at_s, grains, data, np.random.default_rng(scene.seed))


def _empty(scene: Scene, data: Path) -> Iterator[tuple[float, Picture]]:
    empty = pictures(scene.place, data, scene.seconds, scene.seed)
    return ((index / FRAMES_PER_S, picture) for index, picture in enumerate(empty))


def _shot(
    scene: Scene,
    empty: Picture,
    now_s: float,
    grains: Grains,
    data: Path,
    rain: np.random.Generator,
) -> Picture:
    shown = empty.astype(np.float32)
    dark = scene.light == "dusk" and not scene.place.night
    if dark:
        shown *= np.array(_DUSK, np.float32)
    noise = grains.next()[..., None]
    if dark:
        shown += noise
    order = sorted(
        ((foot, number) for number, one in enumerate(scene.actors) if (foot := one.foot(now_s))),
        key=lambda pair: (pair[0][1], pair[1]),
    )
    for foot, number in order:
        _set_down(shown, scene, scene.actors[number], foot, now_s, noise, data)
    _light(shown, scene, now_s)
    if scene.rain:
        _rain(shown, rain)
    return np.clip(shown, 0, 255).astype(np.uint8)


def _set_down(
    shown: Floats,
    scene: Scene,
    actor: Actor,
    foot: tuple[float, float],
    now_s: float,
    noise: Floats,
    data: Path,
) -> None:
    height, width = shown.shape[:2]
    x, y = foot
    tall_px = round(scene.place.height(y, actor.thing.height_m) * height)
    if tall_px < 4:
        return
    picture, matte = _scaled(cut(actor.thing, data), tall_px, flipped=actor.flipped)
    gain = _gain(scene, actor.thing)
    sway = actor.sway * np.sin(2 * np.pi * now_s / 3.7 + actor.steps[0].x * 40)
    bob = 0.012 * tall_px * abs(np.sin(np.pi * 1.8 * now_s)) if actor.walks else 0.0
    lift = scene.place.height(y, actor.lift_m) * height
    left = round(x * width - picture.shape[1] / 2 + sway * picture.shape[1])
    top = round(y * height - picture.shape[0] - bob - lift)
    if not actor.lift_m:
        _ground_shadow(shown, x * width, y * height, picture.shape[1])
    _blend(shown, picture * gain, matte, left, top, noise)


def _gain(scene: Scene, thing: Entry) -> Floats:
    """What is left of a thing's light, by channel."""
    dim = scene.condition == "dusk"
    if not dim:
        return np.full(3, 0.9 if thing.light == "day" else 1.0, np.float32)
    if thing.light in ("night", "dusk"):
        return np.full(3, _LIT, np.float32)
    return np.array(_DUSK, np.float32) * 1.1


@lru_cache(maxsize=512)
def _scaled(thing: Cutout, tall_px: int, *, flipped: bool) -> tuple[Floats, Matte]:
    high, wide = thing.matte.shape
    size = (max(2, round(wide * tall_px / high)), tall_px)
    way = cv2.INTER_AREA if tall_px < high else cv2.INTER_LINEAR
    picture = cv2.resize(thing.picture, size, interpolation=way).astype(np.float32)
    matte = np.asarray(cv2.resize(thing.matte, size, interpolation=way), np.float32)
    soft = np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.6), np.float32)
    if flipped:
        soft, matte = soft[:, ::-1], matte[:, ::-1]
    return soft, matte


def _part(
    shape: tuple[int, ...], left: int, top: int, width: int, height: int
) -> tuple[slice, slice, slice, slice] | None:
    """Rows and columns of the picture, and of what is laid on it; None: it is outside."""
    x0, y0 = max(0, left), max(0, top)
    x1, y1 = min(shape[1], left + width), min(shape[0], top + height)
    if x0 >= x1 or y0 >= y1:
        return None
    return slice(y0, y1), slice(x0, x1), slice(y0 - top, y1 - top), slice(x0 - left, x1 - left)


def _blend(
    shown: Floats, picture: Floats, matte: Matte, left: int, top: int, noise: Floats
) -> None:
    part = _part(shown.shape, left, top, matte.shape[1], matte.shape[0])
    if part is None:
        return
    rows, columns, my_rows, my_columns = part
    share = matte[my_rows, my_columns, None]
    mine = picture[my_rows, my_columns] + noise[rows, columns]
    shown[rows, columns] = share * mine + (1 - share) * shown[rows, columns]


def _ground_shadow(shown: Floats, x: float, y: float, width: int) -> None:
    """A thing darkens the ground at its foot."""
    high = max(3, round(0.16 * width))
    spot = _spot(max(4, round(1.1 * width)), high)
    part = _part(
        shown.shape,
        round(x - spot.shape[1] / 2),
        round(y - 0.6 * high),
        spot.shape[1],
        spot.shape[0],
    )
    if part is not None:
        rows, columns, my_rows, my_columns = part
        shown[rows, columns] *= 1 - _SHADOW * spot[my_rows, my_columns, None]


@lru_cache(maxsize=256)
def _spot(width: int, height: int) -> Floats:
    across = np.linspace(-1, 1, width, dtype=np.float32)
    down = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    return np.asarray(np.clip(1 - across**2 - down**2, 0, 1), np.float32)


def _light(shown: Floats, scene: Scene, now_s: float) -> None:
    if scene.cloud_s is not None and scene.cloud_s <= now_s < scene.cloud_s + 14:
        since = now_s - scene.cloud_s
        shown *= 1 - 0.33 * min(1.0, since / 2, (14 - since) / 2)
    height, width = shown.shape[:2]
    for shade in scene.shades:
        edges = shade.edges(now_s)
        if edges is not None:
            left, right = edges
            corners = ((left, 1.0), (left + 0.1, 0.35), (right + 0.1, 0.35), (right, 1.0))
            points = np.array([(x * width, y * height) for x, y in corners])
            mask = np.zeros((height, width), np.uint8)
            cv2.fillPoly(mask, [points.round().astype(np.int32)], (255,))
            soft = np.asarray(cv2.GaussianBlur(mask, (0, 0), 1.2), np.float32) / 255
            shown *= 1 - 0.5 * soft[..., None]


def _rain(shown: Floats, random: np.random.Generator) -> None:
    height, width = shown.shape[:2]
    drops = np.zeros((height, width), np.uint8)
    for _ in range(220):
        x, y = int(random.integers(0, width)), int(random.integers(0, height))
        cv2.line(drops, (x, y), (x - 1, y + int(random.integers(5, 12))), (255,), 1)
    shown += 0.16 * (235 - shown) * (drops[..., None] / np.float32(255))


def film(scene: Scene, data: Path, folder: Path) -> Path:
    """Write the scene's clip, truth and zones into a folder of its name.

    Returns:
        The folder.
    """
    target = folder / scene.name
    target.mkdir(parents=True, exist_ok=True)
    writer: cv2.VideoWriter | None = None
    for _, picture in shots(scene, data):
        if writer is None:
            size = (picture.shape[1], picture.shape[0])
            code = cv2.VideoWriter.fourcc(*"MJPG")
            writer = cv2.VideoWriter(str(target / "clip.avi"), code, FRAMES_PER_S, size)
            if not writer.isOpened():
                raise OSError(target / "clip.avi")
        writer.write(picture)
    if writer is not None:
        writer.release()
    _write(target / "truth.json", truth(scene))
    _write(target / "zones.json", {"zones": zones(scene)})
    return target


def truth(scene: Scene) -> dict[str, Any]:
    """What is in the clip, as the drawn clips tell it."""
    return {
        "clip": {"file": "clip.avi", "fps": FRAMES_PER_S, "seconds": scene.seconds,
                 "seed": scene.seed, "condition": scene.condition},
        "problems": [
            {"kind": each.kind, "zone_id": each.zone_id, "object": each.thing,
             "begins_s": each.begins_s, "ends_s": each.ends_s}
            for each in scene.problems
        ],
        "things": [
            {"name": each.thing.name, "begins_s": each.steps[0].at_s, "ends_s": each.steps[-1].at_s}
            for each in scene.actors
        ],
    }  # fmt: skip


def zones(scene: Scene) -> list[dict[str, Any]]:
    """The ground, of every kind of zone at once; and the bin's."""
    ground = [list(corner) for corner in scene.place.ground]
    found = [
        {"zone_id": kind.replace("_", "-"), "camera_id": "street", "kind": kind, "polygon": ground}
        for kind in ("no_vending", "no_parking", "no_dumping")
    ]
    if scene.bin_box is None:
        return found
    left, top, right, bottom = scene.bin_box
    around = [[left, top], [right, top], [right, bottom], [left, bottom]]
    return [{"zone_id": "bin-1", "camera_id": "street", "kind": "bin", "polygon": around}]


def _write(path: Path, told: dict[str, Any]) -> None:
    path.write_text(json.dumps(told, indent=1), encoding="utf-8")


def way(
    spot: tuple[float, float], times: Sequence[float], come_from: float = 0.0
) -> tuple[Step, ...]:
    """The steps of what comes from the side, stands at a spot, and goes back.

    Args:
        spot: Where it stands.
        times: When it stands there, and until when.
        come_from: How far from the spot it comes, in picture widths; 0: it is just there.
    """
    (x, y), (from_s, until_s) = spot, (times[0], times[1])
    if not come_from:
        return Step(from_s, x, y), Step(until_s, x, y)
    side = x + come_from
    return (
        Step(from_s - 2.4, side, y), Step(from_s, x, y), Step(until_s, x, y),
        Step(until_s + 2.4, side, y),
    )  # fmt: skip
