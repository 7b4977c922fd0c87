"""The composition root: builds the parts of a run, the same for the device and for replay."""

from __future__ import annotations

import functools
import logging
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import cv2

from agent import inference, scenarios
from agent.analysis import reference_image
from agent.analysis.camera_pipeline import Pipeline
from agent.analysis.case_recorder import CaseRecorder
from agent.analysis.sample_collection import SampleCollection
from agent.analysis.site_analysis import SiteAnalysis
from agent.analysis.track_recorder import TrackRecorder
from agent.analysis.verifier import RUNS_PER_S, VerifierBudget, open_verifier
from agent.analysis.warn_first import WarnFirst
from agent.analysis.withdrawal import vantages_of
from agent.domain.case_lifecycle import Cases
from agent.domain.labels import ASKED_OF
from agent.domain.scene import MASK
from agent.evidence.pictures import Evidence
from agent.perception.many_looks import seen_in
from agent.perception.region_scheduler import InferenceRateLimit
from agent.perception.view_health import ViewMonitor
from agent.perception.view_health.visibility import Visibility
from agent.runtime.indicators import can_warn
from agent.storage.case_table import load_open_cases
from agent.storage.corruption import open_database
from agent.storage.errors import StorageError
from agent.storage.memory_fallback import take_back_into
from agent.storage.outbox import Outbox
from agent.storage.paths import COLLECTION, DATABASE, TRACKS
from agent.storage.track_log import TrackLog
from drivers import cameras

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from pathlib import Path

    from agent.analysis.camera_pipeline import Classifier
    from agent.analysis.verifier import VerifierModel
    from agent.config.schema import CameraSection, Configuration, ModelsSection
    from agent.domain.case_lifecycle import Change
    from agent.domain.ids import Ids
    from agent.domain.scene import Detection, Vantage
    from agent.perception.region_scheduler import Detector
    from agent.protocol.base import ClockReading, ModelUsed
    from agent.protocol.events import Because
    from agent.storage.corruption import Quarantined
    from agent.storage.database import Database
    from agent.storage.memory_fallback import TakenBack
    from drivers.cameras import Frame, Picture

WEAK_SHARE = 0.5
"""A detection this much below its threshold may still continue a track, but begins none."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that was built for one run; close it when done."""

    database: Database
    outbox: Outbox
    analysis: SiteAnalysis
    detector: inference.Detector
    classifiers: Mapping[str, inference.Classifier]
    """Those that are open, by their key in ``[models]``."""
    verifier: VerifierModel | None
    """None: no scenario here would ask it."""
    book: CaseRecorder
    quarantined: Quarantined | None
    """The database that was put aside at this start."""
    taken_back: TakenBack | None
    """What the database in memory had got while the disk took nothing."""
    configuration: Configuration
    vantages: Mapping[str, Vantage]
    """Camera → from where it looks."""
    views: Mapping[str, reference_image.ReferenceImage]
    """The commissioning pictures against which this run judges; of the cameras that have one."""
    tracks: TrackRecorder | None
    """Keeps the tracks of the last hours; None: the site keeps none."""

    @property
    def models(self) -> tuple[ModelUsed, ...]:
        """The models that judge."""
        return tuple(each.used for each in self._opened)

    @property
    def model_facts(self) -> dict[str, str]:
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

    def withdraw_unwatched(self, at: datetime) -> list[Change]:
        """End the open cases with which this run's configuration does not go on; before the first frame.

        A disk that does not take that stops no start: they stay open until the next one.

        Args:
            at: The wall clock now.
        """
        try:
            changes = self.analysis.withdraw_unwatched(self.configuration, self.vantages, at)
        except StorageError as error:
            _log.error("cases that are watched no more stay open: %s", error)
            return []
        for change in changes:
            _log.warning("case %s: %s", change.case.case_id, change.case.withdrawn_because)
        return changes

    def reading(self) -> closing[sqlite3.Connection]:
        """A read-only connection, for a ``with`` block."""
        return closing(self.database.read())

    def rest(self) -> None:
        """Write down where every camera stands; called before a planned stop, once no frame is judged any more."""
        self.analysis.rest()
        if self.tracks is not None:
            self.tracks.rest()

    def close(self) -> None:
        """Close cleanly, so that the next run continues in the same epoch, in this boot or another."""
        with suppress(StorageError):
            self.outbox.end().result()
        self.database.close()


