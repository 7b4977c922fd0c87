"""Locks a folder for one process; the kernel releases the lock when the process ends.

The folder itself is locked (``flock(2)``), not a file in it: so a disk that cannot be written can be locked as well,
and no file of another user's stays behind.
"""

from __future__ import annotations

import fcntl
import os
import re
from dataclasses import dataclass
from pathlib import Path

LOCKS, PROCESSES = Path("/proc/locks"), Path("/proc")
_UNIT = re.compile(r"/([^/\n]+\.service)(?:/|$)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds a folder: its id, name, and systemd unit (empty if none)."""

    pid: int
    name: str
    unit: str


def lock_folder(folder: Path, *, wait: bool = False) -> int:
    """Lock a folder; the descriptor that is given holds the lock until it is closed.

    Args:
        folder: Which.
        wait: Whether to wait until another process has done with it.

    Raises:
        BlockingIOError: Another process has it.
        OSError: It is not there, may not be read, or lies where nothing can be locked.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def holder_of(folder: Path, locks: Path = LOCKS, processes: Path = PROCESSES) -> Holder | None:
    """The process that holds the lock of a folder; None if there is none, or it cannot be determined."""
    try:
        status, told = folder.stat(), locks.read_text(encoding="ascii")
    except OSError:
        return None
    place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    for line in told.splitlines():
        words = line.split()
        if len(words) == 8 and words[1] == "FLOCK" and words[5] == place:
            return _process(int(words[4]), processes)
    return None


def _process(pid: int, processes: Path) -> Holder | None:
    if pid <= 0:  # of another container
        return None
    found = _UNIT.findall(_text(processes / str(pid) / "cgroup"))
    name = _text(processes / str(pid) / "comm").strip()
    return Holder(pid, name, found[-1] if found else "")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
