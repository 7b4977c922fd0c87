"""All processes of a simulation: started, begun together, watched, stopped, and counted."""

from __future__ import annotations

import json
import multiprocessing
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

from provisioning.simulation import worker
from provisioning.simulation.device import Kept
from provisioning.simulation.plan import RECORD
from provisioning.simulation.worker import Cost, Report
from wording.messages import said

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from multiprocessing.context import ForkServerProcess

    from provisioning.simulation.plan import Plan

_LOOK_S = 0.5


class FleetError(RuntimeError):
    """A process of the simulation has ended by itself."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far all processes are together.

    Attributes:
        state: That of the process which is furthest behind.
        began_at: When it began, in UTC; None: it has not.
        at_s: How old the simulation is; 0 before it begins.
        made, connected, drawn, failed, confirmed, late_s, error, kept: See :class:`worker.Report`.
        each: What one device takes, measured: the growth of the processes, divided; in the end, what it took when all
            were there.
        cpu_s: What all processes took.
        memory_bytes: What all processes take; in the end, what they took then.
        disk_bytes: What the devices' folders take, once it is over.
    """

    state: str
    began_at: str | None
    at_s: float
    made: int
    connected: int
    drawn: int
    failed: int
    confirmed: int
    late_s: float
    error: str | None
    each: Cost
    cpu_s: float
    memory_bytes: int
    disk_bytes: int
    kept: Kept

    def as_json(self) -> dict[str, Any]:
        """For a file or another program."""
        return asdict(self)


_STATES = ("making", "ready", "drawing", "settling", "ended")


def _together(reports: list[Report], began_at: datetime | None) -> Progress:
    made = sum(each.made for each in reports)
    share = max(1, made)
    errors = [each.error for each in reports if each.error]
    return Progress(
        state=min((each.state for each in reports), key=_STATES.index),
        began_at=None if began_at is None else began_at.isoformat(),
        at_s=0.0 if began_at is None else (datetime.now(UTC) - began_at).total_seconds(),
        made=made,
        connected=sum(each.connected for each in reports),
        drawn=sum(each.drawn for each in reports),
        failed=sum(each.failed for each in reports),
        confirmed=sum(each.confirmed for each in reports),
        late_s=max(each.late_s for each in reports),
        error=errors[-1] if errors else None,
        each=Cost(
            sum(each.cost.memory_bytes - each.before.memory_bytes for each in reports) // share,
            round(sum(each.cost.threads - each.before.threads for each in reports) / share),
            round(sum(each.cost.files - each.before.files for each in reports) / share),
            sum(each.cost.cpu_s - each.before.cpu_s for each in reports) / share,
        ),
        cpu_s=sum(each.cost.cpu_s for each in reports),
        memory_bytes=sum(each.cost.memory_bytes for each in reports),
        disk_bytes=sum(each.disk_bytes for each in reports),
        kept=sum((each.kept for each in reports), Kept()),
    )


def run(plan: Plan, told: Callable[[Progress], None], stop: threading.Event) -> Progress:
    """Simulate until it is over, or until stopped; how it was in the end.

    Args:
        plan: What is simulated.
        told: Called about twice a second with how far it is.
        stop: Set by whoever wants it to end early.

    Raises:
        FleetError: A process ended by itself.
        OSError: The folder cannot be made.
    """
    plan.folder.mkdir(parents=True, exist_ok=True)
    record = {"tenant": plan.tenant, "devices": plan.devices, "seed": plan.seed}
    (plan.folder / RECORD).write_text(json.dumps(record) + "\n", encoding="utf-8")
    # From a server that has imported everything: processes share that memory, and none inherits another's pipe.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([worker.__name__])
    running: dict[Any, tuple[int, ForkServerProcess]] = {}
    try:
        for number in range(plan.processes):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=worker.main, args=(plan, number, theirs), name=f"devices {number}"
            )
            process.start()
            theirs.close()
            running[ours] = (number, process)
        return _watch(plan, running, told, stop)
    finally:
        for pipe, (_, process) in running.items():
            pipe.close()  # whoever still runs takes that for the word to stop
            process.join()


def _watch(
    plan: Plan,
    running: dict[Any, tuple[int, ForkServerProcess]],
    told: Callable[[Progress], None],
    stop: threading.Event,
) -> Progress:
    reports: dict[Any, Report] = {pipe: Report("making") for pipe in running}
    began_at: datetime | None = None
    is_stopping = False
    busy: Progress | None = None
    """When all devices were there: ended ones take nothing any more."""
    while True:
        open_ = [pipe for pipe, report in reports.items() if report.state != "ended"]
        for pipe in wait(open_, _LOOK_S):
            reports[pipe] = _received(plan, pipe, *running[pipe])
        progress = _together(list(reports.values()), began_at)
        told(progress)
        if progress.state == "drawing":
            busy = busy or progress
        if progress.state == "ended":
            most = progress if busy is None else busy
            return replace(progress, each=most.each, memory_bytes=most.memory_bytes)
        if began_at is None and progress.state == "ready":
            began_at = datetime.now(UTC)
            _say(open_, time.monotonic())
        if stop.is_set() and not is_stopping:
            is_stopping = True
            _say(open_, None)


def _say(pipes: list[Any], word: float | None) -> None:
    for pipe in pipes:
        with suppress(OSError):  # it has ended in this moment
            pipe.send(word)


def _received(plan: Plan, pipe: Any, number: int, process: ForkServerProcess) -> Report:
    try:
        report: Report = pipe.recv()
    except EOFError:
        process.join()
        raise FleetError(
            said(
                "process {number} ended with {code}: {log}",
                number=number,
                code=process.exitcode,
                log=plan.folder / f"process-{number}.log",
            )
        ) from None
    return report
