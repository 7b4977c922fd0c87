"""Cases in the forms of other systems: one on a page, many as a file; and how far the systems that are told have come."""

from __future__ import annotations

import json
from contextlib import ExitStack
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from starlette.routing import Route

from kerbwatch_platform.exports import ENTITIES, FORMS, export
from kerbwatch_platform.exports.forms import CLOUDEVENTS
from kerbwatch_platform.web.file_answer import file_answer, kept_aside
from kerbwatch_platform.web.frame import Desk, Nav, RefusedError, Role, page
from kerbwatch_platform.words import text

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg
    from starlette.requests import Request
    from starlette.responses import Response

WORDS = {
    "reported-matter": text("Reported matters, the six mandatory fields"),
    "running-systems": text("Further fields, as running systems have them"),
    "12345": text("What the 12345 hotline's side would need"),
    CLOUDEVENTS: text("Every event, as CloudEvents"),
    "waste-containers": text("Bins as they are now, for FIWARE"),
    "on-street-parking": text("Bays as they are now, for FIWARE"),
}
MOST_LINES, MOST_BYTES = 100_000, 500_000_000
BAD_DAY = text("A day is written like 2026-11-30.")
TOO_MUCH = text("That is more than one file holds here: choose fewer days.")
NO_FORM = text("There is no such form.")
NO_CASE = text("There is no such case.")
_ALWAYS = (datetime(1970, 1, 2, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC))
_WEBHOOKS = """
SELECT name, count(*) FILTER (WHERE delivered_at IS NOT NULL) AS told,
  count(*) FILTER (WHERE delivered_at IS NULL AND given_up_at IS NULL) AS waiting,
  count(*) FILTER (WHERE given_up_at IS NOT NULL) AS given_up,
  (array_agg(failed ORDER BY number DESC) FILTER (WHERE failed IS NOT NULL))[1] AS failed
FROM webhook LEFT JOIN webhook_delivery USING (name) GROUP BY name ORDER BY name
"""


@page(role=Role.VIEWER)
def exports(desk: Desk, request: Request) -> Response:
    """What there is to be had; of a case that the query names, its fields."""
    case = tuple(request.query_params.get(name, "") for name in ("tenant", "device", "case_id"))
    with desk.connection() as connection:
        matters = _matters(connection, case) if all(case) else {}
        hooks = connection.execute(_WEBHOOKS).fetchall()
    if all(case):
        if not matters:
            raise RefusedError(404, NO_CASE)
        desk.note(request, tenant=case[0], device=case[1], case_id=case[2])
    today = datetime.now(ZoneInfo(desk.settings.time_zone)).date()
    return desk.show(
        request,
        "exports.html",
        case=case,
        matters=matters,
        words=WORDS,
        hooks=hooks,
        first_day=(today - timedelta(days=6)).isoformat(),
        last_day=today.isoformat(),
    )


def _matters(
    connection: psycopg.Connection[Any], case: tuple[str, ...]
) -> dict[str, dict[str, Any]]:
    """The case's fields in each form that a case has."""
    tenant, device, case_id = case
    found = {}
    for form in FORMS:
        if form != CLOUDEVENTS:
            for line in export(connection, form, *_ALWAYS, case=(tenant, device, case_id)):
                found[form] = json.loads(line)
    return found


@page(role=Role.VIEWER)
def as_file(desk: Desk, request: Request) -> Response:
    """One form as a file, a JSON a line; that is logged."""
    form = request.path_params["name"]
    if form not in WORDS:
        raise RefusedError(404, NO_FORM)
    stretch = _stretch(desk, request)
    desk.note(request, what="exported", detail=f"{form} {request.url.query}"[:200])
    with ExitStack() as unless_given:
        file = unless_given.enter_context(kept_aside(desk))
        with desk.connection() as connection:
            for number, line in enumerate(_lines(connection, form, stretch), 1):
                if number > MOST_LINES or file.tell() > MOST_BYTES:
                    raise RefusedError(413, TOO_MUCH)
                file.write(f"{line}\n".encode())
        unless_given.pop_all()
    return file_answer(file, f"{form}.jsonl", "application/x-ndjson; charset=utf-8")


def _lines(
    connection: psycopg.Connection[Any], form: str, stretch: tuple[datetime, datetime]
) -> Iterator[str]:
    if form in ENTITIES:
        found = ENTITIES[form](connection).entities
        return (json.dumps(each, ensure_ascii=False) for each in found)
    return export(connection, form, *stretch)


def _stretch(desk: Desk, request: Request) -> tuple[datetime, datetime]:
    """From the first day on to the end of the last, in the city's time; unless told, the last 7 days.

    Raises:
        RefusedError: A day is none.
    """
    zone = ZoneInfo(desk.settings.time_zone)
    today = datetime.now(zone).date()
    days = []
    for name, usual in (("first_day", today - timedelta(days=6)), ("last_day", today)):
        told = request.query_params.get(name, "").strip()
        try:
            days.append(date.fromisoformat(told) if told else usual)
        except ValueError as error:
            raise RefusedError(400, BAD_DAY) from error
    if not 1970 < days[0].year < 9000 or not 1970 < days[1].year < 9000:
        raise RefusedError(400, BAD_DAY)
    begin = datetime.combine(days[0], time(), zone)
    return begin, datetime.combine(days[1] + timedelta(days=1), time(), zone)


NAV = Nav(text("For other systems"), "/exports", 60, key="e")
ROUTES = [Route("/exports", exports), Route("/exports/{name}.jsonl", as_file)]
