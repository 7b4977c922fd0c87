"""A surveyed point in the configuration; obvious mistakes are refused."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationInfo, field_validator

from agent.protocol.base import Coordinates
from wording.messages import said

SHIFTED = frozenset({"GCJ02", "BD09", "BD09LL", "BD09MC", "MARS"})
"""The grids of Chinese map services, without hyphens; they are shifted against what surveyors use."""


class SurveyedPoint(Coordinates):
    """Longitude, latitude and the system that they are in."""

    @field_validator("latitude", mode="before")
    @classmethod
    def _not_the_longitude(cls, value: Any, info: ValidationInfo) -> Any:
        longitude = info.data.get("longitude")
        if isinstance(value, int | float) and 90 < abs(value) <= 180 and longitude is not None:
            raise ValueError(
                said(
                    "no latitude is above 90; longitude ({longitude:g}) and latitude are swapped",
                    longitude=longitude,
                )
            )
        return value

    @field_validator("crs", mode="before")
    @classmethod
    def _not_a_map_services_grid(cls, value: Any) -> Any:
        if isinstance(value, str) and value.upper().replace("-", "").replace("_", "") in SHIFTED:
            raise ValueError(
                said(
                    "{crs} is the grid of a map service, shifted by up to several hundred metres;"
                    " have the point surveyed or converted, and give CGCS2000 or WGS84",
                    crs=value,
                )
            )
        return value
