"""A process that holds some of the devices, draws what happens to them, and says how far they are."""

from __future__ import annotations

import heapq
import itertools
import logging
import random
import resource
import signal
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from agent.storage.errors import StorageError
from provisioning.simulation.device import Kept, SimulatedDevice, kept_in
from provisioning.simulation.link import RegionalLink
from provisioning.simulation.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from multiprocessing.connection import Connection

    from provisioning.simulation.plan import Plan

REPORT_EVERY_S = 2.0
_LINK_S = 0.25
"""So exactly a link is cut and mended."""
_DAY_S = 86_400.0
_MOST_WRITES = 500
"""So many writes wait for the disk at most; then drawing waits for it."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process takes now; memory as its proportional share, in bytes."""

    memory_bytes: int = 0
    threads: int = 0
    files: int = 0
    cpu_s: float = 0.0

    @classmethod
    def now(cls) -> Cost:
        """Read proc(5)."""
        lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
        share_kb = next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return cls(
            share_kb * 1024,
            len(list(Path("/proc/self/task").iterdir())),
            len(list(Path("/proc/self/fd").iterdir())),
            time.process_time(),
        )


@dataclass(frozen=True, slots=True)
class Report:
    """How far a process is.

    Attributes:
        state: ``making`` its devices, ``ready`` to begin, ``drawing``, ``settling`` or ``ended``.
        made: Its devices that are there.
        connected: Those that have a connection.
        drawn: Events that were drawn and written; births come besides, from the uplink itself.
        failed: Those that could not be written.
        confirmed: Events that were confirmed, births included.
        late_s: By how much the drawing was late at most: this machine is too slow for the rate.
        error: The newest that a device says is wrong.
        before: What the process took before it had a device.
        cost: What it takes now.
        disk_bytes: What its devices' folders take; once it has ended.
        kept: What its outboxes hold; once it has ended.
    """

    state: Literal["making", "ready", "drawing", "settling", "ended"]
    made: int = 0
    connected: int = 0
    drawn: int = 0
    failed: int = 0
    confirmed: int = 0
    late_s: float = 0.0
    error: str | None = None
    before: Cost = field(default_factory=Cost)
    cost: Cost = field(default_factory=Cost)
    disk_bytes: int = 0
    kept: Kept = field(default_factory=Kept)


class _Due(NamedTuple):
    at_s: float
    order: int
    what: Literal["event", "beat", "summary"]
    device: int


