"""What a status file may hold."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from agent.telemetry.status_file import (
    CameraStatus,
    CaseStatus,
    MeasureStatus,
    PendingStatus,
    Status,
)
from tests.support.topics import DEVICE


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


def quiet_status(**facts: Any) -> Status:
    """A status of a device at which nothing goes on, but for these facts."""
    told: dict[str, Any] = {
        "at": datetime.now(UTC),
        "uptime_s": 60,
        "device_id": DEVICE,
        "address": "example",
        "rate_factor": 1,
        "temperature_c": None,
        "cameras": {},
        "pending": (),
        "cases": (),
        "waiting": {},
        "uplink": None,
    }
    return Status(**told | facts)
