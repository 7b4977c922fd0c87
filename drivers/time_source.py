"""Who sets the wall clock: the time service that runs, its server, and whether the board has a clock of its own."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from drivers.programs import system

_MARKS = {
    "systemd-timesyncd": "run/systemd/timesync",
    "chrony": "run/chrony/chronyd.pid",
    "ntpd": "run/ntpd.pid",
    "openntpd": "run/openntpd.pid",
}
"""What each service leaves in /run while it runs."""


@dataclass(frozen=True, slots=True)
class TimeSource:
    """What keeps the time.

    Attributes:
        service: The time service that runs; None: none that is known.
        server: Whom it last asked; None: not known.
        own_clock: Whether the board has a clock that goes on without power.
    """

    service: str | None
    server: str | None
    own_clock: bool


def time_source(root: Path = Path("/")) -> TimeSource:
    """Find it.

    Args:
        root: Below which /run and /sys lie.
    """
    service = next((name for name, mark in _MARKS.items() if (root / mark).exists()), None)
    own_clock = any((root / "sys/class/rtc").glob("rtc*"))
    return TimeSource(service, _server() if service == "systemd-timesyncd" else None, own_clock)


def _server() -> str | None:
    """The server that systemd-timesyncd asks, see timedatectl(1)."""
    command = [system("timedatectl"), "show-timesync", "--property=ServerName", "--value"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
