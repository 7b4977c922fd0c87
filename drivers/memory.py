"""Memory: how much of it could be had."""

from __future__ import annotations

from pathlib import Path

PROC, CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")


def available_bytes(proc: Path = PROC, cgroups: Path = CGROUPS) -> int | None:
    """Memory that this process could have, in bytes: of the machine, and within its unit's limit if there is one.

    None: the kernel does not say.

    Args:
        proc: As proc(5) describes it.
        cgroups: The version 2 hierarchy, as the kernel's cgroup-v2 document describes it.
    """
    left = [each for each in (_of_machine(proc), _of_unit(proc, cgroups)) if each is not None]
    return min(left, default=None)


def _of_machine(proc: Path) -> int | None:
    try:
        return _table(proc / "meminfo")["MemAvailable:"] * 1024
    except (OSError, KeyError, ValueError):
        return None


def _of_unit(proc: Path, cgroups: Path) -> int | None:
    """What is left below ``memory.max``; pages of files that could be given up count as left."""
    try:
        [line] = [
            each
            for each in (proc / "self" / "cgroup").read_text(encoding="utf-8").splitlines()
            if each.startswith("0::")
        ]
        unit = cgroups / line.removeprefix("0::").lstrip("/")
        most = int((unit / "memory.max").read_text(encoding="ascii"))
        taken = int((unit / "memory.current").read_text(encoding="ascii"))
        return max(0, most - taken + _table(unit / "memory.stat")["inactive_file"])
    except (OSError, KeyError, ValueError):  # no such hierarchy, or no limit: "max"
        return None


def _table(path: Path) -> dict[str, int]:
    """A file of names and figures, one of each a line."""
    rows = (line.split() for line in path.read_text(encoding="ascii").splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdigit()}
