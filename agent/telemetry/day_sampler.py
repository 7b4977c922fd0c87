"""Samples, through the day, how long each zone was watched and how the device was doing."""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from agent.storage import day_counters, lived_time_counter
from agent.storage.day_counters import DEVICE, Place
from agent.storage.errors import StorageError
from agent.storage.state_table import load_state, save_state
from drivers.clock import wall_zero_s, was_set

if TYPE_CHECKING:
    import sqlite3
    import threading
    from collections.abc import Callable, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from agent.protocol.heartbeat import ViewHealth
    from agent.storage.database import Database
    from drivers.clock import Clock
    from drivers.power import Power

SAMPLE_S = 15.0
WRITE_EVERY_S = 300.0
"""So much of a day's counters is lost at most when the power goes."""
STEP_S = 60.0
"""A clock that is set by less passes midnight as one that is not set at all."""

_CLOCK = "days.clock"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Gauges:
    """The gauges read at each sample; None where nothing measures it."""

    cameras: Callable[[], Mapping[str, str]]
    """Each camera's state in a word."""
    views: Callable[[], Mapping[str, ViewHealth]]
    """What each camera's picture is good for."""
    temperature_c: Callable[[], float | None]
    power: Callable[[], Power | None]
    waiting: Callable[[], tuple[int, float]]
    """How many events wait, and for how many seconds the oldest has."""
    written_bytes: Callable[[], int | None]
    """What this process has written since it started."""


class _Reading(BaseModel):
    """The clock at the last write of a run, for the run that follows.

    ``offset_s``: see :func:`drivers.clock.wall_zero_s`.
    """

    model_config = ConfigDict(frozen=True)

    day: str
    boot_id: str
    offset_s: float
    wall_s: float
    synchronised: bool

    def was_set_until(self, then: _Reading) -> bool:
        """Whether the clock was set between two readings, by the monotonic clock or a time source."""
        if self.boot_id == then.boot_id:
            return was_set(self.offset_s, then.offset_s, STEP_S)
        vouched_for = self.synchronised and then.synchronised
        return vouched_for and then.wall_s < self.wall_s - STEP_S


