"""`kerbwatch simulate` against a real Mosquitto: all of it arrives once, or waits where it is said to wait."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.fleet_check import Found, held_against
from tests.support.broker import Broker
from tests.support.example_platform import example_platform
from tests.support.paths import ROOT
from tests.support.topics import PREFIX
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

_CALLED = (sys.executable, "-m", "provisioning.cli")


def _command(folder: Path, broker: Broker, *options: object) -> list[str]:
    told = [*_CALLED, "simulate", folder, "--broker", broker.url, "--prefix", PREFIX, *options]
    return [str(each) for each in told]


def _simulated(folder: Path, broker: Broker, *options: object) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        _command(folder, broker, "--json", *options),
        cwd=ROOT,
        env=os.environ | {"KERBWATCH_LANGUAGE": "en"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def _found(folder: Path, database: Path) -> Found:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as store:
        return held_against(folder, "simulation", lambda query: store.execute(query).fetchall())


def test_twenty_devices_of_which_five_are_cut_off_for_a_day_lose_nothing(
    start_broker: Callable[..., Broker], tmp_path: Path
) -> None:
    broker, database = start_broker(tls=False), tmp_path / "platform.db"
    with example_platform(broker, database):
        code, told = _simulated(
            tmp_path / "fleet",
            broker,
            *("--devices", 20, "--processes", 2, "--rate", 6, "--minutes", 0.25, "--settle", 300),
            *("--outage-at", 0.05, "--outage-for", 0.1, "--outage-hours", 24),
            *("--confirm", "platform"),
        )
        found = _found(tmp_path / "fleet", database)
    assert code == 0, told
    assert found.holds, found.line
    assert found.devices == 20
    assert found.stored == found.given == told["kept"]["events"] == told["kept"]["arrived"]
    # Five of them lived through a day: some 144 events each, and a summary.
    assert told["outage"]["devices"] == 5
    assert found.stored > 5 * 100
    with closing(sqlite3.connect(database)) as store:
        counts = dict(store.execute("SELECT type, count(*) FROM event GROUP BY type"))
    assert counts["device.birth"] >= 25
    assert counts["device.summary"] >= 5
    assert counts["case.opened"] >= counts["case.cleared"] > 0


def test_interrupted_it_ends_cleanly_says_what_waits_and_goes_on_in_the_same_epoch(
    start_broker: Callable[..., Broker], tmp_path: Path
) -> None:
    folder, database = tmp_path / "fleet", tmp_path / "platform.db"
    broker = start_broker(tls=False)  # nobody subscribes: everything waits
    options = ("--devices", 4, "--rate", 3600, "--settle", 300, "--confirm", "platform")
    running = subprocess.Popen(
        _command(folder, broker, "--minutes", 60, *options),
        cwd=ROOT,
        env=os.environ | {"KERBWATCH_LANGUAGE": "en"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: _drawn(folder) > 20)
    running.send_signal(signal.SIGINT)
    stdout, stderr = running.communicate(timeout=120)
    assert running.returncode == 130, stderr
    assert "not delivered" in stdout
    assert str(folder) in stdout
    assert "Traceback" not in stderr
    drawn, epochs = _drawn(folder), _epochs(folder)
    with example_platform(broker, database):
        code, told = _simulated(folder, broker, "--minutes", 0.05, *options)
        found = _found(folder, database)
    assert code == 0, told
    assert found.holds, found.line
    assert found.stored > drawn
    assert _epochs(folder) == epochs


def _drawn(folder: Path) -> int:
    return sum(count for count, _ in _asked(folder))


def _epochs(folder: Path) -> set[str]:
    return {epoch for _, epoch in _asked(folder)}


def _asked(folder: Path) -> list[tuple[int, str]]:
    found = []
    for path in folder.glob("*/kerbwatch.sqlite3"):
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as own:
            try:
                found += own.execute(
                    "SELECT (SELECT count(*) FROM outbox), value FROM state WHERE name = 'outbox.epoch'"
                ).fetchall()
            except sqlite3.OperationalError:  # its tables are being made
                continue
    return found
