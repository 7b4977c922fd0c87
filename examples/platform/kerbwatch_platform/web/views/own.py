"""One's own account: password, and where one is signed in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from kerbwatch_platform.web import accounts, limiting, sessions
from kerbwatch_platform.web.desk import visit_of
from kerbwatch_platform.web.frame import Desk, Role, page
from kerbwatch_platform.web.views.first import new_password_fault
from kerbwatch_platform.words import text

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

WRONG = text("The present password is wrong.")


@page(role=Role.VIEWER)
def own(desk: Desk, request: Request) -> Response:
    """The page."""
    return _shown(desk, request, status=200, wrong="")


@page(role=Role.VIEWER)
def password(desk: Desk, request: Request) -> Response:
    """Choose another password; everybody else who is signed in with the old one is signed out."""
    account, given = desk.account(request), desk.form(request)
    desk.limits.count(limiting.SIGN_IN_KNOWN, account.name, "change")
    with desk.connection() as connection:
        kept = accounts.password_of(connection, account.name)
    if not desk.passwords.check(kept, given.get("present", "")[:1000]):
        return _shown(desk, request, status=403, wrong=desk.say(request, WRONG))
    wrong = new_password_fault(desk, request, account.name)
    if wrong:
        return _shown(desk, request, status=400, wrong=wrong)
    new = desk.passwords.hash(given["password"])
    with desk.connection() as connection, connection.transaction():
        accounts.change_password(connection, account.name, new)
        sessions.end_all(connection, account.name)
    desk.begin_session(request, account.name)
    return desk.go("/account?changed=1")


@page(role=Role.VIEWER)
def sign_out_everywhere(desk: Desk, request: Request) -> Response:
    """End all of one's sessions, this one too."""
    with desk.connection() as connection:
        sessions.end_all(connection, desk.account(request).name)
    desk.note(request, what="signed_out", detail="everywhere")
    desk.set_cookie(request, "session", None, None)
    return desk.go("/sign-in")


def _shown(desk: Desk, request: Request, *, status: int, wrong: str) -> Response:
    account, key = desk.account(request), visit_of(request).key or ""
    with desk.connection() as connection:
        there = sessions.sessions_of(connection, account.name)
    return desk.show(
        request,
        "own.html",
        status=status,
        wrong=wrong,
        changed="changed" in request.query_params and not wrong,
        sessions=there,
        this=sessions.hashed(key),
    )


ROUTES = [
    Route("/account", own),
    Route("/account/password", password, methods=["POST"]),
    Route("/account/sign-out-everywhere", sign_out_everywhere, methods=["POST"]),
]
