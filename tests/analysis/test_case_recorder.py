"""What must outlive a restart is written down, and no more often than it is worth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agent.analysis.case_recorder import QUIET_TIMES, CaseRecorder
from agent.config.loading import from_tables
from agent.domain.ids import RandomIds
from agent.evidence.pictures import Evidence
from agent.protocol.base import ClockReading
from agent.storage.database import Database
from drivers.cameras import Frame
from tests.support.outboxes import open_outbox
from tests.support.scenes import NOON
from tests.support.sites import site_of


@pytest.mark.parametrize(("pending", "every_s"), [(True, 10), (False, 10 * QUIET_TIMES)])
def test_snapshots_are_rare_while_nothing_may_become_a_case(
    tmp_path: Path, pending: bool, every_s: int
) -> None:
    with Database(tmp_path / "kerbwatch.sqlite3") as database:
        outbox = open_outbox(database)
        book = CaseRecorder(
            from_tables(site_of()),
            models=(),
            database=database,
            outbox=outbox,
            evidence=Evidence(tmp_path / "evidence", 90, 0.5),
            ids=RandomIds(),
            clock=lambda _: ClockReading(state="replay", boot_id="1", monotonic_s=0),
        )
        written: list[int] = []
        for now_s in range(601):
            luma = np.zeros((1, 1), np.uint8)
            frame = Frame("street", now_s, luma, lambda: np.zeros((1, 1, 3), np.uint8), now_s, NOON)
            book.keep(frame, lambda now_s=now_s: {"now_s": now_s}, pending=pending)  # type: ignore[misc]
            saved = book.last_snapshot("street")
            if saved is not None and saved["now_s"] not in written:
                written.append(saved["now_s"])
        assert written == list(range(every_s, 601, every_s))
