"""Why no case opened in a zone at a time is said from the figures of its minutes, on the device and of a replay."""

from __future__ import annotations

import functools
import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from agent.config.loading import from_tables
from agent.runtime.replay import replay
from agent.storage import minute_table
from agent.storage.database import Database
from agent.storage.minute_table import ZoneMinute, keep_minutes, minutes_of
from agent.storage.paths import DATABASE
from tests.support.command_line import kerbwatch, refused
from tests.support.sites import drawn_camera, red_thing, site_of, write_site, zone

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("red_model")
TEN = datetime(2026, 1, 1, 2, 0, tzinfo=UTC)
"""When the recording begins: 10:00 at the site."""


def shown(
    folder: Path, *things: dict[str, Any], seconds: float = 130.0, in_force: Any = ()
) -> Path:
    """Replay a street, and say where its results lie."""
    camera: dict[str, Any] = {"things": list(things)} if things else {}
    tables = site_of(
        cameras=[drawn_camera(seconds=seconds, frames_per_s=2, **camera)],
        scenarios={"misparked_bikes": {"allowed_s": 30, "clear_after_s": 1}},
        zones=[zone(in_force=in_force)],
        analysis={"frames_per_s": 2},
    )
    replay(from_tables(tables), base=folder, out=folder / "out")
    return folder / "out"


def said(where: Path, *options: str, language: str | None = None) -> str:
    done = kerbwatch("explain", where, "--zone", "kerb", *options, language=language)
    assert done.exit_code == 0, done.output
    return str(done.output)


def test_what_stood_for_too_short_is_told_with_the_figure_that_was_missing(tmp_path: Path) -> None:
    out = shown(tmp_path, red_thing(from_s=5, to_s=20))
    told = said(out, "--at", "2026-01-01T10:00+08:00")
    first, *_ = [line for line in told.splitlines() if "seconds standing" in line]
    assert "< 30" in first
    assert first.endswith("←"), "what it lacked is marked"
    support = next(line for line in told.splitlines() if "share of model runs that saw it" in line)
    assert not support.endswith("←")
    assert "nothing stood there that might have become a case" in told, "of the minute after"


def test_an_empty_street_is_told_as_that_in_both_languages(tmp_path: Path) -> None:
    out = shown(tmp_path)
    at = ("--at", "2026-01-01T10:01+08:00")
    assert "nothing stood there that might have become a case" in said(out, *at)
    assert "那里没有可能成为问题的物体" in said(out, *at, language="zh_CN")


def test_a_rule_that_does_not_hold_and_a_case_that_is_open_are_told(tmp_path: Path) -> None:
    night = [{"from": "22:00", "to": "23:00"}]
    (tmp_path / "night").mkdir()
    out = shown(tmp_path / "night", red_thing(), in_force=night)
    assert "its rule did not hold in 120, by its times" in said(
        out, "--at", "2026-01-01T10:00+08:00"
    )
    (tmp_path / "day").mkdir()
    out = shown(tmp_path / "day", red_thing())
    assert "a case is open" in said(out, "--at", "2026-01-01T10:01+08:00")


def test_the_figures_come_as_json_and_the_last_minute_without_a_time(tmp_path: Path) -> None:
    out = shown(tmp_path, red_thing(from_s=5, to_s=20))
    documents = json.loads(said(out, "--json"))
    assert [each["at"] for each in documents] == [
        (TEN + timedelta(minutes=number)).isoformat() for number in range(3)
    ]
    [measures] = [one["measures"] for one in documents[0]["kinds"].values()]
    assert measures[0][0] == "dwell_s"
    assert 10 < measures[0][1] < 30
    assert documents[0]["frames"] == 120


def test_a_site_is_asked_by_its_own_clock(tmp_path: Path) -> None:
    tables = site_of(
        cameras=[drawn_camera(seconds=70, frames_per_s=2)],
        zones=[zone()],
        scenarios={"misparked_bikes": {}},
    )
    zones = tables.pop("zones")
    write_site(tmp_path, tables, {"zones": zones})
    replay(from_tables(tables | {"zones": zones}), base=tmp_path, state=tmp_path / "state")
    assert "2026-01-01 10:00+08:00, zone kerb" in said(tmp_path, "--at", "2026-01-01 10:00")
    assert "only from 2026-01-01 10:00+08:00" in said(tmp_path, "--at", "2026-01-01 18:00")


def test_a_replay_is_asked_by_the_clock_of_its_site_too(tmp_path: Path) -> None:
    out = shown(tmp_path, red_thing(from_s=5, to_s=20))
    assert "2026-01-01 10:00+08:00, zone kerb" in said(out, "--at", "2026-01-01 10:00")
    assert "only from 2026-01-01 10:00+08:00" in said(out, "--at", "2026-01-01 02:00")


def test_what_cannot_be_answered_is_refused_with_what_can(tmp_path: Path) -> None:
    out = shown(tmp_path, seconds=61)
    done = kerbwatch("explain", out, "--zone", "wall")
    assert "Zones: kerb" in refused(done, 1)
    done = kerbwatch("explain", out, "--zone", "kerb", "--at", "noon")
    assert "give one as 2026-03-01 10:05" in refused(done, 2)
    assert "--at with --zone" in refused(kerbwatch("explain", out, "--at", "10:00"), 2)


def test_the_table_has_an_end_whatever_the_clock_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(minute_table, "KEPT", 10)
    with Database(tmp_path / DATABASE) as database:
        for number in range(25):
            at = TEN - timedelta(minutes=number)  # a clock that goes back
            row = ZoneMinute("kerb", at, {"frames": number})
            database.write(functools.partial(keep_minutes, minutes=[row])).result()
        with closing(database.read()) as connection:
            kept = minutes_of(connection, "kerb", TEN - timedelta(days=1), TEN + timedelta(days=1))
    assert [one.told["frames"] for one in kept] == list(range(24, 14, -1))
