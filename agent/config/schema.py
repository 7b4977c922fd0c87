"""The whole configuration: ``site.toml`` (facts and tuning, by people) and ``zones.json`` (drawn).

Both become one frozen :class:`Configuration`. Unknown keys are refused; every fault is listed at
once, each with its place and what is allowed.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import time
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticKnownError

from agent import scenarios
from agent.capture.camera_profiles import CameraProfile
from agent.config import broker_address
from agent.config.faults import fault, misfits_of, placed
from agent.config.retention import Settings as RetentionSection
from agent.config.surveyed_point import SurveyedPoint
from agent.domain.polygons import area, crossings
from agent.domain.scene import Zone
from agent.domain.schedule import Window
from agent.domain.zones import to_edge
from agent.perception import operator_colour, view_health
from agent.protocol.base import MAX_CAMERAS, MAX_PLACES
from agent.protocol.fields import is_readable, on_one_line
from agent.protocol.topics import Topics
from agent.scenarios import Needs
from drivers import cameras, gpio
from wording.known_errors import words_of
from wording.messages import said, text_of

_Corner = tuple[float, float]
IN_ORDER = said("give the corners in order around the area")


class Section(BaseModel):
    """A part of the configuration: frozen, unknown keys refused, numbers finite.

    What was given is not in the text of an error, for addresses hold passwords; where it may be
    shown, :mod:`wording.validation` does so.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True
    )


def _topic_level(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", value):
        raise ValueError(said("1 to 64 of A-Z a-z 0-9 _ - (it is a level of an MQTT topic)"))
    return value


Name = Annotated[str, AfterValidator(_topic_level)]


UNSEEN = said("it contains an invisible character: type the text again")


def _for_people(value: str) -> str:
    value = on_one_line(value)
    if not is_readable(value):
        raise ValueError(UNSEEN)
    return value


ForPeople = AfterValidator(_for_people)
"""What people read; line ends become blanks."""

SMALLEST_ZONE = 1e-5
"""Area below which a polygon holds nothing, as a share of the picture: 9 pixels of 1280 × 720."""


def _drawn_to_the_edge(polygon: tuple[_Corner, ...]) -> tuple[_Corner, ...]:
    """The corners, those that were meant to lie on the picture's edge moved onto it.

    A zone that is all edge stays as it was drawn.
    """
    moved = tuple((to_edge(x), to_edge(y)) for x, y in polygon)
    return moved if area(moved) >= SMALLEST_ZONE else polygon


class SiteSection(Section):
    """Facts about this corner; they come from the city and from the surveyor."""

    tenant: Name
    device_id: Name
    address: Annotated[str, Field(min_length=1, max_length=256), ForPeople]
    timezone: str = "Asia/Shanghai"
    purpose: Annotated[str, Field(min_length=1, max_length=200), ForPeople] = "city-order"
    codes_profile: Literal["gbt-47678-5", "classic"] = "gbt-47678-5"
    grid_code: str | None = Field(default=None, pattern=r"^[0-9A-Z]{15}$")
    responsible_unit: Annotated[str, Field(max_length=200), ForPeople] | None = None
    coordinates: SurveyedPoint | None = None
    gbt_28181_id: str | None = Field(default=None, pattern=r"^[0-9]{20}$")

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, OSError, ValueError) as error:
            raise ValueError(
                said("no such time zone; give a name such as Asia/Shanghai")
            ) from error
        return value


class WindowSection(Section):
    """A stretch of local time on some days of the week (1 Monday … 7 Sunday)."""

    days: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)
    begin: time = Field(alias="from")
    end: time = Field(alias="to")

    @field_validator("days")
    @classmethod
    def _days_of_the_week(cls, days: tuple[int, ...]) -> tuple[int, ...]:
        if not days or any(not 1 <= day <= 7 for day in days):
            raise ValueError(said("days are 1 (Monday) to 7 (Sunday), at least one"))
        return days

    @field_validator("begin", "end")
    @classmethod
    def _local(cls, value: time) -> time:
        if value.tzinfo is not None:
            raise ValueError(said('give local time as "HH:MM", without a zone'))
        return value

    @property
    def window(self) -> Window:
        return Window(self.days, self.begin, self.end)


