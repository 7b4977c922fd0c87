"""What a view needs to be one.

    from kerbwatch_platform.web.frame import Desk, Nav, Role, page

    @page(role=Role.VIEWER)
    def queue(desk: Desk, request: Request) -> Response:
        with desk.connection() as connection:
            rows = connection.execute("SELECT …").fetchall()
        return desk.show(request, "queue.html", rows=rows)

    NAV = Nav(text("Cases"), "/", 10, key="q")
    ROUTES = [Route("/", queue)]

lies in ``web/views/<name>.py`` and is found by itself.
"""

from __future__ import annotations

from kerbwatch_platform.web.csv_answer import csv_answer
from kerbwatch_platform.web.desk import Desk, Nav, RefusedError
from kerbwatch_platform.web.pages import page
from kerbwatch_platform.web.roles import Account, Role

__all__ = ["Account", "Desk", "Nav", "RefusedError", "Role", "csv_answer", "page"]
