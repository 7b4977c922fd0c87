"""One run of the agent on the device: builds, starts and stops everything between cameras and broker."""

from __future__ import annotations

import logging
import threading
from contextlib import closing, suppress
from importlib.metadata import version
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from agent.audit import AuditLog
from agent.concurrency.threads import Threads
from agent.concurrency.watchdog import Progress, notify
from agent.config.applied import AppliedConfigurations
from agent.config.plausibility import remarks
from agent.control.channel import ControlChannel
from agent.control.configuration import Applying
from agent.control.meeting_place import folder_of
from agent.delivery.followed_events import FollowedEvents
from agent.delivery.picture_upload import PictureUploads
from agent.delivery.uplink import Uplink
from agent.delivery.uplink_supervisor import UplinkSupervisor
from agent.domain.ids import RandomIds
from agent.evidence.manifest import ManifestWriter
from agent.evidence.snapshots import Snapshots
from agent.identity.authorities import authorities_of
from agent.identity.signing_key import open_signer
from agent.protocol.commands import COMMANDS, name_of
from agent.protocol.heartbeat import AS_WRITTEN
from agent.runtime.button import ask_for_page
from agent.runtime.composition import assemble
from agent.runtime.evidence_worker import EvidenceWorker
from agent.runtime.housekeeping import Housekeeping
from agent.runtime.indicators import Indicators
from agent.runtime.instance_lock import alone, refuse_foreign
from agent.runtime.local_verbs import Running, local_verbs
from agent.runtime.metrics import Metrics
from agent.runtime.reconfiguration import Reconfiguration
from agent.runtime.recovery import Recovery
from agent.runtime.service_verbs import service_of
from agent.runtime.showing import Showing
from agent.runtime.supervisor import Supervisor
from agent.runtime.thermal_throttle import AnalysisRate, ThermalThrottle
from agent.runtime.vision_threads import VisionThreads
from agent.storage.outbox_queries import Lane, waiting
from agent.storage.paths import AUDIT, EVIDENCE, KEYS
from agent.telemetry import storage_incidents
from agent.telemetry.clock_monitor import ClockMonitor, reading_of
from agent.telemetry.gauges import table_of
from agent.telemetry.heartbeat import HeartbeatSender, Intervals
from agent.telemetry.inventory import InventorySender, Known
from agent.telemetry.loss_reports import LossReports
from agent.telemetry.outbox_gauges import OutboxGauges
from agent.telemetry.status_file import keep_written
from drivers.clock import SystemClock
from drivers.disk import PRIVATE_FOLDER, make_folder, takes_writes
from drivers.files import version_record
from drivers.gpio import Gpio, GpioError
from drivers.power import read_power
from drivers.temperature import processor_c
from wording.known_errors import words_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    from agent.config.in_force import InForce
    from agent.config.schema import Configuration
    from agent.identity.signing_key import Signer
    from agent.protocol.events import PublicKey
    from agent.runtime.recovery import Cause
    from drivers.clock import Clock

END_WITHIN_S = 8.0
"""For the goodbye to the broker, and again for all threads: systemd waits 20 s."""
MAY_HAVE_DAMAGED = frozenset({"fault", "power_cut"})
"""After these ends of the run before, the database is looked through first."""
FEEL_EVERY_S = 5.0
LOSSES_EVERY_S = 5.0
HOT_ENOUGH = 0.05
"""Changes of the analysis rate smaller than this are not worth a line in the log."""

_log = logging.getLogger(__name__)


