"""Writes the heartbeats: the device's health, at intervals.

Only one heartbeat waits at a time. While the last one is unconfirmed, no further one is written: after
a night offline the platform gets one old heartbeat and a fresh one, not hundreds. This is decided
before a sequence number is assigned, so a heartbeat that is left out leaves no gap.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from agent.domain.finite import finite
from agent.protocol.base import ClockReading, ModelUsed
from agent.protocol.events import Draft
from agent.protocol.heartbeat import (
    CameraHealth,
    ConfigurationHealth,
    DiskHealth,
    HeartbeatBody,
    Looking,
    PowerHealth,
    RecoveryHealth,
    StorageHealth,
    Upkeep,
    UplinkHealth,
    ViewHealth,
    Waiting,
)
from agent.storage.outbox_queries import Lane, waits

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping, Sequence

    from agent.domain.ids import Ids
    from agent.storage.database import Database
    from agent.storage.outbox import Outbox
    from drivers.clock import Clock
    from drivers.power import Power

URGENT_APART_S = 5.0
"""Urgent heartbeats go this far apart at least."""
ROUND_S = 0.5
HEARTBEAT = "device.heartbeat"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Activity:
    """Figures of analysis and delivery: counters since the start, and present values."""

    cameras: Mapping[str, str]
    """Each camera's state in a word, by its ``camera_id``."""
    frames: int
    frames_dropped: int
    inferences: int
    open_cases: int
    frames_gated: int = 0
    """Analysed frames in which no network ran."""
    rate_factor: float = 1.0
    """What heat leaves of the analysis rate."""
    camera_health: Mapping[str, CameraHealth] = field(default_factory=dict)
    spent_today: Mapping[str, int] = field(default_factory=dict)
    inputs: Mapping[str, bool] = field(default_factory=dict)
    """Switches at the housing."""
    views: Mapping[str, ViewHealth] = field(default_factory=dict)
    recovery: RecoveryHealth | None = None
    configuration: ConfigurationHealth | None = None
    storage: StorageHealth | None = None
    uptime_s: float | None = None
    """For how long it runs; None: as long as heartbeats are written."""
    uplink: UplinkHealth | None = None


