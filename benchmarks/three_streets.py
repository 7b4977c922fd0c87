"""Three drawn streets with a timetable, and what a desk should find of them: the truth, in the street's seconds."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.coloured_bikes_model import BLUE, GREEN, RED
from tests.support.sites import Table, drawn_camera, red_thing, site_of, uplink_table, zone

if TYPE_CHECKING:
    from agent.config.schema import UplinkSection

TENANT = "example-city"
FRAMES_PER_S = 5
ALLOWED_S, CLEAR_AFTER_S, SLA_S = 15.0, 2.0, 130.0
OPERATORS = {RED: "one", GREEN: "other", BLUE: "one"}
"""What the site says of colours; the networks and the palette must find it."""
LEFT = {RED: 0.15, GREEN: 0.45, BLUE: 0.75}
GAP_S, SHORTEST_S, LONGEST_S = 25.0, 40.0, 200.0
COVERED_FOR_S, LAST_BIKE_S, COVERED_AT_END_S = 120.0, 330.0, 240.0
"""How long one camera is covered within the hour; how long before the end the last bikes come, and it is covered again."""


@dataclass(frozen=True, slots=True)
class Bike:
    """One that comes and goes, in the street's seconds; None: it stays."""

    colour: str
    from_s: float
    to_s: float | None


@dataclass(frozen=True, slots=True)
class Episode:
    """Bikes that stand together: one case, for it is one place."""

    bikes: tuple[Bike, ...]

    @property
    def opened_s(self) -> float:
        return min(bike.from_s for bike in self.bikes) + ALLOWED_S

    @property
    def cleared_s(self) -> float | None:
        ends = [bike.to_s for bike in self.bikes]
        return None if None in ends else max(end for end in ends if end is not None)


@dataclass(frozen=True, slots=True)
class Street:
    """What is drawn for one device.

    Attributes:
        device: Its id; the unit that is responsible there is called after it.
        episodes: What stands there, in order.
        covered: From when to when nothing is to be seen, in the street's seconds.
    """

    device: str
    episodes: tuple[Episode, ...]
    covered: tuple[tuple[float, float], ...]

    @property
    def unit(self) -> str:
        return f"unit-{self.device}"

    def site(self, uplink: UplinkSection, seconds: float, timezone: str) -> Table:
        """The site of this device; its street goes on for ten minutes after the hour."""
        bikes = [
            red_thing(left=LEFT[bike.colour], from_s=bike.from_s)
            | {"colour": bike.colour, "width": 0.12}
            | ({} if bike.to_s is None else {"to_s": bike.to_s})
            for episode in self.episodes
            for bike in episode.bikes
        ]
        cloths = [
            {"colour": "#000000", "left": 0, "top": 0, "width": 1, "height": 1}
            | {"from_s": begin, "to_s": end}
            for begin, end in self.covered
        ]
        camera = drawn_camera(
            seconds=seconds + 600,
            frames_per_s=FRAMES_PER_S,
            seed=int(self.device[-1]),
            pace="real_time",
            things=bikes + cloths,
        )
        named: dict[str, list[str]] = {}
        for colour, operator in OPERATORS.items():
            named.setdefault(operator, []).append(colour)
        return site_of(
            site={
                "tenant": TENANT,
                "device_id": self.device,
                "address": f"Example Road {self.device[-1]}",
                "timezone": timezone,
                "responsible_unit": f"Unit {self.device[-1]}",
                "responsible_unit_id": self.unit,
                "sla_s": SLA_S,
            },
            cameras=[camera],
            zones=[zone(zone_id=f"kerb-{self.device}")],
            scenarios={"misparked_bikes": {"allowed_s": ALLOWED_S, "clear_after_s": CLEAR_AFTER_S}},
            operators=[{"name": name, "colours": of} for name, of in named.items()],
            models={"verifier": "", "threads": 1},
            analysis={"frames_per_s": FRAMES_PER_S, "change_every_s": 20, "persist_every_s": 60},
            uplink=uplink_table(uplink),
        )


def streets(seconds: float, seed: int) -> list[Street]:
    """Three streets: the first is in order at the end, on the second bikes stand, the third is covered with one."""
    dice = random.Random(seed)  # noqa: S311  a simulation
    end = seconds + 600
    cloths = (
        (seconds * 0.4, seconds * 0.4 + COVERED_FOR_S),
        (seconds - COVERED_AT_END_S, end),
    )
    last = seconds - LAST_BIKE_S
    return [
        Street("corner-1", _episodes(dice, seconds - 60, ()), ()),
        Street("corner-2", (*_episodes(dice, last, ()), _staying(last, RED, GREEN)), ()),
        Street("corner-3", (*_episodes(dice, last, cloths), _staying(last, BLUE)), cloths),
    ]


def _staying(at_s: float, *colours: str) -> Episode:
    return Episode(
        tuple(Bike(colour, at_s + GAP_S + 10 * n, None) for n, colour in enumerate(colours))
    )


def _episodes(
    dice: random.Random, until_s: float, covered: tuple[tuple[float, float], ...]
) -> tuple[Episode, ...]:
    """Episodes one after the other, none of which touches a time in which nothing is to be seen."""
    found: list[Episode] = []
    now_s = GAP_S
    while True:
        colours = dice.sample(list(OPERATORS), dice.randint(1, 3))
        bikes, begin_s = [], now_s
        for colour in colours:
            # Those that come later find the earlier ones still there.
            bikes.append(
                Bike(
                    colour, round(begin_s, 1), round(now_s + dice.uniform(SHORTEST_S, LONGEST_S), 1)
                )
            )
            begin_s += dice.uniform(0, SHORTEST_S / 4)
        episode = Episode(tuple(bikes))
        ends_s = episode.cleared_s or 0.0
        in_the_way = [b for a, b in covered if now_s - GAP_S < b and ends_s + GAP_S > a]
        if ends_s > until_s:
            return tuple(found)
        if in_the_way:
            now_s = max(in_the_way) + GAP_S
            continue
        found.append(episode)
        now_s = ends_s + dice.uniform(GAP_S, 3 * GAP_S)
