"""What the city files about a piece of ground."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from agent.config.sections.base import ForPeople, Section
from agent.config.surveyed_point import SurveyedPoint
from agent.protocol.place import (
    DEPARTMENT_CODE,
    GRID_CODE,
    MAX_ADDRESS,
    MAX_UNIT,
    UNIT_ID,
    Department,
)
from agent.scenarios import RoadClass
from wording.messages import said

Address = Annotated[str, Field(min_length=1, max_length=MAX_ADDRESS), ForPeople]
LONGEST_SLA_S = 366 * 86_400.0


class CityRecord(Section):
    """What the city files: of the site, and of a zone where it is different there.

    None of it is ever made up; what is missing is sent as null.
    """

    grid_code: str | None = Field(default=None, pattern=GRID_CODE)
    responsible_unit: Annotated[str, Field(max_length=MAX_UNIT), ForPeople] | None = None
    responsible_unit_id: str | None = Field(default=None, pattern=UNIT_ID)
    """The unit's id in the city's own register."""
    department_code: str | None = Field(default=None, pattern=DEPARTMENT_CODE)
    """主管部门代码, from the city's list."""
    department_name: Annotated[str, Field(min_length=1, max_length=100), ForPeople] | None = Field(
        default=None, validate_default=True
    )
    """主管部门名称."""
    road_class: Annotated[RoadClass, ForPeople] | None = None
    """The city's own name of the road's class; scenarios may allow more or less by it."""
    sla_s: float | None = Field(default=None, gt=0, le=LONGEST_SLA_S)
    """Within which time a case is to be cleared; the device only passes it on."""
    coordinates: SurveyedPoint | None = None

    @property
    def department(self) -> Department | None:
        """主管部门, where it is given here."""
        if self.department_code is None or self.department_name is None:
            return None
        return Department(code=self.department_code, name=self.department_name)

    @field_validator("department_name")
    @classmethod
    def _department_whole(cls, value: str | None, info: ValidationInfo) -> str | None:
        if "department_code" in info.data and (info.data["department_code"] is None) != (
            value is None
        ):
            raise ValueError(
                said("department_code and department_name go together: give both or neither")
            )
        return value
