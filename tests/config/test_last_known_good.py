"""A configuration that cannot be used costs what was changed in it, and never the seeing."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config import faults, last_known_good, loading, schema
from agent.storage.paths import LAST_GOOD
from drivers.testing import FakeClock
from tests.support.broker import Broker
from tests.support.red_bike_site import write_red_site
from tests.support.sites import site_of, write_site
from tests.support.waiting import wait_until

CLOCK = FakeClock(datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    write_red_site(folder)
    with (folder / "site.toml").open("a", encoding="utf-8") as opened:
        opened.write('[storage]\nstate_dir = "state"\nrun_dir = "run"\n')
    return folder


def keep(site: Path) -> schema.Configuration:
    configuration = loading.load(site)
    assert last_known_good.keep(site, configuration, site / "state", CLOCK)
    return configuration


BROKEN = {
    "an empty file": b"",
    "zeros where a torn write left them": bytes(800),
    "not TOML": b'[site\ntenant = "x"\n[storage]\nstate_dir = "state"\n',
    "not UTF-8": b'\xff\xfe[site]\n[storage]\nstate_dir = "state"\n',
    "a value that is not allowed": b'[site]\ntenant = "a b"\n[storage]\nstate_dir = "state"\n',
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_answered_with_what_was_good(
    site: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(site / "state"))
    good = keep(site)
    (site / "site.toml").write_bytes(content)
    configuration, health = last_known_good.load(site)
    assert configuration == good
    assert health.state == "last_good"
    assert health.faults, "what is wrong is said"
    assert health.kept_at == CLOCK.now()


def test_a_broken_drawing_of_zones_is_answered_with_the_zones_that_were_good(site: Path) -> None:
    good = keep(site)
    (site / "zones.json").write_text('{"zones": [{"zone_id": "kerb"', encoding="utf-8")
    configuration, health = last_known_good.load(site)
    assert configuration == good
    assert "zones.json" in health.faults[0]


def test_a_drawing_of_zones_that_is_gone_is_answered_with_the_zones_that_were_good(
    site: Path,
) -> None:
    drawn = (site / "zones.json").read_text(encoding="utf-8")
    (site / "zones.json").unlink()
    assert last_known_good.load(site)[1].state == "as_written", "nothing has been drawn yet"
    (site / "zones.json").write_text(drawn, encoding="utf-8")
    good = keep(site)
    (site / "zones.json").unlink()
    configuration, health = last_known_good.load(site)
    assert configuration == good
    assert "zones.json is missing" in health.faults[0]
    (site / "zones.json").write_text('{"zones": []}', encoding="utf-8")
    configuration, health = last_known_good.load(site)
    assert configuration.zones == ()
    assert health.state == "as_written"


def test_files_that_are_gone_are_no_reason_to_stop(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(site / "state"))
    good = keep(site)
    (site / "site.toml").unlink()
    assert last_known_good.load(site)[0] == good


def test_without_a_good_one_every_fault_is_an_error(site: Path) -> None:
    (site / "site.toml").write_bytes(BROKEN["a value that is not allowed"])
    with pytest.raises(faults.ConfigError) as caught:
        last_known_good.load(site)
    assert len(caught.value.faults) >= 3


def test_the_copy_of_another_site_is_not_taken(site: Path, tmp_path: Path) -> None:
    keep(site)
    other = tmp_path / "other"
    other.mkdir()
    (other / "site.toml").write_text(f'[storage]\nstate_dir = "{site}/state"\n', encoding="utf-8")
    with pytest.raises(faults.ConfigError):
        last_known_good.load(other)


def test_files_that_were_changed_since_they_were_read_are_not_kept_as_good(site: Path) -> None:
    configuration = loading.load(site)
    text = (site / "site.toml").read_text(encoding="utf-8")
    (site / "site.toml").write_text(text.replace("allowed_s = 2", "allowed_s = 3"))
    assert not last_known_good.keep(site, configuration, site / "state", CLOCK)
    assert not (site / "state" / LAST_GOOD).exists()


def test_a_copy_that_is_the_same_is_not_written_again(site: Path) -> None:
    keep(site)
    before = (site / "state" / LAST_GOOD).stat()
    keep(site)
    assert (site / "state" / LAST_GOOD).stat().st_ino == before.st_ino
    assert before.st_mode & 0o777 == 0o600


def test_a_disk_that_does_not_take_the_copy_is_no_reason_to_stop(site: Path) -> None:
    (site / "state").write_text("a file is in the way")
    assert not last_known_good.keep(site, loading.load(site), site / "state", CLOCK)


@given(st.integers(0, 2**32))
def test_a_damaged_copy_is_never_used_as_something_else(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("site")
    write_site(folder, SMALL)
    good = keep(folder)
    file, die = folder / "state" / LAST_GOOD, random.Random(seed)
    content = bytearray(file.read_bytes())
    for _ in range(die.randint(1, 3)):
        content[die.randrange(len(content))] = die.randrange(256)
    file.write_bytes(content[: die.choice((len(content), die.randrange(len(content))))])
    (folder / "site.toml").write_text('[storage]\nstate_dir = "state"\n', encoding="utf-8")
    try:
        configuration, _ = last_known_good.load(folder)
    except faults.ConfigError:
        return
    assert configuration == good


SMALL = site_of(site={"tenant": "example", "device_id": "corner", "address": "Example Road 1"})


@pytest.mark.slow
def test_an_agent_with_a_broken_configuration_goes_on_seeing_and_says_so(
    broker: Broker,
    start_agent: Callable[[], subprocess.Popen[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))  # as systemd does
    with broker.platform(lasting=True) as platform:
        agent = start_agent()
        file = tmp_path / "state" / LAST_GOOD
        wait_until(file.exists)
        agent.send_signal(signal.SIGTERM)
        agent.communicate(timeout=60)
        text = (tmp_path / "site.toml").read_text(encoding="utf-8")
        began = time.time()
        (tmp_path / "site.toml").write_text(text[: len(text) // 2] + "\n[broken", encoding="utf-8")
        agent = start_agent()

        def told() -> bool:
            beats = [e.body for e in platform.events if e.type == "device.heartbeat"]
            states = [b.configuration.state for b in beats if b.configuration is not None]
            return "last_good" in states

        wait_until(told)
        wait_until(lambda: platform.sequences("case.opened"))
        agent.send_signal(signal.SIGTERM)
        _, log = agent.communicate(timeout=60)
        assert agent.returncode == 0
        assert "site.toml" in log
        assert "continuing with the configuration stored at" in log
        assert file.stat().st_mtime <= began, "what is broken was not kept as good"
        assert json.loads(file.read_text())["site"] == text
