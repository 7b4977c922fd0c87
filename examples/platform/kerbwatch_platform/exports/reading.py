"""Reads a stretch of time out of the store, line by line, however long it is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from kerbwatch_platform.exports.forms import CLOUDEVENTS, FORMS, formed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    import psycopg

_EVENTS = """
SELECT raw FROM event WHERE occurred_s >= %s AND occurred_s < %s AND NOT test ORDER BY occurred_s, event_id
"""
_CASES = """
SELECT raw FROM case_now WHERE opened_s >= %s AND opened_s < %s
  AND (%s::text IS NULL OR (tenant, device, case_id) = (%s, %s, %s)) ORDER BY opened_s, tenant, device, case_id
"""
CaseId = tuple[str, str, str]


def export(
    connection: psycopg.Connection,
    form: str,
    since: datetime,
    until: datetime,
    case: CaseId | None = None,
) -> Iterator[str]:
    """Lines of JSON, without their ends: each case that opened in that time as it stands now, or each event.

    Args:
        connection: To the store.
        form: One of :data:`FORMS`.
        since: Begin of the time.
        until: Its end, which is not in it.
        case: Tenant, device and case: of it alone; of events none but all.

    Raises:
        ValueError: There is no such form, or a case was asked for of events.
    """
    if form not in FORMS:
        raise ValueError(f"no form {form!r}: {', '.join(FORMS)}")
    if form == CLOUDEVENTS and case is not None:
        raise ValueError("events are exported by their time alone")
    return _lines(connection, form, (since.timestamp(), until.timestamp()), case)


def _lines(
    connection: psycopg.Connection, form: str, stretch: tuple[float, float], case: CaseId | None
) -> Iterator[str]:
    of = case or (None, None, None)
    with connection.transaction(), connection.cursor(name="export") as cursor:
        if form == CLOUDEVENTS:
            cursor.execute(_EVENTS, stretch)
        else:
            cursor.execute(_CASES, (*stretch, of[0], *of))
        for (raw,) in cursor:
            yield json.dumps(formed(raw, form), ensure_ascii=False)
