"""Redacted pictures, and the whole of a case for the police."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Route

from kerbwatch_platform.evidence import shown
from kerbwatch_platform.evidence.handover import handover as packed
from kerbwatch_platform.web.frame import Desk, RefusedError, Role, page
from kerbwatch_platform.web.views.case import NO_CASE, case_of
from kerbwatch_platform.words import one_line, text

if TYPE_CHECKING:
    from starlette.requests import Request

NO_PICTURE = text("This picture is not here, or is none that may be shown.")
NO_REASON = text(
    "Say to whom the case is handed over and what for, in 1 to 500 characters: it stands in the sealed list."
)


@page(role=Role.VIEWER)
def picture(desk: Desk, request: Request) -> Response:
    """A redacted picture by its hash."""
    try:
        with desk.connection() as connection:
            content = shown(connection, desk.settings, request.path_params["sha256"])
    except (LookupError, ValueError) as error:
        raise RefusedError(404, NO_PICTURE) from error
    return Response(content, media_type="image/jpeg")


@page(role=Role.REVIEWER)
def handover(desk: Desk, request: Request) -> Response:
    """The zip that goes to the police; it is recorded before it is given away."""
    of, reason = case_of(request), desk.form(request).get("reason", "").strip()
    desk.note(request, detail=one_line(f"handover: {reason}"))
    if not reason:
        raise RefusedError(400, NO_REASON)
    try:
        with desk.connection() as connection:
            content = packed(connection, desk.settings, *of, desk.account(request).name, reason)
    except LookupError as error:
        raise RefusedError(404, NO_CASE) from error
    except ValueError as error:
        raise RefusedError(400, NO_REASON) from error
    safe = "".join(each if each.isalnum() and each.isascii() else "-" for each in of.case_id)
    told = {"content-disposition": f'attachment; filename="{safe}.zip"'}
    return Response(content, media_type="application/zip", headers=told)


ROUTES = [
    Route("/evidence/{sha256}", picture),
    Route("/handover/{tenant}/{device}/{case_id}.zip", handover, methods=["POST"]),
]
