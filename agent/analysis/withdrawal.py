"""Cases that nobody will see end: what judged their place has changed, so they are withdrawn.

An open case belongs to a zone, to the rule by which the zone is judged, and to where the camera stands and
looks. Where one of these is another than when it was seen last, "cleared" would be a guess and "open" a lie.
What else changes (how long things may stay, names, who is responsible) ends nothing.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from agent import scenarios
from agent.domain.scene import MASK, Vantage
from agent.domain.zones import around_the_same_thing, inside
from agent.perception.dwell import FOOT_SLACK

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from agent.config.schema import Configuration
    from agent.domain.scene import Box, Case, Withdrawal, Zone
    from agent.scenarios import ScenarioModule

_log = logging.getLogger(__name__)


def vantages_of(configuration: Configuration, views: Mapping[str, str]) -> dict[str, Vantage]:
    """From where each camera looks.

    Args:
        configuration: The site.
        views: Camera → the hash of its commissioning picture, of those that have one.
    """
    site, point = configuration.site, configuration.site.coordinates
    return {
        camera.camera_id: Vantage(
            device=f"{site.tenant}/{site.device_id}",
            driver=camera.driver,
            address=site.address,
            coordinates=None if point is None else point.model_dump_json(),
            view_sha256=views.get(camera.camera_id),
        )
        for camera in configuration.cameras
    }


def reasons(
    cases: Iterable[Case], configuration: Configuration, vantages: Mapping[str, Vantage]
) -> dict[str, Withdrawal]:
    """Which of the open cases a configuration does not go on with, and why; by their ids.

    Args:
        cases: As they were before it.
        configuration: The one that holds from now on.
        vantages: From where its cameras look.
    """
    zones = {section.zone_id: section.zone for section in configuration.zones}
    found = {
        case.case_id: _reason(case, zones, configuration.scenarios.keys(), vantages)
        for case in cases
    }
    return {case_id: reason for case_id, reason in found.items() if reason is not None}


def _reason(
    case: Case,
    zones: Mapping[str, Zone],
    chosen: Iterable[str],
    vantages: Mapping[str, Vantage],
) -> Withdrawal | None:
    now = vantages.get(case.camera_id)
    if now is None or (case.vantage is not None and case.vantage.has_moved_to(now)):
        return "unit_moved"
    zone = zones.get(case.zone_id)
    if zone is None:
        return "zone_gone"
    if zone.camera_id != case.camera_id:
        return "unit_moved"
    module = next(
        (each for each in map(scenarios.load_scenario, chosen) if case.kind == each.KIND), None
    )
    if module is None:
        return "scenario_off"
    if zone.place_id != case.place_id or not scenarios.judges(module, zone.kind):
        return "zone_changed"
    beside = [other for other in zones.values() if other.camera_id == case.camera_id]
    return None if _is_watched(case, module, beside) else "zone_changed"


def _is_watched(case: Case, module: ScenarioModule, zones: Sequence[Zone]) -> bool:
    """Whether anything of a case stands where the scenario judges its place; it does where nothing is known.

    Args:
        case: The case.
        module: The scenario of its kind.
        zones: Those of its camera.
    """
    judged = [
        zone
        for zone in zones
        if zone.place_id == case.place_id and scenarios.judges(module, zone.kind)
    ]
    excused = [zone for zone in zones if _excuses(module, zone)]
    return not case.members or any(
        any(_holds(zone, member.box) for zone in judged)
        and not any(inside(member.box.foot, zone) for zone in excused)
        for member in case.members
    )


def _excuses(module: ScenarioModule, zone: Zone) -> bool:
    """Whether what stands in a zone is none of a scenario's cases, whatever stands there."""
    return zone.kind == MASK or (zone.kind in module.ZONES and not zone.kind.judged)


def _holds(zone: Zone, box: Box) -> bool:
    """Whether what stood in a box is in a zone, as the dwell times reckon it."""
    if zone.kind.around_a_thing:
        corners = (
            (box.left, box.top),
            (box.right, box.top),
            (box.right, box.bottom),
            (box.left, box.bottom),
        )
        return around_the_same_thing(zone, replace(zone, polygon=corners))
    (x, y), slack = box.foot, FOOT_SLACK * box.height
    return any(inside((x, y + dy), zone) for dy in (0.0, slack, -slack))
