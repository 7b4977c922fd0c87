"""Several workers as processes of one: started, started again when one ends, and ended together."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence

LOOK_S, AGAIN_S, AGAIN_MOST_S = 0.2, 1.0, 30.0
STEADY_S = 60.0
"""A worker that ran so long is started again at once, whatever became of those before it."""
ENDS_WITHIN_S = 30.0
_log = logging.getLogger(__name__)


class _One:
    """One process, and when it may be started again."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = list(command)
        self._wait_s, self._not_before_s, self._began_s = AGAIN_S, 0.0, 0.0
        self.running: subprocess.Popen[bytes] | None = None

    def look_after(self, now_s: float) -> None:
        """Start it if it does not run; each time it ends early the next start waits twice as long."""
        if self.running is not None and self.running.poll() is not None:
            steady = now_s - self._began_s >= STEADY_S
            self._wait_s = AGAIN_S if steady else min(2 * self._wait_s, AGAIN_MOST_S)
            self._not_before_s = now_s + self._wait_s
            _log.error(
                "%s ended with %d; again in %.0f s",
                self._command[-1],
                self.running.returncode,
                self._wait_s,
            )
            self.running = None
        if self.running is None and now_s >= self._not_before_s:
            self.running, self._began_s = subprocess.Popen(self._command), now_s


def keep_running(commands: Sequence[Sequence[str]], stop: threading.Event) -> None:
    """Keep all of them running until ``stop`` is set, then end them in order."""
    each_of = [_One(command) for command in commands]
    while not stop.is_set():
        for each in each_of:
            each.look_after(time.monotonic())
        stop.wait(LOOK_S)
    running = [each.running for each in each_of if each.running is not None]
    for process in running:
        process.terminate()
    for process in running:
        try:
            process.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def worker_command(settings_file: str, name: str) -> list[str]:
    """What starts one worker, by the Python that runs this."""
    program = [sys.executable, "-m", "kerbwatch_platform", "--settings", settings_file]
    return [*program, "work", "--parent", str(os.getpid()), "--name", name]
