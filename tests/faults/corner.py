"""The device's own process at a corner: cameras, the state folder, and what it says of itself.

The street is red where a bicycle stands (:mod:`tests.support.red_bike_site`): the network is small; the runtime,
the database and everything else are the real ones.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from agent.telemetry.status_file import FILE, Status
from tests.faults.suite import BrokenError, wait_for
from tests.support.paths import ROOT
from tests.support.red_bike_model import write_model
from tests.support.sites import drawn_camera, red_thing, site_of, uplink_table, write_site, zone

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from agent.config.schema import UplinkSection

CASE_EVERY_S = 10.0
"""On a busy street, on the street's own clock, which runs as fast as frames are analysed."""
_BOOT_ID = "/proc/sys/kernel/random/boot_id"
Section = dict[str, Any]


def drawn(camera_id: str, things: Sequence[tuple[float, float]], **settings: Any) -> Section:
    """A drawn street on which something red stands from … to …, in seconds of its own clock."""
    shown = [red_thing(from_s=begin_s, to_s=end_s, left=0.4, top=0.35) for begin_s, end_s in things]
    told = {"width": 320, "height": 180, "seconds": 1e6, "frames_per_s": 5, "things": shown}
    return drawn_camera(camera_id, **(told | settings))


def busy(camera_id: str = "busy", *, cases: int = 4000, every_s: float = CASE_EVERY_S) -> Section:
    """One case after the other."""
    return drawn(camera_id, [(every_s * n + 2, every_s * n + 7) for n in range(cases)])


def steady(camera_id: str = "steady") -> Section:
    """One thing that stands there for ever: one street problem, one case, whatever happens."""
    return drawn(camera_id, [(0.0, 1e6)])


def _kerb(camera_id: str) -> Section:
    """Nearly the whole picture of a camera; its place is called like the camera."""
    return zone(zone_id=f"kerb-{camera_id}", place_id=camera_id, camera_id=camera_id)


@dataclass
class Corner:
    """One site in a folder.

    Attributes:
        folder: Site, model and logs lie here.
        state: Where the agent keeps what must last.
        cameras: What it has.
        uplink: Whom it tells; None: nobody.
        sections: Further settings, by section.
    """

    folder: Path
    state: Path
    cameras: Sequence[Section]
    uplink: UplinkSection | None = None
    sections: Mapping[str, Section] = field(default_factory=dict)
    _runs: int = 0

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (self.folder / "models").exists():
            write_model(self.folder / "models")
        uplink = {"heartbeat_s": 1, "heartbeat_full_s": 0, "reconnect_max_s": 0.3}
        if self.uplink is not None:
            uplink |= uplink_table(self.uplink)
        tables: dict[str, Section] = {
            "scenarios": {"misparked_bikes": {"allowed_s": 2, "clear_after_s": 1}},
            "analysis": {"snapshot_every_s": 1},
            "storage": {"state_dir": str(self.state), "run_dir": "run"},
            "uplink": uplink,
        }
        for name, section in self.sections.items():
            tables[name] = tables.get(name, {}) | section
        site = site_of(
            **tables,
            cameras=list(self.cameras),
            zones=[_kerb(each["camera_id"]) for each in self.cameras],
        )
        write_site(self.folder, site)

    @property
    def database(self) -> Path:
        return self.state / "kerbwatch.sqlite3"

    @property
    def in_memory(self) -> Path:
        """The database that stands in while the disk takes nothing."""
        return self.folder / "run" / "volatile" / self.database.name

    def start(
        self,
        *before: str,
        environment: Mapping[str, str] | None = None,
        boot_id: str | None = None,
    ) -> Agent:
        """Start the agent.

        Args:
            before: The words of a command that starts it for us.
            environment: What it is told beside ours.
            boot_id: The boot that it is to believe in; takes root. None: this one.
        """
        command = [*before, sys.executable, "-m", "agent", str(self.folder / "site.toml")]
        if boot_id is not None:
            told = self.folder / "boot_id"
            told.write_text(boot_id + "\n", encoding="ascii")
            script = f'mount --bind "$0" {_BOOT_ID} && exec "$@"'
            command = ["unshare", "--mount", "sh", "-c", script, str(told), *command]
        self._runs += 1
        return Agent(self, command, environment or {}, self._runs)

    def status(self) -> Status | None:
        """What the agent says of itself; None if nothing is said yet."""
        try:
            return Status.model_validate_json((self.folder / "run" / FILE).read_bytes())
        except FileNotFoundError:
            return None

    def analysed(self, camera_id: str | None = None) -> int:
        """How many frames of a camera, or of all, the run that is on has analysed."""
        status = self.status()
        told = {} if status is None else status.cameras
        return sum(each.analysed for name, each in told.items() if camera_id in {None, name})


