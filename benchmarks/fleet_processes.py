"""What the programs of a size run take: processor and memory, by what they are, read from proc(5) once a second."""

from __future__ import annotations

import os
import threading
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

EVERY_S = 1.0
_TICKS_PER_S, _PAGE_BYTES = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
PARTS = {
    "devices": ("simulate", "forkserver"),
    "broker": ("mosquitto", "beam.smp"),
    "consumer": ("kerbwatch_platform",),
    "database": ("postgres",),
}
"""Part → what stands in a command line of its processes; the first that fits counts."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Of one part, up to now: seconds of a processor, and memory in bytes now (shared pages count once for each)."""

    cpu_s: float
    memory_bytes: int


@dataclass(slots=True)
class Watch:
    """Looks at all descendants of this process. Use as a context."""

    _stop: threading.Event = field(default_factory=threading.Event)
    _samples: list[tuple[float, dict[str, Taken]]] = field(default_factory=list)
    _ticks: dict[int, tuple[str, int]] = field(default_factory=dict)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def cores(self, part: str, from_s: float, until_s: float) -> float:
        """How many processors a part has kept busy between two times of the wall clock, on average."""
        within = [each for each in self._samples if from_s <= each[0] <= until_s]
        if len(within) < 2:
            return 0.0
        (first_s, first), (last_s, last) = within[0], within[-1]
        return (last[part].cpu_s - first[part].cpu_s) / (last_s - first_s)

    def most_memory(self, part: str) -> int:
        """The most that a part ever held, in bytes."""
        return max((each[part].memory_bytes for _, each in self._samples), default=0)

    def pids(self, part: str) -> list[int]:
        """The processes of a part now."""
        return [pid for pid, (of, _, _) in _descendants().items() if of == part]

    def _run(self) -> None:
        while not self._stop.wait(EVERY_S):
            self._samples.append((time.time(), self._sample()))

    def _sample(self) -> dict[str, Taken]:
        memory: dict[str, int] = defaultdict(int)
        for pid, (part, ticks, bytes_) in _descendants().items():
            self._ticks[pid] = part, ticks  # of one that ends, what was seen last stays
            memory[part] += bytes_
        cpu: dict[str, int] = defaultdict(int)
        for part, ticks in self._ticks.values():
            cpu[part] += ticks
        return {part: Taken(cpu[part] / _TICKS_PER_S, memory[part]) for part in PARTS}


def _descendants() -> dict[int, tuple[str, int, int]]:
    """Pid → part, processor ticks and resident bytes, of every descendant that is of a part."""
    parents: dict[int, int] = {}
    stats: dict[int, list[str]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with suppress(OSError):  # it has ended
                # What stands behind the name, which may hold anything but a closing bracket at its end.
                fields = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
                stats[int(folder.name)] = fields
                parents[int(folder.name)] = int(fields[1])
    found = {}
    for pid, fields in stats.items():
        if _is_ours(pid, parents) and (part := _part_of(pid)) is not None:
            ticks = int(fields[11]) + int(fields[12])
            found[pid] = part, ticks, int(fields[21]) * _PAGE_BYTES
    return found


def _is_ours(pid: int, parents: dict[int, int]) -> bool:
    above = parents.get(pid, 0)
    while above > 1 and above != os.getpid():
        above = parents.get(above, 0)
    return above == os.getpid()


def command_of(pid: int) -> bytes:
    """A process's command line; empty if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _part_of(pid: int) -> str | None:
    command = command_of(pid).decode(errors="replace")
    return next((part for part, names in PARTS.items() if any(n in command for n in names)), None)
