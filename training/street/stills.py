"""Randomised still pictures of the street with exact boxes, for training detectors.

Every picture comes from ``(seed, number)`` alone. Boxes and visible shares are taken from the
renderer's own instance numbers, so whatever stands in front (people, posts, the frame's edge)
counts.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from training.street import bins, cycles, motors, people, stalls
from training.street.mesh import Mesh
from training.street.scenery import KERB_Y, PAVEMENT_Z, Bay, Scenery, scenery
from training.street.stall_kinds import random_stall
from training.street.view import Placement, View, extent, silhouette

if TYPE_CHECKING:
    from training.street.blender import Light, Stage

CATEGORIES = ("person", "bicycle", "motorcycle", "car", "umbrella", "stall", "bin", "rubbish")
PICTURES_PER_STREET = 6
FURNITURE_INDEX = 900
EVERY_STALL_SHARE = 0.7
NEAR_EDGE, FAR_EDGE = KERB_Y + 0.6, 11.5


@dataclass
class Thing:
    """One mesh in the arrangement; ``part_of`` names the stall that a parasol belongs to."""

    category: str
    mesh: Mesh
    place: Placement
    part_of: int | None = None
    facts: dict[str, Any] = field(default_factory=dict)


class Arrangement:
    """Things put at random on and beside a pavement, never one inside another.

    Args:
        rng: Chooses.
        every_stall: Draw the stalls of all builds, from all sides; else carts and tables alone.
    """

    def __init__(self, rng: random.Random, *, every_stall: bool = False) -> None:
        self.rng = rng
        self.every_stall = every_stall
        self.things: list[Thing] = []
        self._taken: list[tuple[float, float, float]] = []

    def fill(self) -> Arrangement:
        """Put down everything; each kind is missing from a good part of all pictures."""
        rng = self.rng
        self._often(0.45, 1, self.add_row_of_bicycles)
        self._often(0.45, 3, self.add_bicycle)
        self._often(0.40, 2, self.add_motorcycle)
        self._often(0.75, 2, self.add_bins)
        self._often(0.65, 2, self.add_stall)
        self._often(0.20, 1, self.add_parasol)
        self._often(0.30, 1, self.add_loose_rubbish)
        self._often(0.35, 1, self.add_ridden_bicycle)
        self._often(0.45, 2, self.add_car)
        self._often(0.55, 2, self.add_group)
        for _ in range(rng.randint(0, 4)):
            self.add_passer_by()
        return self

    def _often(self, chance: float, most: int, add: Callable[[], None]) -> None:
        if self.rng.random() < chance:
            for _ in range(self.rng.randint(1, most)):
                add()

    def _spot(
        self, radius: float, y: tuple[float, float] = (NEAR_EDGE, FAR_EDGE)
    ) -> tuple[float, float] | None:
        for _ in range(30):
            x, deep = self.rng.uniform(-7.5, 7.5), self.rng.uniform(*y)
            if all(math.hypot(x - a, deep - b) > radius + r for a, b, r in self._taken):
                self._taken.append((x, deep, radius))
                return x, deep
        return None

    def _put(
        self, category: str, mesh: Mesh, at: tuple[float, float], heading: float, *,
        lean: float = 0.0, z: float = PAVEMENT_Z, part_of: int | None = None, **facts: Any,
    ) -> None:  # fmt: skip
        place = Placement(at[0], at[1], z, heading, lean)
        self.things.append(Thing(category, mesh, place, part_of, facts))

    def add_bicycle(self) -> None:
        spot = self._spot(0.8)
        if spot:
            heading = self.rng.uniform(-math.pi, math.pi)
            self._put("bicycle", cycles.random_bicycle(self.rng), spot, heading, lean=0.07)

    def add_row_of_bicycles(self) -> None:
        rng, count = self.rng, self.rng.randint(2, 7)
        gap, heading = rng.uniform(0.5, 0.8), math.pi / 2 + rng.uniform(-0.5, 0.5)
        spot = self._spot(0.5 + count * gap / 2, (NEAR_EDGE + 0.6, 10.5))
        if not spot:
            return
        for i in range(count):
            at = (spot[0] + (i - (count - 1) / 2) * gap, spot[1] + rng.uniform(-0.12, 0.12))
            turned = heading + rng.gauss(0, 0.08) + (math.pi if rng.random() < 0.15 else 0)
            if rng.random() < 0.2:
                self._put("motorcycle", motors.random_motorcycle(rng), at, turned, lean=0.08)
            else:
                self._put("bicycle", cycles.random_bicycle(rng), at, turned, lean=0.07)

    def add_motorcycle(self) -> None:
        spot = self._spot(0.9)
        if spot:
            heading = self.rng.uniform(-math.pi, math.pi)
            self._put("motorcycle", motors.random_motorcycle(self.rng), spot, heading, lean=0.08)

    def add_bins(self) -> None:
        """One to three bins side by side, at the wall or at the kerb."""
        rng, count = self.rng, self.rng.choice((1, 1, 1, 2, 3))
        row = rng.choice(((11.0, 11.4), (NEAR_EDGE, 7.6), (8.0, 11.0)))
        spot = self._spot(0.5 + 0.4 * count, row)
        if not spot:
            return
        heading = -math.pi / 2 + rng.gauss(0, 0.25)
        for i in range(count):
            self._add_bin((spot[0] + i * 0.78, spot[1] + rng.uniform(-0.05, 0.05)), heading)

    def _add_bin(self, at: tuple[float, float], heading: float) -> None:
        rng, state = self.rng, bins.random_state(self.rng)
        mesh = Mesh()
        size = np.diag([rng.uniform(0.85, 1.15)] * 2 + [rng.uniform(0.88, 1.12)])
        mesh.merge(bins.wheelie_bin(rng.choice(bins.BODY_COLOURS), state, rng), rotation=size)
        named = "overflowing" if state.overflowing else "not_overflowing"
        heading += rng.gauss(0, 0.1)
        self._put(
            "bin", mesh, at, heading,
            state=named, lid=state.lid, fill=round(state.fill, 2), spill=state.spill,
        )  # fmt: skip
        if state.spill:
            self._put("rubbish", bins.spilt_rubbish(state.spill, rng), at, heading)

    def add_loose_rubbish(self) -> None:
        spot = self._spot(0.7)
        if spot:
            heap = bins.spilt_rubbish(self.rng.randint(2, 5), self.rng, spread=(0.05, 0.45))
            self._put("rubbish", heap, spot, self.rng.uniform(-3, 3))

    def add_stall(self) -> None:
        """A stall of one of three builds, mostly with its vendor and at times with customers."""
        rng = self.rng
        spot = self._spot(1.8, (8.2, 10.8))
        if not spot:
            return
        if self.every_stall and rng.random() < EVERY_STALL_SHARE:
            self._add_any_stall(spot)
            return
        cart, heading = rng.random() < 0.65, rng.choice((0, math.pi)) + rng.gauss(0, 0.25)
        goods = rng.choice((1.0, 1.0, 0.75, 0.5))
        self._put("stall", stalls.stall_body(rng, cart=cart, goods=goods), spot, heading)
        if rng.random() < 0.7:
            shade = stalls.parasol(
                rng.choice(stalls.CANOPIES),
                height=rng.uniform(2.3, 2.7),
                radius=rng.uniform(1.1, 1.55),
            )
            self._put("umbrella", shade, spot, heading, part_of=len(self.things) - 1)
        if rng.random() < 0.85:
            self._add_standing((spot[0] + rng.uniform(-0.6, 0.6), spot[1] + 0.95), -math.pi / 2)
        for _ in range(rng.choice((0, 0, 1, 2, 3))):
            self._add_standing(
                (spot[0] + rng.uniform(-1, 1), spot[1] - rng.uniform(0.9, 1.5)), math.pi / 2
            )

    def _add_any_stall(self, spot: tuple[float, float]) -> None:
        drawn, heading = random_stall(self.rng), self.rng.uniform(-math.pi, math.pi)
        body, *shades = drawn.stall
        self._put("stall", body, spot, heading)
        stall = len(self.things) - 1
        for shade in shades:
            self._put("umbrella", shade, spot, heading, part_of=stall)
        for somebody in drawn.people:
            self._put("person", somebody, spot, heading)

    def add_parasol(self) -> None:
        spot = self._spot(1.3)
        if spot:
            self._put("umbrella", stalls.parasol(self.rng.choice(stalls.CANOPIES)), spot, 0)

    def _add_standing(self, at: tuple[float, float], heading: float) -> None:
        rng = self.rng
        pose = people.Pose(rng.random(), 0.12, rng.choice(("swing", "swing", "reach")))
        heading += rng.gauss(0, 0.4)
        self._put("person", people.person(people.Look(rng.randrange(10**6)), pose), at, heading)

    def add_group(self) -> None:
        spot, rng = self._spot(1.0), self.rng
        for i in range(rng.randint(2, 5) if spot else 0):
            angle = i * 1.5 + rng.uniform(-0.3, 0.3)
            at = (
                (spot[0] + 0.6 * math.cos(angle), spot[1] + 0.6 * math.sin(angle))
                if spot
                else (0, 0)
            )
            self._add_standing(at, angle + math.pi)

    def add_passer_by(self) -> None:
        spot, rng = self._spot(0.35), self.rng
        if spot:
            pose = people.Pose(rng.random(), rng.uniform(0.7, 1.0))
            heading = rng.choice((0, math.pi)) + rng.gauss(0, 0.25)
            self._put(
                "person", people.person(people.Look(rng.randrange(10**6)), pose), spot, heading
            )

    def add_ridden_bicycle(self) -> None:
        rng = self.rng
        spot = self._spot(1.0, (2.0, 11.0))
        if spot:
            heading = rng.choice((0, math.pi)) + rng.gauss(0, 0.15)
            z = PAVEMENT_Z if spot[1] > KERB_Y else 0.0
            frame = cycles.bicycle(
                rng.choice(cycles.PAINTS), basket=rng.random() < 0.5, steer=0, stand=False
            )
            self._put("bicycle", frame, spot, heading, z=z)
            self._put(
                "person",
                people.rider(people.Look(rng.randrange(10**6)), rng.random()),
                spot,
                heading,
                z=z,
            )

    def add_car(self) -> None:
        rng = self.rng
        spot = self._spot(2.3, rng.choice(((5.1, 5.5), (1.0, 3.5))))
        if spot:
            heading = rng.choice((0, math.pi)) + rng.gauss(0, 0.04)
            self._put("car", motors.car(rng.choice(motors.CAR_PAINTS)), spot, heading, z=0)


def random_view(rng: random.Random, things: list[Thing], size: tuple[int, int]) -> View:
    """A camera 3–8 m high; one in three looks at a bin so that it is at least 80 pixels tall."""
    seen = [t for t in things if t.category == "bin"]
    close = bool(seen) and rng.random() < 0.5
    # A camera 16 m away and 4 m high still looks 14 degrees down.
    height, distance = rng.uniform(3, 8), rng.uniform(5, 10 if close else 16)
    if close:
        place = rng.choice(seen).place
        target, wide_m = (
            (place.x + rng.uniform(-1, 1), place.y),
            rng.uniform(3.0, 7.5) * size[0] / 640,
        )
    else:
        target, wide_m = (rng.uniform(-5, 5), rng.uniform(7, 10.5)), rng.uniform(6, 15)
    aside = rng.choice((rng.uniform(-0.35, 0.35), rng.uniform(-1.0, 1.0)))
    at = (target[0] + distance * math.sin(aside), target[1] - distance * math.cos(aside), height)
    slant = math.hypot(distance, height - 0.7)
    pitch = math.degrees(math.atan2(height - 0.7, distance)) + rng.uniform(-3, 3)
    hfov = min(80.0, max(14.0, 2 * math.degrees(math.atan(wide_m / 2 / slant))))
    return View(at, math.degrees(aside), max(12.0, min(48.0, pitch)), hfov, *size)


def visible_boxes(
    things: list[Thing], furniture: Scenery, numbers: NDArray[np.int32], view: View
) -> Iterator[dict[str, Any]]:
    """Boxes (x, y, width, height in pixels) of what can be seen, with the share that can be seen.

    ``numbers`` is the rendered instance map: thing ``i`` is ``i + 1``, furniture from
    :data:`FURNITURE_INDEX` on.
    """
    distances = {i + 1: view.distance(t.place.x, t.place.y) for i, t in enumerate(things)}
    for i, (_, x, y) in enumerate(furniture.solid.values()):
        distances[FURNITURE_INDEX + i] = view.distance(x, y)
    for i, thing in enumerate(things):
        own = [i + 1] + [j + 1 for j, other in enumerate(things) if other.part_of == i]
        mask = np.isin(numbers, own)
        if mask.sum() < 30:
            continue
        before = [n for n, d in distances.items() if n not in own and d < distances[i + 1]]
        share = _visible_share([things[n - 1] for n in own], np.isin(numbers, before), view)
        if share < 0.08:
            continue
        left, top, right, bottom = extent(mask)
        box = [left, top, right - left, bottom - top]
        yield {
            "category_id": CATEGORIES.index(thing.category) + 1,
            "bbox": box,
            "area": int(mask.sum()),
            "iscrowd": 0,
            "visible_share": round(share, 3),
            **thing.facts,
        }


def _visible_share(parts: list[Thing], hidden: NDArray[np.bool_], view: View) -> float:
    margin = view.width
    outline = np.zeros((view.height + 2 * margin, view.width + 2 * margin), bool)
    for part in parts:
        outline |= silhouette(view, part.mesh, part.place, margin)
    inside = outline[margin:-margin, margin:-margin]
    return float((inside & ~hidden).sum()) / max(1, int(outline.sum()))


def worn(picture: NDArray[np.uint8], rng: random.Random, light: str) -> NDArray[np.uint8]:
    """What a cheap camera makes of a picture: softness, noise, vignetting, a tint (BGR in and out)."""
    noise = np.random.default_rng(rng.randrange(2**32))
    made = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 0.9)).astype(np.float32)
    height, width = made.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    made *= (1 - rng.uniform(0, 0.2) * (x**2 + y**2) / 2)[..., None]
    made *= np.array([rng.uniform(0.94, 1.06) for _ in range(3)]) * rng.uniform(0.85, 1.15)
    made += noise.normal(0, rng.uniform(1, 4) * (2.0 if light == "night" else 1.0), made.shape)
    return np.clip(made, 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Street:
    """What six pictures share: a scenery and a light."""

    light: Light
    furniture: Scenery


def _random_street(stage: Stage, rng: random.Random) -> Street:
    light: Light = rng.choices(("day", "overcast", "dusk", "night"), (4, 3, 2, 1.5))[0]
    made = scenery(
        rng.randrange(10**6),
        lit=light in {"dusk", "night"},
        bay=Bay() if rng.random() < 0.6 else None,
        bollards=rng.random() < 0.5,
    )
    stage.add_scenery(made, FURNITURE_INDEX)
    stage.set_light(light, azimuth=rng.uniform(-70, 70), exposure=rng.uniform(-0.3, 0.3))
    return Street(light, made)


def render_stills(
    count: int, seed: int, out: Path, size: tuple[int, int], *, every_stall: bool = False
) -> Path:
    """Render ``count`` pictures into ``out`` with ``annotations.json`` (COCO) and, last, ``DONE``."""
    from training.street.blender import Stage  # noqa: PLC0415 - Blender is wanted only here

    out.mkdir(parents=True, exist_ok=True)
    images: list[dict[str, Any]] = []
    boxes: list[dict[str, Any]] = []
    for first in range(0, count, PICTURES_PER_STREET):
        stage = Stage()
        street = _random_street(stage, random.Random(f"{seed}-street-{first}"))
        for number in range(first, min(count, first + PICTURES_PER_STREET)):
            rng = random.Random(f"{seed}-{number}")
            arrangement = Arrangement(rng, every_stall=every_stall).fill()
            path = out / f"{seed}-{number:04d}.jpg"
            found = _render_one(stage, street, arrangement, size, path)
            images.append({
                "id": number + 1, "file_name": f"{seed}-{number:04d}.jpg",
                "width": size[0], "height": size[1], "light": street.light,
            })  # fmt: skip
            boxes += [
                {"id": len(boxes) + i + 1, "image_id": number + 1, **b} for i, b in enumerate(found)
            ]
    categories = [{"id": i + 1, "name": name} for i, name in enumerate(CATEGORIES)]
    coco = {"images": images, "annotations": boxes, "categories": categories}
    (out / "annotations.json").write_text(json.dumps(coco, indent=1) + "\n")
    (out / "DONE").touch()
    return out / "annotations.json"


def _render_one(
    stage: Stage, street: Street, arrangement: Arrangement, size: tuple[int, int], path: Path
) -> list[dict[str, Any]]:
    rng, things = arrangement.rng, arrangement.things
    view = random_view(rng, things, size)
    linked = [stage.add(t.category, t.mesh, t.place, index=i + 1) for i, t in enumerate(things)]
    stage.set_view(view)
    picture, _, numbers = stage.render()
    stage.remove(linked)
    made = worn(picture[..., :3], rng, street.light)
    cv2.imwrite(str(path), made, [cv2.IMWRITE_JPEG_QUALITY, rng.randint(70, 93)])
    return list(visible_boxes(things, street.furniture, numbers, view))
