"""The threads of one run: started together, ended together, and the first fault among them."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.watchdog import Progress

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Workers:
    """The threads of one run, and the first fault that ended one of them."""

    stop: threading.Event
    progress: Progress
    fault: BaseException | None = None
    _threads: list[threading.Thread] = field(default_factory=list)

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

    def join(self, timeout_s: float) -> None:
        """Wait for every thread, so long for each."""
        for thread in self._threads:
            thread.join(timeout_s)
