"""What the machine tells of itself: temperature, power, memory, and the disk of the state."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from agent.domain.finite import finite
from agent.protocol.heartbeat import DiskHealth, PowerHealth
from agent.telemetry.gauges import gauge
from drivers.disk import free_bytes, life_used_percent, total_bytes, written_bytes
from drivers.inodes import inodes
from drivers.power import read_power
from drivers.temperature import processor_c


class MachineGauges:
    """Asks the system. From any thread.

    Args:
        state_dir: On the disk that is told of.
        sensor: The file that tells the processor's temperature.
    """

    def __init__(self, state_dir: Path, sensor: Path) -> None:
        self._state_dir, self._sensor = state_dir, sensor

    @gauge
    def temperature_c(self) -> float | None:
        """Of the processor; None where nothing measures it."""
        return finite(processor_c(self._sensor))

    @gauge
    def power(self) -> PowerHealth | None:
        """None where there is no such firmware."""
        power = read_power()
        return None if power is None else PowerHealth(**dataclasses.asdict(power))

    @gauge
    def memory_rss_bytes(self) -> int:
        """What this process holds."""
        return resident_bytes()

    @gauge
    def disk_free_bytes(self) -> int:
        """What this process may still write."""
        return free_bytes(self._state_dir)

    @gauge
    def disk(self) -> DiskHealth:
        """Its size, its wear, and what was written."""
        counted = inodes(self._state_dir)
        return DiskHealth(
            total_bytes=total_bytes(self._state_dir),
            written_bytes=written_bytes(),
            life_used_percent=life_used_percent(self._state_dir),
            total_inodes=None if counted is None else counted.total,
            free_inodes=None if counted is None else counted.free,
        )

    def unknown(self) -> dict[str, str]:
        """Which of these this machine does not tell, and why."""
        unknown = {}
        if processor_c(self._sensor) is None:
            unknown["temperature_c"] = f"nothing can be read from {self._sensor}"
        if read_power() is None:
            unknown["power"] = "no firmware of a Raspberry Pi tells of it"
        if life_used_percent(self._state_dir) is None:
            unknown["disk.life_used_percent"] = "the disk of the state does not say"
        return unknown


def resident_bytes(statm: Path = Path("/proc/self/statm")) -> int:
    """How much memory this process holds, by ``proc(5)``."""
    pages = int(statm.read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