class ProfileSection(Section):
    """Other settings of a camera for a time of day or a light; see :mod:`agent.capture.camera_profiles`."""

    name: Name
    when: tuple[WindowSection, ...] = ()
    darker_than: float | None = Field(default=None, ge=0, le=255)
    brighter_than: float | None = Field(default=None, ge=0, le=255)
    hold_s: float = Field(default=30.0, ge=0)
    settings: dict[str, Any] = {}
    """What is different from the camera's own settings."""

    @property
    def profile(self) -> CameraProfile:
        return CameraProfile(
            self.name,
            tuple(section.window for section in self.when),
            self.darker_than,
            self.brighter_than,
            self.hold_s,
        )


class CameraSection(Section):
    """One camera: its name, its driver, and the driver's settings."""

    camera_id: Name
    driver: str
    settings: dict[str, Any] = Field(default={}, validate_default=True)
    profiles: tuple[ProfileSection, ...] = ()

    @field_validator("driver")
    @classmethod
    def _known_driver(cls, value: str) -> str:
        try:
            cameras.load_driver(value)
        except ImportError as error:
            raise ValueError(
                said("this driver cannot be used on this machine: {reason}", reason=words_of(error))
            ) from error
        return value

    @field_validator("settings")
    @classmethod
    def _driver_accepts(cls, value: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if "driver" in info.data:
            cameras.load_driver(info.data["driver"]).Settings.model_validate(value)
        return value

    @model_validator(mode="after")
    def _driver_accepts_profiles(self) -> Self:
        faults: list[InitErrorDetails] = []
        names = [profile.name for profile in self.profiles]
        for index, profile in enumerate(self.profiles):
            place = ("profiles", index)
            if profile.name in names[:index]:
                faults.append(
                    fault((*place, "name"), said("{name!r} is given twice", name=profile.name))
                )
            try:
                driver = cameras.load_driver(self.driver)
                driver.Settings.model_validate(self.settings | profile.settings)
            except ValidationError as error:
                faults += (placed((*place, "settings"), detail) for detail in error.errors())
        if faults:
            raise ValidationError.from_exception_data("camera", faults)
        return self

    def driver_settings(self, base: Path, profile: str | None = None) -> cameras.CameraSettings:
        """The driver's own settings; relative paths are taken from the folder ``base``.

        Args:
            base: The folder.
            profile: With what this profile changes.
        """
        told = dict(self.settings)
        for each in self.profiles:
            if each.name == profile:
                told |= each.settings
        settings = cameras.load_driver(self.driver).Settings.model_validate(told)
        moved = {
            name: base / value
            for name, value in settings
            if isinstance(value, Path) and not value.is_absolute()
        }
        return settings.model_copy(update=moved)


class ModelsSection(Section):
    """The models to use, by folder name."""

    detector: str = "street"
    bin_state: str = "bin-state"
    verifier: str = "verifier"
    """Says what a candidate for a case is. Without it (``""``, or while it is missing or refused) scenarios
    judge by their other rules."""
    threads: int = Field(default=2, ge=1, le=16)


class AnalysisSection(Section):
    """How much is analysed, and how often."""

    frames_per_s: float = Field(default=5.0, gt=0, le=30)
    runs_per_s: float = Field(default=6.0, gt=0, le=100)
    """Upper limit on model runs per second, over all regions of all cameras."""
    change_threshold: float = Field(default=6.0, gt=0, le=255)
    """Mean difference of brightness (0–255) in one cell that counts as a change."""
    look_every_s: float = Field(default=0.4, ge=0)
    """Minimum interval between model runs on a region that keeps changing."""
    look_again_s: float = Field(default=30.0, gt=0)
    """Maximum interval between model runs on an unchanged region."""
    persist_every_s: float = Field(default=3600.0, gt=0)
    """How often a case that stays open is reported again."""
    snapshot_every_s: float = Field(default=10.0, gt=0)
    """Interval between snapshots of the analysis, besides those at each event; six times longer while
    no case is pending."""


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


class DailyBytesSection(Section):
    """Data budget of a metered link per day, by class; see :mod:`agent.delivery.data_budget`. None: no limit."""

    cases: int | None = Field(default=None, ge=0)
    backlog: int | None = Field(default=None, ge=0)
    evidence: int | None = Field(default=None, ge=0)
    health: int | None = Field(default=None, ge=0)
    rest: int | None = Field(default=None, ge=0)

    def limits(self) -> dict[str, int]:
        """The limits that are set."""
        return {name: limit for name, limit in self if limit is not None}


class UplinkSection(Section):
    """The connection to the platform. Without a broker everything stays in the outbox."""

    broker: str | None = Field(default=None, pattern=r"^mqtts?://[^\s/@]+$")
    topic_prefix: Annotated[str, Field(pattern=r"^[^#+.\s]+$", max_length=200), ForPeople] = (
        "kerbwatch/v2"
    )
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = Field(default=None, validate_default=True)
    username: Annotated[str, Field(max_length=200), ForPeople] | None = None
    password_file: Path | None = None
    keepalive_s: int = Field(default=30, ge=5, le=30)
    window_bytes: int = Field(default=32_768, ge=1024)
    backlog_events_per_message: int = Field(default=20, ge=1, le=50)
    connect_timeout_s: float = Field(default=10, gt=0)
    acknowledge_timeout_s: float = Field(default=30, gt=0)
    reconnect_max_s: float = Field(default=60, gt=0)
    heartbeat_s: float = Field(default=60, gt=0)
    confirm: Literal["broker", "platform"] = "broker"
    """What confirms an event: the broker's acknowledgement, or the platform's receipt."""
    receipt_timeout_s: float = Field(default=60, gt=0)
    """An event that the broker acknowledged but no receipt names is sent again after this time, or later
    where receipts come late."""
    keep_arrived: int = Field(default=5000, ge=0, le=1_000_000)
    """Number of confirmed events kept, in case the platform requests them again."""
    backlog_events_per_s: float | None = Field(default=None, gt=0, le=1e9)
    """Maximum rate of the backlog; the platform may set another."""
    pack_backlog: bool = True
    """Whether batches of the backlog are compressed with gzip."""
    live_within_s: float = Field(default=30, gt=0)
    """An event older than this when it is first sent is flagged as historical."""
    daily_summary: bool = True
    """Whether a summary of each day is sent to the platform."""
    daily_bytes: DailyBytesSection = DailyBytesSection()

    @field_validator("broker", mode="before")
    @classmethod
    def _host_and_port(cls, value: Any) -> Any:
        return broker_address.checked(value) if isinstance(value, str) else value

    @field_validator("key_file")
    @classmethod
    def _certificate_and_key_together(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        # A fault of its own field: those of others do not hide it.
        if "certificate_file" in info.data and (info.data["certificate_file"] is None) != (
            value is None
        ):
            raise ValueError(
                said("certificate_file and key_file go together: give both or neither")
            )
        return value

    def located(self, base: Path) -> Self:
        """These settings with relative paths taken from the folder ``base``."""
        moved = {name: base / value for name, value in self if isinstance(value, Path)}
        return self.model_copy(update=moved)


class EvidenceSection(Section):
    """How pictures are stored."""

    jpeg_quality: int = Field(default=90, ge=50, le=100)
    close_up_margin: float = Field(default=0.5, ge=0, le=3)


class CollectionSection(Section):
    """Whether doubtful judgements are stored for labelling; see :mod:`agent.analysis.sample_collection`."""

    consent: Annotated[str, Field(min_length=8, max_length=500), ForPeople] | None = None
    """Who allowed it and in which document; stored with every crop. Without it nothing is stored."""
    quota_mb: float = Field(default=200, gt=0, le=10_000)
    per_day: int = Field(default=40, ge=1, le=10_000)
    min_gap_s: float = Field(default=900, ge=0)
    """Between two crops of one zone and kind."""
    keep_days: int = Field(default=30, ge=1, le=365)

    @property
    def quota_bytes(self) -> float:
        return self.quota_mb * 1e6


class OperatorSection(Section):
    """One operator of shared bikes, by the colours its bikes are painted in."""

    name: Name
    colours: tuple[Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")], ...] = Field(min_length=1)
    """Such as ``#f5c400``; only the hue counts, so greys cannot be recognised."""

    @field_validator("colours")
    @classmethod
    def _coloured(cls, colours: tuple[str, ...]) -> tuple[str, ...]:
        grey = [colour for colour in colours if not operator_colour.is_coloured(colour)]
        if grey:
            raise ValueError(
                said("too grey to be recognised by its hue: {colours}", colours=", ".join(grey))
            )
        return colours


class ZoneSection(Section):
    """One zone as drawn, with what the city files about its ground."""

    zone_id: Name
    camera_id: Name
    kind: str
    polygon: tuple[tuple[float, float], ...] = Field(min_length=3)
    place_id: Name | None = None
    in_force: tuple[WindowSection, ...] = ()
    """When the zone's rule applies; empty: always."""
    permitted: tuple[WindowSection, ...] = ()
    """When the rule is suspended, such as market hours."""
    responsible_unit: Annotated[str, Field(max_length=200), ForPeople] | None = None
    grid_code: str | None = Field(default=None, pattern=r"^[0-9A-Z]{15}$")
    coordinates: SurveyedPoint | None = None

    @field_validator("kind")
    @classmethod
    def _known_kind(cls, value: str) -> str:
        if value not in scenarios.zone_kinds():
            known = ", ".join(map(repr, scenarios.zone_kinds()))
            raise PydanticKnownError("literal_error", {"expected": known})
        return value

    @field_validator("polygon")
    @classmethod
    def _inside_the_frame(cls, polygon: tuple[_Corner, ...]) -> tuple[_Corner, ...]:
        outside = [
            said("corner {index} at ({x:g}, {y:g})", index=index, x=x, y=y)
            for index, (x, y) in enumerate(polygon)
            if not (0 <= x <= 1 and 0 <= y <= 1)
        ]
        if outside:
            raise ValueError(
                said(
                    "outside the frame: {corners}; corners are fractions of the picture, 0 to 1",
                    corners=outside,
                )
            )
        if area(polygon) < SMALLEST_ZONE:
            raise ValueError(
                said("the edges cross so that they enclose nothing; {remedy}", remedy=IN_ORDER)
                if crossings(polygon)
                else said("the corners enclose nothing; draw the zone again")
            )
        return polygon

    @property
    def zone(self) -> Zone:
        return Zone(
            zone_id=self.zone_id,
            camera_id=self.camera_id,
            kind=scenarios.zone_kinds()[self.kind],
            polygon=_drawn_to_the_edge(self.polygon),
            place_id=self.place_id or self.zone_id,
            in_force=tuple(section.window for section in self.in_force),
            permitted=tuple(section.window for section in self.permitted),
        )


class Configuration(Section):
    """The whole configuration of the agent."""

    site: SiteSection
    cameras: tuple[CameraSection, ...] = Field(min_length=1, max_length=MAX_CAMERAS)
    models: ModelsSection = ModelsSection()
    analysis: AnalysisSection = AnalysisSection()
    recovery: RecoverySection = RecoverySection()
    scenarios: dict[str, dict[str, Any]] = {}
    evidence: EvidenceSection = EvidenceSection()
    operators: tuple[OperatorSection, ...] = ()
    collection: CollectionSection = CollectionSection()
    view_guard: view_health.Settings = view_health.Settings()
    cooling: CoolingSection = CoolingSection()
    gpio: GpioSection = GpioSection()
    storage: StorageSection = StorageSection()
    retention: RetentionSection = RetentionSection()
    uplink: UplinkSection = UplinkSection()
    zones: tuple[ZoneSection, ...] = Field(default=(), max_length=MAX_PLACES)
    _old_keys: tuple[tuple[str, ...], ...] = PrivateAttr(default=())

    @property
    def old_keys(self) -> tuple[tuple[str, ...], ...]:
        """Keys that the site has under a name of before; see :mod:`agent.config.renamed_keys`."""
        return self._old_keys

    @property
    def topics(self) -> Topics:
        """Where this device publishes and listens."""
        return Topics(self.uplink.topic_prefix, self.site.tenant, self.site.device_id)

    @field_validator("scenarios")
    @classmethod
    def _scenarios_accept_their_settings(cls, value: dict[str, Any]) -> dict[str, Any]:
        faults: list[InitErrorDetails] = []
        for name, settings in value.items():
            try:
                scenarios.load_scenario(name).Settings.model_validate(settings)
            except ValidationError as error:
                faults += (placed((name,), detail) for detail in error.errors())
            except scenarios.UnknownScenarioError as error:
                faults.append(fault((name,), text_of(error)))
        if faults:
            raise ValidationError.from_exception_data("scenarios", faults)
        return value

    @model_validator(mode="after")
    def _names_fit_together(self) -> Self:
        misfits = misfits_of(
            [camera.camera_id for camera in self.cameras],
            [(zone.zone_id, zone.camera_id) for zone in self.zones],
        )
        if misfits:
            raise ValidationError.from_exception_data("Configuration", misfits)
        return self

    def sha256(self) -> str:
        """A hash of all settings that affect a judgement, the same on every machine."""
        text = json.dumps(
            self.model_dump(
                mode="json",
                exclude={"collection", "cooling", "gpio", "retention", "storage", "uplink"},
            ),
            sort_keys=True,
            ensure_ascii=False,
        )
        return hashlib.sha256(text.encode()).hexdigest()

    def shown(self, *, by_alias: bool = True) -> dict[str, Any]:
        """Everything as JSON, for anybody to see: without what cameras keep to themselves.

        Args:
            by_alias: Call keys what they are called in the file.
        """
        told = self.model_dump(mode="json", by_alias=by_alias)
        for section, camera in zip(self.cameras, told["cameras"], strict=True):
            settings = cameras.load_driver(section.driver).Settings
            for part in (camera, *camera["profiles"]):
                part["settings"] = settings.shown(part["settings"])
        return told

    @property
    def models_needed(self) -> tuple[str, ...]:
        """The models that judge on this site: a classifier only where a scenario has zones for it."""
        return (self.models.detector, *self.classifiers_needed.values())

    @property
    def classifiers_needed(self) -> dict[str, str]:
        """The classifiers among them: key in ``[models]`` → the model's folder."""
        return {key: getattr(self.models, key) for key in sorted(self.needs.classifiers)}

    @property
    def optional_classifiers(self) -> dict[str, str]:
        """Classifiers that scenarios here would ask and can do without, as above; "" where it is turned off."""
        return {key: getattr(self.models, key) for key in sorted(self.needs.optional_classifiers)}

    @property
    def needs(self) -> Needs:
        """What the configured scenarios need where zones are drawn for them."""
        chosen = [scenarios.load_scenario(name) for name in self.scenarios]
        return scenarios.needs_of(chosen, (section.zone for section in self.zones))

    def settings_sha256(self) -> str:
        """A hash of every single setting; paths are taken as they are written."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def zone_section(self, zone_id: str) -> ZoneSection:
        return next(zone for zone in self.zones if zone.zone_id == zone_id)
