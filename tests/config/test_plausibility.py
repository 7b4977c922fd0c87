"""Promises about configurations that can be used and can hardly be meant: people are told, with what to do."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config.faults import ConfigError
from agent.config.loading import from_tables
from agent.config.plausibility import remarks
from tests.support.sites import CLIP_SITE, faults_of, write_site, zone

if TYPE_CHECKING:
    from pathlib import Path

LEFT = [[0.1, 0.1], [0.5, 0.1], [0.5, 0.9], [0.1, 0.9]]
RIGHT = [[0.5, 0.1], [0.9, 0.1], [0.9, 0.9], [0.5, 0.9]]
MIDDLE = [[0.3, 0.1], [0.7, 0.1], [0.7, 0.9], [0.3, 0.9]]
INNER = [[0.2, 0.3], [0.4, 0.3], [0.4, 0.7], [0.2, 0.7]]
BOW_TIE = [[0.1, 0.1], [0.9, 0.9], [0.9, 0.3], [0.1, 0.9]]
DAY = [{"from": "07:00", "to": "19:00"}]
NIGHT = [{"from": "19:00", "to": "07:00"}]


def odd(*zones: dict[str, Any], **site: Any) -> list[str]:
    """What is odd about a site with these zones."""
    document = deepcopy(CLIP_SITE)
    document["scenarios"] |= {"street_vending": {}, "overflowing_bins": {}}
    document["site"] |= site
    document["zones"] = list(zones)
    found = remarks(from_tables(document))
    assert all(each.meaning and each.remedy for each in found)
    return [str(each.what) for each in found if not each.blind]


def test_a_device_that_would_judge_nothing_is_told_so() -> None:
    def blind(*zones: dict[str, Any], **more: Any) -> list[str]:
        document = deepcopy(CLIP_SITE) | {"zones": list(zones)} | more
        return [str(each.what) for each in remarks(from_tables(document)) if each.blind]

    assert blind(zone()) == []
    [told] = blind()
    assert "no zone is drawn" in told
    assert blind(zone(kind="bay")) == blind(zone(kind="mask")) == blind(zone(kind="bin")) == [told]
    assert blind(zone(), scenarios={}) == ["nothing is judged here: no scenario is configured"]


@pytest.mark.parametrize(
    "zones",
    [
        [zone()],
        [zone(), zone(zone_id="bay", kind="bay", polygon=INNER)],
        [zone(polygon=LEFT), zone(zone_id="bay", kind="bay", polygon=RIGHT)],
        [zone(polygon=LEFT), zone(zone_id="b", polygon=RIGHT)],
        [zone(), zone(zone_id="b", kind="no_vending")],
        [zone(polygon=LEFT), zone(zone_id="b", polygon=MIDDLE, place_id="kerb")],
        [zone(polygon=LEFT, in_force=DAY), zone(zone_id="b", polygon=MIDDLE, in_force=NIGHT)],
        [zone(polygon=LEFT), zone(zone_id="m", kind="mask", polygon=MIDDLE)],
        [zone(polygon=[*LEFT, LEFT[0]])],
    ],
    ids=[
        "one zone", "bay within", "bay beside", "side by side", "two kinds", "one place",
        "in turns", "half masked", "closed",
    ],
)  # fmt: skip
def test_of_what_can_be_meant_nothing_is_said(zones: list[dict[str, Any]]) -> None:
    assert odd(*zones) == []


@pytest.mark.parametrize(
    ("zones", "expected"),
    [
        ([zone(polygon=BOW_TIE)], "zones.0.polygon (zone 'kerb'): edges cross"),
        ([zone(), zone(zone_id="b", polygon=LEFT)], "100 % of it lies in zone 'kerb'"),
        (
            [zone(polygon=LEFT), zone(zone_id="b", polygon=MIDDLE)],
            "zones.1.polygon (zone 'b'): 50 % of it lies in zone 'kerb'",
        ),
        (
            [zone(kind="no_vending", polygon=LEFT), zone(zone_id="b", kind="no_vending", polygon=MIDDLE)],
            "50 % of it lies in zone 'kerb'",
        ),
        (
            [zone(kind="bin", polygon=LEFT), zone(zone_id="b", kind="bin", polygon=INNER)],
            "100 % of it lies in zone 'kerb'",
        ),
        (
            [zone(polygon=LEFT), zone(zone_id="m1", kind="mask", polygon=MIDDLE), zone(zone_id="m2", kind="mask", polygon=[[0, 0], [0.4, 0], [0.4, 1], [0, 1]])],
            "zones.0.polygon (zone 'kerb'): zones of kind mask cover it",
        ),
        ([zone(polygon=INNER), zone(zone_id="b", kind="bay")], "zones of kind bay cover it"),
        (
            [
                zone(kind="bay", polygon=LEFT),
                zone(zone_id="b", polygon=[[0.8, 0.8], [0.95, 0.8], [0.95, 0.95]]),
            ],
            "no zone of kind no_parking lies around it or beside it",
        ),
        (
            [zone(in_force=DAY, permitted=[{"from": "06:00", "to": "20:00"}])],
            "zones.0.permitted (zone 'kerb'): its rule never applies",
        ),
        ([zone(permitted=[{"from": "00:00", "to": "00:00"}])], "its rule never applies"),
        ([zone(kind="mask", in_force=DAY)], "a zone of kind mask has no times"),
        (
            [zone(polygon=[[0.1, 0.5], [0.9, 0.5], [0.9, 0.503]])],
            "only 0.15 % of the picture wide",
        ),
        (
            [zone(polygon=LEFT), zone(zone_id="Kerb", polygon=RIGHT)],
            "zones.1.zone_id (zone 'Kerb'): 'Kerb' differs from 'kerb' in capital letters only",
        ),
        (
            [zone(polygon=LEFT, place_id="A"), zone(zone_id="b", polygon=RIGHT, place_id="a")],
            "zones.1.place_id (zone 'b'): 'a' differs from 'A'",
        ),
    ],
)  # fmt: skip
def test_what_can_hardly_be_meant_is_told_with_its_place(
    zones: list[dict[str, Any]], expected: str
) -> None:
    [found] = odd(*zones)
    assert expected in found


@pytest.mark.parametrize(
    ("kind", "scenario"),
    [
        ("no_parking", "misparked_bikes"),
        ("no_vending", "street_vending"),
        ("bin", "overflowing_bins"),
    ],
)
def test_a_zone_that_no_scenario_judges_is_told_and_so_is_which_one_would(
    kind: str, scenario: str
) -> None:
    document = deepcopy(CLIP_SITE)
    document["scenarios"] = {}
    document["zones"] = [zone(kind=kind)]
    [found] = [each for each in remarks(from_tables(document)) if not each.blind]
    assert kind in found.what
    assert f"[scenarios.{scenario}]" in found.remedy


def at(longitude: float, latitude: float) -> dict[str, Any]:
    return {"longitude": longitude, "latitude": latitude, "crs": "CGCS2000"}


@pytest.mark.parametrize(
    ("site", "expected"),
    [
        ({"coordinates": at(0, 0)}, "never filled in"),
        ({"coordinates": at(0.00001, -0.00001), "timezone": "Europe/London"}, "never filled in"),
        ({"coordinates": at(43.8, 87.6)}, "the two are swapped"),
        ({"coordinates": at(118.4, -31.3)}, "outside China"),
        ({"coordinates": at(-118.4, 31.3)}, "outside China"),
        ({"coordinates": at(13.4, 52.5)}, "outside China"),
        ({"coordinates": at(139.7, 35.7)}, "outside China"),
        (
            {"coordinates": at(13.4, 52.5), "timezone": "UTC", "grid_code": "340202001001001"},
            "outside China",
        ),
        (
            {"coordinates": at(118.4, 31.3), "timezone": "Europe/Berlin"},
            "too far east or west for the time zone Europe/Berlin",
        ),
        ({"coordinates": at(13.4, 52.5), "timezone": "Pacific/Auckland"}, "too far east or west"),
    ],
)
def test_a_point_that_is_not_where_the_site_is_is_told(site: dict[str, Any], expected: str) -> None:
    [found] = odd(**site)
    assert found.startswith("site.coordinates: longitude ")
    assert expected in found


@pytest.mark.parametrize(
    ("longitude", "latitude", "timezone"),
    [
        (118.38, 31.33, "Asia/Shanghai"),
        (75.99, 39.47, "Asia/Shanghai"),
        (131.2, 47.9, "Asia/Shanghai"),
        (112.3, 16.8, "Asia/Shanghai"),
        (87.6, 43.8, "Asia/Urumqi"),
        (-0.1, 51.5, "Europe/London"),
        (-9.1, 38.7, "Europe/Lisbon"),
        (-3.7, 40.4, "Europe/Madrid"),
        (-157.4, 1.9, "Pacific/Kiritimati"),
        (178.4, -18.1, "Pacific/Fiji"),
        (-72.9, -41.5, "America/Santiago"),
        (151.2, -33.9, "Australia/Sydney"),
        (13.4, 52.5, "UTC"),
    ],
)
def test_of_a_point_that_may_be_right_nothing_is_said(
    longitude: float, latitude: float, timezone: str
) -> None:
    assert odd(coordinates=at(longitude, latitude), timezone=timezone) == []


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        (at(0, 0), "never filled in"),
        (at(87.6, 43.8), "km away from the site's own coordinates"),
        (at(118.4, 31.33), "1.9 km away"),
        (at(118.381, 31.331), None),
    ],
)
def test_a_zones_own_point_is_looked_at_likewise_and_lies_near_its_site(
    point: dict[str, Any], expected: str | None
) -> None:
    found = odd(zone(coordinates=point), coordinates=at(118.38, 31.33))
    if expected is None:
        assert found == []
    else:
        [told] = found
        assert told.startswith("zones.0.coordinates (zone 'kerb'): ")
        assert expected in told


@pytest.mark.parametrize("crs", ["GCJ-02", "gcj02", "BD-09", "bd09ll"])
def test_the_grid_of_a_map_service_is_refused_with_what_to_do(tmp_path: Path, crs: str) -> None:
    drawn = zone(coordinates={**at(118.38, 31.33), "crs": crs})
    [fault] = faults_of(write_site(tmp_path, CLIP_SITE, {"zones": [drawn]}))
    assert "zones.0.coordinates.crs (zone 'kerb')" in fault
    assert "surveyed or converted" in fault


def test_swapped_axes_that_no_point_can_have_are_refused_as_swapped(tmp_path: Path) -> None:
    drawn = zone(coordinates=at(31.33, 118.38))
    [fault] = faults_of(write_site(tmp_path, CLIP_SITE, {"zones": [drawn]}))
    assert "zones.0.coordinates.latitude (zone 'kerb')" in fault
    assert "are swapped" in fault


def test_zones_of_two_cameras_do_not_overlap() -> None:
    document = deepcopy(CLIP_SITE)
    document["cameras"].append({**document["cameras"][0], "camera_id": "other"})
    document["zones"] = [zone(), zone(zone_id="b", camera_id="other")]
    assert remarks(from_tables(document)) == ()


def test_a_bow_tie_that_encloses_as_much_as_it_takes_away_is_refused_for_its_crossing(
    tmp_path: Path,
) -> None:
    drawn = zone(polygon=[[0.1, 0.1], [0.9, 0.9], [0.9, 0.1], [0.1, 0.9]])
    [fault] = faults_of(write_site(tmp_path, CLIP_SITE, {"zones": [drawn]}))
    assert "the edges cross" in fault


_corner = st.tuples(*[st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.7, 1.0]) | st.floats(0, 1)] * 2)


@given(
    st.lists(
        st.tuples(
            st.lists(_corner, min_size=3, max_size=9),
            st.sampled_from(["no_parking", "bay", "no_vending", "bin", "mask"]),
        ),
        max_size=4,
    )
)
def test_whatever_is_drawn_is_refused_or_looked_at(
    drawn: list[tuple[list[tuple[float, float]], str]],
) -> None:
    document = deepcopy(CLIP_SITE)
    document["zones"] = [
        zone(zone_id=f"z{index}", polygon=polygon, kind=kind)
        for index, (polygon, kind) in enumerate(drawn)
    ]
    try:
        configuration = from_tables(document)
    except ConfigError:
        return
    for each in (one for one in remarks(configuration) if not one.blind):
        assert each.what.startswith("zones.")
        assert each.meaning
        assert each.remedy


def test_remarks_are_plain_values_for_programs() -> None:
    document = deepcopy(CLIP_SITE)
    document["zones"] = [zone(polygon=BOW_TIE)]
    [found] = remarks(from_tables(document))
    assert json.loads(json.dumps(found.what)) == found.what


@pytest.mark.parametrize(
    ("scenario", "kind", "allowed_s", "is_odd"),
    [
        ("street_vending", "no_vending", 3600, False),
        ("street_vending", "no_vending", 4 * 3600, True),
        ("exposed_rubbish", "no_dumping", 86_400, False),
        ("exposed_rubbish", "no_dumping", 3 * 86_400, True),
    ],
)
def test_more_time_allowed_than_a_thing_stays_new_is_told(
    scenario: str, kind: str, allowed_s: int, *, is_odd: bool
) -> None:
    document = deepcopy(CLIP_SITE)
    document |= {"zones": [zone(kind=kind)], "scenarios": {scenario: {"allowed_s": allowed_s}}}
    told = [str(each.what) for each in remarks(from_tables(document))]
    assert [each.startswith(f"scenarios.{scenario}.allowed_s: ") for each in told] == [
        True
    ] * is_odd


@pytest.mark.parametrize(
    ("verifier", "kind", "is_told"),
    [("", "shop_front", True), ("verifier", "shop_front", False), ("", "no_vending", False)],
)
def test_a_scenario_that_can_judge_nothing_without_a_model_is_told(
    verifier: str, kind: str, *, is_told: bool
) -> None:
    document = deepcopy(CLIP_SITE) | {"models": {"verifier": verifier}}
    document |= {
        "zones": [zone(kind=kind)],
        "scenarios": {"shop_overflow": {}, "street_vending": {}},
    }
    told = [str(each.what) for each in remarks(from_tables(document))]
    silent = "scenarios.shop_overflow: it can judge nothing, because models.verifier is turned off"
    assert (silent in told) is is_told
