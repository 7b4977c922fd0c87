"""The whole configuration: ``site.toml`` (facts and tuning, by people) and ``zones.json`` (drawn).

Both become one frozen :class:`Configuration`. Unknown keys are refused; every fault is listed at
once, each with its place and what is allowed.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from datetime import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from agent import scenarios
from agent.events import Coordinates
from agent.scene import Zone, ZoneKind
from agent.zones import Window
from drivers import cameras

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydantic_core import ErrorDetails


class ConfigError(ValueError):
    """The configuration cannot be used. ``faults`` names every one of them."""

    def __init__(self, path: Path, faults: Sequence[str]) -> None:
        lines = "\n".join(f"  - {fault}" for fault in faults)
        count = f"{len(faults)} fault" + ("s" if len(faults) != 1 else "")
        super().__init__(f"{path.name}: {count}\n{lines}")
        self.path, self.faults = path, tuple(faults)


class Section(BaseModel):
    """A part of the configuration: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _topic_level(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", value):
        raise ValueError("1 to 64 of A-Z a-z 0-9 _ - (it is a level of an MQTT topic)")
    return value


Name = Annotated[str, AfterValidator(_topic_level)]


class Site(Section):
    """Facts about this corner; they come from the city and from the surveyor."""

    tenant: Name
    device_id: Name
    address: str = Field(min_length=1, max_length=256)
    timezone: str = "Asia/Shanghai"
    purpose: str = Field(default="city-order", min_length=1)
    codes_profile: Literal["gbt-47678-5", "classic"] = "gbt-47678-5"
    grid_code: str | None = Field(default=None, pattern=r"^[0-9A-Z]{15}$")
    responsible_unit: str | None = None
    coordinates: Coordinates | None = None
    gbt_28181_id: str | None = Field(default=None, pattern=r"^[0-9]{20}$")


class CameraSection(Section):
    """One camera: its name here, its driver, and what the driver is told."""

    camera_id: Name
    driver: str
    settings: dict[str, Any] = {}

    @model_validator(mode="after")
    def _driver_accepts_its_settings(self) -> Self:
        driver = cameras.load_driver(self.driver)
        driver.Settings.model_validate(self.settings)
        return self

    def driver_settings(self, base: Path) -> cameras.CameraSettings:
        """The driver's own settings; relative paths are taken from the folder ``base``."""
        settings = cameras.load_driver(self.driver).Settings.model_validate(self.settings)
        moved = {
            name: base / value
            for name, value in settings
            if isinstance(value, Path) and not value.is_absolute()
        }
        return settings.model_copy(update=moved)


class Models(Section):
    """Which models judge, by their folder's name."""

    detector: str = "street"
    bin_state: str = "bin-state"
    threads: int = Field(default=2, ge=1, le=16)


class Analysis(Section):
    """How much is looked at, and how often."""

    frames_per_s: float = Field(default=5.0, gt=0, le=30)
    runs_per_s: float = Field(default=6.0, gt=0, le=100)
    """Upper limit on network runs a second, over all regions of all cameras."""
    change_threshold: float = Field(default=6.0, gt=0, le=255)
    """Mean difference of brightness (0–255) in one cell that counts as a change."""
    look_again_s: float = Field(default=30.0, gt=0)
    """An unchanged region is looked at again after this time."""


class Storage(Section):
    """Where state, outbox and evidence live."""

    state_dir: Path = Path("/var/lib/kerbwatch")


class Uplink(Section):
    """How the platform is reached. Without a broker everything stays in the outbox."""

    broker: str | None = Field(default=None, pattern=r"^mqtts?://[^\s/@]+$")
    topic_prefix: str = Field(default="kerbwatch/v1", pattern=r"^[^#+.\s]+$")
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    username: str | None = None
    password_file: Path | None = None
    keepalive_s: int = Field(default=30, ge=5, le=30)
    window_bytes: int = Field(default=32_768, ge=1024)
    backlog_events_per_message: int = Field(default=20, ge=1, le=50)
    connect_timeout_s: float = Field(default=10, gt=0)
    acknowledge_timeout_s: float = Field(default=30, gt=0)
    reconnect_max_s: float = Field(default=60, gt=0)
    heartbeat_s: float = Field(default=60, gt=0)
    live_within_s: float = Field(default=30, gt=0)
    """An event older than this when it is first sent is flagged as historical."""

    @model_validator(mode="after")
    def _certificate_and_key_together(self) -> Self:
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file go together: give both or neither")
        return self


class EvidenceSection(Section):
    """How pictures are kept."""

    jpeg_quality: int = Field(default=90, ge=50, le=100)
    close_up_margin: float = Field(default=0.5, ge=0, le=3)


class WindowSection(Section):
    """A stretch of local time on some days of the week (1 Monday … 7 Sunday)."""

    days: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)
    begin: time = Field(alias="from")
    end: time = Field(alias="to")

    @field_validator("days")
    @classmethod
    def _days_of_the_week(cls, days: tuple[int, ...]) -> tuple[int, ...]:
        if not days or any(not 1 <= day <= 7 for day in days):
            raise ValueError("days are 1 (Monday) to 7 (Sunday), at least one")
        return days

    @property
    def window(self) -> Window:
        return Window(self.days, self.begin, self.end)