class Health:
    """Writes heartbeats into the outbox.

    Args:
        database: The outbox's database.
        outbox: Where the heartbeats go.
        clock: For their times; the uptime counts from here on.
        ids: Where their ids come from.
        activity: Asked at each heartbeat, in the caller's thread.
        temperature_c: Asked likewise; None where nothing measures it.
        disk_free_bytes: Asked likewise.
        agent_version: As on the wire.
        configuration_sha256: As on the wire.
        power: Asked likewise; None where there is no such firmware.
        disk: Asked likewise.
        upkeep: Asked likewise.
        models: The models that judge.
    """

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        *,
        clock: Clock,
        ids: Ids,
        activity: Callable[[], Activity],
        temperature_c: Callable[[], float | None],
        disk_free_bytes: Callable[[], int],
        agent_version: str,
        configuration_sha256: str,
        power: Callable[[], Power | None] = lambda: None,
        disk: Callable[[], DiskHealth | None] = lambda: None,
        upkeep: Callable[[], Upkeep | None] = lambda: None,
        models: Sequence[ModelUsed] = (),
    ) -> None:
        self._database, self._outbox = database, outbox
        self._clock, self._ids = clock, ids
        self._activity = activity
        self._temperature_c, self._disk_free_bytes = temperature_c, disk_free_bytes
        self._agent_version, self._configuration_sha256 = agent_version, configuration_sha256
        self._power, self._disk, self._upkeep = power, disk, upkeep
        self._models = tuple(models)
        self._started_s = self._last_s = clock.monotonic_s()
        self._last: Activity | None = None
        self._urgent = threading.Event()

    def run(self, stop: threading.Event, every_s: float) -> None:
        """Write heartbeats until stopped. A fault of the disk or a gauge costs one heartbeat, no more."""
        while not stop.is_set():
            urgent = self._urgent.is_set()
            self._urgent.clear()
            try:
                self.beat(urgent=urgent)
            except (OSError, ValidationError) as error:
                _log.warning("no heartbeat: %s", error)
            # A switch that trembles must not fill the outbox.
            stop.wait(min(every_s, URGENT_APART_S))
            until_s = time.monotonic() + max(0.0, every_s - URGENT_APART_S)
            while not stop.is_set() and time.monotonic() < until_s and not self._urgent.is_set():
                self._urgent.wait(min(ROUND_S, max(0.0, until_s - time.monotonic())))

    def soon(self) -> None:
        """Write a heartbeat at once, even if one still waits; from any thread."""
        self._urgent.set()

    def beat(self, *, urgent: bool = False) -> int | None:
        """Write one heartbeat, unless the last one still waits.

        Args:
            urgent: Write it even if the last one still waits.

        Returns:
            Its sequence number; None if the last one still waits.

        Raises:
            StorageError: It could not be written.
        """
        at = self._clock.now()
        draft = Draft(
            event_id=self._ids.new(at),
            type=HEARTBEAT,
            occurred_at=at,
            clock=ClockReading.of(self._clock),
            body=self._body(),
        )

        def add(connection: sqlite3.Connection) -> int | None:
            if not urgent and waits(connection, Lane.HEALTH, HEARTBEAT):
                return None
            return self._outbox.add(connection, draft, Lane.HEALTH)

        return self._database.write(add).result()

    def _body(self) -> HeartbeatBody:
        activity, outbox = self._activity(), self._outbox.figures()
        power, uptime_s = self._power(), activity.uptime_s
        if uptime_s is None:
            uptime_s = round(self._clock.monotonic_s() - self._started_s, 3)
        return HeartbeatBody(
            uptime_s=uptime_s,
            cameras=dict(activity.cameras),
            frames=activity.frames,
            frames_dropped=activity.frames_dropped,
            inferences=activity.inferences,
            open_cases=activity.open_cases,
            outbox_rows=outbox.rows,
            outbox_oldest_s=round(outbox.oldest_s(self._clock), 3),
            temperature_c=finite(self._temperature_c()),
            disk_free_bytes=self._disk_free_bytes(),
            memory_rss_bytes=resident_bytes(),
            agent_version=self._agent_version,
            configuration_sha256=self._configuration_sha256,
            camera_health=dict(activity.camera_health),
            looking=self._looking(activity),
            power=None if power is None else PowerHealth(**dataclasses.asdict(power)),
            disk=self._disk(),
            waiting={
                lane.name.lower(): Waiting(
                    rows=figures.rows, oldest_s=round(figures.oldest_s(self._clock), 3)
                )
                for lane, figures in self._outbox.lanes().items()
            },
            models=self._models,
            spent_today=dict(activity.spent_today),
            inputs=dict(activity.inputs),
            views=dict(activity.views),
            recovery=activity.recovery,
            upkeep=self._upkeep(),
            configuration=activity.configuration,
            storage=activity.storage,
            uplink=activity.uplink,
        )

    def _looking(self, activity: Activity) -> Looking:
        """The rates since the last heartbeat; counters that were reset count from zero."""
        now_s = self._clock.monotonic_s()
        since_s, last = max(1e-3, now_s - self._last_s), self._last
        self._last, self._last_s = activity, now_s
        frames = activity.frames - (last.frames if last else 0)
        runs = activity.inferences - (last.inferences if last else 0)
        gated = activity.frames_gated - (last.frames_gated if last else 0)
        return Looking(
            frames_per_s=round(frames / since_s, 3),
            network_runs_per_s=round(runs / since_s, 3),
            gated_share=round(gated / frames, 3) if frames > 0 else None,
            rate_factor=round(activity.rate_factor, 3),
        )


def resident_bytes(statm: Path = Path("/proc/self/statm")) -> int:
    """Resident memory of this process in bytes, by ``proc(5)``."""
    pages = int(statm.read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
