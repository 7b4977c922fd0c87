"""The whole configuration: ``site.toml`` (facts and tuning, by people) and ``zones.json`` (drawn).

Both become one frozen :class:`Configuration`. Unknown keys are refused; every fault is listed at
once, each with its place and what is allowed. Its parts are in :mod:`agent.config.sections`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any, Self

from pydantic import Field, PrivateAttr, ValidationError, field_validator, model_validator
from pydantic_core import InitErrorDetails

from agent import scenarios
from agent.config.authorities import MAX_AUTHORITIES, AuthoritySection
from agent.config.faults import ZoneNames, fault, misfits_of, placed
from agent.config.retention import Settings as RetentionSection
from agent.config.sections.base import Section
from agent.config.sections.cameras import CameraSection
from agent.config.sections.judging import (
    AnalysisSection,
    CollectionSection,
    EvidenceSection,
    ModelsSection,
)
from agent.config.sections.machine import (
    CoolingSection,
    GpioSection,
    RecoverySection,
    StorageSection,
)
from agent.config.sections.site import LegalSection, OperatorSection, SiteSection
from agent.config.sections.uplink import UplinkSection
from agent.config.sections.zones import ZoneSection
from agent.domain.scene import Zone
from agent.perception import view_health
from agent.protocol.base import MAX_CAMERAS, MAX_PLACES
from agent.protocol.topics import Topics
from agent.scenarios import Needs, ScenarioModule, ScenarioSettings
from drivers import cameras
from wording.messages import text_of

__all__ = [
    "AnalysisSection",
    "CameraSection",
    "CollectionSection",
    "Configuration",
    "CoolingSection",
    "EvidenceSection",
    "GpioSection",
    "LegalSection",
    "ModelsSection",
    "OperatorSection",
    "RecoverySection",
    "SiteSection",
    "StorageSection",
    "UplinkSection",
    "ZoneSection",
]


class Configuration(Section):
    """The whole configuration of the agent."""

    site: SiteSection
    legal: LegalSection = LegalSection()
    cameras: tuple[CameraSection, ...] = Field(min_length=1, max_length=MAX_CAMERAS)
    models: ModelsSection = ModelsSection()
    analysis: AnalysisSection = AnalysisSection()
    recovery: RecoverySection = RecoverySection()
    scenarios: dict[str, dict[str, Any]] = Field(default={})
    evidence: EvidenceSection = EvidenceSection()
    operators: tuple[OperatorSection, ...] = ()
    collection: CollectionSection = CollectionSection()
    view_guard: view_health.Settings = view_health.Settings()
    cooling: CoolingSection = CoolingSection()
    gpio: GpioSection = GpioSection()
    storage: StorageSection = StorageSection()
    retention: RetentionSection = RetentionSection()
    uplink: UplinkSection = UplinkSection()
    authorities: tuple[AuthoritySection, ...] = Field(default=(), max_length=MAX_AUTHORITIES)
    zones: tuple[ZoneSection, ...] = Field(default=(), max_length=MAX_PLACES)
    _old_keys: tuple[tuple[str, ...], ...] = PrivateAttr(default=())

    @property
    def old_keys(self) -> tuple[tuple[str, ...], ...]:
        """Keys that the site has under a name of before; see :mod:`agent.config.renamed_keys`."""
        return self._old_keys

    @property
    def topics(self) -> Topics:
        """Where this device publishes and listens."""
        return Topics(self.uplink.topic_prefix, self.site.tenant, self.site.device_id)

    @field_validator("scenarios")
    @classmethod
    def _scenarios_accept_their_settings(cls, value: dict[str, Any]) -> dict[str, Any]:
        faults: list[InitErrorDetails] = []
        for name, settings in value.items():
            try:
                scenarios.load_scenario(name).Settings.model_validate(settings)
            except ValidationError as error:
                faults += (placed((name,), detail) for detail in error.errors())
            except scenarios.UnknownScenarioError as error:
                faults.append(fault((name,), text_of(error)))
        if faults:
            raise ValidationError.from_exception_data("scenarios", faults)
        return value

    @model_validator(mode="after")
    def _names_fit_together(self) -> Self:
        names = ZoneNames._fields
        misfits = misfits_of(
            self.site.codes_profile,
            [camera.camera_id for camera in self.cameras],
            [ZoneNames(**{name: getattr(zone, name) for name in names}) for zone in self.zones],
        )
        if misfits:
            raise ValidationError.from_exception_data("Configuration", misfits)
        return self

    def sha256(self) -> str:
        """A hash of all settings that affect a judgement, the same on every machine."""
        text = json.dumps(
            self.model_dump(
                mode="json",
                exclude={
                    *("authorities", "collection", "cooling", "gpio"),
                    *("retention", "storage", "uplink"),
                },
            ),
            sort_keys=True,
            ensure_ascii=False,
        )
        return hashlib.sha256(text.encode()).hexdigest()

    def shown(self, *, by_alias: bool = True) -> dict[str, Any]:
        """Everything as JSON, for anybody to see: without what cameras keep to themselves.

        Args:
            by_alias: Call keys what they are called in the file.
        """
        told = self.model_dump(mode="json", by_alias=by_alias)
        for section, camera in zip(self.cameras, told["cameras"], strict=True):
            settings = cameras.load_driver(section.driver).Settings
            for part in (camera, *camera["profiles"]):
                part["settings"] = settings.shown(part["settings"])
        return told

    @property
    def models_needed(self) -> tuple[str, ...]:
        """The models that judge on this site: a classifier only where a scenario has zones for it."""
        return (self.models.detector, *self.classifiers_needed.values())

    @property
    def classifiers_needed(self) -> dict[str, str]:
        """The classifiers among them: key in ``[models]`` → the model's folder."""
        return {key: getattr(self.models, key) for key in sorted(self.needs.classifiers)}

    @property
    def optional_classifiers(self) -> dict[str, str]:
        """Classifiers that scenarios here would ask and can do without, as above; "" where it is turned off."""
        return {key: getattr(self.models, key) for key in sorted(self.needs.optional_classifiers)}

    @property
    def needs(self) -> Needs:
        """What the configured scenarios need where zones are drawn for them."""
        chosen = [scenarios.load_scenario(name) for name in self.scenarios]
        return scenarios.needs_of(chosen, (section.zone for section in self.zones))

    def settings_sha256(self) -> str:
        """A hash of every single setting; paths are taken as they are written."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def chosen_scenarios(self) -> dict[str, tuple[ScenarioModule, ScenarioSettings]]:
        """The configured scenarios with their settings, by their names."""
        modules = {name: scenarios.load_scenario(name) for name in self.scenarios}
        return {
            name: (module, module.Settings.model_validate(self.scenarios[name]))
            for name, module in modules.items()
        }

    def drawn(self, camera_id: str | None = None) -> list[Zone]:
        """The zones as scenarios judge them, also by what the site says for all: a camera's, or all."""
        return [
            replace(section.zone, road_class=section.road_class or self.site.road_class)
            for section in self.zones
            if camera_id in (None, section.camera_id)
        ]
