"""What is staged: real problems that must be reported, and nasty things that must not.

All chance comes from the seed and the scene's name, so that every scene can be filmed by itself.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence

import numpy as np

from training.composited.cutouts import Entry, of_kind
from training.composited.places import PERSON_M, PLACES, Place
from training.composited.scenes import Actor, Light, Problem, Scene, Shade, Step, way

SECONDS = 40.0
"""Long enough to see that a case has ended: a stall is pushed away for 2.4 s, and 3 s more must be clear."""
_PASSED_S = 36.0
"""Nobody sets out to walk by later."""
DAY_PLACES = ("campus", "avenue", "ramp", "crossing", "car-park", "corner", "wall")
DARK_PLACES = ("night-kerb", "campus", "crossing", "ramp", "wall")
_STRIDE_M = 1.3
"""Metres a second of people who walk by."""
_ASPECT = 4 / 3

Listed = dict[str, Entry]


class _Chance:
    """Random choices of one scene, and its cast: nobody is in it twice."""

    def __init__(self, name: str, seed: int, listed: Listed) -> None:
        self.random = np.random.default_rng([seed, zlib.crc32(name.encode())])
        people = of_kind("person", listed)
        order = self.random.permutation(len(people))
        self._people = [people[int(index)] for index in order]

    def person(self) -> Entry:
        """Somebody who is not in the scene yet."""
        return self._people.pop()

    def between(self, low: float, high: float) -> float:
        return round(float(self.random.uniform(low, high)), 1)

    def heads(self) -> bool:
        return bool(self.random.random() < 0.5)


def _aspect(thing: Entry) -> float:
    """Width by height of what is cut out, as near as its box tells it (pictures are about 4 to 3)."""
    left, top, right, bottom = thing.box
    return _ASPECT * (right - left) / (bottom - top)


def _beside(
    place: Place, spot: tuple[float, float], thing: Entry, side: int
) -> tuple[float, float]:
    """Where somebody stands who is with a thing: half a step from its edge, a little before it."""
    x, y = spot
    half = 0.5 * place.height(y, thing.height_m) * min(1.6, _aspect(thing)) / _ASPECT
    step = 0.22 * place.height(y, PERSON_M)
    return x + side * (half + step), min(0.99, y + 0.015)


def _keeper(
    chance: _Chance,
    place: Place,
    spot: tuple[float, float],
    thing: Entry,
    from_s: float,
    until_s: float,
) -> Actor:
    """Somebody who comes with a thing and stays with it."""
    side = 1 if spot[0] < 0.5 else -1
    steps = way(_beside(place, spot, thing, side), (from_s, until_s), come_from=0.22 * side)
    return Actor(chance.person(), steps, flipped=chance.heads(), sway=0.1)


def _passers(chance: _Chance, place: Place, count: int, seconds: float) -> list[Actor]:
    """People who walk across, before and behind what stands there."""
    found = []
    for _ in range(count):
        y = chance.between(place.ground[0][1] + 0.2, 0.97)
        speed = _STRIDE_M / PERSON_M * place.height(y, PERSON_M) / _ASPECT
        lasts_s = 1.2 / max(speed, 0.04)
        begins_s = chance.between(0, max(1.0, seconds - lasts_s / 2))
        left = chance.heads()
        ends = (-0.1, 1.1) if left else (1.1, -0.1)
        steps = (Step(begins_s, ends[0], y), Step(begins_s + lasts_s, ends[1], y))
        found.append(Actor(chance.person(), steps, flipped=not left, walks=True))
    return found


def _stall(
    chance: _Chance,
    place: Place,
    spot: tuple[float, float],
    thing: Entry,
    times: tuple[float, float],
) -> list[Actor]:
    """A stall that is pushed in with its keeper, and out again."""
    side = 1 if spot[0] < 0.5 else -1
    stall = Actor(thing, way(spot, times, come_from=0.22 * side))
    return [stall, _keeper(chance, place, spot, thing, *times)]


def _bike(
    chance: _Chance,
    spot: tuple[float, float],
    thing: Entry,
    times: tuple[float, float],
) -> list[Actor]:
    """A bike that somebody brings, leaves, and fetches."""
    x, y = spot
    side = 0.25 if x < 0.5 else -0.25
    bike = Actor(thing, way(spot, times, come_from=side))
    brought = (Step(times[0] - 2.4, x + side, y - 0.01), Step(times[0] + 0.6, x, y - 0.01),
               Step(times[0] + 3.4, x + 1.4 * side, y - 0.02))  # fmt: skip
    fetched = (Step(times[1] - 3.0, x + 1.4 * side, y - 0.02), Step(times[1], x, y - 0.01),
               Step(times[1] + 2.4, x + side, y - 0.01))  # fmt: skip
    return [
        bike,
        Actor(chance.person(), brought, walks=True),
        Actor(chance.person(), fetched, walks=True),
    ]


def _bag(
    chance: _Chance, spot: tuple[float, float], thing: Entry, times: tuple[float, float]
) -> list[Actor]:
    """A bag that somebody puts down and leaves, and somebody takes away."""
    x, y = spot
    brought = (Step(times[0] - 2.2, x - 0.2, y + 0.01), Step(times[0], x, y + 0.01),
               Step(times[0] + 0.8, x, y + 0.01), Step(times[0] + 3.2, x - 0.22, y + 0.01))  # fmt: skip
    taken = (Step(times[1] - 2.4, x - 0.2, y + 0.01), Step(times[1], x, y + 0.01),
             Step(times[1] + 2.4, x + 0.2, y + 0.01))  # fmt: skip
    return [
        Actor(thing, way(spot, times)),
        Actor(chance.person(), brought, walks=True),
        Actor(chance.person(), taken, walks=True),
    ]


def problems(listed: Listed, seed: int) -> list[Scene]:
    """A stall and a bike each in its corner of a place, until all are used; then bags by themselves.

    Who keeps a stall is at a bag that lies a step beside it, by the rule and by common sense: a bag
    beside a stall would be no rubbish that lies exposed.
    """
    stalls, bikes = of_kind("stall", listed), of_kind("bike", listed)
    found, dark, bright = [], 0, 0
    for number, stall in enumerate(stalls):
        light: Light = "day" if stall.light == "day" else "dusk"
        if light == "day":
            place, bright = PLACES[DAY_PLACES[bright % len(DAY_PLACES)]], bright + 1
        else:
            place, dark = PLACES[DARK_PLACES[dark % len(DARK_PLACES)]], dark + 1
        bike = bikes[number] if number < len(bikes) else None
        name = f"problems-{number:02}"
        found.append(_problem(name, place, light, (stall, bike), seed, listed))
    return [*found, *_rubbish(listed, seed)]


def _rubbish(listed: Listed, seed: int) -> list[Scene]:
    """A bag that somebody puts down and leaves, while others walk by."""
    found = []
    for number, bag in enumerate(of_kind("bag", listed)):
        name = f"rubbish-{number:02}"
        chance = _Chance(name, seed, listed)
        place = PLACES[DAY_PLACES[number % len(DAY_PLACES)]]
        light: Light = "dusk" if number % 4 == 3 else "day"
        begins_s = chance.between(6, 7.5)
        times = begins_s, begins_s + 22
        actors = _bag(chance, place.spots[number % len(place.spots)], bag, times)
        actors += _passers(chance, place, 2, 32)
        told = (Problem("exposed_rubbish", "no-dumping", *times, bag.name),)
        found.append(Scene(name, place, 36, seed, light, tuple(actors), told))
    return found


def _problem(
    name: str,
    place: Place,
    light: Light,
    things: tuple[Entry, Entry | None],
    seed: int,
    listed: Listed,
) -> Scene:
    chance = _Chance(name, seed, listed)
    stall, bike = things
    spots = [place.spots[int(index)] for index in chance.random.permutation(len(place.spots))]
    begins_s = chance.between(6.5, 8)
    times = begins_s, begins_s + 22
    actors = _stall(chance, place, spots[0], stall, times)
    told = [Problem("street_vending", "no-vending", *times, stall.name)]
    if bike is not None:
        begins_s = chance.between(8, 11)
        times = begins_s, begins_s + chance.between(14, 18)
        actors += _bike(chance, spots[1], bike, times)
        told.append(Problem("misparked_bike", "no-parking", *times, bike.name))
    actors += _passers(chance, place, int(chance.random.integers(1, 5)), _PASSED_S)
    cloud_s = chance.between(10, 18) if light == "day" and chance.heads() else None
    return Scene(name, place, SECONDS, seed, light, tuple(actors), tuple(told), cloud_s=cloud_s)


def overflows(listed: Listed, seed: int) -> list[Scene]:
    """A bin in order, then an overflowing one in its place, then the first again."""
    fine, full = of_kind("bin_in_order", listed), of_kind("bin_overflowing", listed)
    found = []
    for number in range(len(full)):
        name = f"overflow-{number:02}"
        chance = _Chance(name, seed, listed)
        place = PLACES[DAY_PLACES[number % len(DAY_PLACES)]]
        light: Light = "dusk" if number % 4 == 3 else "day"
        spot = place.spots[number % len(place.spots)]
        begins_s = chance.between(7, 8.5)
        until_s = begins_s + 14
        one, two = fine[number % len(fine)], full[number]
        actors = [
            Actor(one, way(spot, (-1, begins_s))),
            Actor(two, way(spot, (begins_s, until_s))),
            Actor(one, way(spot, (until_s, 99))),
            *_passers(chance, place, 2, 30),
        ]
        told = (Problem("overflowing_bin", "bin-1", begins_s, until_s, two.name),)
        box = _bin_box(place, spot, (one, two))
        found.append(Scene(name, place, 32, seed, light, tuple(actors), told, bin_box=box))
    return found


def _bin_box(
    place: Place, spot: tuple[float, float], bins: Sequence[Entry]
) -> tuple[float, float, float, float]:
    """A zone that holds any of the bins and a tenth of ground: their crops are up to as wide as high."""
    x, y = spot
    tall = max(place.height(y, each.height_m) for each in bins)
    half = 0.5 * tall / _ASPECT
    return (
        round(max(0.0, x - 1.1 * half), 4), round(max(0.0, y - 1.1 * tall), 4),
        round(min(1.0, x + 1.1 * half), 4), round(min(1.0, y + 0.06 * tall), 4),
    )  # fmt: skip


def nasty(listed: Listed, seed: int) -> list[Scene]:
    """What must open nothing, of every sort."""
    sorts: tuple[Callable[[Listed, int], list[Scene]], ...] = (
        _as_it_is, _bollard, _liners, _racks, _delivery_carts, _umbrellas, _cafe, _shop_goods,
        _parked_cars, _hard_shadows, _groups,
    )  # fmt: skip
    return [scene for sort in sorts for scene in sort(listed, seed)]


def _calm(
    name: str, place: Place, seed: int, actors: Sequence[Actor], *, light: Light = "day", seconds: float = 30,
    **more: object,
) -> Scene:  # fmt: skip
    return Scene(name, place, seconds, seed, light, tuple(actors), **more)  # type: ignore[arg-type]


def _as_it_is(listed: Listed, seed: int) -> list[Scene]:
    del listed
    names = ("campus", "ramp", "car-park", "traffic")
    return [_calm(f"as-it-is-{n:02}", PLACES[name], seed, ()) for n, name in enumerate(names)]


def _bollard(listed: Listed, seed: int) -> list[Scene]:
    """A striped bollard that networks take for a person, and something that nobody attends beside it."""
    beside = (0.15, 0.68)
    things = ("stall-06668.1", "stall-03606.0", "bike-shared-04345-27", "goods-07378.0")
    return [
        _calm(f"bollard-{n:02}", PLACES["ramp"], seed,
              [Actor(listed[name], way(beside, (7.0, 28.0 if "bike" not in name else 11.0)))])
        for n, name in enumerate(things)
    ]  # fmt: skip


def _liners(listed: Listed, seed: int) -> list[Scene]:
    """Bins in order, with liners over the rim and half-open lids."""
    found = []
    for number, each in enumerate(of_kind("bin_in_order", listed)[:8]):
        name = f"bin-in-order-{number:02}"
        chance = _Chance(name, seed, listed)
        place = PLACES[DAY_PLACES[(number + 3) % len(DAY_PLACES)]]
        spot = place.spots[(number + 1) % len(place.spots)]
        actors = [Actor(each, way(spot, (-1, 99))), *_passers(chance, place, 2, 24)]
        light: Light = "dusk" if number % 4 == 3 else "day"
        box = _bin_box(place, spot, (each,))
        found.append(_calm(name, place, seed, actors, light=light, seconds=24, bin_box=box))
    return found


def _racks(listed: Listed, seed: int) -> list[Scene]:
    """Empty racks, put up while nobody looks: one of them has the shape of a bicycle."""
    found = []
    for number, rack in enumerate(of_kind("rack", listed)):
        name = f"empty-rack-{number:02}"
        chance = _Chance(name, seed, listed)
        place = PLACES[DAY_PLACES[number % len(DAY_PLACES)]]
        actors = [Actor(rack, way(place.spots[0], (7, 28))), *_passers(chance, place, 2, 30)]
        found.append(_calm(name, place, seed, actors))
    return found


def _delivery_carts(listed: Listed, seed: int) -> list[Scene]:
    """Three carts, one after the other in one place, each gone before the allowed time is over."""
    stalls = [each for each in of_kind("stall", listed) if each.light == "day"]
    found = []
    for number in range(4):
        name = f"delivery-carts-{number:02}"
        chance = _Chance(name, seed, listed)
        place = PLACES[DAY_PLACES[number % len(DAY_PLACES)]]
        actors: list[Actor] = []
        for turn in range(3):
            begins_s = 7.0 + 9.6 * turn
            times = begins_s, begins_s + chance.between(3.8, 4.6)
            thing = stalls[(3 * number + turn) % len(stalls)]
            actors += _stall(chance, place, place.spots[0], thing, times)
        found.append(_calm(name, place, seed, actors, seconds=36))
    return found


def _umbrellas(listed: Listed, seed: int) -> list[Scene]:
    """People who stand in the rain under umbrellas."""
    umbrellas = of_kind("umbrella", listed)
    found = []
    for number in range(4):
        name = f"umbrellas-in-rain-{number:02}"
        chance = _Chance(name, seed, listed)
        place = PLACES[DAY_PLACES[(number + 1) % len(DAY_PLACES)]]
        x, y = place.spots[1]
        actors: list[Actor] = []
        for turn in range(2 + number % 2):
            at = (x + (turn - 1) * 0.9 * place.height(y, PERSON_M) / _ASPECT, y + 0.01 * turn)
            steps = way(at, (7 + turn, 30), come_from=0.2)
            holder = chance.person()
            over = umbrellas[(number + turn) % len(umbrellas)]
            actors.append(Actor(holder, steps, sway=0.06))
            actors.append(Actor(over, steps, sway=0.02, lift_m=0.82 * holder.height_m))
        found.append(_calm(name, place, seed, actors, seconds=32, rain=True))
    return found


def _cafe(listed: Listed, seed: int) -> list[Scene]:
    """Chairs, closed parasols and a plant, put out at eight and used."""
    found = []
    for number in range(4):
        name = f"cafe-{number:02}"
        chance = _Chance(name, seed, listed)
        place = PLACES[("shopfront", "arcade", "avenue", "wall")[number]]
        x, y = place.spots[0]
        chairs = listed["cafe-chairs"]
        pole = listed[("cafe-parasol-closed", "cafe-parasol-blue-closed")[number % 2]]
        apart = 0.55 * place.height(y, 1.75)
        actors = [
            Actor(chairs, way((x, y), (7, 30))),
            Actor(pole, way((x + apart, y - 0.01), (7.4, 30))),
            Actor(listed["cafe-plant"], way((x - apart, y), (8, 30))),
            _keeper(chance, place, (x, y), chairs, 8.5, 29),
            *_passers(chance, place, 2, 32),
        ]
        found.append(_calm(name, place, seed, actors, seconds=32))
    return found


def _shop_goods(listed: Listed, seed: int) -> list[Scene]:
    """A shop's own goods, put out before it and looked at: a case of its own kind, and off here."""
    found = []
    for number, goods in enumerate(of_kind("goods", listed)):
        for place_name in ("shopfront", "arcade"):
            name = f"shop-goods-{len(found):02}"
            chance = _Chance(name, seed, listed)
            place = PLACES[place_name]
            spot = place.spots[number % len(place.spots)]
            actors = [
                Actor(goods, way(spot, (7, 30))),
                _keeper(chance, place, spot, goods, 8, 29),
                *_passers(chance, place, 2, 32),
            ]
            found.append(_calm(name, place, seed, actors, seconds=32))
    return found


