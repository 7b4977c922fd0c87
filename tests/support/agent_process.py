"""The agent in a process of its own, at a pretended corner."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.broker import Broker
from tests.support.paths import ROOT
from tests.support.red_bike_model import write_model
from tests.support.sites import (
    drawn_camera,
    red_thing,
    standing_bike_site,
    uplink_table,
    write_site,
)


def watched_corner(broker: Broker, **tables: Any) -> dict[str, Any]:
    """A site where something red comes after two seconds and stays, and a broker is told of it."""
    camera = drawn_camera(
        width=640, height=360, seconds=100000, frames_per_s=5, things=[red_thing(from_s=2)]
    )
    return standing_bike_site(
        cameras=[camera],
        analysis={"snapshot_every_s": 1},
        uplink=uplink_table(broker.settings(heartbeat_s=0.5)),
        **tables,
    )


def run_agent(site: Path, stderr: int = subprocess.PIPE) -> subprocess.Popen[str]:
    """Start the agent on a site's folder, with the models that lie there."""
    return subprocess.Popen(
        [sys.executable, "-m", "agent", str(site)],
        env={**os.environ, "KERBWATCH_MODELS": str(site / "models")},
        cwd=ROOT,
        text=True,
        stderr=stderr,
    )


@pytest.fixture
def start_agent(broker: Broker, tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Starts the agent at a pretended corner; what still runs when the test ends is ended."""
    write_model(tmp_path / "models")
    write_site(tmp_path, watched_corner(broker))

    def start() -> subprocess.Popen[str]:
        started.append(run_agent(tmp_path))
        return started[-1]

    started: list[subprocess.Popen[str]] = []
    yield start
    for agent in started:
        if agent.poll() is None:
            agent.kill()
            agent.communicate(timeout=60)
