"""Where the device is and whose it is; whose bikes are shared there."""

from __future__ import annotations

from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from agent.config.sections.base import ForPeople, Name, Section
from agent.config.surveyed_point import SurveyedPoint
from agent.perception import operator_colour
from wording.messages import said


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
