"""A crossing that several drawn cameras see: red things stand there from time to time."""

from __future__ import annotations

from typing import Any

from agent.config.loading import from_tables
from agent.config.schema import Configuration

KERB = [[0.05, 0.05], [0.95, 0.05], [0.95, 0.95], [0.05, 0.95]]


def camera(camera_id: str, *stays: tuple[float, float], seconds: float = 30) -> dict[str, Any]:
    """A drawn street on which a red thing stands from time to time."""
    things = [
        {"colour": "#dc1414", "left": 0.45, "top": 0.4, "width": 0.15, "height": 0.27}
        | {"from_s": from_s, "to_s": to_s}
        for from_s, to_s in stays
    ]
    settings = {"seconds": seconds, "frames_per_s": 5, "things": things}
    return {"camera_id": camera_id, "driver": "synthetic", "settings": settings}


def zone(camera_id: str, place_id: str) -> dict[str, Any]:
    kerb = {"zone_id": f"kerb-{camera_id}", "camera_id": camera_id, "place_id": place_id}
    return {**kerb, "kind": "no_parking", "polygon": KERB}


def crossing(*cameras: dict[str, Any], places: tuple[str, ...]) -> Configuration:
    return from_tables(
        {
            "site": {"tenant": "t", "device_id": "d", "address": "example"},
            "cameras": list(cameras),
            "zones": [
                zone(each["camera_id"], place) for each, place in zip(cameras, places, strict=True)
            ],
            "scenarios": {"misparked_bikes": {"allowed_s": 4, "clear_after_s": 1}},
        }
    )
