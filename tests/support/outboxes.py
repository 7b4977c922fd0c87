"""An outbox as the device of the tests has it, and what waits in it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from agent.storage.database import Database
from agent.storage.outbox import Outbox
from agent.storage.outbox_queries import Lane, waiting
from tests.support.topics import DEVICE, TENANT

NOON = datetime(2026, 3, 1, 4, 0, 0, 123456, tzinfo=UTC)


def open_outbox(
    database: Database,
    epoch: str | None = None,
    *,
    keep_arrived: int = 0,
    boot_id: str | None = None,
    budget_bytes: int | None = None,
    tenant: str = TENANT,
    device: str = DEVICE,
) -> Outbox:
    return Outbox(
        database,
        tenant=tenant,
        device_id=device,
        purpose="test",
        timezone=ZoneInfo("Asia/Shanghai"),
        epoch=epoch,
        keep_arrived=keep_arrived,
        boot_id=boot_id,
        budget_bytes=budget_bytes,
    )


def sequences(database: Database, lane: Lane = Lane.CASE) -> list[int]:
    with closing(database.read()) as connection:
        return [row.key for row in waiting(connection, lane, limit=10**6, limit_bytes=10**9)]


def waiting_ids(database: Database) -> list[str]:
    with closing(database.read()) as connection:
        query = "SELECT event_id FROM outbox WHERE arrived = 0 ORDER BY sequence"
        return [event_id for (event_id,) in connection.execute(query)]


def events_in(file: Path) -> list[dict[str, Any]]:
    """The events in an agent's database, read beside it; none while its tables are being made."""
    if not file.exists():
        return []
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        try:
            rows = connection.execute("SELECT event FROM outbox ORDER BY sequence").fetchall()
        except sqlite3.OperationalError:
            return []
    return [json.loads(event) for (event,) in rows]
