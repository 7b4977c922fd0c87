"""A process of its own that opens cases and delivers them until it is killed.

It prints one line for each event that was accepted, after it was. It gets no further ahead of the
platform than :data:`AHEAD`: a street that always has more to say than can be delivered is not what is tried.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from agent.config.schema import UplinkSection
from agent.storage.database import Database
from agent.storage.outbox_queries import Lane
from drivers.clock import SystemClock
from tests.support.delivering_device import uplink_of
from tests.support.drafts import case_opened
from tests.support.outboxes import open_outbox
from tests.support.paths import ROOT

AHEAD = 2000


def main(file: str, settings: str) -> None:
    clock = SystemClock()
    database = Database(Path(file))
    outbox = open_outbox(database)
    uplink = None
    if settings:
        uplink = uplink_of(UplinkSection.model_validate_json(settings), database, outbox, clock)
        threading.Thread(target=uplink.run, args=(threading.Event(),), daemon=True).start()

    given = itertools.count(1)

    def write_on() -> None:
        while True:
            number = next(given)
            while uplink is not None and number - uplink.figures.confirmed > AHEAD:
                time.sleep(0.01)
            draft = case_opened(clock)
            sequence = database.write(
                lambda connection: outbox.add(connection, draft, Lane.CASE)  # noqa: B023
            ).result()
            sys.stdout.write(f"{sequence} {draft.event_id}\n")
            sys.stdout.flush()
            time.sleep(0.002)

    with ThreadPoolExecutor(3) as writers:
        for _ in range(3):
            writers.submit(write_on)


class Process:
    """A device in a process of its own, which can be killed."""

    def __init__(self, folder: Path, settings: UplinkSection) -> None:
        self.accepted: dict[int, str] = {}
        self._running = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.support.delivering_process"),
                *(folder / "device.db", settings.model_dump_json()),
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def kill(self) -> None:
        """SIGKILL; afterwards ``accepted`` holds all that it was told is accepted."""
        self._running.kill()
        self._running.wait()
        self._reader.join()

    def _read(self) -> None:
        assert self._running.stdout is not None
        with self._running.stdout as lines:
            for line in lines:
                if line.endswith("\n"):  # else it was killed while it wrote
                    sequence, event_id = line.split()
                    self.accepted[int(sequence)] = event_id


if __name__ == "__main__":
    main(*sys.argv[1:])
