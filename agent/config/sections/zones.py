"""The zones as drawn."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator
from pydantic_core import PydanticKnownError

from agent import scenarios
from agent.config.sections.base import ForPeople, Name, Section
from agent.config.sections.schedule import WindowSection
from agent.config.surveyed_point import SurveyedPoint
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
