"""Makes live pictures in a thread of its own, while somebody asks for them: a quarter of one core at most."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from agent.runtime.evidence_worker import IDLE_S, REST_TIMES, OwnRedactor

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from agent.analysis.live_pictures import LivePictures

LOOK_EVERY_S = 0.1
MOST_REST_S = 20.0


class LivePictureWorker:
    """The thread ``pictures``.

    Args:
        live: What is asked for.
        pace: What is left of the rate of the analysis, 0 to 1.
        stop: Ends it.
    """

    def __init__(
        self, live: LivePictures, pace: Callable[[], float], stop: threading.Event
    ) -> None:
        self._live, self._pace, self._stop = live, pace, stop
        self._redactor = OwnRedactor()

    def run(self) -> None:
        """Work until stopped."""
        idle_s, wait_s = 0.0, LOOK_EVERY_S
        while not self._stop.wait(wait_s):
            began_s = time.perf_counter()
            if self._live.do_next(self._redactor):
                spent_s = time.perf_counter() - began_s
                wait_s = min(MOST_REST_S, REST_TIMES * spent_s / max(0.1, self._pace()))
                idle_s = 0.0
                continue
            idle_s, wait_s = idle_s + wait_s, LOOK_EVERY_S
            if idle_s >= IDLE_S:
                self._redactor.close()
