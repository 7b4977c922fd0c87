"""A platform at a real broker and a real PostgreSQL: its settings, its workers, and devices that speak MQTT."""

from __future__ import annotations

import copy
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from kerbwatch_platform import store
from kerbwatch_platform.intake.worker import Worker
from kerbwatch_platform.settings import Limits, Settings
from kerbwatch_platform.transports import open_transport

from agent.protocol import examples
from tests.support.lasting_client import LastingClient
from tests.support.paths import ROOT
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from kerbwatch_platform.transports import Transport

    from tests.support.postgres import Postgres

TENANT, PREFIX = "example-city", "kerbwatch/v2"
EPOCH = "0f1e2d3c4b5a6978"
_databases = itertools.count()


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class City:
    """A database of its own, and the settings of the workers at it."""

    def __init__(self, postgres: Postgres, broker: str, folder: Path, **limits: float) -> None:
        name = f"city_{os.getpid()}_{next(_databases)}"
        self.database, self.clock, self._folder = postgres.with_tables(name), Clock(), folder
        self.settings = Settings(
            database=self.database,
            broker=broker,
            evidence_folder=folder / "evidence",
            signing_key_file=folder / "key.pem",
            limits=Limits.model_validate(limits),
        )

    def ask(self, query: str, *values: object) -> list[Any]:
        with store.connect(self.database) as connection:
            return connection.execute(query, values).fetchall()

    def run(self, text: str, *values: object) -> None:
        with store.connect(self.database) as connection:
            connection.execute(text, values)

    def numbers(self, device: str) -> list[int]:
        query = "SELECT sequence FROM numbered WHERE device = %s ORDER BY sequence"
        return [number for (number,) in self.ask(query, device)]

    def transport(self, name: str = "platform-1") -> Transport:
        """The way of a worker, once it is there."""
        opened = open_transport(self.settings.broker, "platform", PREFIX, name)
        wait_until(lambda: opened.publish(f"{PREFIX}/{TENANT}/nowhere/receipts", b"{}"))
        return opened

    def subscribe(self, workers: int = 1) -> None:
        """Have the broker keep what comes for so many workers: what came before the first session is nobody's."""
        for nth in range(1, workers + 1):
            self.transport(f"platform-{nth}").close()

    def worker(self, transport: Transport) -> Worker:
        """A worker in this process, whose turns the test takes."""
        return Worker(self.settings, transport, clock=self.clock)

    def settings_file(self) -> Path:
        file = self._folder / "settings.toml"
        told = self.settings
        file.write_text(
            f'database = "{told.database}"\nbroker = "{told.broker}"\nworkers = {told.workers}\n'
            f'evidence_folder = "{told.evidence_folder}"\nsigning_key_file = "{told.signing_key_file}"\n',
            encoding="utf-8",
        )
        return file


class WorkerProcess:
    """A worker as the command starts it; or several."""

    def __init__(self, city: City, *options: str, begin: str = "") -> None:
        self._city, self._options, self._begin = city, options, begin
        self._running: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._running is not None:
            self._running.terminate()
            assert self._running.wait(60) == 0, "it ends in order"

    def start(self, begin: str | None = None) -> None:
        """Start it; ``begin`` is Python that runs before."""
        code = f"{self._begin if begin is None else begin}\nfrom kerbwatch_platform.cli import main; main()"
        told = ["--settings", str(self._city.settings_file()), "work", *self._options]
        self._running = subprocess.Popen([sys.executable, "-c", code, *told], cwd=ROOT)

    def wait_until_dead(self) -> int:
        assert self._running is not None
        ended = self._running.wait(120)
        self._running = None
        return ended

    def children(self) -> list[int]:
        """The processes of the workers that this one has started."""
        assert self._running is not None
        pid = self._running.pid
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def kill_child(self, dice: random.Random) -> None:
        """SIGKILL to one of them; gone when this returns."""
        child = dice.choice(self.children())
        os.kill(child, signal.SIGKILL)
        wait_until(lambda: child not in self.children())

    def kill(self) -> None:
        assert self._running is not None
        self._running.send_signal(signal.SIGKILL)
        self._running.wait()
        self._running = None


class Corner(LastingClient):
    """A device that sends what it is told to, and keeps what it is told."""

    def __init__(self, port: int, name: str, login: tuple[str, str | None] | None = None) -> None:
        super().__init__(port, f"{TENANT}:{name}", login or (name, None))
        self.name, self.base = name, f"{PREFIX}/{TENANT}/{name}"
        self._told: list[tuple[str, dict[str, Any]]] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self.connect()
        self.client.on_message = self._hear
        for channel in ("receipts", "commands"):
            self.listen(f"{self.base}/{channel}")
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def send(self, *events: dict[str, Any], historical: bool = False) -> None:
        told = {"contract": 2, "historical": historical, "events": list(events)}
        self.tell(f"{self.base}/events", json.dumps(told))

    def see(self, *sequences: int, epoch: str = EPOCH) -> None:
        """Open a case under each of these numbers, each in a message of its own."""
        for sequence in sequences:
            self.send(self.case(sequence, epoch))

    def case(self, sequence: int, epoch: str = EPOCH, **fields: Any) -> dict[str, Any]:
        return event("message-live", 0, self.name, sequence, epoch) | fields

    def birth(self, sequence: int = 1, epoch: str = EPOCH, **body: Any) -> dict[str, Any]:
        told = event("message-historical", 0, self.name, sequence, epoch)
        return told | {"body": told["body"] | {"predecessor": None, "carried": 0} | body}

    def heard(self, channel: str) -> list[dict[str, Any]]:
        with self._lock:
            return [told for on, told in self._told if on == channel]

    def _hear(self, _client: Any, _told: Any, message: Any) -> None:
        with self._lock:
            channel = message.topic.rsplit("/", 1)[-1]
            self._told.append((channel, json.loads(message.payload)))


def event(of: str, nth: int, device: str, sequence: int, epoch: str) -> dict[str, Any]:
    """An event of the contract's examples, as another of a device: its id goes by all that it is known by."""
    told: dict[str, Any] = copy.deepcopy(examples.examples()[of])["events"][nth]
    event_id = f"019b7706-d380-7c3f-{0x8000 + hash_of(device + epoch):04x}-{sequence:012x}"
    return told | {
        "event_id": event_id,
        "tenant": TENANT,
        "device_id": device,
        "epoch": epoch,
        "sequence": sequence,
    }


def hash_of(text: str) -> int:
    return sum(n * ord(each) for n, each in enumerate(text, 1)) % 0x4000


def turn_until(worker: Worker, condition: Callable[[], object]) -> None:
    """Take turns until something is so."""

    def is_so() -> object:
        worker.turn(0.05)
        return condition()

    wait_until(is_so)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
