"""The configuration: every fault at once, in words, with its place; never a traceback."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.config.faults import ConfigError
from agent.config.loading import from_tables, json_schema, load
from agent.config.schema import Configuration, SiteSection
from agent.identity.credentials import CredentialsError
from agent.identity.credentials import read as read_credentials
from agent.protocol import event_codes
from drivers import cameras
from tests.support.sites import CLIP_SITE, as_toml, faults_of, write_site, zone

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SITE = as_toml(CLIP_SITE)


def test_a_site_and_its_drawn_zones_become_one_configuration(tmp_path: Path) -> None:
    square = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]
    configuration = load(write_site(tmp_path, SITE, {"zones": [zone(polygon=square)]}))
    assert configuration.site.device_id == "corner-1"
    [kerb] = configuration.zones
    assert (kerb.zone_id, kerb.zone.box.left) == ("kerb", 0.1)
    assert configuration.cameras[0].driver_settings(tmp_path).model_dump()["path"] == (
        tmp_path / "clip.mp4"
    )


def test_every_fault_is_listed_at_once_with_its_place_and_what_is_allowed(tmp_path: Path) -> None:
    site = """
        [site]
        tenant = "no/slash"
        device_id = "corner-1"
        adress = "Example Road 1"
        timezone = "Asia/Wuhu"
        [[cameras]]
        camera_id = "street"
        driver = "telescope"
        [[cameras]]
        camera_id = "street"
        driver = "video_file"
        settings = { pth = "clip.mp4" }
        [scenarios.flying_saucers]
        [scenarios.misparked_bikes]
        allowed_s = -1
        [uplink]
        broker = "mqtt://broker:99999"
        heartbeat_s = inf
        """
    drawn = {"zones": [zone(kind="parking"), zone(camera_id="sky")], "author": "me"}
    found = "\n".join(faults_of(write_site(tmp_path, site, drawn)))
    for expected in (
        "site.tenant: 1 to 64 of A-Z a-z 0-9 _ -",
        "site.address: missing",
        "site.adress: no such key",
        "site.timezone: no such time zone",
        "cameras.0.driver: no camera driver 'telescope'; there are:",
        "cameras.1.settings.path: missing",
        "cameras.1.settings.pth: no such key",
        "cameras.1.camera_id: 'street' is given twice",
        "scenarios.flying_saucers: no scenario 'flying_saucers'; there are:",
        "scenarios.misparked_bikes.allowed_s: Input should be greater than 0",
        "uplink.broker:",
        "uplink.heartbeat_s: Input should be a finite number",
        "zones.0.kind (zone 'kerb'): Input should be one of: '",
        "'no_parking', 'bay'",
        "zones.1.zone_id (zone 'kerb'): 'kerb' is given twice",
        "zones.1.camera_id (zone 'kerb'): no camera 'sky'; there are: street",
        "zones.json: author: no such key",
    ):
        assert expected in found, f"{expected}\nnot in\n{found}"


def test_an_unknown_driver_names_the_known_ones(tmp_path: Path) -> None:
    [fault] = faults_of(write_site(tmp_path, SITE.replace("video_file", "telescope")))
    assert all(name in fault for name in cameras.driver_names())


@pytest.mark.parametrize(
    "hidden", ["\\u0000", "\\u001b[2J", "\\u202e", "\\u2066", "\\u0085x\\u009b"]
)
@pytest.mark.parametrize("key", ["address", "purpose", "responsible_unit"])
def test_a_text_for_people_with_what_they_cannot_see_is_refused(
    tmp_path: Path, key: str, hidden: str
) -> None:
    address = 'address = "Example Road 1"\n'
    line = f'{key} = "芜湖{hidden}路"\n'
    site = SITE.replace(address, line if key == "address" else address + line)
    [fault] = faults_of(write_site(tmp_path, site))
    assert fault.startswith(f"site.{key}: it contains an invisible character")


def test_what_was_pasted_from_a_page_is_put_on_one_line(tmp_path: Path) -> None:
    """Sites that were written when nothing was asked of these texts go on."""
    site = SITE.replace('"Example Road 1"', '"人民路\\u200b12号\\n\\u3000北侧\\ufeff"')
    assert load(write_site(tmp_path, site)).site.address == "人民路12号 \u3000北侧"


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('"Example Road 1"', f'"{"路" * 257}"', "site.address: the text should have at most 256"),
        (
            "[[cameras]]",
            f'purpose = "{"x" * 201}"\n[[cameras]]',
            "site.purpose: the text should have",
        ),
        (
            "[scenarios",
            f'[uplink]\nusername = "{"x" * 201}"\n[scenarios',
            "uplink.username: the text should have at most 200 characters",
        ),
        (
            "[scenarios",
            '[uplink]\nusername = "a\\u0000b"\n[scenarios',
            "uplink.username: it contains an invisible character",
        ),
        (
            "[scenarios",
            '[uplink]\ntopic_prefix = "a\\u0000"\n[scenarios',
            "uplink.topic_prefix: it contains an invisible character",
        ),
        (
            "[[cameras]]",
            f'responsible_unit = "{"街" * 201}"\n[[cameras]]',
            "site.responsible_unit: the text should have at most 200",
        ),
        (
            "[scenarios",
            '[collection]\nconsent = "short"\n[scenarios',
            "collection.consent: the text should have at least 8",
        ),
    ],
)
def test_a_text_that_the_wire_cannot_carry_is_refused(
    tmp_path: Path, old: str, new: str, fault: str
) -> None:
    [found] = faults_of(write_site(tmp_path, SITE.replace(old, new, 1)))
    assert found.startswith(fault)


def test_there_are_no_more_zones_and_cameras_than_an_event_may_name(tmp_path: Path) -> None:
    zones = [zone(zone_id=f"z{number}") for number in range(1001)]
    [fault] = faults_of(write_site(tmp_path, SITE, {"zones": zones}))
    assert fault == "zones: may have at most 1000 entries, has 1001"


def test_a_corner_outside_the_frame_is_named_with_its_zone(tmp_path: Path) -> None:
    drawn = {"zones": [zone(polygon=[[0.1, 0.1], [1.2, 0.1], [0.5, -0.3]])]}
    [fault] = faults_of(write_site(tmp_path, SITE, drawn))
    assert "zone 'kerb'" in fault
    assert "corner 1 at (1.2, 0.1), corner 2 at (0.5, -0.3)" in fault
    assert "0 to 1" in fault


def test_a_zone_that_encloses_nothing_is_refused(tmp_path: Path) -> None:
    line = [[0.1, 0.1], [0.5, 0.5], [0.9, 0.9]]
    [fault] = faults_of(write_site(tmp_path, SITE, {"zones": [zone(polygon=line)]}))
    assert "enclose nothing" in fault


def test_a_corner_on_the_last_pixel_is_meant_to_lie_on_the_pictures_edge(tmp_path: Path) -> None:
    drawn = [[0.001, 0.5], [1279 / 1280, 0.5], [1279 / 1280, 719 / 720], [0, 359 / 360]]
    [found] = load(write_site(tmp_path, SITE, {"zones": [zone(polygon=drawn)]})).zones
    assert found.zone.polygon == ((0, 0.5), (1, 0.5), (1, 1), (0, 1))
    assert [list(corner) for corner in found.polygon] == drawn


def test_a_zone_that_is_all_edge_stays_as_it_was_drawn(tmp_path: Path) -> None:
    strip = [[0.2, 0.997], [0.8, 0.997], [0.8, 1.0], [0.2, 1.0]]
    [found] = load(write_site(tmp_path, SITE, {"zones": [zone(polygon=strip)]})).zones
    assert [list(corner) for corner in found.zone.polygon] == strip


def test_a_window_with_a_time_zone_of_its_own_is_refused(tmp_path: Path) -> None:
    drawn = {"zones": [zone(in_force=[{"from": "22:00+08:00", "to": "06:00"}])]}
    [fault] = faults_of(write_site(tmp_path, SITE, drawn))
    assert "zones.0.in_force.0.from" in fault
    assert "without a zone" in fault


def test_zones_in_both_files_are_refused(tmp_path: Path) -> None:
    site = f"zones = []\n{SITE}"
    assert "keep one" in faults_of(write_site(tmp_path, site, {"zones": [zone()]}))[0]


@pytest.mark.parametrize(
    "broker",
    ["mqtt://", "mqtt://:1883", "http://broker", "mqtt://user@broker", "mqtt://broker/topic"],
)
def test_a_broker_that_cannot_be_dialled_is_refused(tmp_path: Path, broker: str) -> None:
    [fault] = faults_of(write_site(tmp_path, f'{SITE}\n[uplink]\nbroker = "{broker}"\n'))
    assert fault.startswith("uplink.broker")


def test_a_missing_site_says_where_it_was_looked_for(tmp_path: Path) -> None:
    [fault] = faults_of(tmp_path)
    assert "site.toml" in fault
    assert str(tmp_path) in fault


def test_the_hash_follows_what_shapes_a_judgement_and_nothing_else(tmp_path: Path) -> None:
    before = load(write_site(tmp_path, SITE)).sha256()
    write_site(tmp_path, f'{SITE}\n[storage]\nstate_dir = "/elsewhere"\n')
    assert load(tmp_path).sha256() == before
    write_site(tmp_path, SITE.replace("allowed_s = 10", "allowed_s = 11"))
    assert load(tmp_path).sha256() != before


def test_every_codes_profile_that_may_be_chosen_has_its_table() -> None:
    allowed = SiteSection.model_fields["codes_profile"].annotation.__args__  # type: ignore[union-attr]
    assert set(allowed) == set(event_codes.profiles())


def test_the_exported_schema_accepts_what_the_loader_accepts(tmp_path: Path) -> None:
    write_site(tmp_path, SITE, {"zones": [zone(in_force=[{"from": "22:00", "to": "06:00"}])]})
    load(tmp_path)
    document = deepcopy(CLIP_SITE)
    document |= json.loads((tmp_path / "zones.json").read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(json_schema())
    validator.validate(document)
    document["site"]["adress"] = "x"
    document["cameras"][0]["driver"] = "telescope"
    assert len(list(validator.iter_errors(document))) == 2


_scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("kerb")
)
_anything = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from([*Configuration.model_fields, "camera_id", "driver", "settings"])
            | st.sampled_from(["zone_id", "polygon", "kind", "misparked_bikes", "timezone"])
            | st.text(max_size=8),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


def accepts_or_refuses(read: Callable[[], Configuration]) -> None:
    refused = None
    try:
        read()
    except ConfigError as error:
        refused = error
    assert refused is None or refused.faults


@pytest.mark.slow
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(zones=_anything)
def test_zones_of_any_shape_are_accepted_or_refused_in_words(tmp_path: Path, zones: Any) -> None:
    write_site(tmp_path, SITE, {"zones": zones})
    accepts_or_refuses(lambda: load(tmp_path))


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(garbage=st.binary(max_size=200))
def test_bytes_of_any_kind_are_refused_in_words(tmp_path: Path, garbage: bytes) -> None:
    (tmp_path / "site.toml").write_bytes(garbage)
    with pytest.raises(ConfigError):
        load(tmp_path)
    write_site(tmp_path, SITE)
    (tmp_path / "zones.json").write_bytes(garbage)
    accepts_or_refuses(lambda: load(tmp_path))


@pytest.mark.parametrize("brackets", ["[" * 100_000, '{"zones":' * 100_000])
def test_a_file_nested_without_end_is_refused_in_words(tmp_path: Path, brackets: str) -> None:
    write_site(tmp_path, SITE)
    (tmp_path / "zones.json").write_text(brackets, encoding="utf-8")
    assert "zones.json" in faults_of(tmp_path)[0]
    write_site(tmp_path, f"a = {brackets}")
    assert "site.toml" in faults_of(tmp_path)[0]


_SECTIONS = ["site", "models", "analysis", "evidence", "storage", "uplink", "scenarios"]
_PLACES = [
    *((section, None) for section in _SECTIONS),
    *(("cameras", key) for key in ("camera_id", "driver", "settings")),
    *(
        (section, key)
        for section in _SECTIONS
        for key in getattr(Configuration.model_fields[section].annotation, "model_fields", {})
    ),
    ("scenarios", "misparked_bikes"),
]


@pytest.mark.slow
@settings(max_examples=500)
@given(place=st.sampled_from(_PLACES), value=_anything)
def test_any_value_in_any_place_is_accepted_or_refused_in_words(
    place: tuple[str, str | None], value: Any
) -> None:
    document: dict[str, Any] = deepcopy(CLIP_SITE)
    section, key = place
    if key is None:
        document[section] = value
    elif section == "cameras":
        document["cameras"][0][key] = value
    else:
        document.setdefault(section, {})[key] = value
    accepts_or_refuses(lambda: from_tables(document))


@pytest.mark.parametrize(
    "broker", ["mqtt://broker.example", "mqtt://10.1.2.3:1883", "mqtt://[::2]"]
)
def test_a_password_in_clear_off_this_machine_is_refused_with_what_to_do(
    tmp_path: Path, broker: str
) -> None:
    """It costs the uplink and never the seeing: a site that was written so before goes on watching."""
    uplink = f'[uplink]\nbroker = "{broker}"\nusername = "d"\npassword_file = "password"\n'
    configuration = load(write_site(tmp_path, SITE + uplink))
    (tmp_path / "password").write_text("geheim")
    with pytest.raises(CredentialsError) as refused:
        read_credentials(configuration.uplink.located(tmp_path))
    [fault] = refused.value.faults
    assert "unencrypted" in fault
    assert "use mqtts://" in fault


@pytest.mark.parametrize("broker", ["mqtt://localhost", "mqtt://127.0.0.9:1", "mqtt://[::1]:1883"])
def test_a_password_in_clear_may_stay_on_this_machine(tmp_path: Path, broker: str) -> None:
    uplink = f'[uplink]\nbroker = "{broker}"\nusername = "d"\npassword_file = "password"\n'
    configuration = load(write_site(tmp_path, SITE + uplink))
    (tmp_path / "password").write_text("geheim")
    assert read_credentials(configuration.uplink.located(tmp_path)).password == "geheim"


def test_a_password_over_tls_may_go_anywhere(tmp_path: Path) -> None:
    uplink = '[uplink]\nbroker = "mqtts://b.example"\nusername = "d"\npassword_file = "password"\n'
    load(write_site(tmp_path, SITE + uplink))
