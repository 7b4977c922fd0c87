"""Joins the parts, once for the device and for replay: what differs is given by the caller."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from agent import detectors, scenarios
from agent.analysis import Analysis
from agent.casebook import CaseBook
from agent.cases import Cases
from agent.database import Database, load_open_cases
from agent.evidence import Evidence
from agent.looking import Budget
from agent.outbox import Outbox
from agent.pipeline import Pipeline

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from agent.config import Configuration
    from agent.events import ClockReading
    from agent.ids import Ids
    from agent.scenarios import ScenarioModule, ScenarioSettings
    from drivers.cameras import Frame

WEAK_SHARE = 0.5
"""A detection this much below its threshold may still continue a track, but begins none."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that was built for one run; close it when done."""

    database: Database
    outbox: Outbox
    analysis: Analysis
    detector: detectors.Detector
    classifier: detectors.Classifier | None

    @property
    def session_s(self) -> float:
        """Time spent inside the networks."""
        bins = 0.0 if self.classifier is None else self.classifier.session.seconds
        return self.detector.session.seconds + bins

    def close(self) -> None:
        self.database.close()


def assemble(
    configuration: Configuration,
    *,
    sizes_px: Mapping[str, tuple[int, int]],
    state_dir: Path,
    evidence_dir: Path,
    ids: Ids,
    clock: Callable[[Frame], ClockReading],
    boot_id: str,
    epoch: str | None = None,
) -> Parts:
    """Build everything between the cameras and the uplink.

    Args:
        configuration: What the agent is told.
        sizes_px: Per camera, width and height of its colour picture.
        state_dir: Where the database lies.
        evidence_dir: Where the pictures lie.
        ids: Where identifiers come from.
        clock: How far the time of a frame can be trusted.
        boot_id: The clock's.
        epoch: The outbox's, in replay; on the device it is random.

    Raises:
        ModelError: A model cannot be used.
        StorageError: The database cannot be used.
    """
    models = configuration.models
    chosen = {name: scenarios.load_scenario(name) for name in configuration.scenarios}
    settings = {
        name: module.Settings.model_validate(configuration.scenarios[name])
        for name, module in chosen.items()
    }
    manifest = detectors.load_manifest(detectors.find_model(models.detector))
    thresholds = {each.meaning: each.threshold for each in manifest.classes}
    detector = detectors.open_detector(
        models.detector, models.threads, threshold=WEAK_SHARE * min(thresholds.values())
    )
    has_bins = any(zone.kind == "bin" for zone in configuration.zones)
    classifier = detectors.open_classifier(models.bin_state, models.threads) if has_bins else None
    database = Database(state_dir / "kerbwatch.sqlite3")
    site = configuration.site
    outbox = Outbox(
        database,
        tenant=site.tenant,
        device_id=site.device_id,
        purpose=site.purpose,
        timezone=ZoneInfo(site.timezone),
        epoch=epoch,
    )
    evidence = Evidence(
        evidence_dir,
        configuration.evidence.jpeg_quality,
        configuration.evidence.close_up_margin,
    )
    with closing(database.read()) as connection:
        open_cases = load_open_cases(connection)
    cases = Cases(ids.new, configuration.analysis.persist_every_s, open_cases)
    book = CaseBook(
        configuration,
        models=[detector.used] + ([classifier.used] if classifier else []),
        allowed_s={chosen[name].KIND: each.allowed_s for name, each in settings.items()},
        database=database,
        outbox=outbox,
        evidence=evidence,
        ids=ids,
        clock=clock,
    )
    pipelines = {
        camera.camera_id: _pipeline(
            configuration,
            camera.camera_id,
            sizes_px[camera.camera_id],
            detector,
            thresholds,
            classifier,
            chosen,
            settings,
        )
        for camera in configuration.cameras
    }
    analysis = Analysis(
        pipelines=pipelines,
        kinds={name: module.KIND for name, module in chosen.items()},
        cases=cases,
        book=book,
        evidence=evidence,
        boot_id=boot_id,
    )
    return Parts(database, outbox, analysis, detector, classifier)


def _pipeline(
    configuration: Configuration,
    camera_id: str,
    size_px: tuple[int, int],
    detector: detectors.Detector,
    thresholds: Mapping[str, float],
    classifier: detectors.Classifier | None,
    chosen: Mapping[str, ScenarioModule],
    settings: Mapping[str, ScenarioSettings],
) -> Pipeline:
    zones = [one.zone for one in configuration.zones if one.camera_id == camera_id]
    analysis = configuration.analysis
    return Pipeline(
        zones=zones,
        size_px=size_px,
        detector=detector,
        birth_confidence=thresholds,
        classifier=classifier,
        scenarios={name: chosen[name].build(settings[name], zones) for name in chosen},
        budget=Budget(
            runs_per_s=analysis.runs_per_s / len(configuration.cameras),
            change_threshold=analysis.change_threshold,
            look_again_s=analysis.look_again_s,
        ),
        timezone=ZoneInfo(configuration.site.timezone),
    )
