"""``kerbwatch watch``: what a running agent says of itself reaches the technician beside it."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.telemetry.status_file import FILE, Status
from tests.support.agent_process import run_agent
from tests.support.command_line import kerbwatch
from tests.support.paths import ROOT
from tests.support.red_bike_model import write_model
from tests.support.sites import standing_bike_site, write_site
from tests.support.statuses import quiet_status
from tests.support.waiting import wait_until

SITE = standing_bike_site(site={"device_id": "corner-7", "address": "Example Road 1"})


@pytest.fixture
def site(tmp_path: Path) -> Path:
    write_model(tmp_path / "models")
    write_site(tmp_path, SITE)
    return tmp_path


@pytest.fixture
def running(site: Path) -> Iterator[Path]:
    """A site with a real agent on it that has an open case."""
    agent = run_agent(site, stderr=subprocess.DEVNULL)

    def has_case() -> bool:
        path = site / "run" / FILE
        return path.exists() and bool(Status.model_validate_json(path.read_text()).cases)

    try:
        wait_until(has_case)
        yield site
    finally:
        agent.send_signal(signal.SIGTERM)
        agent.wait(120)
    assert not (site / "run" / FILE).exists()  # a planned end leaves no status behind


@pytest.mark.slow
def test_a_running_agent_is_shown_in_words_and_as_json(running: Path) -> None:
    english = kerbwatch("watch", running)
    assert english.exit_code == 0, english.output
    for part in (
        "corner-7",
        "camera street: running",
        "analysed",
        "zone kerb",
        "≥ 10",
        "open cases:",
        "misparked bike",
        "no broker is configured",
    ):
        assert part in english.output
    chinese = kerbwatch("watch", running, "--once", language="zh_CN")
    assert "corner-7" in chinese.output
    assert "open cases" not in chinese.output
    found = json.loads(kerbwatch("watch", running, "--json").output)
    assert found["cameras"]["street"]["analysed"] > 0
    assert found["cases"][0]["zone_id"] == "kerb"
    camera = found["cameras"]["street"]
    assert 0 < camera["view"]["for_s"] <= found["uptime_s"]
    assert 0 < camera["for_s"] <= found["uptime_s"]


@pytest.mark.slow
def test_on_a_terminal_it_is_drawn_in_place_until_interrupted(running: Path) -> None:
    inner, outer = pty.openpty()
    watcher = subprocess.Popen(
        # A shell starts what runs in the background with SIGINT ignored, and children inherit that.
        [
            *("env", "--default-signal=INT"),
            *(sys.executable, "-m", "provisioning.cli", "watch", str(running), "--every", "0.2"),
        ],
        cwd=ROOT,
        stdin=outer,
        stdout=outer,
        stderr=outer,
        env={**os.environ, "KERBWATCH_LANGUAGE": "en", "TERM": "xterm"},
    )
    os.close(outer)
    shown = ""
    deadline_s = time.monotonic() + 240  # for one that hangs
    while shown.count("corner-7") < 3 and time.monotonic() < deadline_s:
        if select.select([inner], [], [], 0.5)[0]:
            shown += os.read(inner, 65536).decode("utf-8", "replace")
    watcher.send_signal(signal.SIGINT)
    try:
        while select.select([inner], [], [], 60)[0] and (chunk := os.read(inner, 65536)):
            shown += chunk.decode("utf-8", "replace")
            assert time.monotonic() < deadline_s + 60
    except OSError:  # the other end has closed
        pass
    os.close(inner)
    watcher.wait(60)
    assert shown.count("corner-7") >= 3
    assert shown.count("\x1b[H") >= 3  # drawn over itself, not below itself
    assert "\x1b[?1049l" in shown  # the terminal is given back
    assert "Traceback" not in shown
    assert watcher.returncode == 130


def test_without_an_agent_that_is_said(site: Path) -> None:
    done = kerbwatch("watch", site)
    assert done.exit_code == 1
    assert "does not run" in done.output


def test_an_old_status_is_no_sign_of_life(site: Path) -> None:
    old = quiet_status(at=datetime.now(UTC) - timedelta(minutes=5))
    (site / "run").mkdir()
    (site / "run" / FILE).write_text(old.model_dump_json(), encoding="utf-8")
    done = kerbwatch("watch", site)
    assert done.exit_code == 1
    assert "5 min" in done.output
    ahead = old.model_copy(update={"at": datetime.now(UTC) + timedelta(days=3650)})
    (site / "run" / FILE).write_text(ahead.model_dump_json(), encoding="utf-8")
    done = kerbwatch("watch", site)
    assert done.exit_code == 1
    assert "the clock was set back" in done.output
    (site / "run" / FILE).write_text("{}", encoding="utf-8")
    done = kerbwatch("watch", site)
    assert done.exit_code == 1
    assert "cannot be read" in done.output
