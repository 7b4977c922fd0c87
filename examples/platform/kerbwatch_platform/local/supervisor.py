"""Processes of one desk: started, started again when they die, ended together.

Each is told by the kernel when we die, however we do (``setpriv --pdeathsig``): nothing is left over
that the next start would stumble upon.
"""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from kerbwatch_platform.local.errors import DeskError
from kerbwatch_platform.words.spoken import tell

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from kerbwatch_platform.local.users import User

SHORTEST_REST_S, LONGEST_REST_S = 0.5, 30.0
"""How long a process rests before it is started again: twice as long each time it dies at once."""
STEADY_S = 60.0
"""Who has lived so long does not die at once."""
_TAIL_CHARACTERS = 2000


@dataclass(frozen=True, slots=True)
class Program:
    """A process to be.

    Attributes:
        name: What it is called, in words and as a file.
        command: Its command line.
        rank: Those of the highest are ended first.
        ends_by: What ends it in order.
        patience_s: How long that may take before it is killed.
        user: As whom it runs; None: as we do.
        environment: Beside ours.
        folder: Where it runs.
    """

    name: str
    command: tuple[str, ...]
    rank: int = 2
    ends_by: signal.Signals = signal.SIGTERM
    patience_s: float = 20.0
    user: User | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None


class StoppedError(Exception):
    """Somebody asked us to end while we waited for something."""


@dataclass(slots=True)
class _Child:
    program: Program
    process: subprocess.Popen[bytes] | None = None
    handle: int = -1
    began_s: float = 0.0
    rest_s: float = SHORTEST_REST_S
    due_s: float = 0.0


class Supervisor:
    """Keeps some programs running. Use as a context: what runs when it is left is ended.

    Args:
        logs: What each of them says goes there, a file each.
        say: Called with a line for whoever watches.
    """

    def __init__(self, logs: Path, say: Callable[[str], object]) -> None:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            raise DeskError(tell("there is no setpriv here (of util-linux): install it"))
        self._setpriv, self._logs, self._say = setpriv, logs, say
        self._children: dict[str, _Child] = {}
        self._selector = selectors.DefaultSelector()
        self.stopping = False

    def __enter__(self) -> Self:
        self._heard, self._rung = socket.socketpair()
        for end in (self._heard, self._rung):
            end.setblocking(False)
        self._selector.register(self._heard, selectors.EVENT_READ)
        self._before = {
            each: signal.signal(each, self._stop)
            for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        }
        self._woke = signal.set_wakeup_fd(self._rung.fileno())
        return self

    def __exit__(self, *_: object) -> None:
        self._end_all()
        signal.set_wakeup_fd(self._woke)
        for number, before in self._before.items():
            signal.signal(number, before)
        self._selector.close()
        self._heard.close()
        self._rung.close()

    def _stop(self, *_: object) -> None:
        self.stopping = True

    def start(self, program: Program) -> None:
        """Start it; from now on it runs."""
        child = self._children[program.name] = _Child(program)
        log = self.log_of(program.name)
        if log.exists():
            log.replace(log.with_suffix(".log.1"))
        self._begin(child)

    def wait_until(self, condition: Callable[[], bool], name: str, timeout_s: float = 60.0) -> None:
        """Wait for something that a program does, such as to listen.

        Raises:
            DeskError: It ended before, or does not do it.
            StoppedError: We were asked to end.
        """
        until_s = time.monotonic() + timeout_s
        process = self._children[name].process
        while not condition():
            if self.stopping:
                raise StoppedError
            if process is None or process.poll() is not None:
                raise DeskError(
                    tell(
                        "{name} did not start. The end of {log}:", name=name, log=self.log_of(name)
                    )
                    + f"\n{self.tail_of(name)}"
                )
            if time.monotonic() > until_s:
                raise DeskError(
                    tell(
                        "{name} runs, but was not ready within {seconds:g} s. The end of {log}:",
                        name=name,
                        seconds=timeout_s,
                        log=self.log_of(name),
                    )
                    + f"\n{self.tail_of(name)}"
                )
            self._step(0.05)

    def run(self) -> None:
        """Keep them running until SIGINT, SIGTERM or SIGHUP."""
        while not self.stopping:
            self._step(None)

    def _step(self, wait_s: float | None) -> None:
        """Start those whose rest is over, and look after those that end meanwhile."""
        now_s = time.monotonic()
        for child in self._resting():
            if child.due_s <= now_s:
                self._begin(child)
        rests_s = [max(0.0, each.due_s - now_s) for each in self._resting()]
        if wait_s is not None:
            rests_s.append(wait_s)
        for key, _ in self._selector.select(min(rests_s, default=None)):
            if isinstance(key.data, _Child):
                self._ended(key.data)

    def _resting(self) -> list[_Child]:
        return [each for each in self._children.values() if each.process is None]

    def log_of(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def tail_of(self, name: str) -> str:
        """The end of what it has said."""
        try:
            text = self.log_of(name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return text[-_TAIL_CHARACTERS:].strip()

    def pid_of(self, name: str) -> int | None:
        """Its process; None: it rests."""
        process = self._children[name].process
        return None if process is None else process.pid

    def _begin(self, child: _Child) -> None:
        program = child.program
        before = [self._setpriv, "--pdeathsig", program.ends_by.name]
        if program.user is not None:
            told = program.user
            before += [f"--reuid={told.uid}", f"--regid={told.gid}", "--clear-groups"]
        with self.log_of(program.name).open("ab") as log:
            child.process = subprocess.Popen(
                [*before, "--", *program.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=program.folder,
                env={**os.environ, **program.environment},
                start_new_session=True,  # Ctrl-C is for us, and we end them in order
            )
        child.began_s = time.monotonic()
        child.handle = os.pidfd_open(child.process.pid)
        self._selector.register(child.handle, selectors.EVENT_READ, child)

    def _ended(self, child: _Child) -> None:
        """It died by itself: it rests a little."""
        if child.process is None or child.process.poll() is None:
            return
        code = child.process.returncode
        self._forget(child)
        now_s = time.monotonic()
        steady = now_s - child.began_s >= STEADY_S
        child.rest_s = SHORTEST_REST_S if steady else min(child.rest_s * 2, LONGEST_REST_S)
        child.due_s = now_s + child.rest_s
        self._say(
            tell(
                "{name} ended ({code}) and is started again in {seconds:g} s; {log}",
                name=child.program.name,
                code=code,
                seconds=child.rest_s,
                log=self.log_of(child.program.name),
            )
        )

    def _forget(self, child: _Child) -> None:
        self._selector.unregister(child.handle)
        os.close(child.handle)
        child.process = None

    def _end_all(self) -> None:
        for rank in sorted({each.program.rank for each in self._children.values()}, reverse=True):
            ending = [
                (child, child.process)
                for child in self._children.values()
                if child.program.rank == rank and child.process is not None
            ]
            for child, process in ending:
                process.send_signal(child.program.ends_by)
            for child, process in ending:
                try:
                    process.wait(child.program.patience_s)
                except subprocess.TimeoutExpired:
                    self._say(
                        tell(
                            "{name} did not end within {seconds:g} s and is killed",
                            name=child.program.name,
                            seconds=child.program.patience_s,
                        )
                    )
                    with suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
                self._forget(child)
