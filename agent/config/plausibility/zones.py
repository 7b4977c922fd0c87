"""Implausible zones: crossing outlines, overlaps, rules without effect."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING

from agent import scenarios
from agent.config.plausibility.remark import Remark, at_zone
from agent.config.sections.zones import IN_ORDER, SMALLEST_ZONE
from agent.domain.polygons import area, crossings, share_within, shared_area
from agent.domain.scene import MASK
from agent.domain.zones import around_the_same_thing, in_force
from wording.messages import Said, said

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from agent.config.schema import Configuration
    from agent.domain.scene import Zone, ZoneKind

MAX_NAMED = 3
"""Maximum number of crossing pairs of edges named."""
NEARLY_ALL = 0.98
"""What is covered by so much is covered: nobody draws to the last pixel."""
MIN_BREADTH_OF_A_THING, MIN_BREADTH_OF_GROUND = 0.015, 0.005
"""A zone less broad than this share of the picture is too small for what shall be judged in it: of a thing
there are some ten pixels; on the ground a foot falls into it by chance only."""
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
            for (a, b), (c, d) in crossed[:MAX_NAMED]
        ]
        yield Remark(
            at_zone(
                index,
                "polygon",
                zone.zone_id,
                said("edges cross or touch, by their corners: {pairs}", pairs=pairs),
            ),
            said(
                "An area that the outline encloses twice, such as the middle of a star, is not "
                "judged."
            ),
            said("Draw the zone again: {remedy}.", remedy=IN_ORDER),
        )
    box = zone.box
    breadth = area(zone.polygon) / max(box.width, box.height)
    thing = zone.kind.around_a_thing
    if breadth < (MIN_BREADTH_OF_A_THING if thing else MIN_BREADTH_OF_GROUND) and zone.kind != MASK:
        yield Remark(
            at_zone(
                index,
                "polygon",
                zone.zone_id,
                said("only {percent:.2g} % of the picture wide", percent=100 * breadth),
            ),
            said("It is too small for anything to be judged in it reliably."),
            said("Draw it larger, or bring the camera nearer."),
        )


def _schedule(index: int, zone: Zone) -> Iterator[Remark]:
    if not zone.kind.judged and (zone.in_force or zone.permitted):
        yield Remark(
            at_zone(
                index,
                "in_force" if zone.in_force else "permitted",
                zone.zone_id,
                said("a zone of kind {kind} has no times", kind=zone.kind.name),
            ),
            said("It always applies, whatever is set here."),
            said("Leave out the times; set them in the zones whose rule is to be suspended."),
        )
    elif not any(in_force(zone, at) for at in _turns_of_the_week([zone])):
        yield Remark(
            at_zone(index, "permitted", zone.zone_id, said("its rule never applies")),
            said(
                "permitted suspends the rule whenever in_force applies: no case is ever reported."
            ),
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
    """Say why nothing would ever be told of a zone."""
    if zone.kind == MASK:
        return
    related = scenarios.beside(zone.kind)
    if covering := _covering(zone, others, related if zone.kind.judged else frozenset()):
        yield _without_effect(
            index,
            zone,
            "polygon",
            said("zones of kind {kinds} cover it", kinds=covering),
            said("Move what covers it, or remove the zone."),
        )
    if not zone.kind.judged and not any(
        other.box.grown(BESIDE).overlap(zone.box.grown(BESIDE)) > 0
        for other in others
        if other.kind in related
    ):
        names = sorted(kind.name for kind in related)
        yield _without_effect(
            index,
            zone,
            "polygon",
            said("no zone of kind {kinds} lies around it or beside it", kinds=names),
            said("Draw a zone of kind {kinds} around it, or remove this one.", kinds=names),
        )
    if judges := _missing_scenario(zone.kind, configuration):
        yield _without_effect(
            index,
            zone,
            "kind",
            said("no scenario is configured that judges {kind}", kind=zone.kind.name),
            said("Add the section [scenarios.{name}] to site.toml.", name=judges),
        )


def _covering(zone: Zone, others: Sequence[Zone], excusing: Iterable[ZoneKind]) -> list[str]:
    """The kinds of zones that cover a zone: masks, else what excuses, else both together."""
    for kinds in ({MASK}, set(excusing), {MASK, *excusing}):
        cover = [other.polygon for other in others if other.kind in kinds]
        if cover and share_within(zone.polygon, cover) >= NEARLY_ALL:
            return sorted(kind.name for kind in kinds)
    return []


def _without_effect(index: int, zone: Zone, key: str, what: Said, remedy: Said) -> Remark:
    return Remark(
        at_zone(index, key, zone.zone_id, what),
        said("The zone has no effect: no case is ever reported for it."),
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
    if not zone.kind.judged or zone.box.overlap(earlier.box) == 0.0:
        return
    if zone.kind.around_a_thing:
        if not around_the_same_thing(zone, earlier):
            return
    elif shared_area(zone.polygon, [earlier.polygon]) <= SMALLEST_ZONE:
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
            "One thing is one case: what stands in both belongs to {earlier!r}, which comes "
            "first, while its rule applies.",
            earlier=earlier.zone_id,
        ),
        said(
            "Draw them side by side with common corners, or give both one place_id if they are one"
            " place."
        ),
    )
