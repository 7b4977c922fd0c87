"""Somebody is warned before a case opens, where the site asks for it; what is reported does not change by it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agent.config.loading import from_tables
from agent.config.plausibility import remarks
from agent.protocol.events import CaseEvent
from agent.runtime.replay import replay
from agent.storage import day_counters
from agent.storage.database_file import read_only
from agent.storage.paths import DATABASE
from agent.telemetry.daily_summary import summary_of
from provisioning.commands.report import lines
from tests.support.command_line import kerbwatch
from tests.support.sites import drawn_camera, red_thing, site_of, zone

if TYPE_CHECKING:
    from pathlib import Path

    from agent.config.schema import Configuration
    from agent.protocol.case import CaseBody

pytestmark = pytest.mark.usefixtures("red_model")
LAMP = {"factory": "mock", "lamp": 23}


def site(
    *things: dict[str, Any],
    warn_after_s: float | None = 10.0,
    gpio: dict[str, Any] | None = None,
    seconds: float = 90.0,
) -> Configuration:
    scenario: dict[str, Any] = {"allowed_s": 20, "clear_after_s": 1}
    if warn_after_s is not None:
        scenario["warn_after_s"] = warn_after_s
    tables = site_of(
        cameras=[drawn_camera(seconds=seconds, frames_per_s=2, things=list(things))],
        scenarios={"misparked_bikes": scenario},
        zones=[zone()],
        analysis={"frames_per_s": 2, "snapshot_every_s": 1},
        gpio=LAMP if gpio is None else gpio,
    )
    return from_tables(tables)


def opened(configuration: Configuration, folder: Path, **stretch: Any) -> list[CaseBody]:
    report = replay(configuration, base=folder, out=folder / "out", **stretch)
    events = [each for each in report.events if isinstance(each, CaseEvent)]
    return [each.body for each in events if each.type == "case.opened"]


def reported(configuration: Configuration, folder: Path) -> tuple[int, int, str]:
    """How many were warned, how many left, and the day's report."""
    connection = read_only(folder / "out" / "state" / DATABASE)
    try:
        page = day_counters.known(connection)[0]
        body = summary_of(connection, configuration, page, complete=False)
    finally:
        connection.close()
    kinds = [kind for each in body.zones for kind in each.cases]
    told = "\n".join(lines(body, is_over=False))
    return sum(k.warned for k in kinds), sum(k.warned_left for k in kinds), told


def test_what_persists_after_the_warning_is_reported_as_ever_and_says_when(tmp_path: Path) -> None:
    warned, plain = tmp_path / "warned", tmp_path / "plain"
    [body] = opened(site(red_thing(from_s=5)), warned)
    [without] = opened(site(red_thing(from_s=5), warn_after_s=None), plain)
    assert (body.opened_at, body.began_at) == (without.opened_at, without.began_at)
    assert without.warned_at is None
    assert body.warned_at is not None
    assert 10 <= (body.warned_at - body.began_at).total_seconds() < 12
    assert reported(site(), warned)[:2] == (1, 0)
    assert reported(site(), plain)[:2] == (0, 0)
    told = kerbwatch("explain", warned / "out")
    assert "Somebody was warned at" in told.output


def test_what_leaves_after_the_warning_opens_no_case_and_is_counted(tmp_path: Path) -> None:
    here = site(red_thing(from_s=5, to_s=20))
    assert opened(here, tmp_path) == []
    warned, left, told = reported(here, tmp_path)
    assert (warned, left) == (1, 1)
    assert "warned first: 1, of these gone before a case opened: 1" in told


def test_what_leaves_before_the_warning_is_not_warned(tmp_path: Path) -> None:
    here = site(red_thing(from_s=5, to_s=12))
    assert opened(here, tmp_path) == []
    assert day_counters_of(tmp_path).isdisjoint({"warned", "warned_left"})


def day_counters_of(folder: Path) -> set[str]:
    connection = read_only(folder / "out" / "state" / DATABASE)
    try:
        return {name for (name,) in connection.execute("SELECT name FROM days")}
    finally:
        connection.close()


@pytest.mark.parametrize(
    "gpio",
    [
        {},
        {"factory": "mock", "led": 17},
        {"factory": "mock", "buzzer": 24, "quiet": [{"from": "09:00", "to": "11:00"}]},
    ],
    ids=["no pins", "no lamp", "quiet hours"],
)
def test_nobody_is_said_to_have_been_warned_who_could_notice_nothing(
    tmp_path: Path, gpio: dict[str, Any]
) -> None:
    [body] = opened(site(red_thing(from_s=5), gpio=gpio), tmp_path)
    assert body.warned_at is None


def test_a_zone_has_its_own_word(tmp_path: Path) -> None:
    [body] = opened(zoned(15.0), tmp_path)
    assert body.warned_at is not None
    assert 15 <= (body.warned_at - body.began_at).total_seconds() < 17


def zoned(after_s: float) -> Configuration:
    tables = site_of(
        cameras=[drawn_camera(seconds=60, frames_per_s=2, things=[red_thing(from_s=5)])],
        scenarios={"misparked_bikes": {"allowed_s": 20, "warn_after_s": 5}},
        zones=[zone(warn_after_s=after_s)],
        analysis={"frames_per_s": 2},
        gpio=LAMP,
    )
    return from_tables(tables)


def test_a_warning_outlives_a_restart(tmp_path: Path) -> None:
    here, state = site(red_thing(from_s=5)), tmp_path / "state"
    replay(here, base=tmp_path, state=state, until_s=20)
    report = replay(here, base=tmp_path, state=state, from_s=20)
    [body] = [e.body for e in report.events if isinstance(e, CaseEvent) and e.type == "case.opened"]
    assert body.warned_at is not None
    assert (body.warned_at - body.began_at).total_seconds() < 14


def test_a_warning_that_comes_too_late_or_by_nothing_is_remarked() -> None:
    told = [str(each.what) for each in remarks(site(warn_after_s=30.0, gpio={}))]
    assert any(
        "warn_after_s is not below what is allowed: kerb (misparked_bike)" in t for t in told
    )
    assert any("names neither lamp nor buzzer" in t for t in told)
    told = [str(each.what) for each in remarks(site())]
    assert not any("warn_after_s" in t for t in told)
