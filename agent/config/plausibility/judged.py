"""Sites on which nothing is judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.config.plausibility.remark import Remark, zone_key
from agent.scenarios import judges, load_scenario, scenario_names
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.config.schema import Configuration
    from agent.scenarios import ScenarioModule, ScenarioSettings


def remarks(configuration: Configuration) -> Iterator[Remark]:
    """Remark why nothing is judged, if that is so."""
    meaning = said("The device watches but reports nothing.")
    if not configuration.scenarios:
        yield Remark(
            said("nothing is judged here: no scenario is configured"),
            meaning,
            said(
                "Add the section of one of these scenarios to site.toml: {names}.",
                names=[f"[scenarios.{name}]" for name in scenario_names()],
            ),
            blind=True,
        )
        return
    yield from _becomes_ground(configuration)
    yield from _silent(configuration)
    yield from _unwarned(configuration)
    chosen = [load_scenario(name) for name in configuration.scenarios]
    kinds = {section.zone.kind for section in configuration.zones}
    if not any(judges(each, kind) for each in chosen for kind in kinds):
        yield Remark(
            said("nothing is judged here: no zone is drawn that a configured scenario judges"),
            meaning,
            said("Draw the zones in zones.json, or add the scenario: docs/site-files.md says how."),
            blind=True,
        )


def _becomes_ground(configuration: Configuration) -> Iterator[Remark]:
    """Remark where a thing would be taken for the ground before it had stood for long enough."""
    for name, (module, settings) in configuration.chosen_scenarios.items():
        known_s = module.NEEDS.background_s
        for where, allowed_s in _allowed(name, module, settings, configuration):
            longest_s = settings.longest_s(allowed_s)
            if known_s and longest_s >= known_s:
                yield Remark(
                    said(
                        "{where}: a thing is part of the ground after {known_h:g} h, before it has stood for"
                        " the {longest_h:g} h that are needed",
                        where=where,
                        known_h=round(known_s / 3600, 1),
                        longest_h=round(longest_s / 3600, 1),
                    ),
                    said("Some of what this scenario looks for is never reported."),
                    said("Allow less time."),
                )


def _allowed(
    name: str, module: ScenarioModule, settings: ScenarioSettings, configuration: Configuration
) -> Iterator[tuple[str, float]]:
    """Every place at which a scenario is told how long a thing may stay, and what it is told."""
    yield f"scenarios.{name}.allowed_s", settings.allowed_s
    for road_class, allowed_s in settings.allowed_s_by_road_class.items():
        yield f"scenarios.{name}.allowed_s_by_road_class.{road_class}", allowed_s
    for index, section in enumerate(configuration.zones):
        if section.allowed_s is not None and judges(module, section.zone.kind):
            yield zone_key(index, "allowed_s", section.zone_id), section.allowed_s


def _unwarned(configuration: Configuration) -> Iterator[Remark]:
    """Remark where somebody is to be warned and cannot be: too late, or by nothing."""
    late, any_wanted = [], False
    for module, settings in configuration.chosen_scenarios.values():
        for zone in configuration.drawn():
            after_s = settings.warned_in(zone)
            if judges(module, zone.kind) and after_s is not None:
                any_wanted = True
                if after_s >= settings.allowed_in(zone):
                    late.append(f"{zone.zone_id} ({module.KIND})")
    if late:
        yield Remark(
            said("warn_after_s is not below what is allowed: {zones}", zones=late),
            said("A case opens before anybody is warned."),
            said("Let warn_after_s be shorter than allowed_s."),
        )
    gpio = configuration.gpio
    if any_wanted and gpio.lamp is None and gpio.buzzer is None:
        yield Remark(
            said("warn_after_s is set, and [gpio] names neither lamp nor buzzer"),
            said("Nobody is warned; cases open as ever."),
            said("Name their pins in [gpio], or leave warn_after_s out."),
        )


def _silent(configuration: Configuration) -> Iterator[Remark]:
    """Remark where a scenario says nothing because a model that it cannot do without is turned off."""
    kinds = {section.zone.kind for section in configuration.zones}
    for name in configuration.scenarios:
        module = load_scenario(name)
        off = [
            key
            for key in sorted(module.NEEDS.silent_without)
            if not getattr(configuration.models, key)
        ]
        if off and any(judges(module, kind) for kind in kinds):
            yield Remark(
                said(
                    "scenarios.{name}: it can judge nothing, because models.{model} is turned off",
                    name=name,
                    model=off[0],
                ),
                said("Nothing of what this scenario looks for is ever reported."),
                said("Name the model in [models] of site.toml, or remove the scenario."),
            )