def run(
    configuration: Configuration,
    *,
    base: Path,
    stop: threading.Event,
    until_done: bool = False,
    on_progress: Callable[[str, float], None] | None = None,
    in_force: InForce | None = None,
    on_ready: Callable[[], object] = lambda: None,
    orders_clock: Clock | None = None,
) -> int:
    """Run until stopped.

    Args:
        configuration: The site.
        base: The folder that relative paths in the configuration start from.
        stop: Set it to end the run.
        until_done: End also when every camera has come to its end and what it found was
            delivered; for recordings.
        on_progress: Called with each analysed frame's camera and time.
        in_force: Where ``configuration`` comes from; None: from no files of a site, so no other one can be applied.
        on_ready: Called once everything has started.
        orders_clock: By which orders expire; None: the system's, once a time source has set it.

    Returns:
        0 after a planned end, 1 after a fault or to be restarted by systemd.

    Raises:
        ForeignStateError: The state belongs to another user.
        NotAloneError: Another agent uses it.
        ModelError: A model cannot be used.
        StorageError: The database cannot be used.
    """
    state_dir, run_dir = (
        base / configuration.storage.state_dir,
        base / configuration.storage.run_dir,
    )
    refuse_foreign(state_dir)
    for odd in remarks(configuration):
        _log.warning("%s", odd.what)
    with suppress(OSError):  # a disk that takes nothing: the memory stands in for it
        make_folder(state_dir)
        state_dir.chmod(
            PRIVATE_FOLDER
        )  # also where an older agent left its pictures for all to read
    with (
        alone(state_dir, run_dir),
        closing(_Device(configuration, base, stop, in_force, orders_clock)) as device,
    ):
        device.start(on_progress)
        notify("READY=1")
        on_ready()
        ended = device.watch(until_done=until_done)
        notify("STOPPING=1")
        device.end()
    device.note(ended)
    return 0 if ended == "planned" else 1


