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
from agent.domain.ids import RandomIds
from agent.evidence.snapshots import Snapshots
from agent.identity.signing_key import open_signer
from agent.protocol.heartbeat import AS_WRITTEN
from agent.runtime.button import ask_for_page
from agent.runtime.composition import assemble
from agent.runtime.cooling import keep_cool
from agent.runtime.evidence_worker import EvidenceWorker
from agent.runtime.housekeeping import Housekeeping
from agent.runtime.indicators import Indicators
from agent.runtime.instance_lock import alone, refuse_foreign
from agent.runtime.local_verbs import Running, local_verbs
from agent.runtime.metrics import Metrics
from agent.runtime.reconfiguration import Reconfiguration
from agent.runtime.recovery import Recovery
from agent.runtime.reporting import (
    heartbeats_of,
    inventory_of,
    losses_of,
    manifests_of,
    report_what_is_gone,
)
from agent.runtime.run_context import RunContext
from agent.runtime.sending import start_uplink
from agent.runtime.service_verbs import service_of
from agent.runtime.showing import Showing
from agent.runtime.supervisor import Supervisor
from agent.runtime.thermal_throttle import AnalysisRate, ThermalThrottle
from agent.runtime.vision_threads import VisionThreads
from agent.storage.outbox_queries import Lane, waiting
from agent.storage.paths import AUDIT, EVIDENCE, KEYS
from agent.telemetry import storage_incidents
from agent.telemetry.clock_monitor import ClockMonitor, reading_of
from agent.telemetry.status_file import keep_written
from drivers.clock import SystemClock
from drivers.disk import PRIVATE_FOLDER, make_folder, takes_writes
from drivers.files import version_record
from drivers.gpio import Gpio, GpioError
from drivers.temperature import processor_c

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from agent.config.in_force import InForce
    from agent.config.schema import Configuration
    from agent.delivery.uplink_supervisor import UplinkSupervisor
    from agent.runtime.recovery import Cause
    from agent.telemetry.heartbeat import HeartbeatSender
    from drivers.clock import Clock

