"""Memory: how much of it could be had."""

from __future__ import annotations

from pathlib import Path


def available_bytes(meminfo: Path = Path("/proc/meminfo")) -> int | None:
    """Memory that could be had without pushing anything out, in bytes, by the kernel's word; None: it does not say.

    Args:
        meminfo: As proc(5) describes it.
    """
    try:
        lines = meminfo.read_text(encoding="ascii").splitlines()
        amounts = dict(line.split(":", 1) for line in lines if ":" in line)
        return int(amounts["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError, IndexError):
        return None
