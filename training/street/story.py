"""What happens on the street in one clip, planned from a seed alone; no picture is made here.

Everything is an :class:`Actor` with :class:`Leg`\\ s: a person who walks, a bicycle that is wheeled
in and then stands, a bin in one of its states. The plan holds the truth that a clip is judged by.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Literal

import numpy as np

from training.street.people import STRIDE_M
from training.street.scenery import FRONT_Y, KERB_Y, PAVEMENT_Z, Bay
from training.street.view import Placement, View

Point = tuple[float, float]
Motion = Literal["stand", "reach", "walk", "push", "ride", "roll"]
Recipe = Literal[
    "person", "rider", "bicycle", "ridden_bicycle", "cart", "parasol_open", "parasol_closed",
    "bin_tidy", "bin_half_full", "bin_overflowing", "spill", "car",
]  # fmt: skip
MOVING: frozenset[Motion] = frozenset({"walk", "push", "ride", "roll"})
WALK_M_PER_S = 1.25
STROLL_M_PER_S = 1.05
PUSH_M_PER_S = 1.2
KERB_LANE_Y = 7.5
FPS = 10


@dataclass(frozen=True)
class Leg:
    """What an actor does between two times; a leg that stands has one place."""

    begins_s: float
    ends_s: float
    start: Point
    end: Point
    heading: float
    motion: Motion

    def at(self, time_s: float) -> Point:
        """Where the actor is."""
        part = (time_s - self.begins_s) / max(1e-9, self.ends_s - self.begins_s)
        part = min(1.0, max(0.0, part))
        (ax, ay), (bx, by) = self.start, self.end
        return ax + (bx - ax) * part, ay + (by - ay) * part


@dataclass(frozen=True)
class Actor:
    """One thing or person; ``style`` chooses its colours and clothes."""

    name: str
    recipe: Recipe
    style: int
    legs: tuple[Leg, ...]

    def leg(self, time_s: float) -> Leg | None:
        """The leg at a time, or nothing while the actor is not there."""
        for leg in self.legs:
            if leg.begins_s <= time_s < leg.ends_s:
                return leg
        return None

    def walked_m(self, time_s: float) -> float:
        """Metres moved so far, which is what the phase of a stride follows."""
        total = 0.0
        for leg in self.legs:
            if leg.motion in MOVING and time_s > leg.begins_s:
                total += math.dist(leg.start, leg.at(min(time_s, leg.ends_s)))
        return total


@dataclass(frozen=True)
class Problem:
    """A street problem that an agent is expected to report."""

    kind: Literal["misparked_bike", "street_vending", "overflowing_bin"]
    zone_id: str
    thing: str
    begins_s: float
    ends_s: float


@dataclass(frozen=True)
class Distractor:
    """Something that must raise nothing, or must not end or double a case."""

    what: str
    begins_s: float
    ends_s: float


@dataclass(frozen=True)
class Layout:
    """Where things are on the pavement; ``side`` is 1 or -1 and mirrors the street."""

    side: int
    bay: Bay
    bin_at: Point
    bin_heading: float
    bike_at: Point
    bike_heading: float
    stall_at: Point
    stall_heading: float
    crowd_at: Point
    car_x: float


ClipLight = Literal["falling", "day", "dusk"]
ALWAYS: dict[str, tuple[float, float]] = {"day": (1e9, 2e9), "dusk": (-2e9, -1e9)}
"""When it gets dark in a clip of one light: long after it, or long before."""


@dataclass(frozen=True)
class Times:
    """When the three problems begin and end and when it gets dark, seconds."""

    bike: tuple[float, float]
    stall: tuple[float, float]
    bin: tuple[float, float]
    dusk: tuple[float, float]


@dataclass
class Plan:
    """A whole clip before it is rendered."""

    seed: int
    seconds: float
    view: View
    scenery_seed: int
    layout: Layout
    times: Times
    actors: list[Actor] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    distractors: list[Distractor] = field(default_factory=list)

    def night_share(self, time_s: float) -> float:
        """0 by day, 1 at dusk."""
        begins_s, ends_s = self.times.dusk
        return min(1.0, max(0.0, (time_s - begins_s) / (ends_s - begins_s)))

    def __iter__(self) -> Iterator[Actor]:
        return iter(self.actors)


def ground_z(at: Point) -> float:
    """The road lies lower than the pavement."""
    return PAVEMENT_Z if at[1] > KERB_Y else 0.0


def placement(at: Point, heading: float, lean: float = 0.0) -> Placement:
    """A place on the ground."""
    return Placement(at[0], at[1], ground_z(at), heading, lean)


def plan(seed: int, seconds: float, size: tuple[int, int], light: ClipLight = "falling") -> Plan:
    """Plan a clip. The same arguments always give the same plan.

    Args:
        seed: Everything is drawn from it.
        seconds: How long it lasts.
        size: Width and height in pixels.
        light: ``falling`` goes from day to dusk on the way; the same things happen in every light.
    """
    rng = random.Random(f"street-clip-{seed}")
    layout = _layout(rng)
    hfov = rng.uniform(56, 58) if size[0] >= 1280 else rng.uniform(51, 54)
    at = (layout.side * rng.uniform(-0.4, 0.4), rng.uniform(-1.2, -0.6), rng.uniform(4.7, 5.5))
    pitch = math.degrees(math.atan2(at[2] - 0.6, 9.6 - at[1])) + rng.uniform(0.5, 1.5)
    view = View(at, rng.uniform(-3, 3), pitch, hfov, *size)
    scenery_seed, times = rng.randrange(10**6), _times(rng, seed, seconds)
    times = replace(times, dusk=ALWAYS.get(light, times.dusk))
    made = Plan(seed, seconds, view, scenery_seed, layout, times)
    _Writer(made, rng).write()
    made.actors.sort(key=lambda actor: actor.name)
    made.distractors.sort(key=lambda distractor: distractor.begins_s)
    made.problems.sort(key=lambda problem: problem.begins_s)
    return made


def _layout(rng: random.Random) -> Layout:
    side = rng.choice((1, -1))
    near = rng.uniform(-5.2, -4.9)
    edges = sorted((side * near, side * (near + 2.7)))
    turned = rng.uniform(0.70, 0.95)
    return Layout(
        side=side,
        bay=Bay(left=edges[0], right=edges[1], near=rng.uniform(8.0, 8.2), far=10.1),
        bin_at=(side * rng.uniform(-1.35, -1.05), rng.uniform(10.9, 11.1)),
        bin_heading=-math.pi / 2 + rng.uniform(-0.2, 0.2),
        bike_at=(side * rng.uniform(0.9, 1.2), rng.uniform(8.9, 9.2)),
        bike_heading=rng.choice((turned, math.pi - turned)),
        stall_at=(side * rng.uniform(3.6, 3.85), rng.uniform(10.1, 10.3)),
        stall_heading=rng.choice((0.0, math.pi)),
        crowd_at=(side * rng.uniform(1.25, 1.45), rng.uniform(10.9, 11.1)),
        car_x=side * rng.uniform(-4.3, -3.7),
    )


def _times(rng: random.Random, seed: int, seconds: float) -> Times:
    """Problems begin in three slots; their order comes from the seed (in clip 1 the bicycle leads)."""
    slots = [0.16, 0.265, 0.375]
    if seed != 1:
        rng.shuffle(slots)
    begins = [seconds * slot + rng.uniform(0, 1.5) for slot in slots]
    stays = (0.52, 0.455, 0.45)
    bike, stall, overflow = (
        (round(b, 1), round(b + seconds * stay + rng.uniform(0, 1.5), 1))
        for b, stay in zip(begins, stays, strict=True)
    )
    dusk = round(seconds * 0.455 + rng.uniform(0, 1.0), 1)
    return Times(bike, stall, overflow, (dusk, round(dusk + 8.0, 1)))


class _Writer:
    """Writes the actors, problems and distractors of one plan."""

    def __init__(self, made: Plan, rng: random.Random) -> None:
        self.plan, self.rng = made, rng
        self.layout, self.times, self.seconds = made.layout, made.times, made.seconds

    def write(self) -> None:
        self._lawful_bicycles()
        self._misparked_bicycle()
        self._group_before_the_bicycle()
        self._stall()
        self._bin()
        self._crowd()
        self._car()
        self._ridden_bicycle()
        self._passers_by()
        if self.times.dusk not in ALWAYS.values():
            self._distract("light_change", *self.times.dusk)

    # ------------------------------------------------------------------ helpers

    def _add(
        self, name: str, recipe: Recipe, legs: Iterable[Leg], style: int | None = None
    ) -> None:
        chosen = self.rng.randrange(10**6) if style is None else style
        self.plan.actors.append(Actor(name, recipe, chosen, tuple(legs)))

    def _distract(self, what: str, begins_s: float, ends_s: float) -> None:
        self.plan.distractors.append(Distractor(what, round(begins_s, 1), round(ends_s, 1)))

    def _edge(self, y: float, side: int, beyond_m: float = 0.7) -> Point:
        """A point on the ground just outside the picture, left (-1) or right (1)."""
        view, x = self.plan.view, 0.0
        while abs(x) < 20:
            pixels, _ = view.project([[x - side * beyond_m, y, ground_z((0, y))]])
            if not 0 <= pixels[0, 0] <= view.width:
                break
            x += side * 0.1
        return x, y

    def _stand(
        self, begins_s: float, ends_s: float, at: Point, heading: float, motion: Motion = "stand"
    ) -> Leg:
        return Leg(begins_s, ends_s, at, at, heading, motion)

    def _visit(
        self, name: str, at: Point, stay: tuple[float, float], heading: float, *,
        come_from: int, go_to: int, motion: Motion = "stand", lane: float | None = None,
        speed: float = WALK_M_PER_S,
    ) -> None:  # fmt: skip
        """Someone walks to a place, stays, and walks off."""
        lane = at[1] if lane is None else lane
        come = _path([self._edge(lane, come_from), at], speed, "walk", ends_s=stay[0])
        go = _path([at, self._edge(lane, go_to)], speed, "walk", begins_s=stay[1])
        self._add(name, "person", [*come, self._stand(*stay, at, heading, motion), *go])

    # ------------------------------------------------------------------ the three problems

    def _lawful_bicycles(self) -> None:
        bay, count = self.layout.bay, self.rng.choice((3, 4))
        gap = (bay.right - bay.left) / count
        for i in range(count):
            at = (
                bay.left + gap * (i + 0.5),
                (bay.near + bay.far) / 2 + self.rng.uniform(-0.06, 0.06),
            )
            heading = math.pi / 2 + self.rng.gauss(0, 0.05)
            legs = [self._stand(0, self.seconds, at, heading)]
            self._add(f"lawful-bike-{i + 1}", "bicycle", legs)
        self._distract("lawful_bike", 0, self.seconds)

    def _misparked_bicycle(self) -> None:
        """Wheeled in, left alone, later wheeled away by the same person."""
        at, heading = self.layout.bike_at, self.layout.bike_heading
        begins_s, ends_s = self.times.bike
        forward = np.array([math.cos(heading), math.sin(heading)])
        travel = 1 if forward[0] > 0 else -1
        # In and out along the kerb, clear of the bay, the bin and the stall; out means backwards first.
        turn = (at[0] - 1.2 * float(forward[0]), at[1] - 1.2 * float(forward[1]))
        before, after = (turn[0] - travel * 0.9, KERB_LANE_Y), (turn[0] + travel * 0.9, KERB_LANE_Y)
        into = [self._edge(KERB_LANE_Y, -travel, 1.2), before, turn, at]
        come = _path(into, PUSH_M_PER_S, "roll", ends_s=begins_s)
        back = replace(_path([at, turn], PUSH_M_PER_S, "roll", begins_s=ends_s)[0], heading=heading)
        away = [turn, after, self._edge(KERB_LANE_Y, travel, 1.2)]
        go = [back, *_path(away, PUSH_M_PER_S, "roll", begins_s=back.ends_s)]
        self._add("bike-1", "bicycle", [*come, self._stand(begins_s, ends_s, at, heading), *go])
        style = self.rng.randrange(10**6)
        beside = [_beside(leg, 0.45) for leg in come], [_beside(leg, 0.45) for leg in go]
        put_down = beside[0][-1].end
        leave = _path(
            [put_down, self._edge(10.6, -travel)], WALK_M_PER_S, "walk", begins_s=begins_s + 0.8
        )
        pause = self._stand(begins_s, begins_s + 0.8, put_down, heading, "reach")
        self._add("owner-comes", "person", [*beside[0], pause, *leave], style)
        pick_up = beside[1][0].start
        fetch = _path(
            [self._edge(10.6, -travel), pick_up], WALK_M_PER_S, "walk", ends_s=ends_s - 0.8
        )
        pause = self._stand(ends_s - 0.8, ends_s, pick_up, heading, "reach")
        self._add("owner-leaves", "person", [*fetch, pause, *beside[1]], style)
        self.plan.problems.append(Problem("misparked_bike", "pavement", "bike-1", begins_s, ends_s))

    def _group_before_the_bicycle(self) -> None:
        """Five people stroll in, stop before the bicycle and go on: nothing of it can be seen."""
        camera, at = self.plan.view.at, self.layout.bike_at
        to_camera = np.array([camera[0] - at[0], camera[1] - at[1]])
        to_camera /= np.linalg.norm(to_camera)
        across = np.array([-to_camera[1], to_camera[0]])
        begins_s = round(self.times.bike[0] + self.rng.uniform(6.5, 12), 1)
        stop_s, travel = 3.4, self.rng.choice((1, -1))
        rows = ((0.95, -0.62), (0.95, -0.02), (0.95, 0.60), (1.35, -0.32), (1.35, 0.34))
        for i, (nearer, aside) in enumerate(rows):
            spot = np.array(at) + to_camera * nearer + across * aside
            stay = (begins_s + 0.1 * (i % 3), begins_s + stop_s + 0.15 * (i % 2))
            heading = self.rng.choice((0.0, math.pi)) + self.rng.gauss(0, 0.5)
            self._visit(
                f"group-{i + 1}", (float(spot[0]), float(spot[1])), stay, heading,
                come_from=-travel, go_to=travel, speed=STROLL_M_PER_S,
            )  # fmt: skip
        self._distract("group_hides_bike", begins_s - 1, begins_s + stop_s + 1)

    def _stall(self) -> None:
        """A cart is wheeled in, its parasol opens, the vendor serves, and all goes again."""
        at, heading = self.layout.stall_at, self.layout.stall_heading
        begins_s, ends_s = self.times.stall
        near_side = 1 if at[0] > 0 else -1
        travel = 1 if math.cos(heading) > 0 else -1
        come_from, go_to = (
            (-near_side, near_side) if travel == near_side else (near_side, -near_side)
        )
        come = _path([self._edge(at[1], come_from, 2.2), at], PUSH_M_PER_S, "roll", ends_s=begins_s)
        go = _path([at, self._edge(at[1], go_to, 2.2)], PUSH_M_PER_S, "roll", begins_s=ends_s)
        style = self.rng.randrange(10**6)
        stand = self._stand(begins_s, ends_s, at, heading)
        self._add("stall-1", "cart", [*come, stand, *go], style)
        self._add("stall-1-closed", "parasol_closed", [*come, *go], style)
        self._add("stall-1-parasol", "parasol_open", [stand], style)
        self._vendor(come, go)
        self._customers(at, begins_s, ends_s)
        self.plan.problems.append(
            Problem("street_vending", "no-vending", "stall-1", begins_s, ends_s)
        )

    def _vendor(self, come: list[Leg], go: list[Leg]) -> None:
        at = self.layout.stall_at
        begins_s, ends_s = self.times.stall
        pushing = [_behind(leg, 1.3) for leg in come]
        leaving = [_behind(leg, 1.3) for leg in go]
        post = (at[0] + self.rng.uniform(-0.3, 0.3), at[1] + 0.95)
        to_post = _path([pushing[-1].end, post], WALK_M_PER_S, "walk", begins_s=begins_s)
        away_s = begins_s + (ends_s - begins_s) * self.rng.uniform(0.5, 0.6)
        aside = (post[0] - self.layout.side * 1.9, post[1])
        step_out = _path([post, aside], WALK_M_PER_S, "walk", begins_s=away_s)
        step_back = _path([aside, post], WALK_M_PER_S, "walk", begins_s=away_s + 4)
        from_post = _path([post, leaving[0].start], WALK_M_PER_S, "walk", ends_s=ends_s)
        face = -math.pi / 2
        legs = [
            *pushing, *to_post,
            self._stand(to_post[-1].ends_s, away_s, post, face, "reach"), *step_out,
            self._stand(step_out[-1].ends_s, away_s + 4, aside, face), *step_back,
            self._stand(step_back[-1].ends_s, from_post[0].begins_s, post, face, "reach"),
            *from_post, *leaving,
        ]  # fmt: skip
        self._add("vendor", "person", legs)

    def _customers(self, at: Point, begins_s: float, ends_s: float) -> None:
        stay_s = ends_s - begins_s
        for i, (start, length) in enumerate(((0.18, 0.26), (0.52, 0.24))):
            first = round(begins_s + stay_s * start, 1)
            spot = (
                at[0] + self.rng.uniform(-0.9, -0.4) * (-1) ** i,
                at[1] - self.rng.uniform(0.95, 1.1),
            )
            self._visit(
                f"customer-{i + 1}", spot, (first, first + stay_s * length), math.pi / 2,
                come_from=self.layout.side, go_to=self.layout.side, motion="reach", lane=9.3 - 0.5 * i,
            )  # fmt: skip

    def _bin(self) -> None:
        """Closed, then filled until it overflows, later emptied."""
        at, heading = self.layout.bin_at, self.layout.bin_heading
        begins_s, ends_s = self.times.bin
        style, opened_s = self.rng.randrange(10**6), begins_s - 1.6
        self._add("bin-1-before", "bin_tidy", [self._stand(0, opened_s, at, heading)], style)
        self._add(
            "bin-1-filling", "bin_half_full", [self._stand(opened_s, begins_s, at, heading)], style
        )
        self._add("bin-1", "bin_overflowing", [self._stand(begins_s, ends_s, at, heading)], style)
        self._add("bin-1-spill", "spill", [self._stand(begins_s, ends_s, at, heading)], style)
        self._add(
            "bin-1-after", "bin_tidy", [self._stand(ends_s, self.seconds, at, heading)], style
        )
        side = self.layout.side
        beside = (at[0] + side * 0.95, at[1] - 0.35)
        face = math.atan2(at[1] - beside[1], at[0] - beside[0])
        self._visit(
            "fills-bin", beside, (begins_s - 2.4, begins_s + 0.5), face,
            come_from=side, go_to=side, motion="reach", lane=10.0,
        )  # fmt: skip
        before = (at[0], at[1] - 1.25)
        looks_s = begins_s + (ends_s - begins_s) * self.rng.uniform(0.40, 0.55)
        self._visit(
            "stands-before-bin", before, (looks_s, looks_s + 4), self.rng.uniform(-0.4, 0.4),
            come_from=-side, go_to=-side, lane=10.45,
        )  # fmt: skip
        self._distract("person_before_bin", looks_s, looks_s + 4)
        self._visit(
            "empties-bin", (at[0] + side * 0.15, at[1] - 1.05), (ends_s - 2, ends_s + 1.2), math.pi / 2,
            come_from=-side, go_to=-side, motion="reach", lane=10.3,
        )  # fmt: skip
        self.plan.problems.append(Problem("overflowing_bin", "bin-1", "bin-1", begins_s, ends_s))

    # ------------------------------------------------------------------ what must raise nothing

    def _crowd(self) -> None:
        """Four to six people stand together in the zone where stalls are forbidden."""
        count, (x, y) = self.rng.choice((4, 5, 6)), self.layout.crowd_at
        latest = self.seconds - 23
        begins_s = latest if self.plan.seed == 1 else self.rng.uniform(12, latest)
        stay = (begins_s, begins_s + self.rng.uniform(16, 18))
        for i in range(count):
            angle = 2 * math.pi * i / count + self.rng.uniform(-0.2, 0.2)
            spot = (x + 0.62 * math.cos(angle), y + 0.42 * math.sin(angle))
            late = 0.3 * self.rng.random()
            self._visit(
                f"crowd-{i + 1}", spot, (stay[0] - late, stay[1] + 0.4 * self.rng.random()),
                math.atan2(y - spot[1], x - spot[0]), come_from=self.layout.side, go_to=self.layout.side,
            )  # fmt: skip
        self._distract("crowd", *stay)

    def _car(self) -> None:
        """On the far side of the road traffic goes to the left (right-hand traffic)."""
        stays_s = self.rng.uniform(20.5, 24)
        begins_s = self.rng.uniform(0.12, 0.2) * self.seconds
        spot, left, right = (
            (self.layout.car_x, 5.35),
            self._edge(5.35, -1, 3.5),
            self._edge(5.35, 1, 3.5),
        )
        slow = (spot[0] + 2.0, 5.35)
        come = _path([right, slow], 4.5, "roll", ends_s=begins_s - 1.4)
        brake = _path([slow, spot], 2.0 / 1.4, "roll", ends_s=begins_s)
        creep = (spot[0] - 1.5, 5.35)
        start = _path([spot, creep], 1.2, "roll", begins_s=begins_s + stays_s)
        go = _path([creep, left], 3.8, "roll", begins_s=start[-1].ends_s)
        parked = self._stand(begins_s, begins_s + stays_s, spot, math.pi)
        self._add("car-1", "car", [*come, *brake, parked, *start, *go])
        self._distract("parked_car", begins_s, begins_s + stays_s)

    def _ridden_bicycle(self) -> None:
        travel = self.rng.choice((1, -1))
        begins_s, lane = self.seconds * self.rng.uniform(0.60, 0.66), 7.55
        path = [self._edge(lane, -travel, 1.3), self._edge(lane, travel, 1.3)]
        legs = _path(path, 3.0, "ride", begins_s=begins_s)
        style = self.rng.randrange(10**6)
        self._add("ridden-bike", "ridden_bicycle", legs, style)
        self._add("rider", "rider", legs, style)
        self._distract("ridden_bike", begins_s, legs[-1].ends_s)

    def _passers_by(self) -> None:
        """Single people, before and behind what stands there."""
        lanes = (7.55, 10.15, 7.9, 8.1)
        starts = (0.30, 0.44, 0.56, 0.76)
        for i, (lane, start) in enumerate(zip(lanes, starts, strict=True)):
            travel = self.rng.choice((1, -1))
            y, begins_s = (
                lane + self.rng.uniform(-0.1, 0.1),
                self.seconds * (start + self.rng.uniform(0, 0.05)),
            )
            path = [self._edge(y, -travel), self._edge(y, travel)]
            legs = _path(path, WALK_M_PER_S + 0.15 * i / 3, "walk", begins_s=begins_s)
            self._add(f"passer-by-{i + 1}", "person", legs)
            self._distract("passer_by", begins_s, legs[-1].ends_s)


def _path(
    points: list[Point], speed: float, motion: Motion, *,
    begins_s: float | None = None, ends_s: float | None = None,
) -> list[Leg]:  # fmt: skip
    """Legs along ``points`` at a steady speed, from a begin or to an end."""
    lengths = [math.dist(a, b) for a, b in pairwise(points)]
    if begins_s is None:
        begins_s = (ends_s or 0.0) - sum(lengths) / speed
    legs = []
    for (start, end), length in zip(pairwise(points), lengths, strict=True):
        heading = math.atan2(end[1] - start[1], end[0] - start[0])
        legs.append(Leg(begins_s, begins_s + length / speed, start, end, heading, motion))
        begins_s += length / speed
    return legs


def _offset(leg: Leg, forward_m: float, left_m: float) -> Leg:
    c, s = math.cos(leg.heading), math.sin(leg.heading)
    dx, dy = c * forward_m - s * left_m, s * forward_m + c * left_m
    (ax, ay), (bx, by) = leg.start, leg.end
    return Leg(
        leg.begins_s, leg.ends_s, (ax + dx, ay + dy), (bx + dx, by + dy), leg.heading, "push"
    )


def _beside(leg: Leg, aside_m: float) -> Leg:
    """The one who wheels a bicycle walks at its far side, level with the saddle."""
    return _offset(leg, -0.05, aside_m if math.cos(leg.heading) > 0 else -aside_m)


def _behind(leg: Leg, distance_m: float) -> Leg:
    return _offset(leg, -distance_m, 0.0)


def phase(actor: Actor, time_s: float, steps: int) -> int:
    """Which of ``steps`` poses of a stride an actor is in; nobody walks in step with another."""
    return int(actor.walked_m(time_s) / STRIDE_M * steps + actor.style % steps) % steps


def ground_zones(layout: Layout) -> dict[str, tuple[str, list[Point]]]:
    """Zones on the pavement: id → (kind, corners in metres), all clear of each other's edges."""
    side, bay = layout.side, layout.bay
    near, far = 7.05, FRONT_Y - 0.1

    def area(x: tuple[float, float], y: tuple[float, float]) -> list[Point]:
        left, right = sorted((side * x[0], side * x[1]))
        return [(left, y[0]), (right, y[0]), (right, y[1]), (left, y[1])]

    return {
        "pavement": ("no_parking", area((-2.0, 5.6), (near, far))),
        "bay": (
            "bay",
            [
                (bay.left, bay.near),
                (bay.right, bay.near),
                (bay.right, bay.far),
                (bay.left, bay.far),
            ],
        ),
        "no-vending": ("no_vending", area((0.1, 5.8), (near + 0.1, far))),
    }
