"""Implausible zones: crossing outlines, overlaps, rules without effect."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING

from agent import scenarios
from agent.config.plausibility.remark import Remark, at_zone
from agent.config.schema import IN_ORDER, SMALLEST_ZONE
from agent.domain.polygons import area, crossings, share_within, shared_area
from agent.domain.zones import in_force
from agent.scenarios.overflowing_bins import is_same_bin
from wording.messages import Said, said

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agent.config.schema import Configuration
    from agent.domain.scene import Zone, ZoneKind

MOST_NAMED = 3
"""Of the pairs of edges that cross, so many are named."""
NEARLY_ALL = 0.98
"""What is covered by so much is covered: nobody draws to the last pixel."""
LEAST_BREADTH: dict[ZoneKind, float] = {"bin": 0.015}
LEAST_BREADTH_OF_REST = 0.005
"""A zone less broad than this share of the picture is too small for what shall be judged in it: a foot
falls into it by chance only; of a bin there are some ten pixels."""
BESIDE = 0.15
"""A bay so near to a no-parking zone, in parts of its size, excuses bikes whose boxes tremble."""
_MONDAY = datetime(2026, 1, 5)  # noqa: DTZ001 - a week of wall-clock time, of no place


def remarks(configuration: Configuration) -> Iterator[Remark]:
    """Remarks on each zone."""
    drawn = [section.zone for section in configuration.zones]
    for index, zone in enumerate(drawn):
        others = [other for other in drawn if other.camera_id == zone.camera_id]
        earlier = [other for other in drawn[:index] if other.camera_id == zone.camera_id]
        yield from _outline(index, zone)
        yield from _schedule(index, zone)
        yield from _effect(index, zone, others, configuration)
        for other in earlier:
            yield from _overlap(index, zone, other)


def _outline(index: int, zone: Zone) -> Iterator[Remark]:
    if crossed := crossings(zone.polygon):
        pairs = [
            said("{first} and {second}", first=f"{a}–{b}", second=f"{c}–{d}")
            for (a, b), (c, d) in crossed[:MOST_NAMED]
        ]
        yield Remark(
            at_zone(
                index,
                "polygon",
                zone.zone_id,
                said("edges cross or touch, by their corners: {pairs}", pairs=pairs),
            ),
            said(
                "What the outline goes around twice, such as the middle of a star, is not judged."
            ),
            said("Draw the zone anew: {remedy}.", remedy=IN_ORDER),
        )
    box = zone.box
    breadth = area(zone.polygon) / max(box.width, box.height)
    if breadth < LEAST_BREADTH.get(zone.kind, LEAST_BREADTH_OF_REST) and zone.kind != "mask":
        yield Remark(
            at_zone(
                index,
                "polygon",
                zone.zone_id,
                said("only {percent:.2g} % of the picture broad", percent=100 * breadth),
            ),
            said("It is too small for anything to be judged in it reliably."),
            said("Draw it larger, or bring the camera nearer."),
        )


def _schedule(index: int, zone: Zone) -> Iterator[Remark]:
    if zone.kind in {"mask", "bay"} and (zone.in_force or zone.permitted):
        yield Remark(
            at_zone(
                index,
                "in_force" if zone.in_force else "permitted",
                zone.zone_id,
                said("a zone of kind {kind} has no times", kind=zone.kind),
            ),
            said("It holds day and night, whatever is said here."),
            said("Leave the times out; give them to the zones whose rule shall rest."),
        )
    elif not any(in_force(zone, at) for at in _turns_of_the_week([zone])):
        yield Remark(
            at_zone(index, "permitted", zone.zone_id, said("its rule never holds")),
            said("Whenever in_force lets it hold, permitted suspends it: nothing is told of it."),
            said("Correct in_force and permitted, or remove the zone."),
        )


def _turns_of_the_week(zones: Sequence[Zone]) -> list[datetime]:
    """Every moment of a week at which a rule may begin or cease to hold."""
    windows = [window for zone in zones for window in (*zone.in_force, *zone.permitted)]
    times = {time(0), *(at for each in windows for at in (each.begin, each.end))}
    return [datetime.combine(_MONDAY + timedelta(days=day), at) for day in range(7) for at in times]


def _effect(
    index: int, zone: Zone, others: Sequence[Zone], configuration: Configuration
) -> Iterator[Remark]:
    """Remark why a zone would never produce a case."""
    if zone.kind == "mask":
        return
    for kinds, words in (
        ({"mask"}, said("masks cover it")),
        *(
            (({"bay"}, said("bays cover it")), ({"mask", "bay"}, said("masks and bays cover it")))
            if zone.kind == "no_parking"
            else ()
        ),
    ):
        cover = [other.polygon for other in others if other.kind in kinds]
        if cover and share_within(zone.polygon, cover) >= NEARLY_ALL:
            yield _without_effect(
                index, zone, "polygon", words, said("Move what covers it, or remove the zone.")
            )
            break
    if zone.kind == "bay" and not any(
        other.box.grown(BESIDE).overlap(zone.box.grown(BESIDE)) > 0
        for other in others
        if other.kind == "no_parking"
    ):
        yield _without_effect(
            index,
            zone,
            "polygon",
            said("no no_parking zone lies around it or beside it"),
            said("Draw the no_parking zone around the bay, or remove the bay."),
        )
    if judges := _missing_scenario(zone.kind, configuration):
        yield _without_effect(
            index,
            zone,
            "kind",
            said("no scenario is configured that judges {kind}", kind=zone.kind),
            said("Add the section [scenarios.{name}] to site.toml.", name=judges),
        )


def _without_effect(index: int, zone: Zone, key: str, what: Said, remedy: Said) -> Remark:
    return Remark(
        at_zone(index, key, zone.zone_id, what),
        said("The zone has no effect: nothing is ever told of it."),
        remedy,
    )


def _missing_scenario(kind: ZoneKind, configuration: Configuration) -> str | None:
    """The scenario that would judge a kind of zone, if none that does is configured."""
    judging = [
        name for name in scenarios.scenario_names() if kind in scenarios.load_scenario(name).ZONES
    ]
    return None if any(name in configuration.scenarios for name in judging) else judging[0]


def _overlap(index: int, zone: Zone, earlier: Zone) -> Iterator[Remark]:
    """Remark on the part of a zone that an earlier one claims."""
    if zone.kind != earlier.kind or zone.place_id == earlier.place_id:
        return
    if zone.kind in {"mask", "bay"} or zone.box.overlap(earlier.box) == 0.0:
        return
    shared = shared_area(zone.polygon, [earlier.polygon])
    if not (is_same_bin(zone, earlier) if zone.kind == "bin" else shared > SMALLEST_ZONE):
        return
    both = [zone, earlier]
    if not any(in_force(zone, at) and in_force(earlier, at) for at in _turns_of_the_week(both)):
        return
    yield Remark(
        at_zone(
            index,
            "polygon",
            zone.zone_id,
            said(
                "{percent:.0f} % of it lies in zone {earlier!r}, of the same kind",
                percent=max(1.0, 100 * share_within(zone.polygon, [earlier.polygon])),
                earlier=earlier.zone_id,
            ),
        ),
        said(
            "One thing is one case: what stands in both belongs to {earlier!r}, which comes first,"
            " while its rule holds.",
            earlier=earlier.zone_id,
        ),
        said(
            "Draw them side by side with common corners, or give both one place_id if they are one"
            " place."
        ),
    )