def _parked_cars(listed: Listed, seed: int) -> list[Scene]:
    """A car drives in and parks, and somebody stands beside it."""
    found = []
    for number, car in enumerate(of_kind("car", listed)):
        name = f"parked-car-{number:02}"
        chance = _Chance(name, seed, listed)
        place = PLACES[DAY_PLACES[number % len(DAY_PLACES)]]
        spot = place.spots[number % len(place.spots)]
        actors = [
            Actor(car, way(spot, (7, 30), come_from=0.7 if spot[0] > 0.5 else -0.7)),
            _keeper(chance, place, spot, car, 9.6, 29),
            *_passers(chance, place, 1, 32),
        ]
        light: Light = "dusk" if number % 3 == 2 else "day"
        found.append(_calm(name, place, seed, actors, light=light, seconds=32))
    return found


def _hard_shadows(listed: Listed, seed: int) -> list[Scene]:
    """A hard shadow slides in and stays, and people stand at its edge."""
    found = []
    for number, width in enumerate((0.18, 0.3, 0.12, 0.45)):
        name = f"hard-shadow-{number:02}"
        chance = _Chance(name, seed, listed)
        place = PLACES[DAY_PLACES[(number + 2) % len(DAY_PLACES)]]
        actors = [
            Actor(chance.person(), way((0.5, 0.75), (8, 30), come_from=0.3), sway=0.1),
            *_passers(chance, place, 2, 32),
        ]
        shades = (Shade(7, 30, width),)
        found.append(_calm(name, place, seed, actors, seconds=32, shades=shades))
    return found


