"""What this desk is, for whoever is asked about it."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from starlette.routing import Route

from kerbwatch_platform.web.frame import Desk, Nav, Role, page
from kerbwatch_platform.web.sessions import IDLE_MINUTES, LONGEST_HOURS
from kerbwatch_platform.words import text

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


@page(role=Role.VIEWER)
def about(desk: Desk, request: Request) -> Response:
    """Version, database, clock, and how long one stays signed in."""
    with desk.connection() as connection:
        steps = connection.execute("SELECT max(version_num) FROM alembic_version").fetchone()
        server = connection.info.server_version
    facts = [
        (desk.say(request, "Version"), version("kerbwatch-platform")),
        (desk.say(request, "Contract with the devices"), desk.settings.prefix),
        (desk.say(request, "Step of the database"), steps[0] if steps else ""),
        ("PostgreSQL", f"{server // 10000}.{server % 10000}"),
        (desk.say(request, "Times are those of"), desk.settings.time_zone),
        (
            desk.say(request, "You stay signed in"),
            desk.say(
                request,
                "{idle} min without a click, {longest} h at most",
                idle=IDLE_MINUTES,
                longest=LONGEST_HOURS,
            ),
        ),
    ]
    return desk.show(request, "about.html", facts=facts)


NAV = Nav(text("About"), "/about", 95, key="i")
ROUTES = [Route("/about", about)]
