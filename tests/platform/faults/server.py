"""PostgreSQL, as the desk runs it: stopped from one moment to the next, and set back to an older backup."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest
from kerbwatch_platform.local import postgres
from kerbwatch_platform.local.errors import DeskError
from kerbwatch_platform.local.folder import Folder

from tests.faults.suite import require, wait_for
from tests.support.programs import MissingError

if TYPE_CHECKING:
    from kerbwatch_platform.local.users import User


class Server:
    """One PostgreSQL in a folder that its user can reach. Use as a context."""

    def __init__(self) -> None:
        self._place = Path(tempfile.mkdtemp(prefix="kerbwatch-pg-"))
        self._place.chmod(0o711)
        try:
            self._cluster = postgres.cluster(Folder(self._place), _nothing_is_installed)
        except DeskError as error:
            shutil.rmtree(self._place)
            raise MissingError(str(error)) from error
        self._running: subprocess.Popen[bytes] | None = None
        self._backups = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._running is not None:
            self._end(signal.SIGINT)
        shutil.rmtree(self._place)

    @property
    def database(self) -> str:
        """How it is reached, as libpq has it."""
        return self._cluster.database

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [*_as(self._cluster.user), *self._cluster.program.command]
        log = self._place / "log"
        with log.open("ab") as lines:
            self._running = subprocess.Popen(
                command, cwd=self._cluster.folder, stdout=lines, stderr=lines
            )
        running = self._running

        def ready() -> bool:
            require(running.poll() is None, f"PostgreSQL lives: {log.read_text('utf-8')[-800:]}")
            return self._cluster.ready()

        wait_for(ready, "PostgreSQL answers")

    def stop_at_once(self) -> None:
        """Without a word to anybody, as a power cut: what was committed is in its log. `pg_ctl -m immediate`."""
        self._end(signal.SIGQUIT)

    def _end(self, number: signal.Signals) -> None:
        assert self._running is not None
        self._running.send_signal(number)
        self._running.wait(120)
        self._running = None

    def back_up(self) -> Path:
        """A copy of all that is committed, while it runs."""
        self._backups += 1
        copy = self._place / f"backup-{self._backups}"
        tool = str(self._cluster.programs.folder / "pg_basebackup")
        told = ["-h", str(self._cluster.folder), "-U", "desk", "-D", str(copy), "-c", "fast"]
        copy.mkdir(0o700)
        if self._cluster.user is not None:
            self._cluster.user.own(copy)
        done = subprocess.run(
            [*_as(self._cluster.user), tool, *told], capture_output=True, text=True, check=False
        )
        require(done.returncode == 0, f"a backup is made: {done.stderr}")
        return copy

    def restore(self, copy: Path) -> None:
        """Put a backup in the place of the data; it does not run."""
        assert self._running is None
        data = self._cluster.folder / "data"
        shutil.rmtree(data)
        shutil.copytree(copy, data)
        data.chmod(0o700)
        if self._cluster.user is not None:
            self._cluster.user.own(data)


def postgresql_or_skip() -> None:
    """Skip the test where there is no PostgreSQL."""
    try:
        with Server():
            pass
    except MissingError as error:
        pytest.skip(f"no PostgreSQL here (apt package postgresql): {error}")


def _as(user: User | None) -> list[str]:
    if user is None:
        return []
    return ["setpriv", f"--reuid={user.uid}", f"--regid={user.gid}", "--clear-groups"]


def _nothing_is_installed(line: str) -> None:
    raise DeskError(line)
