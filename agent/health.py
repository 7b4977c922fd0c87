"""What the device says of itself: one heartbeat at intervals.

Only one heartbeat waits at a time. While the last one has not been confirmed, no further one is
written: after a night offline the platform gets one old heartbeat and a fresh one, not hundreds.
The choice is made before a sequence number is given, so a heartbeat that was left out is no gap.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent.events import ClockReading, Draft, HeartbeatBody
from agent.outbox import Lane, waits

if TYPE_CHECKING:
    import sqlite3
    import threading
    from collections.abc import Callable, Mapping

    from agent.database import Database
    from agent.ids import Ids
    from agent.outbox import Outbox
    from drivers.clock import Clock

HEARTBEAT = "device.heartbeat"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Activity:
    """What the watching part has to tell: counters since the start, and what is so now."""

    cameras: Mapping[str, str]
    """Each camera's state in a word, by its ``camera_id``."""
    frames: int
    frames_dropped: int
    inferences: int
    open_cases: int


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
    ) -> None:
        self._database, self._outbox = database, outbox
        self._clock, self._ids = clock, ids
        self._activity = activity
        self._temperature_c, self._disk_free_bytes = temperature_c, disk_free_bytes
        self._agent_version, self._configuration_sha256 = agent_version, configuration_sha256
        self._started_s = clock.monotonic_s()

    def run(self, stop: threading.Event, every_s: float) -> None:
        """Beat until told to stop. A fault of the disk or a gauge costs a heartbeat, no more."""
        while not stop.is_set():
            try:
                self.beat()
            except OSError as error:
                _log.warning("no heartbeat: %s", error)
            stop.wait(every_s)

    def beat(self) -> int | None:
        """Write one heartbeat, unless the last one still waits.

        Returns:
            Its sequence number; None if the last one still waits.

        Raises:
            StorageError: The disk did not take it.
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
            if waits(connection, Lane.HEALTH, HEARTBEAT):
                return None
            return self._outbox.add(connection, draft, Lane.HEALTH)

        return self._database.write(add).result()

    def _body(self) -> HeartbeatBody:
        activity, outbox = self._activity(), self._outbox.figures()
        return HeartbeatBody(
            uptime_s=round(self._clock.monotonic_s() - self._started_s, 3),
            cameras=dict(activity.cameras),
            frames=activity.frames,
            frames_dropped=activity.frames_dropped,
            inferences=activity.inferences,
            open_cases=activity.open_cases,
            outbox_rows=outbox.rows,
            outbox_oldest_s=round(outbox.oldest_s(self._clock.now()), 3),
            temperature_c=self._temperature_c(),
            disk_free_bytes=self._disk_free_bytes(),
            memory_rss_bytes=resident_bytes(),
            agent_version=self._agent_version,
            configuration_sha256=self._configuration_sha256,
        )


def resident_bytes(statm: Path = Path("/proc/self/statm")) -> int:
    """How much memory this process holds, by ``proc(5)``."""
    pages = int(statm.read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
