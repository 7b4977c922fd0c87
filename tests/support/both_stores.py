"""PostgreSQL's store and the small SQLite platform beside each other, fed the same and compared whole."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from kerbwatch_platform import store
from kerbwatch_platform.contract.message import Message

from tests.support.desk_questions import QUESTIONS
from tests.support.example_platform import module

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    import psycopg

storing = module("storing")
NUMBER = "tenant, device, epoch, sequence"
TABLES = {
    "event": "tenant, device, event_id, type, test, raw",
    "numbered": f"{NUMBER}, event_id",
    "conflict": f"{NUMBER}, event_id",
    "device_key": "tenant, device, key",
    "lost": "tenant, device, epoch, first, last, lane, reason, report",
    "refused": f"{NUMBER}, code, raw",
    "set_aside": "topic, sha256, why",
    "receipted": "tenant, device, epoch, through",
}
CASE = "kind, state, place_id, unit, sla_s, not_seen_because, ended_by, opened_s, last_present_s, cleared_s"
VIEWS = {
    "birth": f"{NUMBER}, event_id, because, predecessor, last_sequence, carried",
    "closed": "tenant, device, epoch, last_sequence, because, successors",
    "cloned": "tenant, device, epoch, successors, goes_on",
    "settled": "tenant, device, epoch, first, last",
    "stretch": "tenant, device, epoch, first, last",
    "missing": "tenant, device, epoch, first, last, why",
    "moved": "tenant, device, epoch, successor, gone, came",
    "conflicting": f"{NUMBER}, event_id",
    "boot": "tenant, device, boot_id, zero_s",
    "told": "tenant, device, event_id, type, test, raw, occurred_s, shift_s",
    "case_event": f"tenant, device, event_id, type, test, raw, case_id, shift_s, occurred_s, {CASE}",
    "case_now": f"tenant, device, event_id, type, test, raw, case_id, shift_s, occurred_s, {CASE}",
    "member_now": "tenant, device, case_id, kind, place_id, member_id, operator, since_s, until_s",
    "unknown_case": "tenant, device, case_id, kind, place_id, opened_s",
    "inventory_now": "tenant, device, inventory_id, occurred_s",
    "camera_now": "tenant, device, camera_id, width_px, view_sha256",
    "zone_now": "tenant, device, zone_id, camera_id, kind, place_id, unit, sla_s",
    "zone_day": "tenant, device, day, zone_id, place_id, camera_id, kind, sensing_s, abstained_s, blind_s",
    "heartbeat_now": "tenant, device, occurred_s, views",
    "view_now": "tenant, device, camera_id, view, occurred_s",
}

PERIOD = {
    "from_s": 1767110400,
    "until_s": 1867283200,
    "from_day": "2025-12-31",
    "until_day": "2026-12-31",
    "now_s": 1767233460,
}


def alike(value: Any) -> Any:
    """A value of one database as of the other: JSON read, times to the millisecond, truth as a number."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        value = json.loads(value)
    if isinstance(value, dict | list):
        return json.dumps(value, sort_keys=True)
    return round(float(value), 3) if isinstance(value, float | int) else value


def alike_rows(rows: Iterable[Iterable[Any]]) -> list[tuple[Any, ...]]:
    return sorted((tuple(alike(each) for each in row) for row in rows), key=repr)


def without_number(value: Any) -> Any:
    """An event that waited as its epoch ended is the same under another number."""
    if not isinstance(value, str) or not value.startswith("{"):
        return value
    told = json.loads(value)
    return json.dumps({key: told[key] for key in told if key not in ("epoch", "sequence")})


class Both:
    """One platform in two databases."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.large = connection
        self.small: sqlite3.Connection = storing.opened(":memory:")

    def take(self, batch: list[tuple[str, bytes]]) -> None:
        """Take the messages in on both sides; what is told to the devices is the same."""
        due = [(to, told) for to, told in storing.settled_by(self.small, batch) if to is not None]
        taken = store.take(self.large, [Message(*each) for each in batch])
        by_device: dict[tuple[str, str], set[str]] = {}
        for tenant, device, epoch in taken.epochs:
            by_device.setdefault((tenant, device), set()).add(epoch)
        told = [
            (f"kerbwatch/v2/{tenant}/{device}/receipts", receipt)
            for (tenant, device), epochs in by_device.items()
            for receipt in store.receipts(self.large, tenant, device, epochs)
        ]
        of_cases = [told for _, told in due if "command" in told]
        assert alike_rows(due_receipts(due)) == alike_rows(told)
        assert sorted(each["case_id"] for each in of_cases) == sorted(
            case_id for *_, case_id in taken.test_cases
        )

    def compare(self, *, but_numbers: bool = False) -> None:
        """Every table, every view and the desk's questions; ``but_numbers`` of a raw event, which its first arrival gave it."""

        def rows(found: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
            told = alike_rows(found)
            return [tuple(map(without_number, each)) for each in told] if but_numbers else told

        for name, columns in (TABLES | VIEWS).items():
            query = f"SELECT {columns} FROM {name}"
            small = rows(self.small.execute(query).fetchall())
            large = rows(self.large.execute(query.encode()).fetchall())
            assert large == small, name
        for name, query in QUESTIONS.items():
            asked = re.sub(r":(\w+)", r"%(\1)s", query.partition("\n")[2]).removesuffix(";")
            small = rows(self.small.execute(query, PERIOD).fetchall())
            large = rows(self.large.execute(asked.encode(), PERIOD).fetchall())
            assert large == small, name


def due_receipts(due: list[tuple[str, dict[str, Any]]]) -> list[tuple[str, dict[str, Any]]]:
    return [(to, told) for to, told in due if "command" not in told]