END_WITHIN_S = 8.0
"""For the goodbye to the broker, and again for all threads: systemd waits 20 s."""
MAY_HAVE_DAMAGED = frozenset({"fault", "power_cut"})
"""After these ends of the run before, the database is looked through first."""

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
        self._stop, self._in_force = stop, in_force
        self._configured = AS_WRITTEN if in_force is None else in_force.health
        clock = SystemClock()
        self._orders_clock = orders_clock or clock
        self._started_s = clock.monotonic_s()
        state_dir = base / configuration.storage.state_dir
        run_dir = base / configuration.storage.run_dir
        self._recovery = Recovery(
            (state_dir, run_dir),
            clock,
            first_s=configuration.recovery.restart_first_s,
            most_s=configuration.recovery.restart_max_s,
        )
        if (cause := self._recovery.begin()) not in {"first", "planned"}:
            _log.warning("this run begins after: %s", cause)
        self._cause = cause
        self._database_is_gone = storage_incidents.is_gone(state_dir)
        self._run = run = _assembled(
            configuration,
            base,
            clock,
            check_database=cause in MAY_HAVE_DAMAGED,
            database_is_gone=self._database_is_gone,
        )
        self._snapshots = Snapshots(
            *(run.parts.database, run.parts.outbox, run.evidence_dir), clock=clock, ids=run.ids
        )
        run.parts.analysis.on_frame = self._snapshots.take
        self._showing = Showing(run.parts, state_dir, clock)
        self._vision = VisionThreads(configuration, base, run.parts, run.workers, run.pace, clock)
        self._reconfiguration = Reconfiguration(
            run.parts,
            self._vision,
            clock,
            None if configuration.uplink.broker is None else self._connected_since,
            stop,
        )
        self._applying = None if in_force is None else self._applies(in_force)
        self._uplink: UplinkSupervisor | None = None
        self._followed = FollowedEvents(clock)
        self._signals: Indicators | None = None

    def _applies(self, in_force: InForce) -> Applying:
        """Who lets the run go by other configurations."""
        return Applying(
            in_force,
            AppliedConfigurations(self._run.state_dir),
            self._reconfiguration,
            self._run.clock,
            AuditLog(self._run.state_dir / AUDIT, self._run.clock).append,
        )

    def start(self, on_progress: Callable[[str, float], None] | None) -> None:
        """Start every thread: first the cameras, which take longest to come up."""
        self._settle()
        self._vision.start_cameras()
        run = self._run
        self._signer = signer = open_signer(run.state_dir / KEYS, run.run_dir / KEYS)
        housekeeping = self._keep_house(signer.public.kid)
        self._uplink = uplink = start_uplink(
            run, housekeeping, signer.public, self._followed, self._orders_clock
        )
        if uplink is not None:
            self._reconfiguration.reports.append(lambda then: uplink.go_on_with(then.sha256()))
        self._watch = self._supervisor(uplink)
        metrics = Metrics(
            run.configuration,
            run.parts,
            self._vision.mailbox,
            self._vision.captures,
            run.pace,
            uplink,
            run.clock,
            self._watch,
            self._started_s,
            self._configured,
        )
        housekeeping.watch_days(run.workers, after=self._cause, metrics=metrics)
        self._vision.start_analysis(metrics.lost_cameras, on_progress)
        self._report(metrics, housekeeping)

    def _settle(self) -> None:
        """Tell what became of the database, and end cases that are watched no more; before a birth names open ones."""
        parts, clock = self._run.parts, self._run.clock
        found = storage_incidents.AtStart(
            self._database_is_gone, parts.quarantined, parts.taken_back
        )
        storage_incidents.tell(parts.outbox, parts.database, found, clock, self._run.ids)
        if (
            self._in_force is None or self._in_force.trial is None
        ):  # else not before it is confirmed
            parts.withdraw_unwatched(clock.now())

    def _supervisor(self, uplink: UplinkSupervisor | None) -> Supervisor:
        return Supervisor(
            self._run.configuration.recovery,
            self._run.workers,
            self._vision.captures,
            uplink,
            self._recovery,
            self._run.clock,
            self._run.run_dir / "recovery",
            disk_is_back=self._disk_is_back,
        )

    def watch(self, *, until_done: bool) -> Cause:
        """Run the main loop until there is a reason to end."""
        return self._watch.run(self._stop, lambda: until_done and self._done())

    def end(self) -> None:
        """Disconnect from the broker, stop every thread, and save the state of the analysis."""
        workers = self._run.workers
        workers.stop.set()
        if self._uplink is not None:
            self._uplink.end(END_WITHIN_S)
        self._showing.dry_runs.end()
        workers.join(END_WITHIN_S)
        if workers.fault is None and not workers.running("analysis"):
            self._run.parts.rest()

    def close(self) -> None:
        """Let go of the pins and the database."""
        if self._signals is not None:
            self._signals.close()
        self._run.parts.close()

    def note(self, ended: Cause) -> None:
        """Write down why it ended, for the next run."""
        if ended not in {"camera_hang", "disk_back"}:  # noted already, with what they were for
            self._recovery.end(ended)

    def _disk_is_back(self) -> bool:
        return self._run.parts.database.stood_in is not None and takes_writes(self._run.state_dir)

    def _keep_house(self, signing_key_id: str) -> Housekeeping:
        """Retention, the audit log, the day's summary."""
        run = self._run
        housekeeping = Housekeeping(
            run.configuration,
            base=run.base,
            database=run.parts.database,
            outbox=run.parts.outbox,
            state_dir=run.state_dir,
            clock=run.clock,
            ids=run.ids,
            snapshots=self._snapshots,
            trials=self._applying,
        )
        facts = {
            "configuration state": self._configured.state,
            "agent version": version("kerbwatch"),
            "configuration": run.configuration.sha256(),
            "key signing": signing_key_id,
            **run.parts.networks.facts,
            **last_update(version_record.FOLDER),
        }
        housekeeping.start(run.workers, after=self._cause, facts=facts)
        return housekeeping

    def _report(self, metrics: Metrics, housekeeping: Housekeeping) -> None:
        """Start the threads that report the device's health: heartbeats, status file, indicators."""
        run, parts = self._run, self._run.parts
        keep, stop = run.workers.keep, run.workers.stop
        losses, manifests = losses_of(run, self._signer), manifests_of(run, self._signer)
        health = heartbeats_of(run, metrics, housekeeping, self._connected_since)
        parts.analysis.on_view_change = health.soon
        timekeeper = ClockMonitor(parts.database, parts.outbox, run.clock, run.ids)
        keep("clock", lambda: timekeeper.run(stop))
        inventory = inventory_of(run)
        self._reconfiguration.reports += (
            *(metrics.go_on_with, housekeeping.go_on_with, manifests.go_on_with),
            *(inventory.go_on_with, lambda _: health.soon()),
        )
        keep("inventory", lambda: inventory.run(stop))
        evidence = EvidenceWorker(
            parts.database,
            run.evidence_dir,
            manifests,
            lambda: run.pace.factor,
            stop,
            self._snapshots,
        )
        keep("evidence", evidence.run)
        self._showing.start(run.workers, lambda: run.pace.factor)
        keep("losses", lambda: report_what_is_gone(losses, manifests, stop))
        keep("cooling", lambda: keep_cool(run))
        keep("health", lambda: health.run(stop))
        self._start_signals(metrics, health)
        self._listen_to_technicians(metrics, housekeeping, health)
        keep("status", lambda: keep_written(run.run_dir, metrics.status, stop))

    def _listen_to_technicians(
        self, metrics: Metrics, housekeeping: Housekeeping, health: HeartbeatSender
    ) -> None:
        """Answer what is asked at the device, and watch over configurations that are on trial."""
        applying, workers = self._applying, self._run.workers
        if applying is not None:
            metrics.applied, applying.on_change = (lambda: applying.last), health.soon
            workers.keep("trial", lambda: applying.run(workers.stop))
        running = Running(
            *(self._run, self._vision, metrics, applying, self._reconfiguration),
            showing=self._showing,
            uplink=self._uplink,
            followed=self._followed,
        )
        service = service_of(running, self._signer, self._signals)
        metrics.acceptance, metrics.step = service.acceptance.status, service.step
        workers.keep("acceptance", lambda: service.acceptance.run(workers.stop))
        verbs = (*local_verbs(running), *service.verbs)
        channel = ControlChannel(folder_of(self._run.run_dir), verbs, housekeeping.audit.append)
        channel.open()  # before the status is written: who reads that the agent runs can ask it
        workers.keep("control", lambda: channel.run(workers.stop))

    def _connected_since(self) -> datetime | None:
        return None if self._uplink is None else self._uplink.connected_since

    def _start_signals(self, metrics: Metrics, health: HeartbeatSender) -> None:
        """Start lights and switches; without the pins the agent runs on."""
        run, section = self._run, self._run.configuration.gpio
        analysis = run.parts.analysis
        analysis.signal = lambda _: False  # until there are pins to give it with
        if not list(section.pins()):
            return
        try:
            pins = Gpio(section)
        except GpioError as error:
            _log.error("%s", error)
            return
        timezone = ZoneInfo(run.configuration.site.timezone)
        self._signals = signals = Indicators(
            pins,
            section,
            situation=metrics.situation,
            temperature_c=lambda: processor_c(run.configuration.cooling.sensor),
            local=lambda: run.clock.now().astimezone(timezone),
            soon=health.soon,
            end=self._stop.set,
            fault=lambda: run.workers.broken,
            pressed=lambda: ask_for_page(run.run_dir),
        )
        metrics.switches = lambda: signals.inputs
        analysis.signal = signals.warn
        run.workers.keep("signals", lambda: signals.run(run.workers.stop))

    def _done(self) -> bool:
        """Whether every frame was analysed and, where there is a broker, every case delivered."""
        if not self._vision.analysed.is_set():
            return False
        if self._run.configuration.uplink.broker is None:
            return True
        with self._run.parts.reading() as connection:
            return not waiting(connection, Lane.CASE, limit=1, limit_bytes=1)


