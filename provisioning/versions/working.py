"""What of a running agent works, read off its status file with the standard library alone.

The file is the agent's, which may be another version than this one: what is missing in it or is of another
kind counts as not known, never as working.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivers.files.privileges import open_folder, read_file
from drivers.files.version_record import Working

if TYPE_CHECKING:
    from collections.abc import Iterator

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
OLD_S = 10.0
"""A status is written every second."""
SILENT_S = 15.0
"""A camera that has given no picture for so long gives none."""
_HEADER_BYTES = 100
_SILENT_VERIFIER = {"refused", "failing"}


@dataclass(frozen=True, slots=True)
class Seen:
    """An agent that says how it is, now.

    Attributes:
        began_s: When it started, in seconds since the boot.
        runs_s: For how long it has run.
        cameras: All that it has.
        models: How many models it judges with.
        working: What works.
    """

    began_s: float
    runs_s: float
    cameras: tuple[str, ...]
    models: int
    working: Working


def boot_id() -> str:
    """The kernel's id of this boot; empty if it has none."""
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def now_s() -> float:
    """Seconds since the boot, sleep included: the clock of the status file."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def seen(path: Path) -> Seen | None:
    """The agent by its status file; None: none runs, or it does not say how it is."""
    try:
        told = json.loads(read_file(path))
        at_s, runs_s = float(told["monotonic_s"]), float(told["uptime_s"])
        if told["boot_id"] != boot_id() or not -1.0 < now_s() - at_s < OLD_S:
            return None
        return Seen(
            at_s - runs_s,
            runs_s,
            tuple(sorted(told["cameras"])),
            len(told["software"]["models"]),
            Working(tuple(_with_frames(told["cameras"])), _broker(told), _verifier(told)),
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def database_needs(path: Path) -> int | None:
    """The oldest version of the tables whose agent may work on a database; None: it does not say.

    Read off the file's header (sqlite.org/fileformat2.html, "user version", 4 bytes big-endian at 60), for SQLite itself
    would leave files of root's in the agent's folder. What is still in the journal is missed: there the agent itself
    refuses.
    """
    try:
        folder = open_folder(path.parent)
    except OSError:
        return None
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(path.name, flags, dir_fd=folder)
        with os.fdopen(descriptor, "rb") as opened:
            header = opened.read(_HEADER_BYTES)
    except OSError:
        return None
    finally:
        os.close(folder)
    if len(header) < _HEADER_BYTES or not header.startswith(b"SQLite format 3\0"):
        return None
    return int.from_bytes(header[60:64], "big")


def _with_frames(cameras: dict[str, Any]) -> Iterator[str]:
    for name, each in sorted(cameras.items()):
        ended = each["state"] == "ended"  # recorded footage that is over
        silent_s = each.get("silent_s")
        if each["captured"] > 0 and (
            ended or (each["state"] == "running" and (silent_s is None or silent_s < SILENT_S))
        ):
            yield name


def _broker(told: dict[str, Any]) -> bool | None:
    uplink = told.get("uplink")
    return None if uplink is None else uplink["connected_since"] is not None


def _verifier(told: dict[str, Any]) -> bool | None:
    verifier = told.get("verifier")
    return None if verifier is None else verifier["state"] not in _SILENT_VERIFIER
