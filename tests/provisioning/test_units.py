"""The units as files, and the command that puts them in place; booted they are in tests/faults/units.py."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from provisioning.cli import main
from provisioning.commands.units import (
    SINCE_SYSTEMD,
    astray,
    displace,
    exposure,
    installable,
    masked,
    place,
    source,
    systemd_version,
    units,
)
from tests.support.command_line import kerbwatch, refused
from tests.support.paths import ROOT

UNITS = units()
SERVICES = [name for name in UNITS if name.endswith(".service")]
NEWEST = max(SINCE_SYSTEMD.values())
MAX_EXPOSED = 1.5


def text_of(name: str) -> str:
    return (source() / name).read_text(encoding="utf-8")


def test_the_units_are_such_that_systemd_accepts(tmp_path: Path) -> None:
    """``verify`` wants the program to be there: the test's own Python stands in for it."""
    place(tmp_path, systemd_version(), pins=True)
    folder = tmp_path / "etc/systemd/system"
    for name in UNITS:
        text = text_of(name)
        for link in ("active", "before"):
            text = text.replace(f"/opt/kerbwatch/{link}/bin", str(Path(sys.executable).parent))
        (folder / name).write_text(text, encoding="utf-8")
    verify = ["systemd-analyze", "verify", "--recursive-errors=yes", "--man=no"]
    ran = subprocess.run(
        [*verify, *(str(folder / name) for name in UNITS)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{folder}:"},
    )
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_leaves_little_open_and_says_what(name: str) -> None:
    found = exposure(source() / name, offline=True)
    assert found is not None
    assert found <= MAX_EXPOSED
    [said] = re.findall(
        r"^# systemd-analyze security gives (\d\.\d)\. What is left", text_of(name), re.MULTILINE
    )
    assert float(said) == found


def test_the_page_names_every_unit_with_its_score() -> None:
    page = (ROOT / "docs/units.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\S+)` \| .* \| (\S+) \|$", page, re.MULTILINE))
    assert rows.keys() >= set(UNITS)
    for name in SERVICES:
        assert float(rows[name]) == exposure(source() / name, offline=True)


def test_the_pins_open_no_more_than_is_allowed(tmp_path: Path) -> None:
    place(tmp_path, systemd_version(), pins=True)
    found = exposure(tmp_path / "etc/systemd/system/kerbwatch.service", offline=True)
    assert found is not None
    assert found <= MAX_EXPOSED


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_starts_what_is_there(name: str) -> None:
    [started] = re.findall(
        r"^ExecStart=/opt/kerbwatch/(?:active|before)/bin/(.+)$", text_of(name), re.MULTILINE
    )
    program, *others = started.split()
    if program == "kerbwatch":
        assert others[0] in main.commands
    else:
        assert (program, *others[:2]) == ("python", "-P", "-m")
        assert importlib.util.find_spec(others[2]) is not None


@pytest.mark.parametrize("name", SERVICES)
def test_no_failure_of_a_service_reboots_the_host(name: str) -> None:
    actions = ("StartLimitAction", "FailureAction", "SuccessAction", "JobTimeoutAction")
    assert not re.search(rf"^({'|'.join(actions)})=(?!none)", text_of(name), re.MULTILINE)


@pytest.mark.parametrize("name", UNITS)
def test_no_unit_is_refused_for_starting_often(name: str) -> None:
    assert "StartLimitIntervalSec=0" in text_of(name), "nobody resets a unit at the pole"


@pytest.mark.parametrize("name", SERVICES)
def test_what_the_journal_of_a_service_requires_is_never_refused(name: str, tmp_path: Path) -> None:
    """What systemd.exec(5) has a unit with ``LogNamespace=`` require, and what systemd 257 adds to it."""
    place(tmp_path, NEWEST, pins=False)
    for namespace in re.findall("^LogNamespace=(.+)$", text_of(name), re.MULTILINE):
        for unit in (
            f"systemd-journald@{namespace}.socket",
            f"systemd-journald-varlink@{namespace}.socket",
            f"systemd-journald-sync@{namespace}.service",
        ):
            drop_in = tmp_path / f"etc/systemd/system/{unit}.d/never-refused.conf"
            lines = set(drop_in.read_text(encoding="utf-8").splitlines())
            assert lines >= {"[Unit]", "StopWhenUnneeded=no", "StartLimitIntervalSec=0"}


