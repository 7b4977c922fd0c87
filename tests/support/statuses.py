"""A status file's content."""

from __future__ import annotations

from datetime import UTC, datetime

from agent.telemetry.status_file import (
    CameraStatus,
    CaseStatus,
    MeasureStatus,
    PendingStatus,
    Status,
)


def status(value: float) -> Status:
    """A status in which every figure is this one."""
    camera = CameraStatus(
        state="running",
        for_s=value,
        reopened=0,
        captured=3,
        dropped=0,
        brightness=value,
        profile=None,
        analysed=2,
        gated=1,
        network_runs=1,
        stage_s={"looking": value},
        tracks={},
    )
    measures = (
        MeasureStatus(name="stood_s", value=value, threshold=60, needs="at_least"),
        MeasureStatus(name="crowd_share", value=0.5, threshold=value, needs="at_most"),
    )
    return Status(
        at=datetime(2026, 3, 1, 4, tzinfo=UTC),
        uptime_s=value,
        device_id="d",
        address="example",
        rate_factor=value,
        temperature_c=value,
        cameras={"street": camera},
        pending=(
            PendingStatus(
                camera_id="street", zone_id="kerb", scenario="street_vending", measures=measures
            ),
        ),
        cases=(CaseStatus(case_id="c", kind="street_vending", zone_id="kerb", stands_s=value),),
        waiting={},
        uplink=None,
    )
