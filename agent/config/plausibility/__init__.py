"""Plausibility checks: settings that are allowed but probably not intended lead to warnings.

What is only missing for the platform is no warning, but a note (:func:`missing`).

A fault is refused (:mod:`agent.config.schema`); a device whose zones overlap still runs. Each remark says what
is odd and where, what that means for the device, and what to do. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.config.plausibility import broker, judged, names, points, renamed, zones
from agent.config.plausibility.platform import missing
from agent.config.plausibility.remark import Remark

if TYPE_CHECKING:
    from agent.config.schema import Configuration

__all__ = ["Remark", "missing", "remarks"]


def remarks(configuration: Configuration) -> tuple[Remark, ...]:
    """All remarks on a configuration, in the order of its files."""
    return (
        *renamed.remarks(configuration),
        *judged.remarks(configuration),
        *broker.remarks(configuration),
        *points.remarks(configuration),
        *names.remarks(configuration),
        *zones.remarks(configuration),
    )
