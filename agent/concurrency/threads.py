"""The threads of one run: started together, ended together, and the first fault among them."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent.concurrency.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.concurrency.watchdog import Progress

AGAIN_FIRST_S, AGAIN_MAX_S = 2.0, 300.0

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Threads:
    """The threads of one run, and the first fault that ended one of them."""

    stop: threading.Event
    progress: Progress
    fault: BaseException | None = None
    restarted: Counter[str] = field(default_factory=Counter)
    """How often each of those that are kept was started again."""
    down: set[str] = field(default_factory=set)
    """Those of them that have failed and wait to be started again."""
    _threads: list[threading.Thread] = field(default_factory=list)

    @property
    def broken(self) -> bool:
        """Whether one of them has failed: the run ends for it, or it waits to be started again."""
        return self.fault is not None or bool(self.down)

    def start(self, name: str, work: Callable[[], None], limit_s: float | None = None) -> None:
        """Run ``work`` in a thread; with ``limit_s`` it must show progress that often."""
        if limit_s is not None:
            self.progress.expect(name, limit_s)

        def run() -> None:
            try:
                work()
            except Exception as error:  # noqa: BLE001 - the outermost line of a thread
                _log.exception("%s ended", name)
                self.fault = self.fault or error
                self.stop.set()
            finally:
                self.progress.forget(name)

        thread = threading.Thread(target=run, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def keep(self, name: str, work: Callable[[], None]) -> None:
        """Run ``work`` in a thread that nobody's seeing depends on: a fault starts it again, later."""

        def again() -> None:
            backoff = Backoff(AGAIN_FIRST_S, AGAIN_MAX_S, AGAIN_MAX_S, min_share=0.5)
            while not self.stop.is_set():
                began_s = time.monotonic()
                try:
                    work()
                except Exception:  # noqa: BLE001 - the outermost line of what it does
                    wait_s = backoff.failed(time.monotonic() - began_s)
                    _log.exception("%s failed; again in %.0f s", name, wait_s)
                    self.restarted[name] += 1
                    self.down.add(name)
                    self.stop.wait(wait_s)
                    self.down.discard(name)
                else:
                    return

        self.start(name, again)

    def running(self, name: str) -> bool:
        """Whether a thread of this name has not ended."""
        return any(each.name == name and each.is_alive() for each in self._threads)

    def join(self, timeout_s: float) -> None:
        """Wait for every thread, so long for all together: one that hangs costs no more."""
        until_s = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, until_s - time.monotonic()))
