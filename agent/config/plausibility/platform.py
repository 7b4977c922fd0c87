"""What a reported matter needs and the site does not say: the device works without it, the platform less well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.config.plausibility.remark import Remark
from agent.config.reported_place import city_facts
from agent.scenarios import kinds_judged_in
from wording.messages import Said, said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.config.schema import Configuration

MAX_NAMED = 5
"""Zones named of those that lack something."""
WANTED: dict[str, Said] = {
    "grid_code": said("the 单元网格 code, from the city's list"),
    "department": said("department_code and department_name (主管部门)"),
    "responsible_unit_id": said("responsible_unit_id, from the city's register of units"),
    "coordinates": said("surveyed coordinates"),
    "sla_s": said("sla_s, the time within which a case is to be cleared"),
}
"""Of what the city files, what the platform wants to know of every zone in which something is judged."""


def missing(configuration: Configuration) -> Iterator[Remark]:
    """Notes on what is missing for the platform, one for each thing."""
    meaning = said(
        "Events carry null there: the platform must add it, or cannot accept the matter."
    )
    remedy = said("Ask the city for it, and add it to [site] or to the zone; never make it up.")
    judged = {
        zone.zone_id: city_facts(configuration.site, zone)
        for zone in configuration.zones
        if kinds_judged_in(zone.zone.kind)
    }
    for name, what in WANTED.items():
        without = [zone_id for zone_id, facts in judged.items() if getattr(facts, name) is None]
        if without:
            yield Remark(
                said("not given: {what}; zones: {zones}", what=what, zones=_named(without)),
                meaning,
                remedy,
            )
    if configuration.site.division_code is None:
        yield Remark(
            said("not given: {what}", what=said("division_code (行政区划代码), six digits")),
            said("An event's code is told without the six digits in front (事项代码)."),
            remedy,
        )
    yield from _legal(configuration)


def _legal(configuration: Configuration) -> Iterator[Remark]:
    lacking = list(configuration.legal.gaps)
    if lacking:
        yield Remark(
            said("[legal] does not say yet: {names}", names=lacking),
            said("What is seen here can be no evidence; every report is a lead in any case."),
            said("Add each when it is done: reviews, sign, published location."),
        )


def _named(zone_ids: list[str]) -> list[str]:
    rest = len(zone_ids) - MAX_NAMED
    return zone_ids[:MAX_NAMED] + ([said("{count} more", count=rest)] if rest > 0 else [])
