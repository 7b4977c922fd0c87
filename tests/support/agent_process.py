"""The agent in a process of its own, at a pretended corner."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.broker import Broker
from tests.support.paths import ROOT
from tests.support.red_bike_model import write_model
from tests.support.topics import DEVICE, PREFIX, TENANT

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
seconds = 100000
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
