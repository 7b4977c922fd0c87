"""What people read of times: the site's wall clock with its offset, and no longer than there was a run to see it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from agent.audit import AuditLog
from agent.config import last_known_good, loading
from agent.perception.view_health import Settings, ViewMonitor
from agent.perception.view_health.visibility import ViewState, Visibility
from agent.retention import LegalHold, LegalHolds
from agent.telemetry.status_file import FILE, Status, UplinkStatus
from drivers.clock import SystemClock
from drivers.testing import FakeClock
from provisioning.cli import main
from provisioning.console.local_time import local
from tests.support.command_line import kerbwatch
from tests.support.red_bike_model import write_model
from tests.support.red_bike_site import write_red_site
from tests.support.sites import standing_bike_site, write_site
from tests.support.statuses import status

NOON = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
FAR = "Pacific/Kiritimati"
"""Fourteen hours ahead: no machine that the tests run on is set to it."""
THERE = "2026-03-01 18:00+14:00"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_model(tmp_path / "models")
    monkeypatch.setenv("KERBWATCH_MODELS", str(tmp_path / "models"))
    write_site(tmp_path, standing_bike_site(site={"timezone": FAR}))
    (tmp_path / "state").mkdir()
    return tmp_path


def told(*words: object, code: int | None = 0) -> str:
    done = kerbwatch(*words)
    assert code in {None, done.exit_code}, done.output
    return done.output


def test_a_moment_is_shown_where_the_site_is() -> None:
    assert local(NOON, "Pacific/Kiritimati") == THERE
    assert local(NOON, "Asia/Shanghai", "seconds") == "2026-03-01 12:00:00+08:00"
    assert datetime.fromisoformat(local(NOON, None)) == NOON


def test_holds_and_audit_records_are_dated_by_the_sites_clock(site: Path) -> None:
    LegalHolds(site / "state").set(LegalHold(case_id="c-1", reason="court", by="x", at=NOON))
    AuditLog(site / "state" / "audit", FakeClock(NOON)).append("test")
    assert THERE in told("hold", "list", site)
    assert "2026-03-01 18:00:00+14:00" in told("audit", "show", site)


def test_a_commissioning_picture_is_dated_by_the_sites_clock(site: Path) -> None:
    told("commission", site)
    assert "+14:00" in told("commission", site, "--show")


@pytest.mark.slow
def test_check_tells_every_time_by_the_sites_clock(site: Path) -> None:
    assert last_known_good.keep(site, loading.load(site), site / "state", SystemClock())
    text = (site / "site.toml").read_text(encoding="utf-8")
    state = f'state_dir = "{site / "state"}"'
    (site / "site.toml").write_text(text.replace('state_dir = "state"', state) + "[nonsense]\n")
    shown = told("check", site, code=None)
    lines = [line for line in shown.splitlines() if re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d", line)]
    assert len(lines) >= 2, "the clock, and since when the last good configuration"
    assert all("+14:00" in line for line in lines)
    assert "UTC" not in shown


def test_watch_and_report_name_the_sites_clock(site: Path) -> None:
    now = datetime.now(UTC)
    uplink = UplinkStatus(connected_since=NOON, sent=1, confirmed=1, last_error=None)
    changed = {"at": now, "timezone": "Pacific/Kiritimati", "uplink": uplink}
    running: Status = status(3.0).model_copy(update=changed)
    (site / "run").mkdir()
    (site / "run" / FILE).write_text(running.model_dump_json(), encoding="utf-8")
    shown = told("watch", site, "--once")
    assert local(now, "Pacific/Kiritimati", "seconds") in shown
    assert f"connected since {THERE}" in shown


@pytest.mark.slow
def test_a_case_is_explained_by_the_sites_clock_with_its_day(tmp_path: Path) -> None:
    write_model(tmp_path / "models")
    write_red_site(tmp_path / "site")
    file = tmp_path / "site" / "site.toml"
    file.write_text(file.read_text().replace("[[cameras]]", f'timezone = "{FAR}"\n[[cameras]]'))
    environment = {"KERBWATCH_LANGUAGE": "en", "KERBWATCH_MODELS": str(tmp_path / "models")}
    runner, out = CliRunner(env=environment), tmp_path / "out"
    assert runner.invoke(main, ["replay", str(file), "--out", str(out)]).exit_code == 0
    shown = runner.invoke(main, ["explain", str(out)])
    assert re.search(
        r"Began \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+14:00, opened \d\d:\d\d:", shown.output
    )


def test_a_view_is_as_it_is_since_the_first_frame_of_this_run_at_the_earliest() -> None:
    luma = np.random.default_rng(1).integers(60, 200, (90, 160)).astype(np.uint8)
    sight = Visibility(["kerb"], ViewMonitor([], Settings(), None))
    assert sight.view == ViewState("good", None, False, {})
    sight.take(luma, 1_700.0)  # the clock of the frames counts from the boot
    assert sight.view == ViewState("good", 1_700.0, False, {})
    sight.take(luma, 1_701.0)
    assert sight.view == ViewState("good", 1_700.0, False, {})
    sight.lose("camera_lost", 1_701.0)
    assert (sight.view.state, sight.view.since_s) == ("camera_lost", 1_701.0)
