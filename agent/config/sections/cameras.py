"""The cameras, each with its driver's settings and its profiles."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_core import InitErrorDetails

from agent.capture.camera_profiles import CameraProfile
from agent.config.faults import fault, placed
from agent.config.sections.base import Name, Section
from agent.config.sections.schedule import WindowSection
from agent.config.surveyed_point import SurveyedPoint
from drivers import cameras
from wording.known_errors import words_of
from wording.messages import said


class ProfileSection(Section):
    """Other settings of a camera for a time of day or a light; see :mod:`agent.capture.camera_profiles`."""

    name: Name
    when: tuple[WindowSection, ...] = ()
    darker_than: float | None = Field(default=None, ge=0, le=255)
    brighter_than: float | None = Field(default=None, ge=0, le=255)
    hold_s: float = Field(default=30.0, ge=0)
    settings: dict[str, Any] = Field(default={})
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
    coordinates: SurveyedPoint | None = None
    """Of the camera itself, as surveyed."""
    height_m: float | None = Field(default=None, gt=0, le=200)
    """Above the ground."""

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
