"""One simulated device: the agent's own outbox, uplink and heartbeats, at a corner that is drawn."""

from __future__ import annotations

import threading
from contextlib import closing, suppress
from dataclasses import astuple, dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from agent.delivery.uplink import Uplink
from agent.domain.ids import RandomIds
from agent.storage.case_table import load_open_cases, save_case
from agent.storage.database import Database
from agent.storage.database_file import read_only
from agent.storage.errors import StorageError
from agent.storage.outbox import Outbox
from agent.storage.paths import DATABASE
from agent.telemetry.heartbeat import HeartbeatSender, Intervals
from drivers.clock import SystemClock
from provisioning.simulation.corner import CONFIGURATION_SHA256, TIMEZONE, Corner

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from concurrent.futures import Future
    from pathlib import Path

    from agent.telemetry.gauges import GaugeTable
    from provisioning.simulation.corner import Happened
    from provisioning.simulation.plan import Plan

_ROUND_S = 5.0
"""A device looks twice a second; where hundreds share a processor, that alone would fill it."""


def device_id_of(number: int) -> str:
    """What a device is called."""
    return f"sim-{number:05d}"


@dataclass(frozen=True, slots=True)
class Kept:
    """What outboxes hold, counted by SQL.

    Attributes:
        events: All that were ever given a number; a simulation deletes none.
        arrived: Those of them that were confirmed.
        refused: Those of the arrived that the platform will not store.
        waiting: Those that were not confirmed.
        set_aside: Those that the broker refuses.
        lost: Numbers that are lost.
    """

    events: int = 0
    arrived: int = 0
    refused: int = 0
    waiting: int = 0
    set_aside: int = 0
    lost: int = 0

    def __add__(self, other: Kept) -> Kept:
        return Kept(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


class SimulatedDevice:
    """A device of its own epoch and identity. Drawing is for one thread; the uplink has its own.

    Args:
        plan: What is simulated.
        number: Which of the devices.
        prepare: Called in the uplink's thread before it starts.

    Raises:
        StorageError: Its outbox cannot be made.
    """

    def __init__(self, plan: Plan, number: int, prepare: Callable[[], None]) -> None:
        self.device_id = device_id_of(number)
        self._prepare = prepare
        clock, ids = SystemClock(), RandomIds()
        self._clock = clock
        self.path = plan.folder / self.device_id / DATABASE
        self._database = Database(self.path)
        self._outbox = Outbox(
            self._database,
            tenant=plan.tenant,
            device_id=self.device_id,
            purpose="simulation",
            timezone=ZoneInfo(TIMEZONE),
            keep_arrived=plan.uplink.keep_arrived,
            boot_id=clock.boot_id,
        )
        self.uplink = Uplink(
            plan.uplink,
            database=self._database,
            outbox=self._outbox,
            tenant=plan.tenant,
            device_id=self.device_id,
            clock=clock,
            ids=ids,
            agent_version=version("kerbwatch"),
            configuration_sha256=CONFIGURATION_SHA256,
            round_s=_ROUND_S,
        )
        self.corner = Corner(self.device_id, f"{plan.seed} {self.device_id}", clock, ids)
        with closing(self._database.read()) as reader:
            self.corner.go_on_with(load_open_cases(reader))
        self._heartbeats = HeartbeatSender(
            self._database,
            self._outbox,
            clock=clock,
            ids=ids,
            gauges=self._gauges(),
            session=lambda: self.uplink.connected_since,
            intervals=Intervals(
                look_s=plan.uplink.heartbeat_s,
                full_s=plan.uplink.heartbeat_full_s,
                silence_s=plan.uplink.heartbeat_silence_s,
            ),
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._deliver, name=self.device_id, daemon=True)

    def _gauges(self) -> GaugeTable:
        return self.corner.gauges(
            outbox_rows=lambda: self.waiting,
            outbox_oldest_s=lambda: self._outbox.figures().oldest_s(self._clock),
            uplink=lambda: self.uplink.figures.health,
        )

    @property
    def waiting(self) -> int:
        """How many events wait in the outbox."""
        return self._outbox.figures().rows

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def _deliver(self) -> None:
        self._prepare()
        self.uplink.run(self._stop)

    def tell(self, happened: Happened) -> Future[int]:
        """Put an event into the outbox, with its case's row in one transaction; the future gives its number."""

        def add(connection: sqlite3.Connection) -> int:
            if happened.case is not None:
                save_case(connection, happened.case)
            return self._outbox.add(connection, happened.draft)

        return self._database.write(add)

    def beat(self) -> bool:
        """Tell how the device is, where something is news; whether it was told.

        Raises:
            StorageError: It could not be written.
        """
        return self._heartbeats.beat() is not None

    def stop(self) -> None:
        """Let the uplink end; :meth:`close` waits for it."""
        self._stop.set()

    def close(self) -> None:
        """Wait for the uplink, and close the outbox so that another run goes on in the same epoch."""
        if self._thread.ident is not None:
            self._thread.join()
        else:
            self.uplink.run(self._stop)  # it lets go of what it holds
        with suppress(StorageError):  # another run begins a new epoch then
            self._outbox.end().result()
        self._database.close()


def kept_in(path: Path) -> Kept:
    """What a device's outbox holds; from any process.

    Raises:
        sqlite3.Error: It cannot be read.
    """
    with closing(read_only(path)) as connection:
        [[waiting, arrived, refused]] = connection.execute(
            "SELECT coalesce(sum(arrived = 0), 0), coalesce(sum(arrived = 1), 0), count(refused) FROM outbox"
        )
        [[earlier, aside]] = connection.execute(
            "SELECT coalesce(sum(standing = 'arrived'), 0), coalesce(sum(standing != 'arrived'), 0) FROM kept"
        )
        [[lost]] = connection.execute("SELECT coalesce(sum(last - first + 1), 0) FROM losses")
    arrived += earlier
    return Kept(waiting + arrived + aside, arrived, refused, waiting, aside, lost)
