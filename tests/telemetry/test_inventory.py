"""The inventory: what events are read by is told at every start and at every change, in parts that fit."""

from __future__ import annotations

import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from agent.config.loading import from_tables
from agent.domain.ids import RandomIds
from agent.protocol.events import InventoryEvent
from agent.protocol.inventory import MAX_CORNERS, MAX_PART_BYTES, MAX_WINDOWS
from agent.storage.database import Database
from agent.storage.outbox_queries import Lane, waiting
from agent.telemetry.inventory import InventorySender, Known, last_update, zones_of
from drivers.clock import SystemClock
from drivers.files import version_record
from tests.support.outboxes import open_outbox
from tests.support.sites import drawn_camera, site_of, zone
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from agent.config.schema import Configuration

CITY = {
    "responsible_unit": "城管一队",
    "responsible_unit_id": "unit-7",
    "department_code": "1",
    "department_name": "城市管理局",
    "road_class": "主干路",
    "sla_s": 7200,
}


def configuration_of(*zones: dict[str, Any], **tables: Any) -> Configuration:
    return from_tables(
        site_of(scenarios={"misparked_bikes": {"allowed_s": 180}}, zones=list(zones), **tables)
    )


class Device:
    def __init__(self, folder: Path, configuration: Configuration) -> None:
        self.database = Database(folder / "kerbwatch.db")
        self.sizes_px: dict[str, tuple[int, int]] = {}
        self.configuration = configuration
        self.sender = InventorySender(
            Known(configuration, "0.2.0", models=(), commands=("hold", "resend"), views={}),
            self.database,
            open_outbox(self.database),
            clock=SystemClock(),
            ids=RandomIds(),
            sizes_px=lambda: dict(self.sizes_px),
        )

    def told(self) -> list[InventoryEvent]:
        with closing(self.database.read()) as connection:
            rows = waiting(connection, Lane.REST, limit=2000, limit_bytes=10**9)
        return [InventoryEvent.model_validate_json(row.event) for row in rows]


def test_it_waits_for_the_cameras_and_tells_their_pictures_as_they_came(tmp_path: Path) -> None:
    device, stop = Device(tmp_path, configuration_of(zone())), threading.Event()
    thread = threading.Thread(target=device.sender.run, args=(stop,))
    thread.start()
    try:
        assert device.told() == []
        device.sizes_px["street"] = (1280, 720)
        wait_until(device.told)
    finally:
        stop.set()
        thread.join()
    [event] = device.told()
    [camera] = event.body.cameras
    assert (camera.camera_id, camera.width_px, camera.height_px) == ("street", 1280, 720)
    assert (event.body.because, event.body.part, event.body.parts) == ("start", 1, 1)
    assert event.body.configuration_sha256 == device.configuration.sha256()


def test_a_camera_that_gave_no_picture_is_told_without_a_size(tmp_path: Path) -> None:
    device = Device(tmp_path, configuration_of(zone()))
    device.sender.send("start", {})
    [event] = device.told()
    assert event.body.cameras[0].width_px is None
    assert event.body.device is not None
    assert event.body.device.commands == ("hold", "resend")


def test_of_a_zone_it_tells_what_holds_there_whoever_says_it() -> None:
    configuration = configuration_of(
        zone(name={"zh": "东侧", "en": "east"}, code="09010", allowed_s=60),
        zone(zone_id="own", responsible_unit="二队", address="another road", sla_s=60),
        zone(zone_id="bay", kind="bay"),
        site={"division_code": "340202", **CITY},
    )
    kerb, own, bay = zones_of(configuration)
    assert (kerb.responsible_unit_id, kerb.sla_s, kerb.road_class) == ("unit-7", 7200, "主干路")
    assert kerb.department is not None
    assert kerb.department.name == "城市管理局"
    assert kerb.name is not None
    assert (kerb.name.zh, kerb.name.en) == ("东侧", "east")
    [judged] = kerb.judged
    assert (judged.kind, judged.allowed_s) == ("misparked_bike", 60)
    assert judged.code.full_code == "34020209010"
    # A unit's id is of no other unit's name.
    assert (own.responsible_unit, own.responsible_unit_id) == ("二队", None)
    assert (own.address, own.sla_s, own.judged[0].allowed_s) == ("another road", 60, 180)
    assert bay.judged == ()


