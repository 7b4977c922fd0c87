"""What is lost when the agent, the broker or both are killed again and again."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmarks.delivery.store import Store
from tests.support.broker import Broker
from tests.support.ports import free_port
from tests.support.topics import DEVICE
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SCENARIOS = ("agent killed", "broker killed", "both killed", "broker away, agent killed")
TITLES = {
    "paho": "plain paho-mqtt, QoS 1",
    "thingsboard": "ThingsBoard gateway's SQLite storage",
    "bridge": "Mosquitto as bridge, defaults",
    "bridge, tuned": "bridge, unlimited queue, autosave 1 s",
    "outbox": "Kerbwatch, confirmed by the broker",
    "receipts": "Kerbwatch, confirmed by receipts",
}
SETTLED_AFTER_S = 45.0
"""Nothing new for so long: what has not come is not coming. A bridge waits 30 s before it retries."""
BACK_AFTER_S = 0.3


@dataclass
class Result:
    """One way in one scenario."""

    taken: int
    lost: int
    duplicates: int
    drained_s: float


@dataclass
class _Device:
    """The process that makes events, started anew each time it was killed."""

    way: str
    folder: Path
    port: int
    count: int
    per_s: float
    taken: list[str] = field(default_factory=list)
    _process: subprocess.Popen[str] | None = None
    _reader: threading.Thread | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "benchmarks.delivery.ways", self.way]
        command += ["--folder", str(self.folder), "--port", str(self.port)]
        command += ["--count", str(self.count - len(self.taken)), "--per-s", str(self.per_s)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        # A line that was cut off by the kill was not said.
        self.taken += (line.strip() for line in process.stdout if line.endswith("\n"))

    def kill(self) -> None:
        assert self._process is not None
        assert self._reader is not None
        self._process.kill()
        self._process.wait()
        self._reader.join(10)

    @property
    def done(self) -> bool:
        return len(self.taken) >= self.count


def central(folder: Path) -> Broker:
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None:
        raise click.ClickException("no mosquitto here: apt-get install mosquitto")
    folder.mkdir()
    return Broker(program, folder, "autosave_interval 1", tls=False)


class _Bridge:
    """A Mosquitto beside the agent that forwards to the central one."""

    def __init__(self, folder: Path, central_port: int, *, tuned: bool) -> None:
        folder.mkdir()
        self.port = free_port()
        lines = [
            f"listener {self.port} 127.0.0.1",
            "allow_anonymous true",
            "user root",
            "persistence true",
            f"persistence_location {folder}/",
            *(["max_queued_messages 0", "autosave_interval 1"] if tuned else []),
            "connection central",
            f"address 127.0.0.1:{central_port}",
            "bridge_protocol_version mqttv50",
            "cleansession false",
            f"remote_clientid {DEVICE}-bridge",
            "topic # out 1",
        ]
        configuration = folder / "bridge.conf"
        configuration.write_text("\n".join(lines) + "\n", encoding="ascii")
        program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin") or ""
        with (folder / "bridge.log").open("wb") as log:
            self._process = subprocess.Popen([program, "-c", configuration], stdout=log, stderr=log)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(10)


def run(way: str, scenario: str, *, events: int, kills: int, per_s: float, seed: int) -> Result:
    """Hand over so many events while something is killed so many times, and count what is missing."""
    die = random.Random(f"{seed} {scenario}")  # noqa: S311 - when to kill, not a secret
    with tempfile.TemporaryDirectory() as made, ExitStack() as stack:
        folder = Path(made)
        broker = central(folder / "central")
        broker.start()
        stack.callback(broker.kill)
        store = stack.enter_context(Store(folder / "platform.sqlite3", broker.port))
        port, program = broker.port, way.partition(",")[0]
        if program == "bridge":
            local = _Bridge(folder / "bridge", broker.port, tuned="tuned" in way)
            stack.callback(local.close)
            port = local.port
        (folder / "device").mkdir()
        device = _Device(program, folder / "device", port, events, per_s)
        device.start()
        stack.callback(device.kill)
        wait_until(lambda: device.taken)
        _kill_along(scenario, device, broker, kills, events / per_s, die)
        wait_until(lambda: device.done, 60 + 3 * events / per_s)
        return _settled(device, store)


def _kill_along(
    scenario: str,
    device: _Device,
    broker: Broker,
    kills: int,
    lasts_s: float,
    die: random.Random,
) -> None:
    if scenario == "broker away, agent killed":
        broker.stop()
        time.sleep(max(8.0, lasts_s / 2))
        device.kill()
        device.start()
        broker.start()
        return
    gap_s = lasts_s / (kills + 1)
    for _ in range(kills):
        time.sleep(gap_s * die.uniform(0.5, 1.5))
        if scenario in {"broker killed", "both killed"}:
            broker.kill()
        if scenario in {"agent killed", "both killed"}:
            device.kill()
            device.start()
        if scenario in {"broker killed", "both killed"}:
            time.sleep(BACK_AFTER_S)
            broker.start()


def _settled(device: _Device, store: Store) -> Result:
    began_s = changed_s = time.monotonic()
    taken, seen = set(device.taken), -1
    while (missing := len(taken - store.stored)) and time.monotonic() - changed_s < SETTLED_AFTER_S:
        if len(store.stored) != seen:
            seen, changed_s = len(store.stored), time.monotonic()
        time.sleep(0.1)
    return Result(len(taken), missing, store.duplicates, time.monotonic() - began_s)


def table(
    ways: Sequence[str], scenarios: Sequence[str], measure: Callable[[str, str], Result]
) -> None:
    """Print what each way lost in each scenario."""
    click.echo("lost of what was taken, and in brackets what came twice")
    width = max(len(TITLES[way]) for way in ways)
    click.echo(" " * width + "".join(f" | {name:>26s}" for name in scenarios))
    for way in ways:
        click.echo(f"{TITLES[way]:{width}s}", nl=False)
        for scenario in scenarios:
            result = measure(way, scenario)
            text = f"{result.lost:,} of {result.taken:,} ({result.duplicates:,})"
            click.echo(f" | {text:>26s}", nl=False)
            sys.stdout.flush()
        click.echo()
