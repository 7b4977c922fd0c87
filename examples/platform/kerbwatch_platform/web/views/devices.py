"""Devices: silent ones and blind cameras first; and one device with all that is the matter with it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from starlette.routing import Route

from kerbwatch_platform.web.frame import Desk, Nav, RefusedError, Role, page
from kerbwatch_platform.web.naming import Names, moment
from kerbwatch_platform.web.queries import devices as asked
from kerbwatch_platform.web.queries import places
from kerbwatch_platform.words import text

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

NO_DEVICE = text("Nothing of such a device has come.")


@page(role=Role.VIEWER)
def devices(desk: Desk, request: Request) -> Response:
    """A page of the devices."""
    told, now_s = request.query_params.get("page", ""), time.time()
    number = int(told) if told.isascii() and told.isdigit() and 0 < len(told) < 7 else 1
    with desk.connection() as connection:
        rows, total = asked.devices(connection, page=number, now_s=now_s)
    return desk.show(
        request,
        "devices.html",
        names=Names(desk.language(request)),
        moment=moment,
        now_s=now_s,
        rows=rows,
        total=total,
        page=number,
        pages=max(1, -(-total // asked.PAGE_SIZE)),
    )


@page(role=Role.VIEWER)
def device(desk: Desk, request: Request) -> Response:
    """One device."""
    tenant, name = request.path_params["tenant"], request.path_params["device"]
    now_s = time.time()
    with desk.connection() as connection:
        row = asked.device(connection, tenant, name, now_s=now_s)
        if row is None:
            raise RefusedError(404, NO_DEVICE)
        gaps = asked.gaps(connection, tenant, name)
        clocks = asked.clocks(connection, tenant, name)
        starts = asked.starts(connection, tenant, name)
        drawn = places.drawn_at(connection, tenant, name, now_s)
    return desk.show(
        request,
        "device.html",
        names=Names(desk.language(request)),
        moment=moment,
        now_s=now_s,
        row=row,
        gaps=gaps,
        clocks=clocks,
        starts=starts,
        zones=[]
        if drawn is None
        else [(zone_id, drawn.zones[zone_id]) for zone_id in sorted(drawn.zones)],
    )


NAV = Nav(text("Devices"), "/devices", 30, key="d")
ROUTES = [Route("/devices", devices), Route("/devices/{tenant}/{device}", device)]
