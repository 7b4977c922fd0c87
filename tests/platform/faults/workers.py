"""Workers, as the desk starts them: killed, and such as die between their commit and their acknowledgement."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Self

from tests.faults.suite import require

if TYPE_CHECKING:
    from pathlib import Path

DIED = 9
GAP_STANDS_S, LOOKED_AT_EVERY_S = 10.0, 5.0
"""Before a device is asked for what is missing: five minutes, and each minute, where nobody waits for it."""
_BEGIN = f"""
from kerbwatch_platform.cli import main
from kerbwatch_platform.intake import gaps, worker
gaps.look.__kwdefaults__.update(wait_s={GAP_STANDS_S})
worker.LOOK_S = {LOOKED_AT_EVERY_S}
"""
_DYING = """
import os
from kerbwatch_platform.transports.amqp import AmqpTransport
from kerbwatch_platform.transports.mqtt import MqttTransport
for each in (AmqpTransport, MqttTransport):
    each.settle = lambda self, deliveries: os._exit(9) if list(deliveries) else None
"""
_SETTINGS = """\
database = {database}
broker = {broker}
evidence_folder = {evidence}
signing_key_file = {key}
"""


def write_settings(folder: Path, database: str, broker: str) -> Path:
    """The platform's settings for this city."""
    told = {"database": database, "broker": broker}
    told |= {"evidence": str(folder / "evidence"), "key": str(folder / "signing.key")}
    quoted = {name: json.dumps(value) for name, value in told.items()}
    path = folder / "settings.toml"
    path.write_text(_SETTINGS.format(**quoted), encoding="utf-8")
    return path


def run_command(settings: Path, *told: str) -> str:
    """Run a command of the platform to its end; what it prints."""
    command = [sys.executable, "-m", "kerbwatch_platform", "--settings", str(settings), *told]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    require(done.returncode == 0, f"{told[0]} works: {done.stdout}{done.stderr}")
    return done.stdout


class Worker:
    """One worker's process. Use as a context."""

    def __init__(self, name: str, settings: Path) -> None:
        self._name, self._settings = name, settings
        self._log = settings.with_name(f"{name}.log")
        self._running: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._running is not None:
            self._running.terminate()
            ended = self._running.wait(60)
            if kind is None:  # else there is something else to be told
                require(ended == 0, f"{self._name} ends in order: {self.log[-800:]}")

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def start(self, *, dies_at_acknowledging: bool = False) -> None:
        begin = ["-c", _BEGIN + (_DYING if dies_at_acknowledging else "") + "main()"]
        told = ["--settings", str(self._settings), "work", "--name", self._name]
        with self._log.open("ab") as log:
            self._running = subprocess.Popen(
                [sys.executable, *begin, *told], stdout=log, stderr=log
            )

    def assert_lives(self) -> None:
        """What befalls the database or the broker ends no worker; one that we have killed is left out."""
        require(
            self._running is None or self._running.poll() is None,
            f"{self._name} lives on: {self.log[-800:]}",
        )

    def kill(self) -> None:
        assert self._running is not None
        self._running.send_signal(signal.SIGKILL)
        self._running.wait()
        self._running = None

    def wait_until_dead(self) -> None:
        """Of one that dies at acknowledging: it has committed, and the broker does not know."""
        assert self._running is not None
        ended = self._running.wait(120)
        require(ended == DIED, f"{self._name} died at acknowledging ({ended}): {self.log[-800:]}")
        self._running = None