def _groups(listed: Listed, seed: int) -> list[Scene]:
    """Four to six people who stand and talk for longer than a nameless thing may stand."""
    found = []
    for number in range(6):
        name = f"people-talking-{number:02}"
        chance = _Chance(name, seed, listed)
        place = PLACES[DAY_PLACES[number % len(DAY_PLACES)]]
        x, y = place.spots[number % len(place.spots)]
        step = 0.42 * place.height(y, PERSON_M) / _ASPECT
        actors = [
            Actor(
                chance.person(),
                way(
                    (x + (turn - 2) * step, y + 0.02 * (turn % 2)),
                    (7 + 0.5 * turn, 31),
                    come_from=0.25,
                ),
                flipped=chance.heads(),
                sway=0.08,
            )
            for turn in range(4 + number % 3)
        ]
        light: Light = "dusk" if number % 3 == 2 else "day"
        found.append(_calm(name, place, seed, actors, light=light, seconds=33))
    return found


def all_scenes(listed: Listed, seed: int) -> list[Scene]:
    """Every scene, in a fixed order."""
    return [*problems(listed, seed), *overflows(listed, seed), *nasty(listed, seed)]


def scene_named(name: str, listed: Listed, seed: int) -> Scene:
    """One scene of the list.

    Raises:
        KeyError: There is none of that name.
    """
    by_name = {scene.name: scene for scene in all_scenes(listed, seed)}
    return by_name[name]
