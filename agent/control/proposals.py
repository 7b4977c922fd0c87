"""What a proposed configuration is and would change, in the words of the local channel."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from agent import scenarios
from agent.audit.setting_diff import changes, happenings, leaves
from agent.config.plausibility import remarks
from agent.config.sections.zones import SMALLEST_ZONE
from agent.control.messages.base import Words
from agent.control.messages.configuration import (
    Bounds,
    Code,
    Fault,
    KindOfZone,
    SettingChange,
    SiteFacts,
    ThingChange,
)
from agent.domain.zones import AT_EDGE
from agent.protocol import event_codes
from agent.protocol.base import MAX_PLACES
from wording.messages import Said, said

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.config.schema import Configuration

MAX_NAME = 100
"""Characters of a zone's name in one language, as its section bounds them."""
_OF_ZONE = re.compile(r"^zones\.(\d+)(?:\.([a-z_]+))?(?:\.(\d+))?")
_AT, _AT_GIVEN = "{where}: {message}", "{where}: {message} (given: {given!r})"


def fault_of(text: str) -> Fault:
    """A fault or the first part of a remark with its place apart, as far as it is a zone's."""
    where = text.facts.get("where") if isinstance(text, Said) else None
    zone_id = where.facts.get("name") if isinstance(where, Said) else None
    found = _OF_ZONE.match(str(where))
    if found is None or not isinstance(text, Said):
        return Fault(text=Words.of(text))
    index, key, corner = found.groups()
    vertex = int(corner) if key == "polygon" and corner else _first_corner(text)
    short = Words.of(_without_place(text))
    return Fault(text=short, index=int(index), zone_id=zone_id, key=key, vertex=vertex)


def _without_place(text: Said) -> str:
    """The same beside the zone that it is about, in words that the catalogue has."""
    message = text.facts.get("message")
    if text.template == _AT_GIVEN:
        return said("{message} (given: {given!r})", message=message, given=text.facts.get("given"))
    return message if text.template == _AT and isinstance(message, str) else text


def _first_corner(text: Said) -> int | None:
    """The first corner that a fault names in its own words."""
    message = text.facts.get("message")
    corners = message.facts.get("corners") if isinstance(message, Said) else None
    first = corners[0] if isinstance(corners, list | tuple) and corners else None
    index = first.facts.get("index") if isinstance(first, Said) else None
    return index if isinstance(index, int) else None


def remarks_on(configuration: Configuration) -> list[Fault]:
    """What is allowed but probably not intended."""
    return [
        fault_of(each.what).model_copy(
            update={"meaning": Words.of(each.meaning), "remedy": Words.of(each.remedy)}
        )
        for each in remarks(configuration)
    ]


def settings_changed(now: Configuration, then: Configuration) -> list[SettingChange]:
    """Setting by setting, as anybody may see it."""
    before, after = _settings(now), _settings(then)
    return [SettingChange(**row) for rows in changes(before, after) for row in rows]  # type: ignore[arg-type]


def things_changed(now: Configuration, then: Configuration) -> list[ThingChange]:
    """Which cameras, zones, scenarios came, went, or are called differently."""
    found = happenings(_settings(now), _settings(then))
    return [ThingChange(what=each.what, names=dict(each.facts)) for each in found]


def _settings(configuration: Configuration) -> dict[str, str]:
    return dict(leaves(configuration.shown()))


def zones_text(configuration: Configuration) -> str:
    """The zones in force as ``zones.json`` holds them; what is not said of one is left out."""
    zones = [
        each.model_dump(mode="json", exclude_unset=True, by_alias=True)
        for each in configuration.zones
    ]
    return json.dumps({"zones": zones}, ensure_ascii=False)


def kinds_of(configuration: Configuration) -> list[KindOfZone]:
    """Every kind of zone that can be drawn, with what this site makes of it."""
    chosen = configuration.chosen_scenarios.values()
    found: list[KindOfZone] = []
    for name, kind in scenarios.zone_kinds().items():
        judging = [settings for module, settings in chosen if scenarios.judges(module, kind)]
        allowed = [getattr(each, "allowed_s", None) for each in judging]
        codes = event_codes.choices(
            configuration.site.codes_profile, scenarios.kinds_judged_in(kind)
        )
        found.append(
            KindOfZone(
                kind=name,
                judged=kind.judged,
                around_a_thing=kind.around_a_thing,
                codes=[Code(code=code, name=called) for code, called in codes.items()],
                scenario_configured=any(kind in module.ZONES for module, _ in chosen),
                allowed_s=next((each for each in allowed if each is not None), None),
            )
        )
    return found


def site_facts(configuration: Configuration) -> SiteFacts:
    """What zones are filled in from."""
    site = configuration.site
    by_class = [
        getattr(settings, "allowed_s_by_road_class", None) or {}
        for _, settings in configuration.chosen_scenarios.values()
    ]
    return SiteFacts(
        timezone=site.timezone,
        responsible_unit=site.responsible_unit,
        responsible_unit_id=site.responsible_unit_id,
        units=_distinct(
            [site.responsible_unit, *(each.responsible_unit for each in configuration.zones)]
        ),
        road_class=site.road_class,
        road_classes=_distinct(
            [
                site.road_class,
                *(each.road_class for each in configuration.zones),
                *(name for table in by_class for name in table),
            ]
        ),
    )


def bounds() -> Bounds:
    """What a drawing has to keep to."""
    return Bounds(
        smallest_area=SMALLEST_ZONE, at_edge=AT_EDGE, max_zones=MAX_PLACES, max_name=MAX_NAME
    )


def _distinct(names: Iterable[str | None]) -> list[str]:
    return list(dict.fromkeys(name for name in names if name))
