"""Memory that runs out: a neighbour eats it up, and the kernel ends one of the two."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults.lives import lives
from tests.faults.suite import MEMORY_GROUPS, Outcome, Run, fault, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOM_BYTES = 48_000_000
_NO_LIMIT = -1
_EAT = "eaten = []\nwhile True: eaten.append(bytearray(4_000_000))"


class _Group:
    """A control group with a limit for what its processes hold in memory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.join = ("sh", "-c", 'echo $$ > "$0" && exec "$@"', str(folder / "cgroup.procs"))

    @property
    def used_bytes(self) -> int:
        return int((self._folder / "memory.usage_in_bytes").read_text(encoding="ascii"))

    def limit(self, size_bytes: int) -> None:
        (self._folder / "memory.limit_in_bytes").write_text(str(size_bytes), encoding="ascii")


@contextmanager
def _group() -> Iterator[_Group]:
    folder = MEMORY_GROUPS[0] / f"kerbwatch-fault-{os.getpid()}"
    folder.mkdir()
    try:
        yield _Group(folder)
    finally:
        wait_for(lambda: not (folder / "cgroup.procs").read_text(), "its processes are gone")
        folder.rmdir()


@fault(
    "out-of-memory",
    group="memory",
    short=0,
    reduced=5,
    full=40,
    needs=("memcg", "mosquitto", "unshare"),
)
def out_of_memory(run: Run) -> Outcome:
    """Ended by the kernel for want of memory, or beside one that is, the agent sees on with its state."""
    ended = 0
    with _group() as group, lives(run, run.folder / "state") as device:
        for _ in range(run.times):
            group.limit(_NO_LIMIT)
            with device.unit(*group.join) as unit:
                device.sees(unit)
                device.run_with(run.random.uniform(0, 2))
                device.accept()
                first = run.random.random() < 0.7
                if first:  # of the two the kernel takes this one
                    adjust = Path(f"/proc/{unit.agent.process.pid}/oom_score_adj")
                    adjust.write_text("1000", encoding="ascii")
                group.limit(group.used_bytes + _ROOM_BYTES)
                eater = subprocess.Popen([*group.join, sys.executable, "-c", _EAT])
                try:
                    wait_for(lambda: eater.poll() is not None, "the neighbour is ended")  # noqa: B023
                finally:
                    eater.kill()
                    eater.wait()
                group.limit(_NO_LIMIT)
                device.here.recover_s.append(device.sees(unit))
                device.delivers_with(unit)
                ended += len(unit.ends)
            run.progress()
        return device.last_boot(f"the kernel ended the agent {ended} times")
