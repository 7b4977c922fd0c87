"""A site's parts joined as the agent joins them, without its threads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agent.config.schema import Configuration
from agent.domain.ids import RandomIds
from agent.protocol.base import ClockReading
from agent.runtime.composition import Parts, assemble
from agent.storage import outbox_queries
from drivers import cameras


def parts_of(site: Configuration, state: Path, *, boot_id: str = "boot") -> Parts:
    """What judges, records and tells at a site; state and pictures go into a folder. Close it."""
    return assemble(
        site,
        state_dir=state,
        evidence_dir=state / "evidence",
        ids=RandomIds(),
        clock=lambda _: ClockReading(state="replay", boot_id=boot_id, monotonic_s=0),
        boot_id=boot_id,
    )


def camera_of(site: Configuration) -> cameras.Camera:
    """The site's first camera, opened."""
    section = site.cameras[0]
    settings = section.driver_settings(Path())
    return cameras.load_driver(section.driver).open_camera(section.camera_id, settings)


def frames_of(site: Configuration) -> Iterator[cameras.Frame]:
    """Every frame of the site's first camera."""
    camera = camera_of(site)
    while (frame := camera.read()) is not None:
        yield frame


def events_of(parts: Parts) -> list[dict[str, Any]]:
    """The case events that wait for the platform."""
    with parts.reading() as connection:
        rows = outbox_queries.waiting(
            connection, outbox_queries.Lane.CASE, limit=100, limit_bytes=1 << 30
        )
    return [json.loads(row.event) for row in rows]
