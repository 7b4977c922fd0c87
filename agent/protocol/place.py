"""Where a case is, as the city files it: what is said of a place in events and in the inventory."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from agent.protocol.base import Coordinates, Wire
from agent.protocol.field_examples import Example
from agent.protocol.fields import Label, Name, Seconds, Text

MAX_ADDRESS: Final = 256
"""事发位置 (c256)."""
MAX_UNIT: Final = 200
GRID_CODE: Final = r"^[0-9A-Z]{15}$"
"""所在单元网格标识码 (c15): division, street, community, number; taken from the city's list."""
DEPARTMENT_CODE: Final = r"^[0-9A-Z]{1,18}$"
"""主管部门代码 (c18), as transcribed: whether all 18 characters are always used is not confirmed."""
UNIT_ID: Final = r"^[A-Za-z0-9._-]{1,64}$"
DIVISION_CODE: Final = r"^[0-9]{6}$"
"""行政区划代码, such as 340202."""

Address = Annotated[str, Text(MAX_ADDRESS)]
Unit = Annotated[str, Text(MAX_UNIT)]
"""Who is responsible for a place, by name."""
UnitId = Annotated[str, Field(max_length=64, pattern=UNIT_ID)]
"""The same, by the id in the city's register of units."""
GridCode = Annotated[str, Field(max_length=15, pattern=GRID_CODE)]
DivisionCode = Annotated[str, Field(max_length=6, pattern=DIVISION_CODE)]
PlaceId = Annotated[
    str, Field(max_length=129, pattern=r"^[A-Za-z0-9_-]{1,64}(\.[A-Za-z0-9_-]{1,64})?$")
]
"""Unique in the tenant: the device's own place behind the device's id and a dot, or the id that the city
has given it, which has no dot."""


class NameOf(Wire):
    """What people call a place, in each language in which it has a name."""

    zh: Annotated[Label | None, Example("示例路口东侧人行道")] = None
    en: Annotated[Label | None, Example("pavement east of the example crossing")] = None


class Department(Wire):
    """主管部门: the authority that a matter belongs to, by the city's list."""

    code: Annotated[
        str, Field(max_length=18, pattern=DEPARTMENT_CODE), Example("000000000000000000")
    ]
    name: Annotated[Label, Example("示例主管部门")]


class CityFacts(Wire):
    """What the city files about a piece of ground: what holds there, null where it was not given.

    ``sla_s`` is within which time a case is to be cleared there. ``road_class`` is the city's own name.
    """

    address: Annotated[Address, Example("示例地址（非真实地点）")]
    grid_code: Annotated[GridCode | None, Example(None)] = None
    responsible_unit: Annotated[Unit | None, Example("示例单位")] = None
    responsible_unit_id: Annotated[UnitId | None, Example("unit-1")] = None
    department: Department | None = None
    road_class: Annotated[Annotated[str, Text(64)] | None, Example("示例道路等级")] = None
    sla_s: Annotated[Seconds | None, Example(7200.0)] = None
    coordinates: Annotated[Coordinates | None, Example(None)] = None


class Place(CityFacts):
    """Where a case is."""

    place_id: Annotated[PlaceId, Example("example-corner.kerb")]
    zone_id: Annotated[Name, Example("kerb")]
    camera_id: Annotated[Name, Example("street")]
    name: NameOf | None = None
