"""The access log, for administrators: who saw or did what."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from starlette.routing import Route

from kerbwatch_platform.web import access_log
from kerbwatch_platform.web.frame import Desk, Nav, RefusedError, Role, csv_answer, page
from kerbwatch_platform.web.roles import ROLE_NAMES
from kerbwatch_platform.words import text

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

BAD_DAY = text("A day is written like 2026-11-30.")


@page(role=Role.ADMINISTRATOR)
def log(desk: Desk, request: Request) -> Response:
    """One page of it."""
    wanted = _wanted(request)
    with desk.connection() as connection:
        rows = access_log.read(connection, wanted, desk.settings.time_zone)
    asked = _asked(request)
    older = rows[-1]["number"] if len(rows) == access_log.PAGE else None
    return desk.show(
        request,
        "log.html",
        rows=rows,
        asked=asked,
        what=access_log.WHAT,
        role_names=ROLE_NAMES,
        query=urlencode(asked),
        older=urlencode(asked | {"before": str(older)}) if older else "",
        newest=wanted.before is None,
    )


@page(role=Role.ADMINISTRATOR)
def as_csv(desk: Desk, request: Request) -> Response:
    """The rows that the filter leaves, as a file; that is logged too."""
    wanted = replace(_wanted(request), before=None)
    desk.note(request, what="exported", detail=urlencode(_asked(request)))
    with desk.connection() as connection:
        headings = [desk.say(request, words) for words in access_log.COLUMNS.values()]
        rows = access_log.rows(connection, wanted, desk.settings.time_zone)
        lines = (_line(desk, request, row) for row in rows)
        return csv_answer(desk, "access-log.csv", headings, lines)


def _line(desk: Desk, request: Request, row: tuple[Any, ...]) -> list[Any]:
    """A row as the page shows it: the city's time, and codes in words."""
    told = dict(zip(access_log.COLUMNS, row, strict=True))
    told["at"] = desk.at(told["at"], "%Y-%m-%d %H:%M:%S")
    for name, words in (("what", access_log.WHAT), ("role", ROLE_NAMES)):
        if told[name] in words:
            told[name] = desk.say(request, words[told[name]])
    return list(told.values())


def _asked(request: Request) -> dict[str, str]:
    names = ("account", "what", "device", "case_id", "first_day", "last_day")
    return {name: value for name in names if (value := request.query_params.get(name, "").strip())}


def _wanted(request: Request) -> access_log.Wanted:
    """What the filter says.

    Raises:
        RefusedError: A day is none.
    """
    asked, before = _asked(request), request.query_params.get("before", "")
    try:
        days = {
            name: date.fromisoformat(asked.pop(name))
            for name in ("first_day", "last_day")
            if name in asked
        }
    except ValueError as error:
        raise RefusedError(400, BAD_DAY) from error
    number = int(before) if before.isascii() and before.isdigit() and len(before) < 19 else None
    return access_log.Wanted(**asked, **days, before=number)  # type: ignore[arg-type]


NAV = Nav(text("Access log"), "/log", 85, Role.ADMINISTRATOR, key="l")
ROUTES = [Route("/log", log), Route("/log.csv", as_csv)]
