"""What the platform is told of a zone: its place as the city files it, and under which code it is reported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.protocol.event_codes import event_code, told_as
from agent.protocol.place import CityFacts, NameOf, Place
from agent.scenarios import judges

if TYPE_CHECKING:
    from agent.config.schema import Configuration, SiteSection, ZoneSection
    from agent.config.sections.city import CityRecord
    from agent.protocol.base import EventCode

SINGLE_FACTS = ("grid_code", "road_class", "sla_s", "coordinates")
"""Of what the city files, what holds for itself: a zone's own word, else the site's."""


def place_id_of(site: SiteSection, zone: ZoneSection) -> str:
    """A place's id on the wire, which no other place of the tenant has.

    The city's own id, which every device that sees the place gives alike; else the device's name of it
    behind the device's id. A dot stands in the second only, so neither can be taken for the other.
    """
    return zone.city_place_id or f"{site.device_id}.{zone.place_id or zone.zone_id}"


def city_facts(site: SiteSection, zone: ZoneSection | None = None) -> CityFacts:
    """What the city files of a zone's ground, or of the site's."""
    return CityFacts(**_facts(site, zone))


def place_of(site: SiteSection, zone: ZoneSection) -> Place:
    """Where what is found in a zone is."""
    return Place(
        place_id=place_id_of(site, zone),
        zone_id=zone.zone_id,
        camera_id=zone.camera_id,
        name=name_of(zone),
        **_facts(site, zone),
    )


def name_of(zone: ZoneSection) -> NameOf | None:
    """What people call a zone."""
    return None if zone.name is None else NameOf(zh=zone.name.zh, en=zone.name.en)


def code_of(site: SiteSection, zone: ZoneSection | None, matter: str) -> EventCode:
    """The code under which a matter is told that was found in a zone.

    Args:
        site: The site.
        zone: Where it was found; None: in one that is drawn no more.
        matter: The kind of case, or as what such a case is told.
    """
    chosen = None if zone is None else zone.code
    return event_code(
        site.codes_profile, told_as(site.codes_profile, matter, chosen), site.division_code
    )


def allowed_s(configuration: Configuration) -> dict[str, dict[str, float]]:
    """How long a thing may stay, in seconds: zone → the kind of case that is judged there → so long."""
    chosen = configuration.chosen_scenarios.values()
    return {
        zone.zone_id: {
            module.KIND: settings.allowed_in(zone)
            for module, settings in chosen
            if judges(module, zone.kind)
        }
        for zone in configuration.drawn()
    }


def _facts(site: SiteSection, zone: ZoneSection | None) -> dict[str, Any]:
    """What belongs together comes from one of both: a unit's id is of no other unit's name."""
    own: tuple[CityRecord, ...] = (site,) if zone is None else (zone, site)
    single = {
        name: next((value for each in own if (value := getattr(each, name)) is not None), None)
        for name in SINGLE_FACTS
    }
    unit = next((each for each in own if each.responsible_unit or each.responsible_unit_id), site)
    department = next((each.department for each in own if each.department is not None), None)
    return single | {
        "address": (zone.address if zone is not None else None) or site.address,
        "responsible_unit": unit.responsible_unit,
        "responsible_unit_id": unit.responsible_unit_id,
        "department": department,
    }
