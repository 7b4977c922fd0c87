"""A crossing that several drawn cameras see: red things stand there from time to time."""

from __future__ import annotations

from agent.config.loading import from_tables
from agent.config.schema import Configuration
from tests.support.sites import Table, drawn_camera, red_thing, site_of, zone


def camera(camera_id: str, *stays: tuple[float, float], seconds: float = 30) -> Table:
    """A drawn street on which a red thing stands from … to …, in seconds."""
    things = [red_thing(from_s=from_s, to_s=to_s) for from_s, to_s in stays]
    return drawn_camera(camera_id, seconds=seconds, frames_per_s=5, things=things)


def crossing(*cameras: Table, places: tuple[str, ...]) -> Configuration:
    """A site with these cameras; each sees the place of the same position."""
    zones = [
        zone(zone_id=f"kerb-{name}", camera_id=name, place_id=place)
        for name, place in zip((each["camera_id"] for each in cameras), places, strict=True)
    ]
    scenarios = {"misparked_bikes": {"allowed_s": 4, "clear_after_s": 1}}
    return from_tables(site_of(cameras=list(cameras), zones=zones, scenarios=scenarios))
