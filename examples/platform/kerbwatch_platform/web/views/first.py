"""One-time links: the first administrator, and whoever was given an account or a new password."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from kerbwatch_platform.web import accounts, limiting, passwords
from kerbwatch_platform.web.desk import peer_of
from kerbwatch_platform.web.frame import Desk, RefusedError, Role, page
from kerbwatch_platform.words import text

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

OVER = text(
    "This link was used already, is too old, or is none of this desk. An administrator gives you another one; "
    "for the first administrator, start the desk again."
)
DIFFERENT = text("The two passwords are not the same.")


@page(role=Role.ANYONE)
def form(desk: Desk, request: Request) -> Response:
    """What the link is for; to look at it does not use it."""
    return _form(desk, request, _link(desk, request), status=200, wrong="")


@page(role=Role.ANYONE)
def use(desk: Desk, request: Request) -> Response:
    """Give the account its password, and sign it in."""
    link, given = _link(desk, request), desk.form(request)
    name = link.account or given.get("name", "").strip().lower()
    person, password = given.get("person", "").strip(), given.get("password", "")
    wrong = new_password_fault(desk, request, name)
    if wrong:
        return _form(desk, request, link, status=400, wrong=wrong)
    token = request.path_params["token"]
    kept = desk.passwords.hash(password)
    try:
        with desk.connection() as connection:
            account = accounts.use_link(connection, token, kept, name=name, person=person)
    except accounts.AccountError as error:
        return _form(desk, request, link, status=400, wrong=desk.say(request, str(error)))
    if account is None:
        raise RefusedError(410, OVER)
    desk.begin_session(request, account)
    desk.log(request, "used_link", 303, account=account)
    return desk.go("/")


def new_password_fault(desk: Desk, request: Request, name: str) -> str:
    """What is wrong with the password that a form gives twice; nothing: it is taken."""
    given = desk.form(request)
    password = given.get("password", "")
    if password != given.get("again", ""):
        return desk.say(request, DIFFERENT)
    fault = passwords.fault_of(password, name)
    if fault is None:
        return ""
    return desk.say(request, fault, shortest=passwords.SHORTEST, longest=passwords.LONGEST)


def _link(desk: Desk, request: Request) -> accounts.Link:
    """The link, if it still holds.

    Raises:
        RefusedError: It does not.
        TooOftenError: Somebody tries many.
    """
    desk.limits.count(limiting.LINK, peer_of(request))
    with desk.connection() as connection:
        link = accounts.link_of(connection, request.path_params["token"])
    if link is None:
        raise RefusedError(410, OVER)
    return link


def _form(
    desk: Desk, request: Request, link: accounts.Link, *, status: int, wrong: str
) -> Response:
    given = desk.form(request)
    return desk.show(
        request,
        "first.html",
        status=status,
        link=link,
        wrong=wrong,
        name=given.get("name", ""),
        person=given.get("person", ""),
        shortest=passwords.SHORTEST,
    )


ROUTES = [
    Route("/first/{token}", form),
    Route("/first/{token}", use, methods=["POST"]),
]
