"""The evidence worker: makes the packets of cases, one after the other, in what time the analysis leaves.

Redacting a picture runs a network some dozen times. It has a session of its own with one thread, opened when a
picture is due and closed when none has been for a minute: it takes some 30 MiB. After each picture it rests three
times as long as that took: so it takes a quarter of one core at most, and no two pictures at once. Where it is hot, the rest is longer in the measure in which the
analysis is slowed down.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from agent import inference
from agent.concurrency.backoff import Backoff
from agent.evidence.packets import Packets, StoppedError
from agent.evidence.picture_queue import PictureQueue
from agent.evidence.redactor import Redactor
from agent.storage.errors import StorageError
from drivers import allocator
from wording.known_errors import words_of

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from pathlib import Path

    from agent.evidence.packets import Manifests
    from agent.evidence.snapshots import Snapshots
    from agent.storage.database import Database

DETECTOR = "street"
"""The figures of docs/privacy.md are those of this one, whatever the site judges by."""
POLL_S = 2.0
REST_TIMES, MOST_REST_S = 3.0, 60.0
FULL_FIRST_S, FULL_MOST_S = 20.0, 900.0
"""Waits while the disk takes nothing."""
IDLE_S = 60.0
"""A session that was not asked for so long is closed."""

_log = logging.getLogger(__name__)


def open_redactor() -> Redactor:
    """One with a detector of its own; without one it refuses every picture, and the packets say so."""
    try:
        return Redactor(inference.open_detector(DETECTOR, threads=1))
    except inference.ModelError as error:
        _log.error("no picture is redacted: %s", error)
        return Redactor(None)


class OwnRedactor:
    """A redactor that is opened when it is asked for. For one thread."""

    def __init__(self) -> None:
        self._opened: Redactor | None = None

    def __call__(self) -> Redactor:
        """It, opened if need be."""
        if self._opened is None:
            self._opened = open_redactor()
        return self._opened

    def close(self) -> None:
        """Give its memory back; a detector that could not be opened is tried anew then."""
        if self._opened is not None:
            self._opened = None
            allocator.give_back()


def packets_of(
    database: Database,
    evidence_dir: Path,
    manifests: Manifests,
    rest: Callable[[float], object] = lambda _: None,
    redactor: Callable[[], Redactor] | None = None,
) -> Packets:
    """Who makes the packets of one run.

    Args:
        database: Where the jobs are.
        evidence_dir: The folder of all pictures.
        manifests: Signs.
        rest: Called after each picture with the seconds that it took.
        redactor: Redacts; None: one that is opened when the first picture is due.
    """
    return Packets(
        database,
        evidence_dir,
        redactor=redactor or OwnRedactor(),
        manifests=manifests,
        queue=PictureQueue(),
        rest=rest,
        seconds=time.perf_counter,
    )


class EvidenceWorker:
    """Makes packets in a thread of its own.

    Args:
        database: Where the jobs are.
        evidence_dir: The folder of all pictures.
        manifests: Signs.
        pace: What is left of the rate of the analysis, 0 to 1.
        stop: Ends it, also while it rests.
        snapshots: What the platform asked for; it goes first, for somebody waits.
    """

    def __init__(
        self,
        database: Database,
        evidence_dir: Path,
        manifests: Manifests,
        pace: Callable[[], float],
        stop: threading.Event,
        snapshots: Snapshots | None = None,
    ) -> None:
        self._pace, self._stop, self._snapshots = pace, stop, snapshots
        self._redactor, self._idle_s = OwnRedactor(), 0.0
        self._packets = packets_of(database, evidence_dir, manifests, self._rest, self._redactor)

    def run(self) -> None:
        """Work until stopped. What is no fault of the disk is raised: the thread is started again, later."""
        backoff = Backoff(FULL_FIRST_S, FULL_MOST_S, min_share=0.5)
        wait_s = POLL_S
        while not self._stop.wait(wait_s):
            self._idle_s += wait_s
            wait_s = POLL_S
            try:
                while not self._stop.is_set() and (self._do_snapshot() or self._packets.do_next()):
                    backoff.worked()
                    self._idle_s = 0.0
            except StoppedError:
                return
            except (OSError, StorageError) as error:
                wait_s = backoff.failed()
                _log.error("packets of cases wait, again in %.0f s: %s", wait_s, words_of(error))
            if self._idle_s >= IDLE_S:
                self._redactor.close()

    def _do_snapshot(self) -> bool:
        began_s = time.perf_counter()
        if self._snapshots is None or not self._snapshots.do_next(self._redactor):
            return False
        self._rest(time.perf_counter() - began_s)
        return True

    def _rest(self, spent_s: float) -> None:
        if self._stop.wait(min(MOST_REST_S, REST_TIMES * spent_s / max(0.1, self._pace()))):
            raise StoppedError
