"""The device's process: capture, analysis and uplink threads, and main that watches them.

``python -m agent SITE`` is what the systemd unit runs. What is built here is joined here.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from agent import config, last_good, storage_news
from agent.assembly import Parts, assemble
from agent.capture import Capture, Mailbox
from agent.cooling import Cooling, Pace
from agent.database import StorageError
from agent.daylight import Daylight, Switch
from agent.events import (
    ConfigurationHealth,
    DiskHealth,
    PublicKey,
)
from agent.health import Health
from agent.ids import RandomIds
from agent.kept_uplink import KeptUplink
from agent.losses import Losses
from agent.observer import Observer
from agent.outbox import Lane, waiting
from agent.recovery import Recovery
from agent.signals import Signals
from agent.signing import open_signer
from agent.status import keep_written
from agent.timekeeping import Timekeeper, reading_of
from agent.upkeep import Keeping
from agent.uplink import Uplink
from agent.watch import Watch
from agent.watchdog import Progress, notify
from agent.workers import Workers
from drivers import cameras
from drivers.clock import SystemClock
from drivers.disk import free_bytes, life_used_percent, takes_writes, total_bytes, written_bytes
from drivers.gpio import Gpio, GpioError
from drivers.power import read_power
from drivers.temperature import processor_c

if TYPE_CHECKING:
    from agent.config import Configuration
    from drivers.cameras import Camera

ANALYSIS_LIMIT_S = 60.0
END_WITHIN_S = 8.0
"""For the goodbye to the broker, and again for all threads: systemd waits 20 s."""
MAY_HAVE_DAMAGED = frozenset({"fault", "power_cut"})
"""After these ends of the run before, the database is looked through first."""
AS_WRITTEN = ConfigurationHealth(state="as_written")
ROUND_S = 0.5
FEEL_EVERY_S = 5.0
LOSSES_EVERY_S = 5.0
HOT_ENOUGH = 0.05
"""Changes of the analysis rate smaller than this are not worth a line in the log."""

_log = logging.getLogger("kerbwatch")


def run(
    configuration: Configuration,
    *,
    base: Path,
    stop: threading.Event,
    until_done: bool = False,
    on_progress: Callable[[str, float], None] | None = None,
    configured: ConfigurationHealth = AS_WRITTEN,
    on_ready: Callable[[], object] = lambda: None,
) -> int:
    """Watch until told to stop.

    Args:
        configuration: The site.
        base: The folder that relative paths in the configuration start from.
        stop: Set it to end the run.
        until_done: End also when every camera has come to its end and what it found was
            delivered; for recordings.
        on_progress: Called with each analysed frame's camera and time.
        configured: Whether ``configuration`` is the one in place; for the heartbeat.
        on_ready: Called once everything has come up.

    Returns:
        0 after a planned end, 1 after a fault or for a restart that something has earned.

    Raises:
        ModelError: A model cannot be used.
        StorageError: The database cannot be used.
    """
    clock, ids = SystemClock(), RandomIds()
    progress = Progress(clock.monotonic_s)
    state_dir = base / configuration.storage.state_dir
    run_dir = base / configuration.storage.run_dir
    recovery = Recovery(
        (state_dir, run_dir),
        clock,
        first_s=configuration.recovery.restart_first_s,
        most_s=configuration.recovery.restart_most_s,
    )
    if (cause := recovery.begin()) not in {"first", "planned"}:
        _log.warning("this run begins after: %s", cause)
    hot = configuration.cooling
    pace = Pace(Cooling(hot.from_c, hot.full_c, hot.least))
    with ExitStack() as stack:
        parts = assemble(
            configuration,
            state_dir=state_dir,
            evidence_dir=state_dir / "evidence",
            ids=ids,
            clock=lambda frame: reading_of(frame, clock),
            boot_id=clock.boot_id,
            pace=lambda: pace.factor,
            check_database=cause in MAY_HAVE_DAMAGED,
            in_memory=run_dir / "volatile",
        )
        stack.callback(parts.close)
        storage_news.tell(parts, clock, ids)
        workers = Workers(threading.Event(), progress)
        mailbox = Mailbox(camera.camera_id for camera in configuration.cameras)
        captures = _start_captures(configuration, base, mailbox, workers, pace)
        analysed = threading.Event()
        signer = open_signer(state_dir / "keys", run_dir / "keys")
        losses = Losses(parts.database, parts.outbox, signer, clock, ids)
        keeping = Keeping(
            configuration, base=base, database=parts.database, state_dir=state_dir, clock=clock
        )
        keeping.start(
            workers, after=cause, facts=_facts(configuration, configured, parts, signer.public)
        )
        uplink = _start_uplink(
            configuration, base, parts, workers, clock, ids, signer.public, keeping
        )
        watch = Watch(
            configuration.recovery,
            workers,
            captures,
            uplink,
            recovery,
            clock,
            run_dir / "recovery",
            disk_is_back=lambda: parts.database.stood_in is not None and takes_writes(state_dir),
        )
        observer = Observer(configuration, parts, mailbox, captures, pace, uplink, clock, watch)
        observer.configuration = configured
        keeping.watch_days(
            workers, after=cause, activity=observer.activity, outbox=parts.outbox, ids=ids
        )
        watch_out = _abstain_for_lost(configuration, parts, observer, clock)
        workers.start(
            "analysis",
            lambda: _analyse(parts, mailbox, workers, analysed, on_progress, watch_out),
            ANALYSIS_LIMIT_S,
        )
        health = _health(configuration, parts, clock, ids, observer, keeping, state_dir)
        parts.analysis.on_view_change = health.soon
        timekeeper = Timekeeper(parts.database, parts.outbox, clock, ids)
        workers.keep("clock", lambda: timekeeper.run(workers.stop))
        workers.keep("losses", lambda: _report_losses(losses, workers))
        workers.keep("cooling", lambda: _keep_cool(pace, hot.sensor, workers, clock))
        workers.keep("health", lambda: health.run(workers.stop, configuration.uplink.heartbeat_s))
        _start_signals(configuration, workers, observer, health, clock, stop)
        workers.keep("status", lambda: keep_written(run_dir, observer.status, workers.stop))
        notify("READY=1")
        on_ready()
        ended = watch.run(stop, lambda: until_done and _done(configuration, parts, analysed))
        notify("STOPPING=1")
        workers.stop.set()
        if uplink is not None:
            uplink.end(END_WITHIN_S)
        workers.join(END_WITHIN_S)
        if workers.fault is None and not workers.running("analysis"):
            parts.analysis.rest()
    if ended not in {
        "camera_hang",
        "disk_back",
    }:  # those are noted already, with what they were for
        recovery.end(ended)
    return 0 if ended == "planned" else 1


def _health(
    configuration: Configuration,
    parts: Parts,
    clock: SystemClock,
    ids: RandomIds,
    observer: Observer,
    keeping: Keeping,
    state_dir: Path,
) -> Health:
    """Who writes the heartbeats, with all gauges of this machine."""
    return Health(
        parts.database,
        parts.outbox,
        clock=clock,
        ids=ids,
        activity=observer.activity,
        temperature_c=lambda: processor_c(configuration.cooling.sensor),
        disk_free_bytes=lambda: free_bytes(state_dir),
        agent_version=version("kerbwatch"),
        configuration_sha256=configuration.sha256(),
        power=read_power,
        disk=lambda: DiskHealth(
            total_bytes=total_bytes(state_dir),
            written_bytes=written_bytes(),
            life_used_percent=life_used_percent(state_dir),
        ),
        upkeep=keeping.upkeep,
        models=parts.models,
    )


def _facts(
    configuration: Configuration,
    configured: ConfigurationHealth,
    parts: Parts,
    signing_key: PublicKey,
) -> dict[str, str]:
    """What the audit log holds the next run against."""
    return {
        "configuration state": configured.state,
        "agent version": version("kerbwatch"),
        "configuration": configuration.sha256(),
        "key signing": signing_key.kid,
        **{f"model {used.name}": f"{used.version} {used.sha256}" for used in parts.models},
    }


def _start_captures(
    configuration: Configuration, base: Path, mailbox: Mailbox, workers: Workers, pace: Pace
) -> list[Capture]:
    captures = []
    for section in configuration.cameras:
        name = f"camera {section.camera_id}"
        workers.progress.mark(name)  # from now on it is expected to show that it lives
        capture = Capture(
            section.camera_id,
            _opener(section, base),
            mailbox,
            lambda: configuration.analysis.frames_per_s * pace.factor,
            mark=lambda name=name: workers.progress.mark(name),  # type: ignore[misc]
        )
        if section.profiles:
            capture.look_at = _switch(configuration, section, base, capture).look_at
        captures.append(capture)
        workers.start(name, lambda capture=capture: capture.run(workers.stop))  # type: ignore[misc]
    return captures


def _switch(
    configuration: Configuration, section: config.CameraSection, base: Path, capture: Capture
) -> Switch:
    names = (None, *(profile.name for profile in section.profiles))
    return Switch(
        Daylight([profile.profile for profile in section.profiles]),
        {name: section.driver_settings(base, name) for name in names},
        ZoneInfo(configuration.site.timezone),
        lambda: capture.activity,
    )


def _opener(section: config.CameraSection, base: Path) -> Callable[[], Camera]:
    settings = section.driver_settings(base)
    return lambda: cameras.load_driver(section.driver).open_camera(section.camera_id, settings)


def _analyse(
    parts: Parts,
    mailbox: Mailbox,
    workers: Workers,
    analysed: threading.Event,
    on_progress: Callable[[str, float], None] | None,
    watch_out: Callable[[], None],
) -> None:
    """Frame by frame to committed events, until there are no more frames."""
    while not workers.stop.is_set() and not mailbox.done:
        workers.progress.mark("analysis")
        watch_out()
        frame = mailbox.take(ROUND_S)
        if frame is None:
            continue
        for change in parts.analysis.take(frame):
            _log.info("%s %s in %s", change.type, change.case.kind, change.case.zone_id)
        if on_progress is not None:
            on_progress(frame.camera_id, frame.monotonic_s)
    analysed.set()


def _abstain_for_lost(
    configuration: Configuration, parts: Parts, observer: Observer, clock: SystemClock
) -> Callable[[], None]:
    """Let the zones of cameras abstain that give no frames; asked between frames."""

    def watch_out() -> None:
        for camera_id, silent_s in observer.lost_cameras(configuration.view_guard.lost_after_s):
            at = clock.now()
            for change in parts.analysis.abstain(
                camera_id, "camera_lost", silent_s=silent_s, at=at
            ):
                _log.info("%s %s in %s", change.type, change.case.kind, change.case.zone_id)

    return watch_out


def _start_uplink(
    configuration: Configuration,
    base: Path,
    parts: Parts,
    workers: Workers,
    clock: SystemClock,
    ids: RandomIds,
    signing_key: PublicKey,
    keeping: Keeping,
) -> KeptUplink | None:
    if configuration.uplink.broker is None:
        _log.warning("no broker is configured: events stay in the outbox")
        return None

    def make(alive: Callable[[], None]) -> Uplink:
        return Uplink(
            configuration.uplink.located(base),
            database=parts.database,
            outbox=parts.outbox,
            tenant=configuration.site.tenant,
            device_id=configuration.site.device_id,
            clock=clock,
            ids=ids,
            agent_version=version("kerbwatch"),
            configuration_sha256=configuration.sha256(),
            signing_key=signing_key,
            alive=alive,
            hold=keeping.hold,
        )

    workers.progress.mark("uplink")
    uplink = KeptUplink(make, lambda: workers.progress.mark("uplink"))
    uplink.start()
    return uplink


def _done(configuration: Configuration, parts: Parts, analysed: threading.Event) -> bool:
    """Whether every frame was analysed and, where there is a broker, every case delivered."""
    if not analysed.is_set():
        return False
    if configuration.uplink.broker is None:
        return True
    with parts.reading() as connection:
        return not waiting(connection, Lane.CASE, limit=1, limit_bytes=1)


def _start_signals(
    configuration: Configuration,
    workers: Workers,
    observer: Observer,
    health: Health,
    clock: SystemClock,
    stop: threading.Event,
) -> None:
    """Light and switches; pins that cannot be had keep nobody from watching."""
    section = configuration.gpio
    if not list(section.pins()):
        return
    try:
        pins = Gpio(section)
    except GpioError as error:
        _log.error("%s", error)
        return
    timezone = ZoneInfo(configuration.site.timezone)
    signals = Signals(
        pins,
        section,
        situation=observer.situation,
        temperature_c=lambda: processor_c(configuration.cooling.sensor),
        local=lambda: clock.now().astimezone(timezone),
        soon=health.soon,
        end=stop.set,
    )
    observer.inputs = lambda: signals.inputs
    workers.keep("signals", lambda: signals.run(workers.stop))


def _report_losses(losses: Losses, workers: Workers) -> None:
    """Tell soon what is lost; a disk that is full now may take the report later."""
    while not workers.stop.wait(LOSSES_EVERY_S):
        try:
            while losses.report() and not workers.stop.is_set():
                pass
        except StorageError as error:
            _log.warning("no loss report: %s", error)


def _keep_cool(pace: Pace, sensor: Path, workers: Workers, clock: SystemClock) -> None:
    """Look less often while it is hot, and say so."""
    told = pace.factor
    while not workers.stop.is_set():
        power = read_power()
        throttled = power is not None and power.throttled
        factor = pace.feel(processor_c(sensor), clock.monotonic_s(), throttled=throttled)
        if abs(factor - told) > HOT_ENOUGH or (factor == 1.0) != (told == 1.0):
            _log.warning("analysis rate × %.2f at %s °C", factor, pace.temperature_c)
            told = factor
        workers.stop.wait(FEEL_EVERY_S)


def main() -> int:
    """Read the site given on the command line and watch it."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    if len(sys.argv) != 2:
        print("usage: python -m agent SITE", file=sys.stderr)
        return 2
    site = Path(sys.argv[1])
    try:
        configuration, configured = last_good.load(site)
    except config.ConfigError as error:
        print(error, file=sys.stderr)
        return 3
    stop = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: stop.set())
    faulthandler.enable()  # what stood where, when the watchdog ends us with SIGABRT
    base = site if site.is_dir() else site.parent

    def came_up() -> None:
        if configured.state == "as_written":
            state_dir = base / configuration.storage.state_dir
            last_good.keep(site, configuration, state_dir, SystemClock())

    ended = run(configuration, base=base, stop=stop, configured=configured, on_ready=came_up)
    if threading.active_count() > 1:
        # A thread that is stuck in a library would keep the process from ending.
        logging.shutdown()
        os._exit(ended)
    return ended


if __name__ == "__main__":
    sys.exit(main())
