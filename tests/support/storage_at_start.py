"""What a start of the agent does with its storage."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent.storage.corruption import open_database
from agent.storage.memory_fallback import take_back_into
from agent.storage.outbox_queries import Lane
from drivers.testing import FakeClock
from tests.support.drafts import case_opened
from tests.support.outboxes import open_outbox, waiting_ids

CLOCK = FakeClock(datetime(2026, 1, 1, tzinfo=UTC))
NAME = "kerbwatch.sqlite3"


class Storage:
    """A database and its outbox as a start finds them; ``memory`` outlives it, as within one boot."""

    def __init__(self, disk: Path, memory: Path) -> None:
        self.database, self.quarantined = open_database(disk / NAME, check=True, in_memory=memory)
        self.taken_back = take_back_into(self.database, memory)
        self.outbox = open_outbox(self.database)

    def open_case(self) -> str:
        draft = case_opened(CLOCK)
        self.database.write(lambda c: self.outbox.add(c, draft, Lane.CASE)).result()
        return draft.event_id

    def confirm(self, event_id: str) -> None:
        with closing(self.database.read()) as connection:
            [sequence] = connection.execute(
                "SELECT sequence FROM outbox WHERE event_id = ?", (event_id,)
            ).fetchone()
        self.outbox.confirm([sequence], self.outbox.epoch).result()

    def fail(self) -> None:
        """From now on SQLite takes nothing in this database: what a read-only disk makes it say."""
        self.database.write(lambda c: c.execute("PRAGMA query_only = ON") and None).result()

    def waiting(self) -> list[str]:
        return waiting_ids(self.database)

    def events(self) -> list[dict[str, Any]]:
        with closing(self.database.read()) as connection:
            rows = connection.execute("SELECT event FROM outbox ORDER BY sequence").fetchall()
        return [json.loads(text) for (text,) in rows]
