"""Devices whose outboxes a replay has filled, delivering to a real broker; and a platform as a process."""

from __future__ import annotations

import secrets
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any, Self

from agent.config import loading
from agent.runtime.replay import replay
from agent.storage.database import Database
from agent.storage.outbox_queries import Lane
from agent.storage.paths import DATABASE
from drivers.clock import SystemClock
from tests.support.delivering_device import uplink_of
from tests.support.drafts import case_opened
from tests.support.example_platform import PLATFORM, module
from tests.support.outboxes import open_outbox

if TYPE_CHECKING:
    from pathlib import Path

    from agent.config.schema import UplinkSection

TENANT = "example"


class Corner:
    """A device: what a replay of a site left in its state folder, and what it sees from now on."""

    def __init__(
        self,
        name: str,
        site: Path,
        folder: Path,
        settings: UplinkSection,
        tenant: str = TENANT,
    ) -> None:
        self.name, self._tenant, self._settings = name, tenant, settings
        self._clock = SystemClock()
        configuration = loading.load(site)
        mine = configuration.site.model_copy(update={"device_id": name, "tenant": tenant})
        report = replay(
            configuration.model_copy(update={"site": mine}), base=site, out=folder, state=folder
        )
        self.accepted = [event.event_id for event in report.events]
        """The id of every event that its outbox has taken."""
        self._file = folder / DATABASE

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def start(self) -> None:
        """Begin a run in a boot of its own."""
        self._database = Database(self._file)
        self._outbox = open_outbox(
            self._database,
            keep_arrived=5000,
            tenant=self._tenant,
            device=self.name,
            boot_id=secrets.token_hex(4),
        )
        uplink = uplink_of(
            self._settings,
            self._database,
            self._outbox,
            self._clock,
            tenant=self._tenant,
            device=self.name,
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=uplink.run, args=(self._stop,))
        self._thread.start()

    def see(self, count: int) -> None:
        """Open so many cases."""
        drafts = [case_opened(self._clock) for _ in range(count)]
        self._database.write(
            lambda connection: [self._outbox.add(connection, each, Lane.CASE) for each in drafts]
        ).result()
        self.accepted += [each.event_id for each in drafts]

    def has_delivered(self) -> bool:
        """Whether receipts have named all that it has accepted."""
        return self._outbox.figures().rows == 0

    def end(self) -> None:
        """End the run, without noting that it ended in order: as a power cut leaves it."""
        self._stop.set()
        self._thread.join()
        self._database.close()


class PlatformProcess:
    """``examples/platform/consumer.py``, as somebody would start it."""

    def __init__(self, file: Path, url: str, *options: str, tenant: str = TENANT) -> None:
        self.file, self._url, self._options, self._tenant = file, url, options, tenant
        self._running: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._running is not None:
            self._running.terminate()
            assert self._running.wait(60) == 0, "it ends in order"

    def start(self, *, dies_at_acknowledging: bool = False) -> None:
        """Start it; one that dies does so after its next commit, before it acknowledges."""
        begin = "import consumer; consumer.main()"
        if dies_at_acknowledging:
            dying = "consumer.Client.ack = lambda *_, **__: os._exit(9)"
            begin = f"import os, consumer; {dying}; consumer.main()"
        self._running = subprocess.Popen(
            [sys.executable, "-c", begin, self._url, str(self.file), *self._options],
            cwd=PLATFORM,
        )

    def wait_until_dead(self) -> None:
        assert self._running is not None
        assert self._running.wait(120) == 9
        self._running = None

    def kill(self) -> None:
        """SIGKILL, whatever it is about."""
        assert self._running is not None
        self._running.send_signal(signal.SIGKILL)
        self._running.wait()
        self._running = None

    def back_up(self, to: Path) -> None:
        with closing(sqlite3.connect(self.file)) as db, closing(sqlite3.connect(to)) as copy:
            db.backup(copy)

    def restore(self, copy: Path) -> None:
        """Put an older copy in the place of the database; the process has ended."""
        assert self._running is None
        for each in self.file.parent.glob(f"{self.file.name}-*"):
            each.unlink()
        self.file.write_bytes(copy.read_bytes())

    def ask(self, query: str, **given: Any) -> list[tuple[Any, ...]]:
        """What a query gives; nothing while the tables are being made."""
        if not self.file.exists():
            return []
        with closing(sqlite3.connect(f"file:{self.file}?mode=ro", uri=True)) as db:
            try:
                return db.execute(query, given).fetchall()
            except sqlite3.OperationalError:
                return []

    def command(self, device: str, told: dict[str, Any]) -> dict[str, Any] | None:
        """Send a command with ``examples/platform/command.py``; the device's answer."""
        answer: dict[str, Any] | None = module("command").command(
            self._url, self._tenant, device, told
        )
        return answer