class DaySampler:
    """The day counters of one run. For one thread.

    Args:
        database: Where the day counters are.
        clock: For the current day, and elapsed time.
        timezone: The site's.
        zones: Each camera's zones.
        gauges: What is sampled.
        began_after: Why this run began; counted once.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        timezone: ZoneInfo,
        zones: Mapping[str, Sequence[str]],
        gauges: Gauges,
        began_after: str,
    ) -> None:
        self._database, self._clock, self._timezone = database, clock, timezone
        self.zones, self._gauges = zones, gauges
        self._sums: defaultdict[Place, float] = defaultdict(float)
        self._add(f"began.{began_after}", 1)
        self._peaks: dict[Place, float] = {}
        self._day, self._placed = self._today(), clock.synchronised
        self._offset_s = wall_zero_s(self._clock)
        self._last_s = self._written_s = clock.monotonic_s()
        self._written_bytes = 0

    def run(self, stop: threading.Event, when_written: Callable[[], object]) -> None:
        """Sample until stopped.

        Args:
            stop: Set it to end; the counters are then written.
            when_written: Called whenever counters have been written: a day may be over that has not
                been reported.
        """
        while True:
            ended = stop.wait(SAMPLE_S)
            self.sample()
            if ended or self.is_due:
                try:
                    self.write()
                    when_written()
                except StorageError as error:
                    _log.warning("the day's counters are not stored: %s", error)
            if ended:
                return

    @property
    def is_due(self) -> bool:
        """Whether it is time to write: some minutes have passed, or another day has begun."""
        waited_s = self._clock.monotonic_s() - self._written_s
        return waited_s >= WRITE_EVERY_S or (self._placed and self._today() != self._day)

    def sample(self) -> None:
        """Count the time since the last sample by the present state."""
        self._place()
        if self._today() == self._day:  # set within the day, it passes midnight as any other
            self._offset_s = wall_zero_s(self._clock)
        now_s = self._clock.monotonic_s()
        # What lies further back was not looked at, and is not claimed.
        passed_s = min(now_s - self._last_s, 2 * SAMPLE_S)
        self._last_s = now_s
        cameras, views = self._gauges.cameras(), self._gauges.views()
        for camera_id, zone_ids in self.zones.items():
            view = views.get(camera_id)
            abstaining = {} if view is None else view.abstaining
            running = cameras.get(camera_id) == "running"
            for zone_id in zone_ids:
                name = "abstained_s" if zone_id in abstaining else "sensing_s"
                self._add(
                    name if running or zone_id in abstaining else "blind_s", passed_s, zone_id
                )
        self._add("uptime_s", passed_s)
        self._add("unsynchronised_s", 0.0 if self._clock.synchronised else passed_s)
        self._sample_machine(passed_s)

    def _sample_machine(self, passed_s: float) -> None:
        temperature_c, power = self._gauges.temperature_c(), self._gauges.power()
        if temperature_c is not None:
            self._peak("temperature_c_max", temperature_c)
        if power is not None:
            self._add("throttled_s", passed_s if power.throttled else 0.0)
            self._add("under_voltage_s", passed_s if power.under_voltage else 0.0)
        rows, oldest_s = self._gauges.waiting()
        self._peak("waiting_rows_max", rows)
        self._peak("waiting_s_max", oldest_s)
        written_bytes = self._gauges.written_bytes()
        if written_bytes is not None:
            self._add("written_bytes", written_bytes - self._written_bytes)
            self._written_bytes = written_bytes

    def write(self) -> None:
        """Write the counters; a failed write is repeated with the next one.

        Raises:
            StorageError: It could not be written.
        """
        if not self._placed:  # nobody has set the clock yet: by what it says, and that is told
            self._day, self._offset_s = self._today(), wall_zero_s(self._clock)
        values, day = {**self._sums, **self._peaks}, self._day
        today, offset_s = self._today(), wall_zero_s(self._clock)
        set_since = was_set(self._offset_s, offset_s, STEP_S)
        began, now = self._reading(day), self._reading(today)

        def work(connection: sqlite3.Connection) -> None:
            _compare(connection, began)
            day_counters.count(connection, day, values)
            day_counters.written_on(
                connection, day, lived_time_counter.count_on(connection, self._clock).lived_s
            )
            if today != day:
                _turn(connection, day, today, was_set=set_since)
            save_state(connection, _CLOCK, now.model_dump_json())
            day_counters.forget_old(connection)

        self._database.write(work).result()
        self._sums.clear()
        self._peaks.clear()
        self._day, self._offset_s, self._placed = today, offset_s, True
        self._written_s = self._clock.monotonic_s()

    def _place(self) -> None:
        """Assign what was counted since the start to the present day, once a time source has set the clock.

        A device without a battery clock starts on any day. What was already written stays on that day.
        """
        if not self._placed and self._clock.synchronised:
            self._day, self._offset_s, self._placed = self._today(), wall_zero_s(self._clock), True
            self._sums.pop((DEVICE, DEVICE, "unsynchronised_s"), None)

    def _reading(self, day: str) -> _Reading:
        return _Reading(
            day=day,
            boot_id=self._clock.boot_id,
            offset_s=wall_zero_s(self._clock),
            wall_s=self._clock.now().timestamp(),
            synchronised=self._clock.synchronised,
        )

    def _add(self, name: str, value: float, zone_id: str = DEVICE) -> None:
        self._sums[zone_id, DEVICE, name] += value

    def _peak(self, name: str, value: float) -> None:
        place = (DEVICE, DEVICE, name)
        self._peaks[place] = max(value, self._peaks.get(place, value))

    def _today(self) -> str:
        return day_counters.day_of(self._clock.now(), self._timezone)


def _compare(connection: sqlite3.Connection, began: _Reading) -> None:
    """Note whether the clock was set to another day between two runs; within a transaction."""
    text = load_state(connection, _CLOCK)
    before = None if text is None else _Reading.model_validate_json(text)
    if before is not None and before.day != began.day and before.was_set_until(began):
        _turn(connection, before.day, began.day, was_set=True)


def _turn(connection: sqlite3.Connection, day: str, today: str, *, was_set: bool) -> None:
    """Note how one day followed another; within a transaction."""
    if was_set:
        for each in (day, today):
            day_counters.note(
                connection, day_counters.page_of(connection, each), day_counters.MOVED
            )
    elif today > day:
        day_counters.note(connection, day_counters.page_of(connection, day), day_counters.ENDED)
