"""The city without a map: grids and units, how many zones are watched in each, and what is open there."""

from __future__ import annotations

import time
from itertools import groupby
from typing import TYPE_CHECKING

from starlette.routing import Route

from kerbwatch_platform.web.frame import Desk, Nav, Role, page
from kerbwatch_platform.web.naming import Names, moment
from kerbwatch_platform.web.queries import cases
from kerbwatch_platform.web.queries import places as asked
from kerbwatch_platform.web.views.queue import link
from kerbwatch_platform.words import text

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


@page(role=Role.VIEWER)
def places(desk: Desk, request: Request) -> Response:
    """A page of the grids with their units."""
    told, now_s = request.query_params.get("page", ""), time.time()
    number = int(told) if told.isascii() and told.isdigit() and 0 < len(told) < 7 else 1
    with desk.connection() as connection:
        found, total = asked.places(connection, page=number, now_s=now_s)
    return desk.show(
        request,
        "places.html",
        names=Names(desk.language(request)),
        moment=moment,
        now_s=now_s,
        page=number,
        pages=max(1, -(-total // asked.PAGE_SIZE)),
        grids=[(grid, list(units)) for grid, units in groupby(found, key=lambda each: each.grid)],
        link=lambda grid, unit, decided="all": link(
            cases.Wanted(
                decided=decided, grid=grid or "", unit=unit if unit is None else unit or ""
            )
        ),
    )


NAV = Nav(text("Places"), "/places", 20, key="p")
ROUTES = [Route("/places", places)]
