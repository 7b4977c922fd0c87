"""Wires what runs beside the analysis: retention, the audit log, the day's counters.

Nothing here may stop or delay the analysis: a fault costs a log line and a null in a heartbeat.
"""

from __future__ import annotations

import logging
import math
import threading
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from agent.audit import (
    OF_PLATFORM,
    ORDERS_RECORDED,
    PLATFORM_SEGMENTS_KEPT,
    AuditLog,
    Head,
)
from agent.audit.change_detector import ChangeDetector
from agent.delivery.commands.cases import CaseCommands
from agent.delivery.commands.configuration import ConfigurationCommand
from agent.delivery.commands.pictures import PictureCommands
from agent.domain.scene import MASK
from agent.identity.certificate_expiry import CertificateFile
from agent.protocol.heartbeat import AuditHead, KeptHealth
from agent.retention import Retention, SampleCrops
from agent.retention.hold_command import HoldCommand
from agent.retention.track_files import TrackFiles
from agent.storage.lived_time import DAY_S
from agent.storage.paths import AUDIT, COLLECTION, EVIDENCE, TRACKS
from agent.telemetry.daily_summary import DailySummaries
from agent.telemetry.day_sampler import DaySampler, Gauges
from agent.telemetry.machine_gauges import MachineGauges
from agent.telemetry.maintenance_gauges import MaintenanceGauges
from drivers.disk import written_bytes
from drivers.power import read_power

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from agent.concurrency.threads import Threads
    from agent.config.schema import Configuration
    from agent.delivery.commands.configuration import Trials
    from agent.delivery.commands.table import AnyHandler
    from agent.domain.ids import Ids
    from agent.evidence.snapshots import Snapshots
    from agent.runtime.metrics import Metrics
    from agent.storage.database import Database
    from agent.storage.outbox import Outbox
    from drivers.clock import Clock

NOTICE_EVERY_S = 60.0

_log = logging.getLogger(__name__)


