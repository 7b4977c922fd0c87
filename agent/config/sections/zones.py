"""The zones as drawn."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticKnownError

from agent import scenarios
from agent.config.sections.base import ForPeople, Name, Section
from agent.config.sections.city import Address, CityRecord
from agent.config.sections.schedule import WindowSection
from agent.domain.polygons import area, crossings
from agent.domain.scene import Zone
from agent.domain.zones import to_edge
from wording.messages import said

_Corner = tuple[float, float]
IN_ORDER = said("give the corners in order around the area")
SMALLEST_ZONE = 1e-5
"""Area below which a polygon holds nothing, as a share of the picture: 9 pixels of 1280 × 720."""


def _drawn_to_the_edge(polygon: tuple[_Corner, ...]) -> tuple[_Corner, ...]:
    """The corners, those that were meant to lie on the picture's edge moved onto it.

    A zone that is all edge stays as it was drawn.
    """
    moved = tuple((to_edge(x), to_edge(y)) for x, y in polygon)
    return moved if area(moved) >= SMALLEST_ZONE else polygon


class NameSection(Section):
    """What people call a zone: in Chinese, in English, or in both."""

    zh: Annotated[str, Field(min_length=1, max_length=100), ForPeople] | None = None
    en: Annotated[str, Field(min_length=1, max_length=100), ForPeople] | None = None

    @model_validator(mode="after")
    def _in_some_language(self) -> Self:
        if self.zh is None and self.en is None:
            raise ValueError(said("give zh, en or both"))
        return self


class ZoneSection(CityRecord):
    """One zone as drawn, with what the city files about its ground where that is not as for the site."""

    zone_id: Name
    camera_id: Name
    kind: str
    polygon: tuple[tuple[float, float], ...] = Field(min_length=3)
    place_id: Name | None = None
    """The device's own name of the place; zones of one place share their cases."""
    city_place_id: Name | None = None
    """The city's id of the place: the same on every device that sees it."""
    name: NameSection | None = None
    address: Address | None = None
    allowed_s: float | None = Field(default=None, gt=0)
    """How long a thing may stay here, whatever the scenario and the road's class say."""
    warn_after_s: float | None = Field(default=None, gt=0)
    """After how long somebody is warned by lamp or buzzer, whatever the scenario says."""
    code: str | None = None
    """Under which code what is found here is told, where a camera cannot know which of several it is."""
    in_force: tuple[WindowSection, ...] = ()
    """When the zone's rule applies; empty: always."""
    permitted: tuple[WindowSection, ...] = ()
    """When the rule is suspended, such as market hours."""

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
        """The zone by what is said of it alone; of which class its road is, the site may say for all."""
        return Zone(
            zone_id=self.zone_id,
            camera_id=self.camera_id,
            kind=scenarios.zone_kinds()[self.kind],
            polygon=_drawn_to_the_edge(self.polygon),
            place_id=self.place_id or self.zone_id,
            in_force=tuple(section.window for section in self.in_force),
            permitted=tuple(section.window for section in self.permitted),
            allowed_s=self.allowed_s,
            warn_after_s=self.warn_after_s,
        )