def test_every_file_lands_where_systemd_looks_for_it(tmp_path: Path) -> None:
    written = place(tmp_path, NEWEST, pins=True)
    assert {str(path.relative_to(tmp_path)) for path in written} == {
        "etc/systemd/journald.conf.d/kerbwatch.conf",
        "etc/systemd/journald@kerbwatch.conf",
        "etc/systemd/system.conf.d/kerbwatch.conf",
        "etc/systemd/system/kerbwatch.service.d/gpio.conf",
        "etc/systemd/system/kerbwatch.service.d/growing-restarts.conf",
        "etc/systemd/system/systemd-journald-sync@kerbwatch.service.d/never-refused.conf",
        "etc/systemd/system/systemd-journald-varlink@kerbwatch.socket.d/never-refused.conf",
        "etc/systemd/system/systemd-journald@kerbwatch.socket.d/never-refused.conf",
        "etc/sysusers.d/kerbwatch.conf",
        "etc/tmpfiles.d/kerbwatch.conf",
        *(f"etc/systemd/system/{name}" for name in UNITS),
    }
    assert {path.stat().st_mode & 0o777 for path in written} == {0o644}


def test_removing_deletes_what_was_written_and_nothing_else(tmp_path: Path) -> None:
    written = place(tmp_path, NEWEST, pins=True)
    others = [
        tmp_path / "etc/systemd/system" / name
        for name in (
            "other.service",
            "kerbwatch.service.d/own.conf",
            "systemd-journald@kerbwatch.socket.d/own.conf",
        )
    ]
    packaged = tmp_path / "usr/lib/systemd/system/kerbwatch.service"
    packaged.parent.mkdir(parents=True)
    for other in (*others, packaged):
        other.write_text("[Unit]\n")
    assert sorted(displace(tmp_path)) == sorted(written)
    assert not any(path.exists() for path in written)
    assert all(other.exists() for other in (*others, packaged))
    assert {path.name for path in others[0].parent.iterdir()} == {
        path.relative_to(others[0].parent).parts[0] for path in others
    }, "no empty folder is left"
    assert displace(tmp_path) == []


def test_installing_again_writes_only_what_has_changed(tmp_path: Path) -> None:
    first = place(tmp_path, NEWEST, pins=False)
    assert place(tmp_path, NEWEST, pins=False) == []
    changed = tmp_path / "etc/systemd/system/kerbwatch.service"
    changed.write_text("[Unit]\n")
    assert place(tmp_path, NEWEST, pins=False) == [changed]
    assert changed in first
    assert not [path for path in first if path.name == "gpio.conf"], "without pins none are opened"


def test_what_a_package_brings_is_in_place_until_it_is_changed_beside_it(tmp_path: Path) -> None:
    """A package links the units into ``/usr/lib``; a file of ``/etc`` goes before them, and is named."""
    place(tmp_path, NEWEST, pins=False)
    (tmp_path / "usr").mkdir()
    shutil.move(tmp_path / "etc", tmp_path / "usr/lib")
    kept = tmp_path / "usr/lib/systemd/journald@kerbwatch.conf"
    kept.with_name("journald@kerbwatch.conf.d").mkdir()
    kept.rename(kept.with_name("journald@kerbwatch.conf.d") / "kerbwatch.conf")
    assert astray(tmp_path, NEWEST, pins=False) == []
    assert astray(tmp_path, NEWEST, pins=True) == ["gpio.conf"]
    beside = tmp_path / "etc/systemd/system/kerbwatch.service"
    beside.parent.mkdir(parents=True)
    beside.write_text("")
    assert astray(tmp_path, NEWEST, pins=False) == ["kerbwatch.service"]
    assert masked(tmp_path) == ["kerbwatch.service"]


def test_a_unit_whose_file_is_empty_is_known_as_masked(tmp_path: Path) -> None:
    place(tmp_path, NEWEST, pins=False)
    assert masked(tmp_path) == []
    folder = tmp_path / "etc/systemd/system"
    (folder / "kerbwatch.service").write_text("")
    (folder / "kerbwatch-report.timer").unlink()
    (folder / "kerbwatch-report.timer").symlink_to("/dev/null")
    (folder / "kerbwatch-retention.timer").unlink()
    assert masked(tmp_path) == ["kerbwatch-report.timer", "kerbwatch.service"]


def test_an_older_systemd_is_not_given_what_it_does_not_know(tmp_path: Path) -> None:
    written = place(tmp_path, NEWEST - 1, pins=True)
    assert not {path.name for path in written} & SINCE_SYSTEMD.keys()


def test_the_units_are_installed_only_where_they_find_their_python() -> None:
    told = refused(kerbwatch("units", "install"), 1)
    assert f"{sys.prefix}, and the units start /opt/kerbwatch/active/bin/python" in told


@pytest.mark.skipif(Path("/run/systemd/system").is_dir(), reason="systemd runs here")
def test_without_systemd_there_are_no_units_to_show() -> None:
    assert "systemd does not run here" in refused(kerbwatch("units", "show"), 1)


def test_the_page_at_the_pole_is_off_until_somebody_asks_for_it() -> None:
    assert not {name for name in installable() if "page" in name or "reach" in name}