def assemble(
    configuration: Configuration,
    *,
    state_dir: Path,
    evidence_dir: Path,
    ids: Ids,
    clock: Callable[[Frame], ClockReading],
    boot_id: str,
    epoch: str | None = None,
    pace: Callable[[], float] = lambda: 1.0,
    check_database: bool = False,
    database_is_gone: bool = False,
    in_memory: Path | None = None,
) -> Parts:
    """Build everything between the cameras and the uplink.

    Args:
        configuration: The site.
        state_dir: Where the database lies.
        evidence_dir: Where the pictures lie; crops of doubtful judgements lie beside it.
        ids: Where identifiers come from.
        clock: How trustworthy a frame's time is.
        boot_id: The clock's.
        epoch: The outbox's, in replay; on the device it is random.
        pace: Factor on the inference budget now, 0 to 1.
        check_database: Whether to check for damage first, after a run that did not end cleanly.
        database_is_gone: Whether there was a database, which is missing now.
        in_memory: Folder of the fallback database in memory, used while the disk fails; None: no fallback.

    Raises:
        ModelError: A model cannot be used.
        StorageError: The database cannot be used.
    """
    # The pictures are small: OpenCV's own threads would cost more than they bring.
    cv2.setNumThreads(1)
    networks = _open_networks(configuration)
    database, quarantined = open_database(
        state_dir / DATABASE, check=check_database, in_memory=in_memory
    )
    taken_back = None if in_memory is None else take_back_into(database, in_memory)
    outbox = _outbox(
        configuration,
        database,
        epoch,
        boot_id,
        fresh="missing" if database_is_gone else "first_start",
    )
    evidence = Evidence(
        evidence_dir,
        configuration.evidence.jpeg_quality,
        configuration.evidence.close_up_margin,
    )
    views = _views(configuration, state_dir)
    vantages = vantages_of(configuration, {key: view.sha256 for key, view in views.items()})
    book = CaseRecorder(
        configuration,
        models=networks.used,
        database=database,
        outbox=outbox,
        evidence=evidence,
        ids=ids,
        clock=clock,
    )
    analysis = SiteAnalysis(
        pipeline_for=_pipelines(configuration, networks, pace),
        kinds={name: module.KIND for name, (module, _) in configuration.chosen_scenarios.items()},
        cases=_cases(configuration, database, ids, vantages),
        book=book,
        evidence=evidence,
        collection=_collection(configuration, evidence_dir.with_name(COLLECTION), networks),
        sights=_sights(configuration, views),
        boot_id=boot_id,
        hold_back_s=configuration.analysis.hold_back_s,
        timezone=ZoneInfo(configuration.site.timezone),
        warnings=_warnings(configuration),
    )
    analysis.signal = functools.partial(can_warn, configuration.gpio)
    return Parts(
        database,
        outbox,
        analysis,
        networks.detector,
        networks.classifiers,
        networks.verifier,
        book,
        quarantined,
        taken_back,
        configuration,
        vantages,
        views,
        _noting(configuration, state_dir, analysis, networks, boot_id),
    )


def _noting(
    configuration: Configuration,
    state_dir: Path,
    analysis: SiteAnalysis,
    networks: _Networks,
    boot_id: str,
) -> TrackRecorder | None:
    """Who notes the tracks of every frame that is judged."""
    most_bytes = int(configuration.storage.tracks_mb * 1e6)
    if most_bytes == 0:
        return None
    log = TrackLog(state_dir / TRACKS, most_bytes)
    recorder = TrackRecorder(log, boot_id, verified=networks.verifier is not None)
    analysis.on_judged = recorder.take
    return recorder


@dataclass(frozen=True, slots=True)
class _Networks:
    """The models that are opened for a site; ``birth_confidence`` is each label's, to begin a track."""

    detector: inference.Detector
    birth_confidence: dict[str, float]
    classifiers: dict[str, inference.Classifier]
    verifier: VerifierModel | None

    @property
    def used(self) -> list[ModelUsed]:
        return [each.used for each in (self.detector, *self.classifiers.values())]


def _open_networks(configuration: Configuration) -> _Networks:
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
    return _Networks(detector, birth_confidence, classifiers, verifier)


def _outbox(
    configuration: Configuration,
    database: Database,
    epoch: str | None,
    boot_id: str,
    *,
    fresh: Because,
) -> Outbox:
    site = configuration.site
    return Outbox(
        database,
        tenant=site.tenant,
        device_id=site.device_id,
        purpose=site.purpose,
        timezone=ZoneInfo(site.timezone),
        epoch=epoch,
        # A replay's epoch is given: nothing of it is asked for again, and no power is cut.
        keep_arrived=configuration.uplink.keep_arrived if epoch is None else 0,
        boot_id=boot_id if epoch is None else None,
        budget_bytes=int(configuration.storage.database_mb * 1e6),
        fresh=fresh,
    )


def _cases(
    configuration: Configuration, database: Database, ids: Ids, vantages: Mapping[str, Vantage]
) -> Cases:
    with closing(database.read()) as connection:
        open_cases = load_open_cases(connection)
    analysis = configuration.analysis
    return Cases(
        ids.new,
        analysis.persist_every_s,
        open_cases,
        vantages,
        analysis.change_every_s,
        configuration.legal.gaps,
    )


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


def _pipelines(
    configuration: Configuration, networks: _Networks, pace: Callable[[], float]
) -> Callable[[str, tuple[int, int]], Pipeline]:
    """Builds a camera's pipeline once the size of its picture is known."""
    return lambda camera_id, size_px: pipeline_of(
        configuration,
        camera_id,
        size_px,
        detector=networks.detector,
        birth_confidence=networks.birth_confidence,
        classifiers=networks.classifiers,
        verifier=networks.verifier,
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


def _views(
    configuration: Configuration, state_dir: Path
) -> dict[str, reference_image.ReferenceImage]:
    """The commissioning pictures of the cameras that have one."""
    names = [camera.camera_id for camera in configuration.cameras]
    loaded = {name: reference_image.load(state_dir, name) for name in names}
    return {name: view for name, view in loaded.items() if view is not None}


def _collection(
    configuration: Configuration, folder: Path, networks: _Networks
) -> SampleCollection:
    detector = networks.detector

    def seen(bgr: Picture) -> list[Detection]:
        return seen_in(bgr, detector.detect_faint, max(detector.input_size_px))

    return SampleCollection(folder, configuration.collection, seen, networks.used)


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
