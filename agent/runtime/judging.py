"""From a configuration to what the analysis judges by: the networks of a run, and the rules, which may change in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from agent import inference, scenarios
from agent.analysis.camera_pipeline import Pipeline
from agent.analysis.rules import Rules
from agent.analysis.verifier import RUNS_PER_S, VerifierBudget, open_verifier
from agent.analysis.warn_first import WarnFirst
from agent.config.schema import Configuration
from agent.domain.labels import ASKED_OF
from agent.domain.scene import MASK
from agent.perception.region_scheduler import InferenceRateLimit
from agent.perception.view_health import ViewMonitor
from agent.perception.view_health.visibility import Visibility
from drivers import cameras

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from agent.analysis import reference_image
    from agent.analysis.camera_pipeline import Classifier
    from agent.analysis.verifier import VerifierModel
    from agent.config.schema import CameraSection, ModelsSection
    from agent.perception.region_scheduler import Detector
    from agent.protocol.base import ModelUsed

WEAK_SHARE = 0.5
"""A detection this much below its threshold may still continue a track, but begins none."""
CHANGE_WHILE_RUNNING = frozenset({"zones", "scenarios", "analysis"})
"""Sections of a site that a run takes over; any other takes a restart."""


def beyond_rules(
    now: Configuration, then: Configuration, opened: Collection[str]
) -> tuple[str, ...]:
    """What a configuration changes that a run cannot take over: sections of the site, or ``models``.

    Args:
        now: By which the run goes.
        then: The other one.
        opened: The classifiers that the run has opened, or tried to, by their keys in ``[models]``.
    """
    before, after = now.model_dump(mode="json"), then.model_dump(mode="json")
    sections = [
        name
        for name in Configuration.model_fields
        if name not in CHANGE_WHILE_RUNNING and before[name] != after[name]
    ]
    asked = then.classifiers_needed | then.optional_classifiers
    missing = [key for key, name in asked.items() if name and key not in opened]
    return (*sections, *(["models"] if missing and "models" not in sections else []))


def rules_of(
    configuration: Configuration,
    networks: Networks,
    views: Mapping[str, reference_image.ReferenceImage],
    pace: Callable[[], float],
) -> Rules:
    """Make the rules of a configuration.

    Args:
        configuration: The site.
        networks: Those of the run.
        views: The commissioning pictures of the cameras that have one.
        pace: What is left of the budget for looking now, 0 to 1.
    """

    def pipeline_for(camera_id: str, size_px: tuple[int, int]) -> Pipeline:
        return pipeline_of(
            configuration,
            camera_id,
            size_px,
            detector=networks.detector,
            birth_confidence=networks.birth_confidence,
            classifiers=networks.classifiers,
            verifier=networks.verifier,
            pace=pace,
        )

    analysis = configuration.analysis
    return Rules(
        pipeline_for=pipeline_for,
        kinds={name: module.KIND for name, (module, _) in configuration.chosen_scenarios.items()},
        sights=_sights(configuration, views),
        warnings=_warnings(configuration),
        hold_back_s=analysis.hold_back_s,
        persist_every_s=analysis.persist_every_s,
        change_every_s=analysis.change_every_s,
    )


@dataclass(frozen=True, slots=True)
class Networks:
    """The models that are opened for a site.

    Attributes:
        detector: Finds things.
        birth_confidence: Of each label, to begin a track.
        classifiers: Those that are open, by their keys in ``[models]``.
        verifier: None: no scenario here would ask it.
    """

    detector: inference.Detector
    birth_confidence: dict[str, float]
    classifiers: dict[str, inference.Classifier]
    verifier: VerifierModel | None

    @property
    def used(self) -> tuple[ModelUsed, ...]:
        """The models that judge."""
        return tuple(each.used for each in self._opened)

    @property
    def facts(self) -> dict[str, str]:
        """The models as the audit log records them: the hashes of all their files, the manifest included."""
        return {
            f"model {each.used.name}": (
                f"{each.used.version} {each.used.sha256} manifest {each.manifest_sha256}"
            )
            for each in self._opened
        }

    @property
    def session_s(self) -> float:
        """Seconds spent in inference."""
        return sum(each.session.seconds for each in self._opened)

    @property
    def _opened(self) -> tuple[inference.Detector | inference.Classifier, ...]:
        return (self.detector, *self.classifiers.values())


def open_networks(configuration: Configuration) -> Networks:
    """Open the models that a site needs.

    Raises:
        ModelError: One cannot be used.
    """
    detector, birth_confidence = _detector(configuration.models)
    threads = configuration.models.threads
    classifiers = {
        key: inference.open_classifier(folder, threads, ASKED_OF[key])
        for key, folder in configuration.classifiers_needed.items()
    }
    verifier = None
    if scenarios.VERIFIER in configuration.optional_classifiers:
        verifier, model = open_verifier(configuration.models.verifier, threads)
        if model is not None:
            classifiers[scenarios.VERIFIER] = model
    return Networks(detector, birth_confidence, classifiers, verifier)


def _warnings(configuration: Configuration) -> dict[str, WarnFirst]:
    """Who is warned first, by camera."""
    chosen = configuration.chosen_scenarios.values()
    must_hold = {module.KIND: module.WARNED_BY for module, _ in chosen}
    return {
        camera.camera_id: WarnFirst(
            {
                (zone.zone_id, module.KIND): after_s
                for zone in configuration.drawn(camera.camera_id)
                for module, settings in chosen
                if scenarios.judges(module, zone.kind)
                and (after_s := settings.warned_in(zone)) is not None
            },
            must_hold,
        )
        for camera in configuration.cameras
    }


def pipeline_of(
    configuration: Configuration,
    camera_id: str,
    size_px: tuple[int, int],
    *,
    detector: Detector,
    birth_confidence: Mapping[str, float],
    classifiers: Mapping[str, Classifier],
    verifier: VerifierModel | None = None,
    pace: Callable[[], float] = lambda: 1.0,
) -> Pipeline:
    """Build one camera's pipeline: what its zones and the configured scenarios ask for, and no more.

    Args:
        configuration: What the agent is told.
        camera_id: The camera's.
        size_px: Width and height of its colour picture.
        detector: Finds things in crops.
        birth_confidence: Per label, the confidence that begins a track.
        classifiers: Those that the scenarios need, by their key in ``[models]``.
        verifier: The device's; None: there is none.
        pace: What is left of the budget for looking now, 0 to 1.
    """
    chosen = configuration.chosen_scenarios
    zones = configuration.drawn(camera_id)
    return Pipeline(
        zones=zones,
        size_px=size_px,
        detector=detector,
        birth_confidence=birth_confidence,
        classifiers=classifiers,
        verifier=None
        if verifier is None
        else VerifierBudget(verifier, RUNS_PER_S / len(configuration.cameras), pace),
        scenarios={
            name: module.build(settings, zones) for name, (module, settings) in chosen.items()
        },
        needs=scenarios.needs_of([module for module, _ in chosen.values()], zones),
        budget=_budget(configuration),
        timezone=ZoneInfo(configuration.site.timezone),
        pace=pace,
    )


def _detector(models: ModelsSection) -> tuple[inference.Detector, dict[str, float]]:
    """The detector, which also reports weak detections, and the score from which a detection counts."""
    stored = inference.read_model(inference.find_model(models.detector))
    thresholds: dict[str, float] = {
        each.meaning: each.threshold for each in stored.manifest.classes
    }
    weak = WEAK_SHARE * min(thresholds.values())
    return inference.Detector(stored, models.threads, threshold=weak), thresholds


def _sights(
    configuration: Configuration, views: Mapping[str, reference_image.ReferenceImage]
) -> dict[str, Visibility]:
    return {
        camera.camera_id: _sight(configuration, camera, views.get(camera.camera_id))
        for camera in configuration.cameras
    }


def _sight(
    configuration: Configuration,
    camera: CameraSection,
    reference: reference_image.ReferenceImage | None,
) -> Visibility:
    """The visibility of one camera, compared with its reference image if there is one."""
    zones = configuration.drawn(camera.camera_id)
    settings = configuration.view_guard
    if getattr(cameras.load_driver(camera.driver), "STILLS", False):
        settings = settings.model_copy(update={"off": (*settings.off, "frozen")})
    guard = ViewMonitor(zones, settings, None if reference is None else reference.luma)
    return Visibility((zone.zone_id for zone in zones if zone.kind != MASK), guard)


def _budget(configuration: Configuration) -> InferenceRateLimit:
    """The inference budget of each camera."""
    analysis = configuration.analysis
    return InferenceRateLimit(
        runs_per_s=analysis.runs_per_s / len(configuration.cameras),
        change_threshold=analysis.change_threshold,
        look_every_s=analysis.look_every_s,
        look_again_s=analysis.look_again_s,
    )
