"""How long pictures are kept: periods, holds, what was deleted, and what keeps evidence from being looked after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from kerbwatch_platform.evidence import holds, notices, retention
from kerbwatch_platform.evidence.folder import NotOursError
from kerbwatch_platform.web.frame import Desk, Nav, RefusedError, Role, page
from kerbwatch_platform.web.naming import Names
from kerbwatch_platform.web.views.case import NO_CASE, case_of
from kerbwatch_platform.words import one_line, text

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

MOST = 100
NO_REASON = text("Say why, in 1 to 500 characters: it is kept. Nothing was changed.")
HELD = text(
    "The case is held, or it was handed over and the period of that is not over. Nothing was deleted."
)
AWAY = text("The evidence folder is away, or is another one. Nothing was deleted.")


@page(role=Role.REVIEWER)
def keeping(desk: Desk, request: Request) -> Response:
    """The page."""
    language = desk.language(request)
    with desk.connection() as connection:
        matters = [each.words(language) for each in notices.standing(connection)]
        held = holds.standing(connection, MOST)
        deleted = retention.deletions(connection, most=MOST)
    return desk.show(
        request,
        "keeping.html",
        names=Names(language),
        matters=matters,
        held=held,
        deleted=deleted,
        periods=desk.settings.retention,
        most=MOST,
    )


@page(role=Role.REVIEWER)
def hold(desk: Desk, request: Request) -> Response:
    """Hold a case."""
    return _change(desk, request, held=True)


@page(role=Role.REVIEWER)
def lift(desk: Desk, request: Request) -> Response:
    """Lift the hold on a case."""
    return _change(desk, request, held=False)


@page(role=Role.ADMINISTRATOR)
def delete(desk: Desk, request: Request) -> Response:
    """Delete a case's pictures before their time."""
    of, reason = case_of(request), desk.form(request).get("reason", "").strip()
    desk.note(request, detail=one_line(f"delete: {reason}"))
    by = desk.account(request).name
    try:
        with desk.connection() as connection:
            retention.delete_now(connection, desk.settings, of, by=by, reason=reason)
    except holds.NoCaseError as error:
        raise RefusedError(404, NO_CASE) from error
    except holds.NoReasonError as error:
        raise RefusedError(400, NO_REASON) from error
    except retention.HeldError as error:
        raise RefusedError(409, HELD) from error
    except NotOursError as error:
        raise RefusedError(503, AWAY) from error
    return desk.go(f"/cases/{of.path}#kept")


def _change(desk: Desk, request: Request, *, held: bool) -> Response:
    of, reason = case_of(request), desk.form(request).get("reason", "").strip()
    desk.note(request, detail=one_line(f"{'hold' if held else 'lift'}: {reason}"))
    by = desk.account(request).name
    try:
        with desk.connection() as connection:
            holds.change(connection, of, hold=held, by=by, reason=reason)
    except holds.NoCaseError as error:
        raise RefusedError(404, NO_CASE) from error
    except holds.NoReasonError as error:
        raise RefusedError(400, NO_REASON) from error
    return desk.go(f"/cases/{of.path}#kept")


NAV = Nav(text("Keeping"), "/keeping", 70, Role.REVIEWER, key="k")
ROUTES = [
    Route("/keeping", keeping),
    Route("/cases/{tenant}/{device}/{case_id}/hold", hold, methods=["POST"]),
    Route("/cases/{tenant}/{device}/{case_id}/lift", lift, methods=["POST"]),
    Route("/cases/{tenant}/{device}/{case_id}/delete", delete, methods=["POST"]),
]
