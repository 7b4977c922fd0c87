"""Disks that fill up, fail to write or turn read-only; a database that is deleted under the agent."""

from __future__ import annotations

import signal
from functools import partial
from typing import TYPE_CHECKING

from tests.faults.corner import busy, steady
from tests.faults.images import NEEDS, Disk
from tests.faults.lives import STEADY, lives
from tests.faults.suite import Outcome, Run, fault, require, wait_for
from tests.support.small_disks import fill, in_memory

if TYPE_CHECKING:
    from tests.faults.corner import Unit

_AGENT = ("unshare", "mosquitto")
_STRACE = ("strace", "-f", "-qq", "-o", "/dev/null")
_BAD_S = 3.0
"""So long a disk stays bad."""


@fault("disk-full", group="disk", short=0, reduced=6, full=40, needs=("root", *_AGENT))
def disk_full(run: Run) -> Outcome:
    """A disk that fills up at any moment keeps nobody from seeing; when there is room, all goes on."""
    cameras = [busy(every_s=60), steady(STEADY)]
    with in_memory(run.folder / "card", 64) as card, lives(run, card / "state", cameras) as device:
        for _ in range(run.times):
            device.broker_is(away=run.random.random() < 0.5)
            before_the_start, left_bytes = run.random.random() < 0.3, run.random.randrange(200_000)
            filler = fill(card, left_bytes) if before_the_start else None
            with device.unit() as unit:
                if filler is None:
                    device.sees(unit)
                    device.run_with(run.random.uniform(0, 2))
                    filler = fill(card, left_bytes)
                device.sees(unit)
                device.run_with(_BAD_S)
                device.accept()
                filler.unlink()
                device.here.recover_s.append(device.sees(unit))
                device.delivers_with(unit)
            run.progress()
        return device.last_boot()


@fault("eio-on-fsync", group="disk", short=0, reduced=5, full=40, needs=(*_AGENT, "strace"))
def eio_on_fsync(run: Run) -> Outcome:
    """A disk that fails to write keeps nobody from seeing; what was accepted arrives, also from memory."""
    with lives(run, run.folder / "state") as device:
        for _ in range(run.times):
            device.broker_is(away=run.random.random() < 0.5)
            failing = f"inject=fsync,fdatasync:error=EIO:when={run.random.randint(1, 60)}+"
            file = str(device.corner.database)
            where = ("-P", file, "-P", f"{file}-wal", "-P", str(device.corner.state))
            with device.unit(*_STRACE, *where, "-e", failing) as unit:
                wait_for(partial(_struck, unit), "an fsync fails")
                device.sees(unit)
                device.run_with(_BAD_S)
                device.sees(unit)
                device.accept()
            device.lives_on()
        return device.last_boot()


def _struck(unit: Unit) -> bool:
    return any(
        text in unit.agent.log for text in ("disk I/O error", "Input/output error", "stands in")
    ) or bool(unit.ends)


@fault("read-only-disk", group="disk", short=0, reduced=5, full=40, needs=(*NEEDS, *_AGENT))
def read_only_disk(run: Run) -> Outcome:
    """A disk that turns read-only keeps nobody from seeing; what was accepted arrives, also from memory."""
    with Disk(run.folder / "card") as disk, lives(run, disk.path / "state") as device:
        for _ in range(run.times):
            device.broker_is(away=run.random.random() < 0.5)
            with device.unit() as unit:
                device.sees(unit)
                device.run_with(run.random.uniform(0, 2))
                disk.remount("abort")
                device.run_with(_BAD_S)
                device.sees(unit)
                device.accept()
            disk.mount()
            device.lives_on()
        return device.last_boot()


@fault("database-deleted-while-used", group="disk", short=0, reduced=4, full=40, needs=_AGENT)
def database_deleted_while_used(run: Run) -> Outcome:
    """A database that is deleted under the agent is gone on with in memory, and taken back at the next start."""
    with lives(run, run.folder / "state") as device:
        for _ in range(run.times):
            device.broker_is(away=run.random.random() < 0.5)
            with device.unit() as unit:
                device.sees(unit)
                device.run_with(run.random.uniform(0, 2))
                unit.agent.send(signal.SIGSTOP)  # so that all that is deleted is known here
                device.accept()
                for file in device.corner.state.glob(f"{device.corner.database.name}*"):
                    file.unlink()
                unit.agent.send(signal.SIGCONT)
                device.run_with(_BAD_S)
                device.sees(unit)
                device.accept()
                require(not unit.ends, f"it ended: {unit.ends}")
            device.lives_on()
        return device.last_boot()
