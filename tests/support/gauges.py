"""Gauges that show what a test wants them to show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.protocol.field_examples import example_of
from agent.protocol.heartbeat import HeartbeatBody

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.telemetry.gauges import Gauge, GaugeTable


def showing(told: Mapping[str, Any]) -> dict[str, Gauge]:
    """A gauge for each field that is named."""
    return {name: lambda value=value: value for name, value in told.items()}  # type: ignore[misc]


def as_in_the_example(**gauges: Gauge) -> GaugeTable:
    """Every field as in the contract's example, but for those that are given."""
    return showing(dict(example_of(HeartbeatBody))) | gauges