def main(plan: Plan, process: int, pipe: Connection) -> None:
    """Hold the devices of one process until told to stop, or until all is over.

    Args:
        plan: What is simulated.
        process: Which of the processes this is.
        pipe: Reports go out; what comes first is when it begins (the monotonic clock), then at most the word to stop.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it says when
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    logging.basicConfig(
        filename=plan.folder / f"process-{process}.log",
        level=logging.WARNING,
        format="%(asctime)s %(threadName)s %(message)s",
    )
    Worker(plan, process, pipe).run()


class Worker:
    """The devices of one process; see :func:`main`."""

    def __init__(self, plan: Plan, process: int, pipe: Connection) -> None:
        self._plan, self._process, self._pipe = plan, process, pipe
        self._link = RegionalLink()
        self._numbers = list(plan.share_of(process))
        self._devices: list[SimulatedDevice] = []
        self._lives: list[Timeline] = []
        self._due: list[_Due] = []
        self._order = itertools.count()
        self._writing: deque[Future[int]] = deque()
        self._drawn = self._failed = 0
        self._late_s = 0.0
        self._before = Cost.now()
        self._reported_s = 0.0
        self._is_stopped = False

    def run(self) -> None:
        """Until all is over."""
        with self._link.laid():
            try:
                self._make()
                self._report("ready")
                began_s = self._wait_for_the_word()
                if began_s is not None:
                    self._draw(began_s)
                    self._settle()
            finally:
                disk_bytes = sum(_size_bytes(device.path.parent) for device in self._devices)
                self._end()
        self._report("ended", disk_bytes)

    def _make(self) -> None:
        for number in self._numbers:
            behind = self._plan.lies_in_region(number)
            prepare = self._link.lie_behind if behind else lambda: None
            device = SimulatedDevice(self._plan, number, prepare)
            self._devices.append(device)
            self._lives.append(Timeline(self._plan.outage if behind else None))
            device.start()
            self._report_now_and_then("making")
            self._listen(0.0)
            if self._is_stopped:
                return

    def _wait_for_the_word(self) -> float | None:
        """When it begins; None: it does not."""
        while not self._is_stopped:
            if self._pipe.poll(REPORT_EVERY_S):
                return self._take_word()
            self._report("ready")
        return None

    def _draw(self, began_s: float) -> None:
        """Let happen what is due, as it becomes due."""
        self._plan_ahead()
        while not self._is_stopped:
            now_s = time.monotonic() - began_s
            self._see_to_the_link(now_s)
            if now_s >= self._plan.for_s:
                return
            if self._due and self._due[0].at_s <= now_s:
                due = heapq.heappop(self._due)
                self._late_s = max(self._late_s, now_s - due.at_s)
                self._happen(due)
                ahead_s = 0.0
            else:
                ahead_s = self._due[0].at_s - now_s if self._due else _LINK_S
            if self._report_now_and_then("drawing") or ahead_s:
                self._listen(min(ahead_s, _LINK_S))

    def _see_to_the_link(self, now_s: float) -> None:
        outage = self._plan.outage
        if outage is None:
            return
        is_gone = outage.at_s <= now_s < outage.at_s + outage.for_s
        if is_gone != self._link.is_cut:
            (self._link.cut if is_gone else self._link.mend)()

    def _plan_ahead(self) -> None:
        plan = self._plan
        spread = random.Random(f"{plan.seed} process {self._process}")  # noqa: S311  a simulation
        for index, device in enumerate(self._devices):
            self._at(spread.uniform(0, plan.uplink.heartbeat_s), "beat", index)
            self._at(self._lives[index].at_s(device.corner.begin_of_day_s()), "summary", index)
            if plan.rate_per_h:
                self._at(self._next_event_s(index, 0.0), "event", index)

    def _at(self, at_s: float, what: Literal["event", "beat", "summary"], device: int) -> None:
        heapq.heappush(self._due, _Due(at_s, next(self._order), what, device))

    def _next_event_s(self, index: int, now_s: float) -> float:
        life = self._lives[index]
        pause_s = self._devices[index].corner.pause_h(self._plan.rate_per_h) * 3600
        return life.at_s(life.lived_s(now_s) + pause_s)

    def _happen(self, due: _Due) -> None:
        index, device = due.device, self._devices[due.device]
        if due.what == "beat":
            self._beat(device)
            self._at(due.at_s + self._plan.uplink.heartbeat_s, "beat", index)
        elif due.what == "summary":
            self._write(device.tell(device.corner.summary()))
            life = self._lives[index]
            self._at(life.at_s(life.lived_s(due.at_s) + _DAY_S), "summary", index)
        else:
            self._write(device.tell(device.corner.happen()))
            self._at(self._next_event_s(index, due.at_s), "event", index)

    def _beat(self, device: SimulatedDevice) -> None:
        try:
            self._drawn += device.beat()
        except StorageError as error:
            self._failed += 1
            _log.error("%s: %s", device.device_id, error)

    def _write(self, future: Future[int]) -> None:
        self._writing.append(future)
        while self._writing and (self._writing[0].done() or len(self._writing) > _MOST_WRITES):
            self._written(self._writing.popleft())

    def _written(self, future: Future[int]) -> None:
        error = future.exception()
        self._drawn += error is None
        self._failed += error is not None
        if error is not None:
            _log.error("an event was not written: %s", error)

    def _settle(self) -> None:
        """Wait until nothing waits in any outbox, at most as long as planned."""
        while self._writing:
            self._written(self._writing.popleft())
        until_s = time.monotonic() + self._plan.settle_s
        waiting = list(self._devices)
        while not self._is_stopped and time.monotonic() < until_s:
            waiting = [device for device in waiting if device.waiting]
            if not waiting:
                return
            self._report_now_and_then("settling")
            self._listen(_LINK_S)

    def _end(self) -> None:
        while self._writing:
            self._written(self._writing.popleft())
        for device in self._devices:
            device.stop()
        for device in self._devices:
            device.close()

    def _listen(self, wait_s: float) -> None:
        """Take the word to stop, if it comes within the time."""
        if self._pipe.poll(wait_s):
            self._take_word()

    def _take_word(self) -> float | None:
        """A time to begin at; None is the word to stop, and so is the end of whoever started this."""
        try:
            word: float | None = self._pipe.recv()
        except EOFError:
            word = None
        self._is_stopped = self._is_stopped or word is None
        return word

    def _report_now_and_then(self, state: Literal["making", "drawing", "settling"]) -> bool:
        due = time.monotonic() - self._reported_s >= REPORT_EVERY_S
        if due:
            self._report(state)
        return due

    def _report(
        self,
        state: Literal["making", "ready", "drawing", "settling", "ended"],
        disk_bytes: int = 0,
    ) -> None:
        self._reported_s = time.monotonic()
        figures = [device.uplink.figures for device in self._devices]
        is_over = state == "ended"
        told = [each.last_error for each in figures if each.last_error]
        report = Report(
            state=state,
            made=len(self._devices),
            connected=sum(each.connected_since is not None for each in figures),
            drawn=self._drawn,
            failed=self._failed,
            confirmed=sum(each.confirmed for each in figures),
            late_s=self._late_s,
            error=told[-1] if told else None,
            before=self._before,
            cost=Cost.now(),
            disk_bytes=disk_bytes,
            kept=sum((kept_in(each.path) for each in self._devices), Kept()) if is_over else Kept(),
        )
        try:
            self._pipe.send(report)
        except OSError:  # nobody is there to read it
            self._is_stopped = True


def _size_bytes(folder: Path) -> int:
    return sum(each.stat().st_blocks * 512 for each in _files(folder))


def _files(folder: Path) -> Iterator[Path]:
    return (each for each in folder.iterdir() if each.is_file())
