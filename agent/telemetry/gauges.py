"""Where the heartbeat's fields come from: each is filled by one gauge, a method of the field's name.

    class Machine:
        @gauge
        def temperature_c(self) -> float | None: ...

Whoever has something to tell brings an object with such methods, and :func:`table_of` makes the one table of
all of them. A field that nobody fills, or two do, is refused there, and so is a gauge that fills none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from agent.protocol.heartbeat import HeartbeatBody

if TYPE_CHECKING:
    from pydantic import BaseModel

Gauge = Callable[[], Any]
"""Reads the value of a field; an OSError costs the heartbeat."""
GaugeTable = Mapping[str, Gauge]
"""Every field of the heartbeat, by name."""

_MARK = "_is_gauge"
_Method = TypeVar("_Method", bound=Callable[..., object])


class GaugeTableError(TypeError):
    """Gauges and fields do not match."""


def gauge(method: _Method) -> _Method:
    """Mark the method that fills the heartbeat's field of its name."""
    setattr(method, _MARK, True)
    return method


def table_of(*sources: object, body: type[BaseModel] = HeartbeatBody) -> GaugeTable:
    """The gauges of all sources, by the field that each of them fills.

    Args:
        sources: Objects with methods that are gauges.
        body: Whose fields they fill.

    Raises:
        GaugeTableError: A field has no gauge or two, or a gauge has no field.
    """
    found = [(name, getattr(source, name)) for source in sources for name in _gauges_in(source)]
    names = [name for name, _ in found]
    faults = (
        *(f"nobody fills {name}" for name in body.model_fields if name not in names),
        *(f"{name} is filled twice" for name in sorted(set(names)) if names.count(name) > 1),
        *(f"{name} is no field" for name in names if name not in body.model_fields),
    )
    if faults:
        raise GaugeTableError("; ".join(faults))
    return dict(found)


def _gauges_in(source: object) -> list[str]:
    kind = type(source)
    return [name for name in dir(kind) if getattr(getattr(kind, name), _MARK, False)]
