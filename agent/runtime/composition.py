"""The composition root: builds the parts of a run, the same for the device and for replay."""

from __future__ import annotations

import functools
import logging
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import cv2

from agent.analysis import reference_image
from agent.analysis.case_recorder import CaseRecorder
from agent.analysis.sample_collection import SampleCollection
from agent.analysis.site_analysis import SiteAnalysis
from agent.analysis.track_recorder import TrackRecorder
from agent.analysis.withdrawal import vantages_of
from agent.domain.case_lifecycle import Cases
from agent.evidence.pictures import Evidence
from agent.perception.many_looks import seen_in
from agent.runtime.indicators import can_warn
from agent.runtime.judging import Networks, open_networks, rules_of
from agent.storage.case_table import load_open_cases
from agent.storage.corruption import open_database
from agent.storage.errors import StorageError
from agent.storage.memory_fallback import take_back_into
from agent.storage.outbox import Outbox
from agent.storage.paths import COLLECTION, DATABASE, TRACKS
from agent.storage.track_log import TrackLog

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from pathlib import Path

    from agent.analysis.rules import Rules
    from agent.config.schema import Configuration
    from agent.domain.case_lifecycle import Change
    from agent.domain.ids import Ids
    from agent.domain.scene import Detection, Vantage
    from agent.protocol.base import ClockReading
    from agent.protocol.events import Because
    from agent.storage.corruption import Quarantined
    from agent.storage.database import Database
    from agent.storage.memory_fallback import TakenBack
    from drivers.cameras import Frame, Picture

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Parts:
    """Everything that was built for one run; close it when done."""

    database: Database
    outbox: Outbox
    analysis: SiteAnalysis
    networks: Networks
    book: CaseRecorder
    quarantined: Quarantined | None
    """The database that was put aside at this start."""
    taken_back: TakenBack | None
    """What the database in memory had got while the disk took nothing."""
    configuration: Configuration
    """The one by which is judged."""
    vantages: dict[str, Vantage]
    """Camera → from where it looks."""
    views: dict[str, reference_image.ReferenceImage]
    """The commissioning pictures against which this run judges; of the cameras that have one."""
    rules: Callable[[Configuration], Rules]
    """The rules of another configuration that needs no other networks."""

    def go_on_with(self, configuration: Configuration) -> None:
        """Judge by another configuration's rules from the next frame on; called between two frames.

        What cannot be built changes nothing.
        """
        rules = self.rules(configuration)
        self.analysis.go_on_with(rules)
        self.book.go_on_with(configuration)
        self.configuration = configuration

    def look_from(
        self, camera_id: str, reference: reference_image.ReferenceImage, at: datetime
    ) -> None:
        """Compare a camera with another commissioning picture from the next frame on; called between two frames.

        Cases that were seen from elsewhere end.

        Args:
            camera_id: The camera's.
            reference: As it is kept now.
            at: The wall clock now.
        """
        self.views[camera_id] = reference
        hashes = {name: view.sha256 for name, view in self.views.items()}
        self.vantages.update(vantages_of(self.configuration, hashes))
        self.analysis.look_from(camera_id, reference.luma, self.vantages[camera_id])
        self.withdraw_unwatched(at)

    tracks: TrackRecorder | None
    """Keeps the tracks of the last hours; None: the site keeps none."""

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
    networks = open_networks(configuration)
    database, quarantined = open_database(
        state_dir / DATABASE, check=check_database, in_memory=in_memory
    )
    taken_back = None if in_memory is None else take_back_into(database, in_memory)
    fresh: Because = "missing" if database_is_gone else "first_start"
    outbox = _outbox(configuration, database, epoch, boot_id, fresh=fresh)
    views = _views(configuration, state_dir)
    vantages = vantages_of(configuration, {key: view.sha256 for key, view in views.items()})
    kept = configuration.evidence
    evidence = Evidence(evidence_dir, kept.jpeg_quality, kept.close_up_margin)
    book = CaseRecorder(
        configuration,
        models=networks.used,
        database=database,
        outbox=outbox,
        evidence=evidence,
        ids=ids,
        clock=clock,
    )
    rules = functools.partial(rules_of, networks=networks, views=views, pace=pace)
    analysis = SiteAnalysis(
        rules(configuration),
        cases=_cases(configuration, database, ids, vantages),
        book=book,
        evidence=evidence,
        collection=_collection(configuration, evidence_dir.with_name(COLLECTION), networks),
        boot_id=boot_id,
        timezone=ZoneInfo(configuration.site.timezone),
    )
    analysis.signal = functools.partial(can_warn, configuration.gpio)
    return Parts(
        database,
        outbox,
        analysis,
        networks,
        book,
        quarantined,
        taken_back,
        configuration,
        vantages,
        views,
        rules,
        _noting(configuration, state_dir, analysis, networks, boot_id),
    )


def _noting(
    configuration: Configuration,
    state_dir: Path,
    analysis: SiteAnalysis,
    networks: Networks,
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


def _views(
    configuration: Configuration, state_dir: Path
) -> dict[str, reference_image.ReferenceImage]:
    """The commissioning pictures of the cameras that have one."""
    names = [camera.camera_id for camera in configuration.cameras]
    loaded = {name: reference_image.load(state_dir, name) for name in names}
    return {name: view for name, view in loaded.items() if view is not None}


def _collection(configuration: Configuration, folder: Path, networks: Networks) -> SampleCollection:
    detector = networks.detector

    def seen(bgr: Picture) -> list[Detection]:
        return seen_in(bgr, detector.detect_faint, max(detector.input_size_px))

    return SampleCollection(folder, configuration.collection, seen, networks.used)