class _Device:
    """The parts of one run.

    Args:
        configuration: The site.
        base: The folder that relative paths in it start from.
        stop: Set from outside, or by a switch at the housing: a planned end.
        in_force: Where it comes from.
        orders_clock: By which orders expire; None: the device's own.
    """

    def __init__(
        self,
        configuration: Configuration,
        base: Path,
        stop: threading.Event,
        in_force: InForce | None,
        orders_clock: Clock | None,
    ) -> None:
        self._configuration, self._base, self._stop = configuration, base, stop
        self._in_force = in_force
        self._configured = AS_WRITTEN if in_force is None else in_force.health
        self._clock, self._ids = SystemClock(), RandomIds()
        self._orders_clock = orders_clock or self._clock
        self._started_s = self._clock.monotonic_s()
        self._state_dir = base / configuration.storage.state_dir
        self._run_dir = base / configuration.storage.run_dir
        self._recovery = Recovery(
            (self._state_dir, self._run_dir),
            self._clock,
            first_s=configuration.recovery.restart_first_s,
            most_s=configuration.recovery.restart_max_s,
        )
        if (cause := self._recovery.begin()) not in {"first", "planned"}:
            _log.warning("this run begins after: %s", cause)
        self._cause = cause
        self._database_is_gone = storage_incidents.is_gone(self._state_dir)
        self._pace = AnalysisRate(
            ThermalThrottle(
                configuration.cooling.from_c,
                configuration.cooling.full_c,
                configuration.cooling.min_share,
            )
        )
        self._parts = assemble(
            configuration,
            state_dir=self._state_dir,
            evidence_dir=self._state_dir / EVIDENCE,
            ids=self._ids,
            clock=lambda frame: reading_of(frame, self._clock),
            boot_id=self._clock.boot_id,
            pace=lambda: self._pace.factor,
            check_database=cause in MAY_HAVE_DAMAGED,
            database_is_gone=self._database_is_gone,
            in_memory=self._run_dir / "volatile",
        )
        self._snapshots = Snapshots(
            *(self._parts.database, self._parts.outbox, self._state_dir / EVIDENCE),
            clock=self._clock,
            ids=self._ids,
        )
        self._parts.analysis.on_frame = self._snapshots.take
        self._showing = Showing(self._parts, self._state_dir, self._clock)
        self._workers = Threads(threading.Event(), Progress(self._clock.monotonic_s))
        self._vision = VisionThreads(
            configuration, base, self._parts, self._workers, self._pace, self._clock
        )
        self._reconfiguration = Reconfiguration(
            self._parts,
            self._vision,
            self._clock,
            None if configuration.uplink.broker is None else self._connected_since,
            stop,
        )
        self._applying = None if in_force is None else self._applies(in_force)
        self._uplink: UplinkSupervisor | None = None
        self._followed = FollowedEvents(self._clock)
        self._signals: Indicators | None = None

    def _applies(self, in_force: InForce) -> Applying:
        """Who lets the run go by other configurations."""
        return Applying(
            in_force,
            AppliedConfigurations(self._state_dir),
            self._reconfiguration,
            self._clock,
            AuditLog(self._state_dir / AUDIT, self._clock).append,
        )

    def start(self, on_progress: Callable[[str, float], None] | None) -> None:
        """Start every thread: first the cameras, which take longest to come up."""
        self._settle()
        self._vision.start_cameras()
        self._signer = signer = open_signer(self._state_dir / KEYS, self._run_dir / KEYS)
        housekeeping = self._keep_house(signer.public.kid)
        self._uplink = self._start_uplink(signer.public, housekeeping)
        self._watch = self._supervisor(self._uplink)
        metrics = Metrics(
            self._configuration,
            self._parts,
            self._vision.mailbox,
            self._vision.captures,
            self._pace,
            self._uplink,
            self._clock,
            self._watch,
            self._started_s,
            self._configured,
        )
        housekeeping.watch_days(
            self._workers,
            after=self._cause,
            metrics=metrics,
        )
        self._vision.start_analysis(metrics.lost_cameras, on_progress)
        self._report(metrics, housekeeping, self._losses(signer), self._manifests(signer))

    def _settle(self) -> None:
        """Tell what became of the database, and end cases that are watched no more; before a birth names open ones."""
        parts = self._parts
        found = storage_incidents.AtStart(
            self._database_is_gone, parts.quarantined, parts.taken_back
        )
        storage_incidents.tell(parts.outbox, parts.database, found, self._clock, self._ids)
        if (
            self._in_force is None or self._in_force.trial is None
        ):  # else not before it is confirmed
            parts.withdraw_unwatched(self._clock.now())

    def _supervisor(self, uplink: UplinkSupervisor | None) -> Supervisor:
        return Supervisor(
            self._configuration.recovery,
            self._workers,
            self._vision.captures,
            uplink,
            self._recovery,
            self._clock,
            self._run_dir / "recovery",
            disk_is_back=self._disk_is_back,
        )

    def _losses(self, signer: Signer) -> LossReports:
        return LossReports(
            self._parts.database,
            self._parts.outbox,
            signer,
            self._clock,
            self._ids,
            tenant=self._configuration.site.tenant,
            device_id=self._configuration.site.device_id,
        )

    def _manifests(self, signer: Signer) -> ManifestWriter:
        return ManifestWriter(
            self._configuration,
            database=self._parts.database,
            outbox=self._parts.outbox,
            signer=signer,
            clock=self._clock,
            ids=self._ids,
            evidence_dir=self._state_dir / EVIDENCE,
        )

    def watch(self, *, until_done: bool) -> Cause:
        """Run the main loop until there is a reason to end."""
        return self._watch.run(self._stop, lambda: until_done and self._done())

    def end(self) -> None:
        """Disconnect from the broker, stop every thread, and save the state of the analysis."""
        self._workers.stop.set()
        if self._uplink is not None:
            self._uplink.end(END_WITHIN_S)
        self._showing.dry_runs.end()
        self._workers.join(END_WITHIN_S)
        if self._workers.fault is None and not self._workers.running("analysis"):
            self._parts.rest()

    def close(self) -> None:
        """Let go of the pins and the database."""
        if self._signals is not None:
            self._signals.close()
        self._parts.close()

    def note(self, ended: Cause) -> None:
        """Write down why it ended, for the next run."""
        if ended not in {"camera_hang", "disk_back"}:  # noted already, with what they were for
            self._recovery.end(ended)

    def _disk_is_back(self) -> bool:
        return self._parts.database.stood_in is not None and takes_writes(self._state_dir)

    def _keep_house(self, signing_key_id: str) -> Housekeeping:
        """Retention, the audit log, the day's summary."""
        housekeeping = Housekeeping(
            self._configuration,
            base=self._base,
            database=self._parts.database,
            outbox=self._parts.outbox,
            state_dir=self._state_dir,
            clock=self._clock,
            ids=self._ids,
            snapshots=self._snapshots,
            trials=self._applying,
        )
        facts = {
            "configuration state": self._configured.state,
            "agent version": version("kerbwatch"),
            "configuration": self._configuration.sha256(),
            "key signing": signing_key_id,
            **self._parts.networks.facts,
            **last_update(version_record.FOLDER),
        }
        housekeeping.start(self._workers, after=self._cause, facts=facts)
        return housekeeping

    def _start_uplink(
        self, signing_key: PublicKey, housekeeping: Housekeeping
    ) -> UplinkSupervisor | None:
        configuration = self._configuration
        if configuration.uplink.broker is None:
            _log.warning("no broker is configured: events stay in the outbox")
            return None

        def make(alive: Callable[[], None]) -> Uplink:
            return Uplink(
                configuration.uplink.located(self._base),
                database=self._parts.database,
                outbox=self._parts.outbox,
                tenant=configuration.site.tenant,
                device_id=configuration.site.device_id,
                clock=self._clock,
                orders_clock=self._orders_clock,
                ids=self._ids,
                agent_version=version("kerbwatch"),
                configuration_sha256=self._parts.configuration.sha256(),
                signing_key=signing_key,
                alive=alive,
                handlers=housekeeping.handlers,
                record=housekeeping.record_order,
                authorities=authorities_of(configuration.authorities, self._base),
                pictures=self._state_dir / EVIDENCE,
                followed=self._followed,
            )

        self._workers.progress.mark("uplink")
        uplink = UplinkSupervisor(make, lambda: self._workers.progress.mark("uplink"))
        uplink.start()
        self._reconfiguration.reports.append(lambda then: uplink.go_on_with(then.sha256()))
        self._start_uploads(uplink)
        return uplink

    def _start_uploads(self, uplink: UplinkSupervisor) -> None:
        """Put pictures by HTTPS, where the site names a host for them."""
        settings = self._configuration.evidence
        if not settings.upload_hosts:
            return
        uploads = PictureUploads(
            self._parts.database,
            self._parts.outbox,
            self._state_dir / EVIDENCE,
            hosts=settings.upload_hosts,
            ca_file=None
            if settings.upload_ca_file is None
            else self._base / settings.upload_ca_file,
            clock=self._clock,
            ids=self._ids,
            budget=lambda: uplink.budget,
        )
        self._workers.keep("uploads", lambda: uploads.run(self._workers.stop))

    def _report(
        self,
        metrics: Metrics,
        housekeeping: Housekeeping,
        losses: LossReports,
        manifests: ManifestWriter,
    ) -> None:
        """Start the threads that report the device's health: heartbeats, status file, indicators."""
        keep, stop = self._workers.keep, self._workers.stop
        health = self._health(metrics, housekeeping)
        self._parts.analysis.on_view_change = health.soon
        timekeeper = ClockMonitor(self._parts.database, self._parts.outbox, self._clock, self._ids)
        keep("clock", lambda: timekeeper.run(stop))
        inventory = self._inventory()
        self._reconfiguration.reports += (
            *(metrics.go_on_with, housekeeping.go_on_with, manifests.go_on_with),
            *(inventory.go_on_with, lambda _: health.soon()),
        )
        keep("inventory", lambda: inventory.run(stop))
        evidence = EvidenceWorker(
            self._parts.database,
            self._state_dir / EVIDENCE,
            manifests,
            lambda: self._pace.factor,
            stop,
            self._snapshots,
        )
        keep("evidence", evidence.run)
        self._showing.start(self._workers, lambda: self._pace.factor)
        keep("losses", lambda: _report_what_is_gone((losses.report, manifests.bury), stop))
        keep("cooling", self._keep_cool)
        keep("health", lambda: health.run(stop))
        self._start_signals(metrics, health)
        self._listen_to_technicians(metrics, housekeeping, health)
        keep("status", lambda: keep_written(self._run_dir, metrics.status, stop))

    def _listen_to_technicians(
        self, metrics: Metrics, housekeeping: Housekeeping, health: HeartbeatSender
    ) -> None:
        """Answer what is asked at the device, and watch over configurations that are on trial."""
        applying = self._applying
        if applying is not None:
            metrics.applied, applying.on_change = (lambda: applying.last), health.soon
            self._workers.keep("trial", lambda: applying.run(self._workers.stop))
        running = Running(
            *(self._configuration, self._base, self._state_dir, self._parts, self._vision),
            *(metrics, housekeeping, self._clock, applying, self._reconfiguration),
            showing=self._showing,
            ids=self._ids,
            uplink=self._uplink,
            followed=self._followed,
        )
        service = service_of(running, self._signer, self._signals)
        metrics.acceptance, metrics.step = service.acceptance.status, service.step
        self._workers.keep("acceptance", lambda: service.acceptance.run(self._workers.stop))
        verbs = (*local_verbs(running), *service.verbs)
        record = housekeeping.audit.append
        channel = ControlChannel(folder_of(self._run_dir), verbs, record)
        channel.open()  # before the status is written: who reads that the agent runs can ask it
        self._workers.keep("control", lambda: channel.run(self._workers.stop))

    def _inventory(self) -> InventorySender:
        """Who says what the device is made of."""
        parts = self._parts
        known = Known(
            self._configuration,
            agent_version=version("kerbwatch"),
            models=parts.networks.used,
            commands=tuple(sorted(name_of(each) for each in COMMANDS)),
            views=parts.views,
        )
        return InventorySender(
            known,
            parts.database,
            parts.outbox,
            clock=self._clock,
            ids=self._ids,
            sizes_px=lambda: parts.analysis.sizes_px,
        )

    def _health(self, metrics: Metrics, housekeeping: Housekeeping) -> HeartbeatSender:
        """Who writes the heartbeats, with all gauges of this machine."""
        outbox, uplink = self._parts.outbox, self._configuration.uplink
        return HeartbeatSender(
            self._parts.database,
            outbox,
            clock=self._clock,
            ids=self._ids,
            gauges=table_of(
                metrics,
                housekeeping.machine,
                housekeeping.gauges,
                OutboxGauges(outbox, self._clock),
            ),
            session=self._connected_since,
            intervals=Intervals(
                look_s=uplink.heartbeat_s,
                full_s=uplink.heartbeat_full_s,
                silence_s=uplink.heartbeat_silence_s,
            ),
        )

    def _connected_since(self) -> datetime | None:
        return None if self._uplink is None else self._uplink.connected_since

    def _start_signals(self, metrics: Metrics, health: HeartbeatSender) -> None:
        """Start lights and switches; without the pins the agent runs on."""
        section = self._configuration.gpio
        self._parts.analysis.signal = lambda _: False  # until there are pins to give it with
        if not list(section.pins()):
            return
        try:
            pins = Gpio(section)
        except GpioError as error:
            _log.error("%s", error)
            return
        timezone = ZoneInfo(self._configuration.site.timezone)
        self._signals = signals = Indicators(
            pins,
            section,
            situation=metrics.situation,
            temperature_c=self._temperature_c,
            local=lambda: self._clock.now().astimezone(timezone),
            soon=health.soon,
            end=self._stop.set,
            fault=lambda: self._workers.broken,
            pressed=lambda: ask_for_page(self._run_dir),
        )
        metrics.switches = lambda: signals.inputs
        self._parts.analysis.signal = signals.warn
        self._workers.keep("signals", lambda: signals.run(self._workers.stop))

    def _temperature_c(self) -> float | None:
        return processor_c(self._configuration.cooling.sensor)

    def _keep_cool(self) -> None:
        """Lower the inference rate while it is hot, and log that."""
        pace, stop = self._pace, self._workers.stop
        told = pace.factor
        while not stop.is_set():
            power = read_power()
            throttled = power is not None and power.throttled
            factor = pace.feel(
                self._temperature_c(), self._clock.monotonic_s(), throttled=throttled
            )
            if abs(factor - told) > HOT_ENOUGH or (factor == 1.0) != (told == 1.0):
                _log.warning("analysis rate × %.2f at %s °C", factor, pace.temperature_c)
                told = factor
            stop.wait(FEEL_EVERY_S)

    def _done(self) -> bool:
        """Whether every frame was analysed and, where there is a broker, every case delivered."""
        if not self._vision.analysed.is_set():
            return False
        if self._configuration.uplink.broker is None:
            return True
        with self._parts.reading() as connection:
            return not waiting(connection, Lane.CASE, limit=1, limit_bytes=1)


def last_update(folder: Path) -> dict[str, str]:
    """The last step between versions that are installed beside each other, for the audit log."""
    step = version_record.last_step(version_record.read(folder))
    if step is None:
        return {}
    told = f"{step.what} {step.version} instead of {step.instead_of}"
    return {"update": f"{told}: {step.why}" if step.why else told}


def _report_what_is_gone(reports: Sequence[Callable[[], int]], stop: threading.Event) -> None:
    """Report soon what is lost and what was deleted; on a full disk it is tried again later."""
    while not stop.wait(LOSSES_EVERY_S):
        for report in reports:
            try:
                while report() and not stop.is_set():
                    pass
            except OSError as error:
                _log.warning("not reported yet: %s", words_of(error))
