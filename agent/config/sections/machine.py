"""The machine: heat, pins, disk, and how it helps itself."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from agent.config.sections.base import Section
from agent.config.sections.schedule import WindowSection
from drivers import gpio
from wording.messages import said


class CoolingSection(Section):
    """Between which temperatures the analysis rate is lowered; see :mod:`agent.runtime.thermal_throttle`."""

    from_c: float = Field(default=70.0, ge=20, le=100)
    full_c: float = Field(default=80.0, ge=20, le=110)
    min_share: float = Field(default=0.3, gt=0, le=1)
    """What is left of the analysis rate at ``full_c``."""
    sensor: Path = Path("/sys/class/thermal/thermal_zone0/temp")

    @model_validator(mode="after")
    def _from_below_full(self) -> Self:
        if self.from_c >= self.full_c:
            raise ValueError(said("from_c must be below full_c"))
        return self


class LampSection(Section):
    """When the lamp is on: in these stretches of local time, and when it is dark enough."""

    when: tuple[WindowSection, ...] = ()
    darker_than: float | None = Field(default=50.0, ge=0, le=255)
    hold_s: float = Field(default=30.0, ge=0)


class GpioSection(gpio.Settings):
    """The devices on the GPIO pins, and how they behave; see :mod:`agent.runtime.indicators`."""

    fan_on_c: float = Field(default=60.0, ge=20, le=100)
    fan_off_c: float = Field(default=50.0, ge=10, le=100)
    lamp_is_on: LampSection = LampSection()
    quiet: tuple[WindowSection, ...] = ()
    """Local time in which the buzzer is silent."""

    @model_validator(mode="after")
    def _off_below_on(self) -> Self:
        if self.fan_off_c >= self.fan_on_c:
            raise ValueError(said("fan_off_c must be below fan_on_c"))
        return self


class StorageSection(Section):
    """Where state, outbox and evidence live."""

    state_dir: Path = Path("/var/lib/kerbwatch")
    database_mb: float = Field(default=512, ge=8, le=100_000)
    """Maximum size of the database; beyond it the least important events are deleted and reported as lost."""
    tracks_mb: float = Field(default=48, ge=0, le=10_000)
    """Maximum size of the tracks of the last hours, of all cameras; beyond it the oldest are deleted. 0: none are kept."""
    frames_mb: float = Field(default=16, ge=0, le=500)
    """Memory for the frames of the last minutes, of all cameras; none while less than thirty times that is available. 0: none are kept."""
    run_dir: Path = Path("/run/kerbwatch")
    """Folder of the status file for ``kerbwatch watch``; best in memory."""


class RecoverySection(Section):
    """Time limits of the recovery ladder; see :mod:`agent.runtime.recovery`."""

    camera_hang_s: float = Field(default=60.0, ge=1)
    """A camera that neither gives a frame nor fails for this time hangs."""
    restart_first_s: float = Field(default=600.0, ge=1)
    """How long after a restart for a camera that hangs the next one is earned; doubles each time."""
    restart_max_s: float = Field(default=21_600.0, ge=1)
    restart_network: bool = True
    """Whether the host's network may be restarted while no route leads out of it."""
    network_after_s: float = Field(default=600.0, ge=60)
    reboot: bool = True
    """Whether the host may be rebooted while no camera sees anything and restarts do not help."""
    reboot_after_s: float = Field(default=1800.0, ge=600)