class ZoneSection(Section):
    """One zone as drawn, with what the city files about its ground."""

    zone_id: Name
    camera_id: Name
    kind: ZoneKind
    polygon: tuple[tuple[float, float], ...] = Field(min_length=3)
    place_id: Name | None = None
    in_force: tuple[WindowSection, ...] = ()
    """When the zone's rule holds; empty: always."""
    permitted: tuple[WindowSection, ...] = ()
    """When the rule is suspended, such as market hours."""
    responsible_unit: str | None = None
    grid_code: str | None = Field(default=None, pattern=r"^[0-9A-Z]{15}$")
    coordinates: Coordinates | None = None

    @field_validator("polygon")
    @classmethod
    def _inside_the_frame(cls, polygon: tuple[tuple[float, float], ...]) -> Any:
        for index, (x, y) in enumerate(polygon):
            if not (0 <= x <= 1 and 0 <= y <= 1):
                raise ValueError(
                    f"corner {index} is at ({x}, {y}); corners are fractions of the picture, 0 to 1"
                )
        return polygon

    @property
    def zone(self) -> Zone:
        return Zone(
            zone_id=self.zone_id,
            camera_id=self.camera_id,
            kind=self.kind,
            polygon=self.polygon,
            place_id=self.place_id or self.zone_id,
            in_force=tuple(section.window for section in self.in_force),
            permitted=tuple(section.window for section in self.permitted),
        )


class Configuration(Section):
    """Everything the agent is told."""

    site: Site
    cameras: tuple[CameraSection, ...] = Field(min_length=1)
    models: Models = Models()
    analysis: Analysis = Analysis()
    scenarios: dict[str, dict[str, Any]] = {}
    evidence: EvidenceSection = EvidenceSection()
    storage: Storage = Storage()
    uplink: Uplink = Uplink()
    zones: tuple[ZoneSection, ...] = ()

    @field_validator("scenarios")
    @classmethod
    def _scenarios_accept_their_settings(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name, settings in value.items():
            scenarios.load_scenario(name).Settings.model_validate(settings)
        return value

    @model_validator(mode="after")
    def _names_fit_together(self) -> Self:
        for what, names in (
            ("camera_id", [camera.camera_id for camera in self.cameras]),
            ("zone_id", [zone.zone_id for zone in self.zones]),
        ):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"{what} given twice: {', '.join(twice)}")
        known = {camera.camera_id for camera in self.cameras}
        for zone in self.zones:
            if zone.camera_id not in known:
                raise ValueError(
                    f"zone {zone.zone_id!r} is on camera {zone.camera_id!r};"
                    f" there are: {', '.join(sorted(known))}"
                )
        return self

    def sha256(self) -> str:
        """A hash of everything that shapes a judgement, the same on every machine."""
        text = json.dumps(
            self.model_dump(mode="json", exclude={"storage", "uplink"}),
            sort_keys=True,
            ensure_ascii=False,
        )
        return hashlib.sha256(text.encode()).hexdigest()

    def zone_section(self, zone_id: str) -> ZoneSection:
        return next(zone for zone in self.zones if zone.zone_id == zone_id)


def load(path: Path) -> Configuration:
    """Read ``site.toml`` and the ``zones.json`` beside it (or in the folder ``path``).

    Raises:
        ConfigError: With every fault: where it is, what is wrong, what is allowed.
    """
    path = path / "site.toml" if path.is_dir() else path
    site, site_faults = _read(path, tomllib.loads, "TOML")
    zones_path = path.with_name("zones.json")
    zones: dict[str, Any] = {}
    zone_faults: list[str] = []
    if zones_path.exists():
        zones, zone_faults = _read(zones_path, json.loads, "JSON")
    faults = site_faults + zone_faults
    if faults:
        raise ConfigError(path, faults)
    if "zones" in site and "zones" in zones:
        raise ConfigError(path, ["zones: given in site.toml and in zones.json; keep one"])
    try:
        return Configuration.model_validate(
            {**site, **{key: value for key, value in zones.items() if key == "zones"}}
        )
    except ValidationError as error:
        raise ConfigError(path, list(_faults(error))) from error


def _read(path: Path, parse: Any, language: str) -> tuple[dict[str, Any], list[str]]:
    try:
        parsed = parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}, [f"{path.name}: there is no such file in {path.parent}"]
    except (OSError, ValueError) as error:
        return {}, [f"{path.name}: not readable as {language}: {error}"]
    if not isinstance(parsed, dict):
        return {}, [f"{path.name}: must be a table of sections, is {type(parsed).__name__}"]
    return parsed, []


def _faults(error: ValidationError) -> Iterator[str]:
    for detail in error.errors():
        yield _in_words(detail)


def _in_words(detail: ErrorDetails) -> str:
    where = ".".join(str(part) for part in detail["loc"]) or "configuration"
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "extra_forbidden":
        return f"{where}: no such key; remove it or correct its name"
    if detail["type"] == "missing":
        return f"{where}: missing"
    given = detail.get("input")
    shown = f" (given: {given!r})" if isinstance(given, str | int | float | bool) else ""
    return f"{where}: {message}{shown}"
