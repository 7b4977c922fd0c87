"""Why was nothing reported here: a zone, a time, and what is known."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from starlette.routing import Route

from kerbwatch_platform.web import why_words
from kerbwatch_platform.web.frame import Desk, Nav, Role, page
from kerbwatch_platform.web.naming import Names, moment
from kerbwatch_platform.web.queries import places
from kerbwatch_platform.web.queries import why as asked
from kerbwatch_platform.words import text

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

_LONGEST = 200


@page(role=Role.VIEWER)
def why(desk: Desk, request: Request) -> Response:
    """The question, and its answer once it is asked."""
    told = request.query_params
    of = _zone(told.get("zone", ""))
    city = ZoneInfo(desk.settings.time_zone)
    at = _moment(told.get("at", ""), city)
    words, names = told.get("words", "")[:_LONGEST], Names(desk.language(request))
    answer = None
    with desk.connection() as connection:
        offered = places.zones(connection, words)
        if words and of not in {each.id for each in offered}:
            # What was sought is another zone than the one that was chosen before.
            of = offered[0].id if len(offered) == 1 else None
        if of is not None and at is not None:
            answer = asked.why(connection, of, at.timestamp(), city_zone=desk.settings.time_zone)
            chosen = places.zone(connection, of)
            offered = [chosen, *(z for z in offered if z != chosen)] if chosen else offered
    say = why_words.Sayer(desk.language(request), names, desk.at)
    return desk.show(
        request,
        "why.html",
        names=names,
        moment=moment,
        zones=offered,
        most=places.MOST_ZONES,
        words=words,
        of=of,
        at_told=told.get("at") or datetime.now(city).strftime("%Y-%m-%dT%H:%M"),
        unread=bool(told.get("at")) and at is None,
        answer=answer,
        findings=[] if answer is None else [(each, say.finding(each)) for each in answer.findings],
        verdict=None if answer is None else say.answer(answer),
        now_s=time.time(),
    )


def _zone(told: str) -> places.ZoneId | None:
    parts = told.split("/")
    return places.ZoneId(*parts) if len(parts) == 3 and all(parts) else None


def _moment(told: str, city: ZoneInfo) -> datetime | None:
    try:
        found = datetime.fromisoformat(told)
    except ValueError:
        return None
    return found.replace(tzinfo=city) if found.tzinfo is None and 1970 < found.year < 9999 else None


NAV = Nav(text("Why nothing?"), "/why", 40, key="w")
ROUTES = [Route("/why", why)]
