"""Sends the inventory: at every start, and whenever what it says has changed.

At a start it waits until every camera has given a picture, for its size is part of it, but not for long: a
camera that gives none is told with none, and once more when it does.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import ValidationError

from agent.config.reported_place import (
    allowed_s,
    city_facts,
    code_of,
    name_of,
    place_id_of,
)
from agent.protocol.base import VERSION
from agent.protocol.events import Draft
from agent.protocol.inventory import (
    MAX_CORNERS,
    MAX_WINDOWS,
    DeviceFacts,
    Hours,
    InventoryCamera,
    InventoryZone,
    Judged,
    LastUpdate,
    LegalFacts,
    Limits,
    in_parts,
)
from agent.storage.errors import StorageError
from drivers.files import version_record
from wording.harmless import harmless

if TYPE_CHECKING:
    import sqlite3
    import threading
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from agent.analysis.reference_image import ReferenceImage
    from agent.config.schema import CameraSection, Configuration, ZoneSection
    from agent.config.sections.schedule import WindowSection
    from agent.domain.ids import Ids
    from agent.protocol.base import ModelUsed
    from agent.storage.database import Database
    from agent.storage.outbox import Outbox
    from drivers.clock import Clock

WAIT_FOR_CAMERAS_S = 20.0
LOOK_EVERY_S = 1.0
CHANGED_EVERY_S = 60.0
"""A camera whose picture changes its size all the time must not fill the outbox."""
MAX_REASON = 500
"""Characters of a reason, as the contract has them."""
Because = Literal["start", "changed"]
SizesPx = dict[str, tuple[int, int]]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Known:
    """What the inventory tells.

    Attributes:
        configuration: The site.
        agent_version: Of the agent.
        models: Those that judge.
        commands: The names of those that the device knows.
        views: The cameras' reference images, of those that have one.
    """

    configuration: Configuration
    agent_version: str
    models: Sequence[ModelUsed]
    commands: Sequence[str]
    views: Mapping[str, ReferenceImage]


class InventorySender:
    """Puts inventories into the outbox.

    Args:
        known: What it tells.
        database: The outbox's database.
        outbox: Where they go.
        clock: For their times.
        ids: Where their ids come from.
        sizes_px: Width and height of the picture of each camera that has given one; asked in the thread.
        versions: The folder of the record of what happened to installed versions.
    """

    def __init__(
        self,
        known: Known,
        database: Database,
        outbox: Outbox,
        *,
        clock: Clock,
        ids: Ids,
        sizes_px: Callable[[], SizesPx],
        versions: Path = version_record.FOLDER,
    ) -> None:
        self._known, self._database, self._outbox = known, database, outbox
        self._clock, self._ids, self._sizes_px = clock, ids, sizes_px
        self._versions = versions

    def go_on_with(self, configuration: Configuration) -> None:
        """Tell another configuration, soon; from any thread."""
        self._known = dataclasses.replace(self._known, configuration=configuration)

    def run(self, stop: threading.Event) -> None:
        """Send it now and after every change until stopped; what the disk does not take is tried again."""
        self._wait_for_cameras(stop)
        because: Because = "start"
        told: tuple[Known, SizesPx, LastUpdate | None] | None = None
        while not stop.is_set():
            known = self._known
            now = known, self._sizes_px(), last_update(self._versions)
            if now != told:
                try:
                    self.send(because, *now[1:])
                except StorageError as error:
                    _log.warning("no inventory: %s", error)
                else:
                    because, told = "changed", now
            self._rest(known, stop)

    def _rest(self, known: Known, stop: threading.Event) -> None:
        """Wait a while, or until there is another configuration."""
        until_s = time.monotonic() + CHANGED_EVERY_S
        while self._known is known and time.monotonic() < until_s and not stop.wait(LOOK_EVERY_S):
            pass

    def _wait_for_cameras(self, stop: threading.Event) -> None:
        cameras = len(self._known.configuration.cameras)
        until_s = time.monotonic() + WAIT_FOR_CAMERAS_S
        while len(self._sizes_px()) < cameras and time.monotonic() < until_s:
            if stop.wait(LOOK_EVERY_S):
                return

    def send(self, because: Because, sizes_px: SizesPx, update: LastUpdate | None = None) -> None:
        """Put an inventory into the outbox, all its parts in one transaction.

        Raises:
            StorageError: It could not be written.
        """
        configuration = self._known.configuration
        bodies = in_parts(
            inventory_id=self._ids.new(self._clock.now()),
            because=because,
            configuration_sha256=configuration.sha256(),
            device=device_facts(self._known, update),
            cameras=[
                _camera(each, sizes_px.get(each.camera_id), self._known.views.get(each.camera_id))
                for each in configuration.cameras
            ],
            zones=zones_of(configuration),
        )
        drafts = [Draft.of_device(body, self._clock, self._ids) for body in bodies]

        def add(connection: sqlite3.Connection) -> None:
            for draft in drafts:
                self._outbox.add(connection, draft)

        self._database.write(add).result()


def last_update(folder: Path) -> LastUpdate | None:
    """The last step between installed versions; None: there is none, or it is not one that is told."""
    step = version_record.last_step(version_record.read(folder))
    if step is None:
        return None
    told = {
        "what": step.what,
        "version": step.version,
        "instead_of": step.instead_of,
        "reason": harmless(step.why)[:MAX_REASON] or None,
    }
    try:
        return LastUpdate.model_validate(told)
    except ValidationError:
        return None


def device_facts(known: Known, update: LastUpdate | None = None) -> DeviceFacts:
    """The device as a whole."""
    configuration = known.configuration
    site, legal = configuration.site, configuration.legal
    return DeviceFacts(
        **dict(city_facts(site)),
        agent_version=known.agent_version,
        update=update,
        contract_version=VERSION,
        timezone=site.timezone,
        codes_profile=site.codes_profile,
        division_code=site.division_code,
        gbt_28181_id=site.gbt_28181_id,
        legal=LegalFacts(**dict(legal)),
        shared_bikes_as=site.shared_bikes_as,
        operators=tuple(each.name for each in configuration.operators),
        models=tuple(known.models),
        commands=tuple(known.commands),
        limits=limits_of(configuration),
    )


def limits_of(configuration: Configuration) -> Limits:
    """What the device keeps and how often it speaks."""
    uplink, retention = configuration.uplink, configuration.retention
    return Limits(
        confirm=uplink.confirm,
        keep_arrived=uplink.keep_arrived,
        database_bytes=int(configuration.storage.database_mb * 1e6),
        pictures_bytes=int(retention.pictures_mb * 1e6),
        pictures_days=retention.pictures_days,
        cases_days=retention.cases_days,
        letters_days=retention.letters_days,
        losses_days=retention.losses_days,
        daily_bytes=uplink.daily_bytes.limits(),
        heartbeat_s=uplink.heartbeat_s,
        heartbeat_full_s=uplink.heartbeat_full_s,
        heartbeat_silence_s=uplink.heartbeat_silence_s,
        persist_every_s=configuration.analysis.persist_every_s,
        receipt_timeout_s=uplink.receipt_timeout_s,
        live_within_s=uplink.live_within_s,
        daily_summary=uplink.daily_summary,
    )


def _camera(
    section: CameraSection, size_px: tuple[int, int] | None, view: ReferenceImage | None
) -> InventoryCamera:
    width_px, height_px = size_px or (None, None)
    return InventoryCamera(
        camera_id=section.camera_id,
        driver=section.driver,
        width_px=width_px,
        height_px=height_px,
        coordinates=section.coordinates,
        height_m=section.height_m,
        view_sha256=None if view is None else view.sha256,
        view_kept_at=None if view is None else view.taken_at,
    )


def zones_of(configuration: Configuration) -> list[InventoryZone]:
    """Every zone, with what holds there."""
    allowed = allowed_s(configuration)
    return [_zone(configuration, each, allowed[each.zone_id]) for each in configuration.zones]


def _zone(
    configuration: Configuration, section: ZoneSection, allowed: Mapping[str, float]
) -> InventoryZone:
    site, corners = configuration.site, section.zone.polygon
    polygon = tuple((round(x, 5), round(y, 5)) for x, y in corners)
    return InventoryZone(
        **dict(city_facts(site, section)),
        zone_id=section.zone_id,
        camera_id=section.camera_id,
        kind=section.kind,
        place_id=place_id_of(site, section),
        name=name_of(section),
        polygon=polygon if len(polygon) <= MAX_CORNERS else None,
        in_force=_hours(section.in_force),
        permitted=_hours(section.permitted),
        judged=tuple(
            Judged(kind=kind, code=code_of(site, section, kind), allowed_s=seconds)
            for kind, seconds in sorted(allowed.items())
        ),
    )


def _hours(windows: Sequence[WindowSection]) -> tuple[Hours, ...] | None:
    """All of them or none: some of them would be another rule."""
    if len(windows) > MAX_WINDOWS:
        return None
    return tuple(
        Hours(
            days=tuple(sorted(set(each.days))),
            begin=each.begin.isoformat("seconds"),
            end=each.end.isoformat("seconds"),
        )
        for each in windows
    )
