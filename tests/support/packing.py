"""A device that has told of a case and has its packet still to make, step by step if a test wants that.

As a program it makes the packets of such a folder and is killed at a step: ``python -m tests.support.packing
FOLDER STEP``.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from agent.domain.scene import Box
from agent.evidence.packets import Packets, job_of
from agent.evidence.picture_files import EvidenceError
from agent.evidence.picture_queue import PictureQueue
from agent.evidence.pictures import Evidence
from agent.perception.best_shot import Shown
from agent.perception.surroundings import Difference, Surroundings
from agent.runtime.evidence_worker import open_redactor
from agent.storage.case_table import save_case
from agent.storage.evidence_job_table import add_job, jobs_waiting
from agent.storage.outbox_queries import Lane
from tests.support.cases import BIKE_CASE, OPENED
from tests.support.drafts import case_opened
from tests.support.packed_cases import PackingDevice
from tests.support.scenes import frame_of, paving, seen

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from agent.evidence.packets import Packet, RedactedCopy
    from agent.evidence.picture_context import PictureContext
    from agent.evidence.redactor import Redacted
    from drivers.cameras import Picture

SOMEBODY = Box(0.2, 0.3, 0.25, 0.6)
AROUND = Surroundings(
    seen=(seen("person", 0.7, 0.6, 0.06, width=0.05, height=0.3),),
    difference=Difference(standing=(), moving=(SOMEBODY,)),
    view="steady",
    masks_applied=True,
)
CASE_ID = BIKE_CASE.case_id
STEPS = ("redact 1", "redacted 1", "redact 2", "pack", "packed", "queued", "keep")
"""Before the first picture, before its copy is written, after that, in the transaction twice and at its end, and
after it."""


class PacketDevice(PackingDevice):
    """A device with one case that has opened, whose packet is not made."""

    def tell(self, around: Surroundings = AROUND) -> None:
        """A case opens: pictures, event and job, as the recorder writes them."""
        evidence = Evidence(self.folder / "evidence", 90, 0.5)
        evidence.await_cases("misparked_bike", {"kerb": 1.0}, frame_of(STREET, 98), lambda: around)
        fault = None
        try:
            taken = evidence.pictures_of(OPENED, frame_of(STREET, 110), Shown(around=around))
        except EvidenceError as error:
            taken, fault = error.kept, error.reason
        draft = case_opened(self.clock)
        told = {"case_id": CASE_ID, "pictures": taken, "evidence_fault": fault}
        body = draft.body.model_copy(update=told)
        draft = draft.model_copy(update={"body": body})

        def write(connection: sqlite3.Connection) -> None:
            save_case(connection, BIKE_CASE)
            self.outbox.add(connection, draft, Lane.CASE)
            add_job(connection, CASE_ID, "opened", job_of(draft))

        self.database.write(write).result()

    def withdraw(self) -> None:
        """The case is over and its row is deleted, as retention does."""
        over = replace(BIKE_CASE, state="withdrawn")
        self.database.write(lambda connection: save_case(connection, over)).result()
        self.database.write(
            lambda connection: connection.execute("DELETE FROM cases").rowcount
        ).result()

    def packets(self, at: Callable[[str], object] = lambda _: None) -> Packets:
        """Who makes the packets; ``at`` is told each step before it is done."""
        redactor = open_redactor()

        class Stepping:
            count = 0

            def redact(self, bgr: Picture, context: PictureContext | None) -> Redacted:
                self.count += 1
                at(f"redact {self.count}")
                done = redactor.redact(bgr, context)
                at(f"redacted {self.count}")
                return done

        stepping, writer = Stepping(), self.writer

        class Signing:
            def pack(self, connection: sqlite3.Connection, packet: Packet) -> None:
                at("pack")
                writer.pack(connection, packet)
                at("packed")

            def keep(self, case_id: str, folder: Path) -> None:
                at("keep")
                writer.keep(case_id, folder)

        class Queueing(PictureQueue):
            def add(self, connection: sqlite3.Connection, packet: Any) -> None:
                super().add(connection, packet)
                at("queued")

        return Packets(
            self.database,
            self.folder / "evidence",
            redactor=lambda: stepping,
            manifests=Signing(),
            queue=Queueing(),
            rest=lambda _: None,
            seconds=time.perf_counter,
        )

    @property
    def waiting(self) -> int:
        with closing(self.database.read()) as connection:
            return jobs_waiting(connection)

    def queued(self) -> list[str]:
        """The files that wait to be sent."""
        with closing(self.database.read()) as connection:
            rows = connection.execute("SELECT file FROM picture_queue ORDER BY file")
            return [file for (file,) in rows]


def copies(pictures: tuple[Any, ...]) -> dict[str, RedactedCopy]:
    return {each.original.role: each.redacted for each in pictures if each.redacted is not None}


def _street() -> Any:
    """A wide picture with a lamp's structure here and there."""
    ground = paving(640, 360)
    ground[100:200, 150:180] = np.arange(100, dtype=np.uint8)[:, None]
    return ground


STREET = _street()


def main(folder: str, step: str) -> None:
    device = PacketDevice(Path(folder))

    def end_at(now: str) -> None:
        if now == step:
            os.kill(os.getpid(), signal.SIGKILL)

    packets = device.packets(end_at)
    while packets.do_next():
        pass


if __name__ == "__main__":
    main(*sys.argv[1:])