class Housekeeping:
    """The housekeeping parts of one device, joined.

    Args:
        configuration: The site.
        base: The folder that relative paths in it start from.
        database: Where cases and events are.
        outbox: The queue in that database.
        state_dir: The folder of the state.
        clock: The device's.
        ids: For the events' ids.
        snapshots: Takes what cameras see now; None: nothing is analysed.
        trials: Puts configurations that the platform orders on trial; None: nobody can.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        base: Path,
        database: Database,
        outbox: Outbox,
        state_dir: Path,
        clock: Clock,
        ids: Ids,
        snapshots: Snapshots | None = None,
        trials: Trials | None = None,
    ) -> None:
        self._configuration, self._database, self._outbox = configuration, database, outbox
        self._state_dir, self._clock, self._ids = state_dir, clock, ids
        self._timezone = ZoneInfo(configuration.site.timezone)
        self.audit = AuditLog(state_dir / AUDIT, clock)
        self.orders = AuditLog(
            state_dir / AUDIT / OF_PLATFORM,
            clock,
            by="platform",
            segments_kept=PLATFORM_SEGMENTS_KEPT,
        )
        """What the platform ordered: apart, so that who may only command cannot push out the rest."""
        self._named: tuple[Head, float] | None = None
        self._sampler: DaySampler | None = None
        self._summaries: DailySummaries | None = None
        self._looking = threading.Lock()
        self._certificate = CertificateFile(configuration.uplink.located(base).certificate_file)
        self._noticing = ChangeDetector(self.audit, state_dir / AUDIT, clock, self._certificate)
        self.retention = Retention(
            database,
            state_dir=state_dir,
            evidence_dir=state_dir / EVIDENCE,
            settings=configuration.retention,
            clock=clock,
            audit=self.audit,
            crops=SampleCrops(state_dir / COLLECTION, configuration.collection.keep_days),
            tracks=TrackFiles(state_dir / TRACKS, configuration.retention.tracks_hours / 24),
        )
        self.handlers = self._handlers(snapshots, trials)
        """Commands of the platform that are obeyed here."""
        self.machine = MachineGauges(state_dir, configuration.cooling.sensor)
        self.gauges = MaintenanceGauges(
            database=database,
            state_dir=state_dir,
            clock=clock,
            timezone=self._timezone,
            certificate=self._certificate,
            machine=self.machine,
            kept=self._kept,
            audit_head=self._audit_head,
        )

    def _handlers(
        self, snapshots: Snapshots | None, trials: Trials | None
    ) -> tuple[AnyHandler, ...]:
        configuration, database, clock = self._configuration, self._database, self._clock
        pictures = PictureCommands(
            database,
            self._state_dir / EVIDENCE,
            clock,
            camera_ids=frozenset(each.camera_id for each in configuration.cameras),
            upload_hosts=frozenset(configuration.evidence.upload_hosts),
            snapshots=snapshots,
        )
        self._cases = cases = CaseCommands(configuration, database, self._outbox, clock, self._ids)
        self._ordered = ConfigurationCommand(configuration, self._state_dir, database, trials)
        return (
            HoldCommand(self._state_dir, self._state_dir / EVIDENCE, database, clock).handler,
            self._ordered.handler,
            *cases.handlers,
            *pictures.handlers,
        )

    def start(self, workers: Threads, *, after: str, facts: Mapping[str, str]) -> None:
        """Record that a run begins, and start the housekeeping threads.

        Args:
            workers: The run's threads.
            after: Why the run begins.
            facts: See :meth:`agent.audit.change_detector.ChangeDetector.start`.
        """
        self._noticing.start(
            after=after, configuration=self._configuration.shown(by_alias=False), facts=facts
        )
        workers.keep("retention", lambda: self.retention.run(workers.stop))
        workers.keep("noticing", lambda: self._notice(workers.stop))

    def record_order(self, what: str, facts: Mapping[str, Any]) -> None:
        """Record what the platform changed by a command.

        Raises:
            AuditError: The disk did not take it.
        """
        self.orders.append(what, **facts)

    def watch_days(
        self,
        workers: Threads,
        *,
        after: str,
        metrics: Metrics,
    ) -> None:
        """Keep the day's counters, and queue the summary of each day when it is over.

        Args:
            workers: The run's threads.
            after: Why the run began.
            metrics: Tells of the cameras.
        """

        def waiting() -> tuple[int, float]:
            figures = self._outbox.figures()
            return figures.rows, figures.oldest_s(self._clock)

        sampler = DaySampler(
            self._database,
            self._clock,
            self._timezone,
            _judged_zones(self._configuration),
            Gauges(
                metrics.cameras,
                metrics.views,
                self.machine.temperature_c,
                read_power,
                waiting,
                written_bytes,
            ),
            after,
        )
        summaries = DailySummaries(
            self._configuration, self._database, self._outbox, self._clock, self._ids
        )
        self._sampler, self._summaries = sampler, summaries
        workers.keep("days", lambda: sampler.run(workers.stop, summaries.send_due))

    def go_on_with(self, configuration: Configuration) -> None:
        """Go by another configuration from now on, and record what it changes; from any thread.

        Only zones, scenarios and analysis are others.
        """
        self._configuration = configuration
        self._cases.configuration = self._ordered.configuration = configuration
        if self._sampler is not None and self._summaries is not None:
            self._sampler.zones = _judged_zones(configuration)
            self._summaries.configuration = configuration
        with self._looking:
            self._noticing.reconfigured(configuration.shown(by_alias=False), configuration.sha256())

    def _notice(self, stop: threading.Event) -> None:
        while not stop.wait(NOTICE_EVERY_S):
            with self._looking:
                self._noticing.look()
            self.name_newest_order()

    def name_newest_order(self) -> None:
        """Record the newest platform order in the device's own log, at most once a day."""
        try:
            head, now_s = self.orders.head(), self._clock.monotonic_s()
            named, at_s = self._named or (Head(0, ""), -math.inf)
            if head.number and head != named and now_s - at_s >= DAY_S:
                self.audit.append(ORDERS_RECORDED, number=head.number, hash=head.hash)
                self._named = head, now_s
        except OSError as error:
            _log.warning("%s", error)

    def _kept(self) -> KeptHealth | None:
        """What retention found when it last looked."""
        outcome = self.retention.outcome
        if outcome is None:
            return None
        return KeptHealth(
            cases=outcome.cases,
            size_bytes=outcome.size_bytes,
            held=outcome.held,
            short_bytes=outcome.short_bytes,
        )

    def _audit_head(self) -> AuditHead:
        head = self.audit.head()
        return AuditHead(number=head.number, hash=head.hash)


def _judged_zones(configuration: Configuration) -> dict[str, list[str]]:
    """Each camera's zones, masks apart."""
    zones: dict[str, list[str]] = {each.camera_id: [] for each in configuration.cameras}
    for zone in configuration.zones:
        if zone.kind != MASK.name:
            zones[zone.camera_id].append(zone.zone_id)
    return zones
