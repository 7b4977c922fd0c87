"""The device for who has none: a site that the agent of this tree accepts."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from kerbwatch_platform.evidence import signing
from kerbwatch_platform.local import demo
from kerbwatch_platform.settings import Settings

from agent.config.loading import load
from agent.config.plausibility import platform, points
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def device(tmp_path: Path) -> demo.Device:
    key = signing.public_pem(signing.key(tmp_path / "signing.key"))
    settings = Settings(
        database="",
        broker="mqtt://127.0.0.1",
        evidence_folder=tmp_path,
        signing_key_file=tmp_path / "signing.key",
    )
    source = demo.tree()
    assert source == ROOT
    return demo.device(source, tmp_path / "demo", settings, 9481, key)


def test_the_agent_accepts_its_site_and_goes_by_receipts(
    device: demo.Device, tmp_path: Path
) -> None:
    site = load(tmp_path / "demo")
    assert site.uplink.broker == "mqtt://127.0.0.1:9481"
    assert site.uplink.confirm == "platform"
    assert device.login == site.uplink.username == f"{site.site.tenant}/{site.site.device_id}"
    assert device.password == (tmp_path / "demo" / "password").read_text("ascii").strip()
    assert (tmp_path / "demo" / "password").stat().st_mode & 0o077 == 0


def test_it_obeys_the_desk_s_key_in_two_roles_and_in_no_other(
    device: demo.Device, tmp_path: Path
) -> None:
    authorities = load(tmp_path / "demo").authorities
    assert {each.role for each in authorities} == {"reviewer", "evidence"}
    assert str(tmp_path / "demo") in device.program.command
    assert "--orders-from-here" in device.program.command


@pytest.mark.usefixtures("device")
def test_its_zones_are_told_apart_by_what_is_plainly_an_example(tmp_path: Path) -> None:
    zones = load(tmp_path / "demo").zones
    street = json.loads((ROOT / "examples/street/zones.json").read_text("utf-8"))["zones"]
    assert [each.zone_id for each in zones] == [each["zone_id"] for each in street]
    assert len({each.name.zh for each in zones if each.name}) == len(zones)
    assert len({each.name.en for each in zones if each.name}) == len(zones)
    for each in zones:
        assert re.fullmatch(r"340202XXXXXX[0-9]{3}", each.grid_code or "")
        assert "虚构" in (each.address or "")
        assert (each.responsible_unit or "").startswith("示例")
        assert (each.responsible_unit_id or "").startswith("example-")
    assert len({each.grid_code for each in zones}) == 2


@pytest.mark.usefixtures("device")
def test_nothing_that_a_platform_wants_of_a_site_is_missing_or_implausible(tmp_path: Path) -> None:
    site = load(tmp_path / "demo")
    assert list(points.remarks(site)) == []
    # What the law asks for is not made up, not even for a drawing.
    [lacking] = platform.missing(site)
    assert lacking.what.startswith("[legal]")
    assert all(each.coordinates for each in site.zones)


def test_a_platform_that_was_installed_without_the_tree_says_that_it_has_none(
    tmp_path: Path,
) -> None:
    package = ROOT / "examples" / "platform" / "kerbwatch_platform"
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c" / "kerbwatch_platform").symlink_to(package)
    code = "from kerbwatch_platform.local import demo; print(demo.tree())"
    told = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(tmp_path / "a" / "b" / "c"), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == "None\n"
