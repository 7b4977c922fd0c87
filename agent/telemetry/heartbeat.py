"""Writes the heartbeats: the device's health, whole at times, and in between what is news.

A full heartbeat comes with each connection and at intervals. Between two of them the gauges are looked at more
often, and an event goes out if something is news against what was told last, or if nothing was said for long: a
sign of life. It holds everything that is news against the full one, not against the last event: whichever gets
lost, the newest is enough.

While there is no connection one event at most waits: after a night offline the platform gets one old one and a
fresh full one, not hundreds. This is decided before a sequence number is assigned, so what is left out leaves no
gap. How soon receipts come does not matter: a slow platform must not look like a dead device.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from agent.protocol.events import DEVICE_EVENTS, Draft
from agent.protocol.heartbeat import ChangesBody, HeartbeatBody
from agent.protocol.news import is_news
from agent.storage.outbox_queries import Lane, waits

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from agent.domain.ids import Ids
    from agent.storage.database import Database
    from agent.storage.outbox import Outbox
    from agent.telemetry.gauges import GaugeTable
    from drivers.clock import Clock

URGENT_APART_S = 5.0
"""Urgent heartbeats go this far apart at least."""
ROUND_S = 0.5
_TYPES = tuple(DEVICE_EVENTS[body][0] for body in (HeartbeatBody, ChangesBody))
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """How often the device's health is told, in seconds.

    Attributes:
        look_s: The gauges are looked at.
        full_s: Everything is told, at most; 0: each time.
        silence_s: Something is told, at least: where nothing is news, that the device lives.
    """

    look_s: float
    full_s: float
    silence_s: float


@dataclass(frozen=True, slots=True)
class _Told:
    """What the platform knows, once all has come that was sent."""

    event_id: str
    """Of the full heartbeat."""
    session: object
    """The connection at that time."""
    full: HeartbeatBody
    full_at_s: float
    last: HeartbeatBody
    last_at_s: float

    def news_in(self, now: HeartbeatBody) -> dict[str, Any]:
        """The fields that are news against the full heartbeat."""
        fields = HeartbeatBody.model_fields.items()
        return {
            name: getattr(now, name)
            for name, field in fields
            if is_news(getattr(self.full, name), getattr(now, name), field.metadata)
        }


class HeartbeatSender:
    """Writes heartbeats into the outbox. :meth:`beat` and :meth:`run` are for one thread.

    Args:
        database: The outbox's database.
        outbox: Where the heartbeats go.
        clock: For their times.
        ids: Where their ids come from.
        gauges: Asked at each heartbeat, in the caller's thread.
        session: Names the connection to the broker; None while there is none.
        intervals: How often.
    """

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        *,
        clock: Clock,
        ids: Ids,
        gauges: GaugeTable,
        session: Callable[[], object],
        intervals: Intervals,
    ) -> None:
        self._database, self._outbox = database, outbox
        self._clock, self._ids, self._gauges = clock, ids, gauges
        self._session, self._intervals = session, intervals
        self._urgent = threading.Event()
        self._told: _Told | None = None

    def run(self, stop: threading.Event) -> None:
        """Write heartbeats until stopped. A fault of the disk or a gauge costs one heartbeat, no more."""
        look_s = self._intervals.look_s
        while not stop.is_set():
            urgent = self._urgent.is_set()
            self._urgent.clear()
            try:
                self.beat(urgent=urgent)
            except (OSError, ValidationError) as error:
                _log.warning("no heartbeat: %s", error)
            # A switch that trembles must not fill the outbox.
            stop.wait(min(look_s, URGENT_APART_S))
            until_s = time.monotonic() + max(0.0, look_s - URGENT_APART_S)
            while not stop.is_set() and time.monotonic() < until_s and not self._is_due_now():
                self._urgent.wait(min(ROUND_S, max(0.0, until_s - time.monotonic())))

    def soon(self) -> None:
        """Write a heartbeat at once, even if one still waits; from any thread."""
        self._urgent.set()

    def beat(self, *, urgent: bool = False) -> int | None:
        """Write what is to be told now.

        Args:
            urgent: Write it even if there is no connection and one waits already.

        Returns:
            Its sequence number; None if nothing was to be told, or one waits for a connection.

        Raises:
            StorageError: It could not be written.
        """
        session, now, at_s = self._session(), self._body(), self._clock.monotonic_s()
        told = self._told
        if told is None or self._is_full_due(told, session, at_s):
            draft, full = Draft.of_device(now, self._clock, self._ids), now
            told = _Told(draft.event_id, session, full, at_s, now, at_s)
        else:
            news = told.news_in(now)
            would_know = told.full.model_copy(update=news)
            is_silent = at_s - told.last_at_s < self._intervals.silence_s
            if is_silent and not is_news(told.last, would_know):
                return None
            draft = Draft.of_device(
                ChangesBody(of=told.event_id, changed=news), self._clock, self._ids
            )
            told = _Told(told.event_id, told.session, told.full, told.full_at_s, would_know, at_s)
        return self._write(draft, told, even_if_one_waits=urgent or session is not None)

    def _write(self, draft: Draft, told: _Told, *, even_if_one_waits: bool) -> int | None:
        def add(connection: sqlite3.Connection) -> int | None:
            lane = Lane.of(draft)
            if not even_if_one_waits and any(waits(connection, lane, each) for each in _TYPES):
                return None
            return self._outbox.add(connection, draft)

        sequence = self._database.write(add).result()
        if sequence is not None:
            self._told = told
        return sequence

    def _is_full_due(self, told: _Told, session: object, at_s: float) -> bool:
        began = session is not None and session != told.session
        return began or at_s - told.full_at_s >= self._intervals.full_s

    def _is_due_now(self) -> bool:
        """Whether somebody waits for a heartbeat: a switch has changed, or a connection has begun."""
        session = self._session()
        began = self._told is not None and session is not None and session != self._told.session
        return began or self._urgent.is_set()

    def _body(self) -> HeartbeatBody:
        # From the last field to the first: nothing that is told lasted longer than ``uptime_s``, the first.
        fields = reversed(HeartbeatBody.model_fields)
        return HeartbeatBody(**{name: self._gauges[name]() for name in fields})