class Agent:
    """The agent's process, killed at the end of a ``with`` block if it still runs."""

    def __init__(
        self, corner: Corner, command: list[str], environment: Mapping[str, str], number: int
    ) -> None:
        self._corner = corner
        (corner.folder / "run" / FILE).unlink(missing_ok=True)
        self._log = corner.folder / f"agent-{number}.log"
        models = str(corner.folder / "models")
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                env={**os.environ, "KERBWATCH_MODELS": models, **environment},
                cwd=ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    @property
    def over(self) -> bool:
        return self.process.poll() is not None

    def wait_for(self, condition: Any, what: str, timeout_s: float = 120) -> float:
        """Wait for something while the process lives; how long that took, in seconds.

        Raises:
            BrokenError: The process ended, or it did not happen.
        """

        def happened() -> bool:
            if condition():
                return True
            if self.over:
                raise BrokenError(f"it ended with {self.process.returncode}, before {what}")
            return False

        return wait_for(happened, what, timeout_s)

    def sees(self, camera_id: str | None = None, frames: int = 1) -> float:
        """Wait until so many more frames were analysed; how long that took, in seconds."""
        wanted = self._corner.analysed(camera_id) + frames
        return self.wait_for(
            lambda: self._corner.analysed(camera_id) >= wanted,
            f"{camera_id or 'anything'} is analysed",
        )

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def freeze(self) -> None:
        """Stop every thread of it where it is: from now on it writes nothing and tells nobody anything."""
        self.send(signal.SIGSTOP)
        tasks = Path(f"/proc/{self.process.pid}/task")
        wait_for(lambda: all(_state(task) == "T" for task in tasks.iterdir()), "it stands still")

    def kill(self) -> None:
        """Kill it, and with it what started it for us."""
        if not self.over:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(60)

    def stop(self) -> int:
        """End it as planned; its exit status."""
        if not self.over:
            self.process.terminate()
        return self.process.wait(90)


def _state(task: Path) -> str:
    """What a thread is doing now, by the kernel: `proc_pid_stat(5)`."""
    return (task / "stat").read_text(encoding="utf-8").rpartition(") ")[2][:1]


class Unit:
    """Starts the agent again whenever it ends but as planned, as systemd does. Use as a context.

    Args:
        start: Starts it once more.
        rest_s: How long it waits before it does.

    Attributes:
        agent: The newest one.
        ends: The exit status of each that has ended by itself.
    """

    def __init__(self, start: Callable[[], Agent], *, rest_s: float = 0.3) -> None:
        self._start, self._rest_s = start, rest_s
        self._over = threading.Event()
        self.ends: list[int] = []
        self.agent = start()
        self._thread = threading.Thread(target=self._keep, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.agent.kill()
        self._thread.join()
        self.agent.kill()  # one that was being started

    def _keep(self) -> None:
        while not self._over.is_set():
            ended = self.agent.process.wait()
            if ended == 0 or self._over.wait(self._rest_s):
                return
            self.ends.append(ended)
            self.agent = self._start()
