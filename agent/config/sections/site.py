"""Where the device is and whose it is; whose bikes are shared there."""

from __future__ import annotations

from typing import Annotated, Literal, get_args
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from agent.config.sections.base import ForPeople, Name, Section
from agent.config.sections.city import Address, CityRecord
from agent.perception import operator_colour
from agent.protocol.case import LegalFact
from agent.protocol.place import DIVISION_CODE
from wording.messages import said


class SiteSection(CityRecord):
    """Facts about this corner; they come from the city and from the surveyor.

    What the city files holds for every zone that does not say otherwise.
    """

    tenant: Name
    device_id: Name
    address: Address
    timezone: str = "Asia/Shanghai"
    purpose: Annotated[str, Field(min_length=1, max_length=200), ForPeople] = "city-order"
    codes_profile: Literal["gbt-47678-5", "classic"] = "gbt-47678-5"
    shared_bikes_as: Literal["misparked_bike", "shared_bike_disorder"] = "misparked_bike"
    """As what a case is told whose bikes are all of a known operator."""
    division_code: str | None = Field(default=None, pattern=DIVISION_CODE)
    """行政区划代码: with it an event's code is told in full (11 digits) as well."""
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


class LegalSection(Section):
    """What the law asks of this corner before anything seen here could be evidence; the city's own word.

    Every case is a lead. That a reviewer found it valid makes more of it only where all of this was there when it
    opened, and is there still (:mod:`agent.config.evidence_status`).
    """

    legal_review_no: Annotated[str, Field(min_length=1, max_length=100), ForPeople] | None = None
    tech_review_no: Annotated[str, Field(min_length=1, max_length=100), ForPeople] | None = None
    sign_installed: bool = False
    location_published: bool = False

    @property
    def gaps(self) -> tuple[LegalFact, ...]:
        """What is not there yet."""
        return tuple(name for name in get_args(LegalFact) if not getattr(self, name))


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
