"""Writes the heartbeats: the device's health, at intervals.

Only one heartbeat waits at a time. While the last one is unconfirmed, no further one is written: after
a night offline the platform gets one old heartbeat and a fresh one, not hundreds. This is decided
before a sequence number is assigned, so a heartbeat that is left out leaves no gap.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from pydantic import ValidationError

from agent.protocol.events import Draft
from agent.protocol.heartbeat import HeartbeatBody
from agent.storage.outbox_queries import Lane, waits

if TYPE_CHECKING:
    import sqlite3

    from agent.domain.ids import Ids
    from agent.storage.database import Database
    from agent.storage.outbox import Outbox
    from agent.telemetry.gauges import GaugeTable
    from drivers.clock import Clock

URGENT_APART_S = 5.0
"""Urgent heartbeats go this far apart at least."""
ROUND_S = 0.5
_log = logging.getLogger(__name__)


class HeartbeatSender:
    """Writes heartbeats into the outbox.

    Args:
        database: The outbox's database.
        outbox: Where the heartbeats go.
        clock: For their times.
        ids: Where their ids come from.
        gauges: Asked at each heartbeat, in the caller's thread.
    """

    def __init__(
        self, database: Database, outbox: Outbox, *, clock: Clock, ids: Ids, gauges: GaugeTable
    ) -> None:
        self._database, self._outbox = database, outbox
        self._clock, self._ids, self._gauges = clock, ids, gauges
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
        draft = Draft.of_device(self._body(), self._clock, self._ids)

        def add(connection: sqlite3.Connection) -> int | None:
            if not urgent and waits(connection, Lane.of(draft), draft.type):
                return None
            return self._outbox.add(connection, draft)

        return self._database.write(add).result()

    def _body(self) -> HeartbeatBody:
        # From the last field to the first: nothing that is told lasted longer than ``uptime_s``, the first.
        fields = reversed(HeartbeatBody.model_fields)
        return HeartbeatBody(**{name: self._gauges[name]() for name in fields})
