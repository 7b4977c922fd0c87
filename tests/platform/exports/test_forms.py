"""A case in the form of another system says what is known, and nothing else."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from kerbwatch_platform.exports import ENTITIES, FORMS, export, formed

from tests.support.exported_cases import DEVICE, TENANT, case, take, told

if TYPE_CHECKING:
    import psycopg

LONG_AGO, LATER = datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)


def lines(connection: psycopg.Connection, form: str, **given: Any) -> list[dict[str, Any]]:
    return [json.loads(each) for each in export(connection, form, LONG_AGO, LATER, **given)]


def test_a_cloudevent_has_what_the_specification_demands_and_the_event_as_it_came() -> None:
    event = case("c-1")
    found = formed(event, "cloudevents")
    assert {"specversion", "id", "source", "type"} <= found.keys()
    assert (found["specversion"], found["id"]) == ("1.0", event["event_id"])
    assert found["source"] == f"/{TENANT}/{DEVICE}"
    assert (found["type"], found["subject"]) == ("kerbwatch.case.opened.v2", "c-1")
    assert found["data"] == event
    assert datetime.fromisoformat(found["time"]).tzinfo is not None
    assert all(name.isalnum() and name.islower() for name in found), "CloudEvents 1.0, 3.1"
    assert "subject" not in formed(told("message-heartbeat"), "cloudevents")


def test_a_case_is_exported_once_as_it_stands_and_what_nobody_knows_is_named(
    connection: psycopg.Connection,
) -> None:
    take(connection, case("c-1"), case("c-1", "case.cleared", state="cleared"), case("c-2"))
    found = {each["fields"]["case_id"]: each for each in lines(connection, "12345")}
    assert found.keys() == {"c-1", "c-2"}
    assert found["c-1"]["fields"]["state"] == "画面中已消除，待核查"
    assert found["c-2"]["fields"]["state"] == "未消除"
    [matter] = lines(connection, "reported-matter", case=(TENANT, DEVICE, "c-1"))
    assert set(matter["unknown"]) <= matter["fields"].keys()
    assert all(matter["fields"][name] is None for name in matter["unknown"])


@pytest.mark.parametrize("form", ["reported-matter", "running-systems", "12345"])
def test_every_line_names_its_case_and_the_code_that_the_event_says(
    connection: psycopg.Connection, form: str
) -> None:
    take(connection, case("c-1"), case("c-2"))
    found = {each["case_id"]: each for each in lines(connection, form)}
    assert found.keys() == {"c-1", "c-2"}
    assert {(each["tenant"], each["device_id"]) for each in found.values()} == {(TENANT, DEVICE)}
    assert found["c-1"]["code"] == case("c-1")["body"]["code"]


def test_a_matter_has_the_whole_code_where_the_event_says_it_and_never_half_of_one() -> None:
    code = case("c")["body"]["code"]
    whole = formed(case("c", code=code | {"full_code": "34020206042"}), "reported-matter")
    assert whole["fields"]["事项代码"] == "34020206042"
    assert "事项代码" not in whole["unknown"]
    half = formed(case("c", code=code | {"full_code": None}), "reported-matter")
    assert half["fields"]["事项代码"] is None
    assert "事项代码" in half["unknown"]
    assert half["code"]["code"] == code["code"]


def test_events_are_exported_whole_by_their_time_and_tests_never(
    connection: psycopg.Connection,
) -> None:
    take(connection, case("c-1"), case("c-2") | {"test": True}, told("message-heartbeat"))
    types = [each["type"] for each in lines(connection, "cloudevents")]
    assert sorted(types) == ["kerbwatch.case.opened.v2", "kerbwatch.device.heartbeat.v2"]
    assert list(export(connection, "cloudevents", LATER, LATER)) == []


def test_a_form_that_nobody_has_is_refused_before_anything_is_read(
    connection: psycopg.Connection,
) -> None:
    with pytest.raises(ValueError, match="reported-matter"):
        export(connection, "guess", LONG_AGO, LATER)
    with pytest.raises(ValueError, match="reported-matter"):
        formed(case("c"), "guess")
    with pytest.raises(ValueError, match="time"):
        export(connection, "cloudevents", LONG_AGO, LATER, case=(TENANT, DEVICE, "c"))
    assert set(FORMS) == {"reported-matter", "running-systems", "12345", "cloudevents"}


def inventory(*zones: dict[str, Any]) -> dict[str, Any]:
    event = told("message-inventory")
    [usual] = event["body"]["zones"]
    event["body"] |= {"zones": [usual | each for each in zones]}
    return event


HERE = {"longitude": 120.21, "latitude": 30.25, "crs": "CGCS2000"}


def entities(connection: psycopg.Connection, name: str) -> tuple[list[dict[str, Any]], int]:
    return ENTITIES[name](connection)


def test_a_bin_is_full_while_its_case_is_open_and_nothing_is_said_of_what_nobody_sees(
    connection: psycopg.Connection,
) -> None:
    bins = [
        {"kind": "bin", "zone_id": f"bin-{n}", "place_id": f"p{n}", "coordinates": HERE}
        for n in range(3)
    ]
    take(connection, inventory(*bins, {"kind": "bin", "zone_id": "nowhere", "coordinates": None}))
    place = case("c")["body"]["place"]
    full = {"kind": "overflowing_bin", "place": place | {"zone_id": "bin-0"}}
    unseen = {
        "kind": "overflowing_bin",
        "place": place | {"zone_id": "bin-1"},
        "abstention": {"because": "view_blocked", "since": "2026-01-01T10:00:00+08:00"},
    }
    take(connection, case("c-0", **full), case("c-1", "case.abstained", **unseen))
    take(connection, told("message-heartbeat"))
    found, without_place = entities(connection, "waste-containers")
    assert without_place == 1
    by_zone = {each["id"].rpartition(":")[2]: each for each in found}
    assert by_zone.keys() == {"bin-0", "bin-1", "bin-2"}
    for each in found:
        assert {"id", "type", "location"} <= each.keys(), "as the model demands"
        assert each["id"].startswith(f"urn:ngsi-ld:WasteContainer:{TENANT}:{DEVICE}:")
        assert each["location"]["value"]["coordinates"] == [120.21, 30.25], "longitude first"
    assert by_zone["bin-0"]["fillingLevel"]["value"] == 1
    assert by_zone["bin-0"]["fillingLevel"]["observedAt"].endswith("Z")
    assert by_zone["bin-0"]["overflowing"]["value"] is True
    assert not {"fillingLevel", "overflowing"} & by_zone["bin-1"].keys()
    assert "fillingLevel" not in by_zone["bin-2"], "how full it is nobody knows"
    assert by_zone["bin-2"]["overflowing"]["value"] is False


def test_a_bay_is_a_place_for_bikes_and_has_no_number_that_nobody_counts(
    connection: psycopg.Connection,
) -> None:
    take(
        connection,
        inventory({"kind": "bay", "zone_id": "bay", "coordinates": HERE}, {"kind": "no_parking"}),
    )
    [bay], without_place = entities(connection, "on-street-parking")
    assert (bay["type"], bay["allowedVehicleType"]["value"]) == ("OnStreetParking", "bicycle")
    assert not [name for name in bay if "Spot" in name]
    assert without_place == 0


@pytest.mark.parametrize(
    "coordinates", [{"longitude": 120.0, "latitude": 30.0, "crs": "GCJ02"}, None]
)
def test_coordinates_that_are_shifted_or_none_place_nothing(
    connection: psycopg.Connection, coordinates: Any
) -> None:
    take(connection, inventory({"kind": "bay", "zone_id": "bay", "coordinates": coordinates}))
    assert entities(connection, "on-street-parking") == ([], 1)
