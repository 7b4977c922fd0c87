"""A real agent that watches a pretended corner without a broker, and who asks it over its local channel."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.control.client import Call, call
from agent.control.meeting_place import folder_of
from agent.telemetry.status_file import FILE, Status
from tests.support.agent_process import run_agent
from tests.support.red_bike_model import write_model
from tests.support.sites import drawn_camera, red_thing, standing_bike_site, write_site
from tests.support.waiting import wait_until


class WatchedCorner:
    """One agent in a process of its own, in a folder; started again as often as a test likes."""

    def __init__(self, folder: Path, **tables: Any) -> None:
        self.folder, self.process = folder, None
        write_model(folder / "models")
        camera = drawn_camera(
            width=640, height=360, seconds=100_000, frames_per_s=5, things=[red_thing(from_s=2)]
        )
        told: dict[str, Any] = {"cameras": [camera], "analysis": {"snapshot_every_s": 1}}
        self.tables = standing_bike_site(**told | tables)
        write_site(folder, self.tables)

    process: subprocess.Popen[str] | None

    @property
    def run_dir(self) -> Path:
        return self.folder / "run"

    @property
    def state_dir(self) -> Path:
        return self.folder / "state"

    def start(self) -> subprocess.Popen[str]:
        """Start it, and wait until it watches."""
        (self.run_dir / FILE).unlink(missing_ok=True)
        with (self.folder / "agent.log").open("a", encoding="utf-8") as log:
            self.process = run_agent(self.folder, log.fileno())
        process = self.process
        asked_in = folder_of(self.run_dir)
        wait_until(
            lambda: (self.analysed() > 0 and asked_in.is_dir()) or process.poll() is not None
        )
        assert process.poll() is None, (self.folder / "agent.log").read_text(encoding="utf-8")
        return process

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End it and give its exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(60)

    def status(self) -> Status | None:
        """What it writes down of itself; None: nothing yet."""
        try:
            return Status.model_validate_json((self.run_dir / FILE).read_bytes())
        except FileNotFoundError:
            return None

    def analysed(self) -> int:
        """Frames that this run has analysed."""
        status = self.status()
        return sum(each.analysed for each in status.cameras.values()) if status else 0

    @contextmanager
    def asked(self) -> Iterator[Call]:
        """A line to it; a busy machine is slow, not silent."""
        with call(self.run_dir, comes_within_s=120) as agent:
            yield agent


@pytest.fixture
def corner_at(tmp_path: Path) -> Iterator[Callable[..., WatchedCorner]]:
    """Makes corners in folders of this test; what still runs when it ends is ended."""
    made: list[WatchedCorner] = []

    def make(**tables: Any) -> WatchedCorner:
        folder = tmp_path / f"corner{len(made)}"
        folder.mkdir()
        made.append(WatchedCorner(folder, **tables))
        return made[-1]

    yield make
    for each in made:
        if each.process is not None and each.process.poll() is None:
            each.process.kill()
            each.process.wait(60)
