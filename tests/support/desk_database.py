"""Drawn events in the platform's store, and verdicts as reviewers would have given them."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    import psycopg

    from tests.support.drawn_quarter import Drawn


def take_in(database: psycopg.Connection, made: Drawn) -> None:
    """All of what was drawn."""
    take_events(database, made.events)
    with database.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO verdict (decision_id, tenant, device, case_id, verdict, account, at)"
            " VALUES (%s, %s, %s, %s, %s, 'reviewer', to_timestamp(%s / 1000.0))",
            [(uuid.uuid4(), *each) for each in sorted(made.verdicts, key=lambda row: row[4])],
        )
    database.execute("ANALYZE")


def take_events(
    database: psycopg.Connection, events: Iterable[tuple[str, str, dict[str, Any]]]
) -> None:
    """Events, in one batch: what the store reads out of them is read by its own triggers."""
    with database.transaction(), database.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE drawn (tenant text, device text, event_id text, type text, test boolean, raw jsonb)"
            " ON COMMIT DROP"
        )
        with cursor.copy("COPY drawn FROM STDIN") as rows:
            for tenant, device, event in events:
                raw = json.dumps(event, ensure_ascii=False)
                rows.write_row(
                    (tenant, device, event["event_id"], event["type"], event["test"], raw)
                )
        cursor.execute(
            "INSERT INTO event (tenant, device, event_id, type, test, raw) SELECT * FROM drawn ON CONFLICT DO NOTHING"
        )