def _assembled(
    configuration: Configuration,
    base: Path,
    clock: SystemClock,
    *,
    check_database: bool,
    database_is_gone: bool,
) -> RunContext:
    """Build what everything else in the run is made of; see :func:`agent.runtime.composition.assemble`."""
    cooling = configuration.cooling
    pace = AnalysisRate(ThermalThrottle(cooling.from_c, cooling.full_c, cooling.min_share))
    state_dir = base / configuration.storage.state_dir
    run_dir = base / configuration.storage.run_dir
    ids = RandomIds()
    parts = assemble(
        configuration,
        state_dir=state_dir,
        evidence_dir=state_dir / EVIDENCE,
        ids=ids,
        clock=lambda frame: reading_of(frame, clock),
        boot_id=clock.boot_id,
        pace=lambda: pace.factor,
        check_database=check_database,
        database_is_gone=database_is_gone,
        in_memory=run_dir / "volatile",
    )
    workers = Threads(threading.Event(), Progress(clock.monotonic_s))
    return RunContext(configuration, base, state_dir, run_dir, clock, ids, parts, pace, workers)


def last_update(folder: Path) -> dict[str, str]:
    """The last step between versions that are installed beside each other, for the audit log."""
    step = version_record.last_step(version_record.read(folder))
    if step is None:
        return {}
    told = f"{step.what} {step.version} instead of {step.instead_of}"
    return {"update": f"{told}: {step.why}" if step.why else told}
