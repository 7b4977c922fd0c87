"""The processor's temperature.

Read from the kernel's own file: gpiozero's ``CPUTemperature`` reads the same one, but first
claims the GPIO chip, which the agent's user need not be allowed to do.
"""

from __future__ import annotations

from pathlib import Path

PROCESSOR = Path("/sys/class/thermal/thermal_zone0/temp")


def processor_c(sensor: Path = PROCESSOR) -> float | None:
    """The processor's temperature in °C; None where nothing measures it."""
    try:
        return int(sensor.read_text(encoding="ascii")) / 1000
    except (OSError, ValueError):
        return None
