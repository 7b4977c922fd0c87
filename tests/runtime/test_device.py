"""Promises of the device's process: killed and started again, it goes on where it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.broker import DEVICE, PREFIX, TENANT, Broker, wait_until
from tests.support.paths import ROOT
from tests.support.red_bike_site import write_model

SITE = """
[site]
tenant = "{tenant}"
device_id = "{device}"
address = "example"

[[cameras]]
camera_id = "street"
driver = "synthetic"

[cameras.settings]
width = 640
height = 360
seconds = 300
frames_per_s = 5
things = [{{ colour = "#dc1414", from_s = 2, left = 0.45, top = 0.4, width = 0.15, height = 0.27 }}]

[scenarios.misparked_bikes]
allowed_s = 10

[[zones]]
zone_id = "kerb"
camera_id = "street"
kind = "no_parking"
polygon = [[0.05, 0.05], [0.95, 0.05], [0.95, 0.95], [0.05, 0.95]]

[analysis]
snapshot_every_s = 1

[storage]
state_dir = "state"
run_dir = "run"

[uplink]
broker = "mqtts://127.0.0.1:{port}"
topic_prefix = "{prefix}"
ca_file = "{ca}"
certificate_file = "{certificate}"
key_file = "{key}"
reconnect_max_s = 0.2
heartbeat_s = 0.5
"""


@pytest.fixture
def start_agent(broker: Broker, tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Starts the agent at a pretended corner; what still runs when the test ends is ended."""
    write_model(tmp_path / "models")
    certificate, key = broker.device_files
    (tmp_path / "site.toml").write_text(
        SITE.format(
            tenant=TENANT,
            device=DEVICE,
            port=broker.port,
            prefix=PREFIX,
            ca=broker.authority.certificate_file,
            certificate=certificate,
            key=key,
        ),
        encoding="utf-8",
    )

    def start() -> subprocess.Popen[str]:
        agent = subprocess.Popen(
            [sys.executable, "-m", "agent", str(tmp_path / "site.toml")],
            env={**os.environ, "KERBWATCH_MODELS": str(tmp_path / "models")},
            cwd=ROOT,
            text=True,
            stderr=subprocess.PIPE,
        )
        started.append(agent)
        return agent

    started: list[subprocess.Popen[str]] = []
    yield start
    for agent in started:
        if agent.poll() is None:
            agent.kill()
            agent.communicate(timeout=60)


@pytest.mark.slow
def test_a_killed_agent_goes_on_with_its_case_and_leaves_no_gap(
    broker: Broker, start_agent: Callable[[], subprocess.Popen[str]]
) -> None:
    with broker.platform(lasting=True) as platform:

        def births() -> int:
            return len({e.event_id for e in platform.events if e.type == "device.birth"})

        for run in range(1, 4):
            agent = start_agent()
            wait_until(lambda: births() == run)  # noqa: B023
            wait_until(lambda: platform.sequences("case.opened"))
            beats = len(platform.sequences("device.heartbeat"))
            wait_until(lambda: len(platform.sequences("device.heartbeat")) > beats)  # noqa: B023
            agent.send_signal(signal.SIGKILL)
            agent.communicate(timeout=30)
        agent = start_agent()
        wait_until(lambda: births() == 4)
        agent.send_signal(signal.SIGTERM)
        agent.communicate(timeout=60)
        assert agent.returncode == 0
        assert len(platform.sequences("case.opened")) == 1
        assert len({event.epoch for event in platform.events}) == 1
        wait_until(lambda: any(b'"online":false' in one.payload for one in platform.received))
        numbers = sorted({event.sequence for event in platform.events})
        waiting = 1  # a heartbeat that came up while the agent stopped
        assert numbers[-1] - len(numbers) <= waiting


def test_a_wrong_configuration_is_refused_with_every_fault(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text('[site]\ntenant = "a b"\n', encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "agent", str(tmp_path)],
        cwd=ROOT,
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 3
    for place in ("site.tenant", "site.device_id", "site.address", "cameras"):
        assert place in done.stderr
    assert "Traceback" not in done.stderr
