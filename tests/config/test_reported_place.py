"""What a city files of a zone: what may be written, what holds, and what is missing for the platform."""

from __future__ import annotations

from typing import Any

import pytest

from agent.config.faults import ConfigError
from agent.config.loading import from_tables
from agent.config.plausibility import missing, remarks
from agent.config.reported_place import code_of, place_of
from agent.config.schema import Configuration
from tests.support.sites import site_of, zone


def configuration_of(*zones: dict[str, Any], **site: Any) -> Configuration:
    tables = site_of(scenarios={"misparked_bikes": {}, "street_vending": {}}, zones=list(zones))
    tables["site"] |= site
    return from_tables(tables)


def faults_in(*zones: dict[str, Any], **site: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        configuration_of(*zones, **site)
    return caught.value.faults


def code_told(kind: str, drawn: dict[str, Any], **site: Any) -> tuple[str | None, str | None]:
    configuration = configuration_of(drawn, **site)
    told = code_of(configuration.site, configuration.zones[0], kind)
    return told.code, told.full_code


def test_a_place_has_an_id_that_no_other_device_of_the_tenant_gives() -> None:
    configuration = configuration_of(
        zone(),
        zone(zone_id="b", place_id="corner"),
        zone(zone_id="c", city_place_id="WH-0001"),
        device_id="post-7",
    )
    told = [place_of(configuration.site, each).place_id for each in configuration.zones]
    assert told == ["post-7.kerb", "post-7.corner", "WH-0001"]


def test_zones_of_one_place_are_one_place_to_the_city_too() -> None:
    [fault] = faults_in(
        zone(place_id="x", city_place_id="A"), zone(zone_id="b", place_id="x", city_place_id="B")
    )
    assert fault.startswith("zones.1.city_place_id (zone 'b'): zone 'kerb' is of the same place")


def test_a_zone_chooses_between_codes_that_a_camera_cannot_tell_apart() -> None:
    stall = zone(kind="no_vending")
    assert code_told("street_vending", stall) == ("09006", None)
    chosen = stall | {"code": "09001"}
    assert code_told("street_vending", chosen, division_code="340202") == ("09001", "34020209001")
    assert code_told("street_vending", stall | {"code": "05-01"}, codes_profile="classic") == (
        "05-01",
        None,
    )


@pytest.mark.parametrize(
    ("drawn", "told"),
    [
        ({"kind": "no_vending", "code": "09011"}, "09006 占道经营, 09001 无照经营游商"),
        ({"kind": "no_parking", "code": "09011"}, "there are: 09010 非机动车乱停放"),
        ({"kind": "bay", "code": "09010"}, "a zone of kind bay has no code to choose"),
    ],
)
def test_no_code_is_invented(drawn: dict[str, str], told: str) -> None:
    [fault] = faults_in(zone(**drawn))
    assert fault.startswith("zones.0.code (zone 'kerb'): ")
    assert told in fault


def test_a_wrong_code_is_told_with_every_other_fault() -> None:
    found = faults_in(zone(code="09999"), zone(zone_id="b", sla_s=-1, department_code="1"))
    assert [fault.split(":")[0] for fault in found] == [
        "zones.1.department_name (zone 'b')",
        "zones.1.sla_s (zone 'b')",
        "zones.0.code (zone 'kerb')",
    ]


def test_what_is_missing_for_the_platform_is_a_note_and_no_warning() -> None:
    configuration = configuration_of(*(zone(zone_id=f"z{n}", place_id="one") for n in range(7)))
    told = [str(each.what) for each in missing(configuration)]
    assert [text for text in told if "单元网格" in text] == [
        "not given: the 单元网格 code, from the city's list; zones: z0, z1, z2, z3, z4, 2 more"
    ]
    assert any(text.startswith("[legal] does not say yet: legal_review_no") for text in told)
    assert not any("not given" in str(each.what) for each in remarks(configuration))


def test_of_a_site_that_says_all_nothing_is_missing() -> None:
    tables = site_of(
        scenarios={"misparked_bikes": {}},
        zones=[zone()],
        legal={
            "legal_review_no": "1",
            "tech_review_no": "2",
            "sign_installed": True,
            "location_published": True,
        },
        site={
            "grid_code": "340202001001001",
            "responsible_unit_id": "unit-7",
            "department_code": "1",
            "department_name": "城市管理局",
            "division_code": "340202",
            "sla_s": 7200,
            "coordinates": {"longitude": 118.38, "latitude": 31.33, "crs": "CGCS2000"},
        },
    )
    assert list(missing(from_tables(tables))) == []