def largest_zone(index: int) -> dict[str, Any]:
    ring = [[0.0, 0.0], [1.0, 0.0]]
    ring += [[1.0 - step / 1000, 0.5 + step / 1234.5] for step in range(MAX_CORNERS - 2)]
    hours = {"days": [1, 2, 3, 4, 5, 6, 7], "from": "07:00:01", "to": "22:00:01"}
    return zone(
        zone_id=f"{index:04}" + "z" * 60,
        polygon=ring,
        in_force=[hours] * MAX_WINDOWS,
        permitted=[hours] * MAX_WINDOWS,
        city_place_id=f"{index:04}" + "p" * 60,
        name={"zh": "路" * 100, "en": "e" * 100},
        address="路" * 256,
        responsible_unit="队" * 200,
        department_code="1" * 18,
        department_name="局" * 100,
        road_class="路" * 64,
    )


def test_a_thousand_zones_come_in_numbered_parts_that_fit_and_lose_none(tmp_path: Path) -> None:
    count = 1000
    device = Device(
        tmp_path, configuration_of(*(zone(zone_id=f"zone-{n}", **CITY) for n in range(count)))
    )
    device.sender.send("start", {})
    told = [event.body for event in device.told()]
    assert [body.part for body in told] == list(range(1, len(told) + 1))
    assert {(body.inventory_id, body.parts) for body in told} == {(told[0].inventory_id, len(told))}
    assert [each.zone_id for body in told for each in body.zones] == [
        f"zone-{n}" for n in range(count)
    ]
    assert [body.device is not None for body in told] == [True] + [False] * (len(told) - 1)
    assert max(len(body.model_dump_json().encode()) for body in told) <= MAX_PART_BYTES


def test_the_largest_zone_that_can_be_told_fits_into_a_part() -> None:
    [told] = zones_of(configuration_of(largest_zone(1)))
    assert told.polygon is not None
    assert told.in_force is not None
    assert len(told.model_dump_json().encode()) < MAX_PART_BYTES - 1000


def test_of_more_corners_or_hours_than_fit_none_are_told() -> None:
    ring = largest_zone(1)["polygon"]
    hours = [{"from": "07:00", "to": "22:00"}] * (MAX_WINDOWS + 1)
    [told] = zones_of(
        configuration_of(zone(polygon=[*ring, [0.01, 0.999]], in_force=hours, permitted=[]))
    )
    assert (told.polygon, told.in_force, told.permitted) == (None, None, ())


def test_where_a_camera_hangs_is_told_as_it_was_surveyed(tmp_path: Path) -> None:
    point = {"longitude": 118.38, "latitude": 31.33, "crs": "CGCS2000"}
    camera = drawn_camera() | {"coordinates": point, "height_m": 4.5}
    device = Device(tmp_path, configuration_of(zone(), cameras=[camera]))
    device.sender.send("changed", {"street": (640, 480)})
    [event] = device.told()
    assert event.body.because == "changed"
    told = event.body.cameras[0]
    assert told.coordinates is not None
    assert (told.coordinates.longitude, told.height_m) == (118.38, 4.5)


def test_an_update_that_went_back_is_told_with_its_reason(tmp_path: Path) -> None:
    device = Device(tmp_path, configuration_of(zone()))
    kept = version_record.Record().and_then(
        "went_back", "0.2.0", instead_of="0.2.1", why="the broker is not reached\nat all"
    )
    version_record.write(tmp_path, kept)
    device.sender.send("changed", {}, last_update(tmp_path))
    [event] = device.told()
    assert event.body.device is not None
    update = event.body.device.update
    assert update is not None
    assert (update.what, update.version, update.instead_of) == ("went_back", "0.2.0", "0.2.1")
    assert update.reason is not None
    assert "\n" not in update.reason


@pytest.mark.parametrize("version", ["0.2.0", "no version, but words", "x" * 99])
@pytest.mark.parametrize("what", ["placed", "removed", "proved", "something of a later version"])
def test_a_step_that_the_contract_has_no_word_for_is_not_told(
    tmp_path: Path, what: Any, version: str
) -> None:
    version_record.write(tmp_path, version_record.Record().and_then(what, version))
    told = last_update(tmp_path)
    assert (told is not None) == ((what, version) == ("proved", "0.2.0"))
    assert last_update(tmp_path / "nowhere") is None
